"""A baseline holds where the same weights give other digits: other kernels, another precision."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from circuit_suites import QUIET

QUICKSTART = Path(__file__).parents[2] / "example_suites/quickstart"

#: Another code path through the BLAS, and vector instructions that every machine has.
KERNELS = {"MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2"}

_LOGITS = """
import torch
from pytest_circuits.models import load, parse_source

bridge = load(parse_source("bundled:recall"), device="cpu").bridge
with torch.no_grad():
    print(bridge(torch.arange(80).view(2, 40) % 60).double().sum().item().hex())
"""


def python(*arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def suite(pytester):
    return shutil.copytree(QUICKSTART, pytester.path / "quickstart")


def files(suite):
    return {path.name: path.read_bytes() for path in suite.glob("__circuits__/**/*.json")}


def test_other_kernels_preserve_every_finding_and_change_no_file(suite):
    before = files(suite)
    command = ["-m", "pytest", *QUIET, "--circuits", "--snapshot-update", "."]
    result = python(*command, cwd=suite, **KERNELS)
    assert result.returncode == 0, result.stdout
    assert "4 findings: 4 preserved" in result.stdout
    assert files(suite) == before


def test_the_other_kernels_do_give_other_numbers(capsys):
    """Else the test above would say nothing."""
    other = python("-c", _LOGITS, **KERNELS).stdout
    exec(_LOGITS, {})  # noqa: S102
    assert other.strip()
    if capsys.readouterr().out == other:
        pytest.skip("this machine has no other kernels")


@pytest.mark.parametrize("update", [False, True])
def test_another_precision_preserves_every_finding_and_changes_no_file(pytester, suite, update):
    before = files(suite)
    options = ["--snapshot-update"] if update else []
    result = pytester.runpytest_inprocess(
        *QUIET, "--circuits", "--circuits-dtype=float64", *options, str(suite)
    )
    result.stdout.fnmatch_lines(["4 findings: 4 preserved;*"])
    assert (result.ret, files(suite)) == (0, before)
