"""The same suite gives the same verdicts however it is run: threads, dtype, process, memory."""

import json

import pytest
import torch

MODELS = (
    "--circuits-model=recall=bundled:recall",
    "--circuits-model=tuned=bundled:recall-finetuned",
    "--circuits-model=regressed=bundled:recall-regressed",
)
KEPT = ["preserved"] * 5
VERDICTS = {
    "recall": KEPT,
    "tuned": KEPT,
    "regressed": ["lost", "weakened", "lost", "lost", "lost"],
}


def verdicts(suite, run, *arguments, remembered=False):
    """Every finding's verdict, by model; all of them measured now, or all remembered."""
    result = run("--circuits", *MODELS, "--circuits-json=report.json", *arguments)
    assert result.ret == 1, result.stdout.str()
    tests = json.loads((suite.path / "report.json").read_text())["tests"]
    found = {model: [each["verdicts"][model] for each in tests] for model in VERDICTS}
    assert {each["remembered"] for row in found.values() for each in row} == {remembered}
    return {model: [each["verdict"] for each in row] for model, row in found.items()}


@pytest.fixture
def threads():
    """Sets how many threads torch computes with; puts it back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("count", "dtype"), [pytest.param(1, "bfloat16", marks=pytest.mark.nightly), (2, "float32")]
)
def test_with_other_threads_and_another_precision_twice_in_a_row(quickstart, threads, count, dtype):
    threads(count)
    measured = verdicts(quickstart, quickstart.run, f"--circuits-dtype={dtype}")
    again = verdicts(quickstart, quickstart.run, f"--circuits-dtype={dtype}", remembered=True)
    assert (measured, again) == (VERDICTS, VERDICTS)


@pytest.mark.nightly
def test_in_fresh_processes_side_by_side(quickstart):
    assert verdicts(quickstart, quickstart.run_apart, "-n2", "--circuits-fresh") == VERDICTS
