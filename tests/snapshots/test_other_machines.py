"""A baseline holds where the same weights give other digits: other kernels, another precision."""

import pytest
from circuit_suites import QUIET, in_fresh_python

#: Another code path through the BLAS, and vector instructions that every machine has.
KERNELS = {"MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2"}

_LOGITS = """
import torch
from pytest_circuits.models import load, parse_source

bridge = load(parse_source("bundled:recall"), device="cpu").bridge
with torch.no_grad():
    print(bridge(torch.arange(80).view(2, 40) % 60).double().sum().item().hex())
"""
#: The suite in the working directory, and then the logits: what both import takes longest.
_RUN = f"""
import pytest
print(int(pytest.main([*{QUIET!r}, "--circuits", "--snapshot-update"])))
"""


@pytest.mark.nightly
def test_other_kernels_give_other_numbers_preserve_every_finding_and_change_no_file(
    quickstart, capsys
):
    before = quickstart.age()
    *said, status, other = in_fresh_python(_RUN + _LOGITS, **KERNELS).splitlines()
    assert any(line.startswith("5 findings: 5 preserved") for line in said), said
    assert (status, quickstart.stamps()) == ("0", before)
    exec(_LOGITS, {})  # noqa: S102
    if capsys.readouterr().out.strip() == other:
        pytest.skip("this machine has no other kernels: the same numbers are preserved anyhow")


@pytest.mark.parametrize("update", [False, True])
def test_another_precision_preserves_every_finding_and_changes_no_file(quickstart, update):
    before = quickstart.age()
    options = ["--snapshot-update"] if update else []
    result = quickstart.run("--circuits", "--circuits-dtype=float64", *options)
    result.stdout.fnmatch_lines(["5 findings: 5 preserved*"])
    assert (result.ret, quickstart.stamps()) == (0, before)
