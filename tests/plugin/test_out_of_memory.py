"""Too little memory: smaller parts, then what to lower is told, or the CPU is used if it may be."""

import json
from functools import wraps

import numpy as np
import pytest
import torch
from circuit_suites import ONE_TEST, RECALL, counts, few

from pytest_circuits import measures
from pytest_circuits.forward import Runs

NO_ROOM = {
    "numpy": lambda: MemoryError("Unable to allocate 8.00 TiB for an array"),
    "torch": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you "
        "tried to allocate 8796093022208 bytes."
    ),
    "an accelerator": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8 TiB"),
}
TESTS = f"""
{ONE_TEST}

def test_again(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot
"""


def values(suite):
    """What is stored of the suite's first test."""
    document = json.loads(suite.baseline_files()["recall/test_heads/test_heads.json"].read_text())
    return document["findings"][0]["values"]


@pytest.fixture
def cramped(monkeypatch):
    """Have passes fail for which there is no room, as told by the model and their rows."""

    def make(error, no_room):
        forward = Runs.forward

        def cramped_forward(runs, tokens, *arguments, **options):
            if no_room(runs, len(tokens)):
                raise error()
            return forward(runs, tokens, *arguments, **options)

        monkeypatch.setattr(Runs, "forward", cramped_forward)

    return make


@pytest.fixture
def gpu(monkeypatch):
    """The model that is measured first says that it is on a GPU, where there is no room at all."""
    first = []
    device, scores = Runs.device.fget, measures.induction_scores

    def pretended(runs):
        return torch.device("cuda") if runs.bridge in first else device(runs)

    @wraps(scores)
    def cramped(runs, *arguments, **options):
        first.extend([runs.bridge] * (not first))
        if runs.bridge in first:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8 TiB")
        return scores(runs, *arguments, **options)

    monkeypatch.setattr(Runs, "device", property(pretended))
    monkeypatch.setattr(measures, "induction_scores", cramped)
    return first


@pytest.mark.parametrize("error", NO_ROOM.values(), ids=NO_ROOM)
def test_the_measure_the_model_and_what_to_lower_are_named(suite, cramped, error):
    cramped(error, lambda runs, rows: True)
    suite.write("test_heads.py", ONE_TEST)
    result = suite.run("--circuits")
    assert counts(result) == {"failed": 1}
    out = result.stdout.str()
    assert "induction_scores on recall: out of memory on cpu" in out
    assert "smaller dtype (--circuits-dtype) or another device" in out
    assert "circuits_cpu_fallback" not in out  # it is the CPU
    assert "Traceback" not in out
    assert "fitting.py" not in out


@pytest.mark.parametrize("kind", few(NO_ROOM, 1))
def test_what_fits_in_smaller_parts_gives_the_same_numbers(suite, cramped, kind):
    suite.write("test_heads.py", TESTS)
    suite.approve()
    whole = values(suite)
    cramped(NO_ROOM[kind], lambda runs, rows: rows > 1)
    suite.approve("--circuits-fresh")
    np.testing.assert_allclose(values(suite), whole, atol=1e-6)
    assert counts(suite.run("--circuits", "--circuits-fresh")) == {"passed": 2}


def test_nothing_runs_on_the_cpu_unasked(suite, gpu):
    suite.write("test_heads.py", ONE_TEST)
    result = suite.run("--circuits")
    assert counts(result) == {"failed": 1}
    assert "induction_scores on recall: out of memory on cuda" in result.stdout.str()
    assert "With circuits_cpu_fallback = true it is measured on the CPU" in result.stdout.str()


def test_where_it_may_the_finding_says_so_and_is_not_remembered(suite, gpu):
    suite.write("test_heads.py", ONE_TEST)
    suite.ini(RECALL, circuits_cpu_fallback="true")
    result = suite.run("--circuits", "--snapshot-update", "-W", "default")
    assert counts(result) == {"passed": 1}
    assert "induction_scores on recall: out of memory on cuda, measured on the CPU" in (
        result.stdout.str()
    )
    (file,) = suite.baseline_files().values()
    (finding,) = json.loads(file.read_text())["findings"]
    assert finding["recorded_with"]["device"] == "cpu"
    assert max(map(max, finding["values"])) > 0.9
    gpu.clear()
    again = suite.run("--circuits", "-W", "default")
    assert "; 1 remembered" not in again.stdout.str()
    assert counts(again) == {"passed": 1}


def test_a_model_that_has_no_room_is_told(suite, monkeypatch):
    def no_room(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8 TiB")

    monkeypatch.setattr("pytest_circuits.models.sources.native.NativeCheckpoint.load", no_room)
    suite.write("test_heads.py", ONE_TEST)
    result = suite.run("--circuits")
    assert counts(result) == {"failed": 1}
    assert "bundled:recall: there is no room for it on this auto device" in result.stdout.str()
