"""A baseline holds where the same weights give other digits: other kernels, another precision."""

import pytest
from circuit_suites import in_fresh_python

#: Another code path through the BLAS, and vector instructions that every machine has.
KERNELS = {"MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2"}

_LOGITS = """
import torch
from pytest_circuits.models import load, parse_source

bridge = load(parse_source("bundled:recall"), device="cpu").bridge
with torch.no_grad():
    print(bridge(torch.arange(80).view(2, 40) % 60).double().sum().item().hex())
"""


def test_other_kernels_preserve_every_finding_and_change_no_file(quickstart, monkeypatch):
    before = quickstart.age()
    for name, value in KERNELS.items():
        monkeypatch.setenv(name, value)
    result = quickstart.run_apart("--circuits", "--snapshot-update")
    result.stdout.fnmatch_lines(["4 findings: 4 preserved;*"])
    assert (result.ret, quickstart.stamps()) == (0, before)


def test_the_other_kernels_do_give_other_numbers(capsys):
    """Else the test above would say nothing."""
    other = in_fresh_python(_LOGITS, **KERNELS)
    exec(_LOGITS, {})  # noqa: S102
    assert other.strip()
    if capsys.readouterr().out == other:
        pytest.skip("this machine has no other kernels")


@pytest.mark.parametrize("update", [False, True])
def test_another_precision_preserves_every_finding_and_changes_no_file(quickstart, update):
    before = quickstart.age()
    options = ["--snapshot-update"] if update else []
    result = quickstart.run("--circuits", "--circuits-dtype=float64", *options)
    result.stdout.fnmatch_lines(["4 findings: 4 preserved;*"])
    assert (result.ret, quickstart.stamps()) == (0, before)
