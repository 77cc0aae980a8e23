"""Sweeps with too little memory for all of it at once."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from forward.sweeping import EXACT, changed, checked, drawn, each, off, patched, whole

from pytest_circuits.forward import Runs, replay
from pytest_circuits.forward.blocks import Blocks
from pytest_circuits.forward.fitting import budget, in_parts
from pytest_circuits.models import ModelError

CLEAN = drawn(8, 8, 8)
CORRUPTED = changed(CLEAN, 2, 3, 2)
ERRORS = {
    "an accelerator": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    "a CPU": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you "
        "tried to allocate 2147483648 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "a CPU under Windows": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you "
        "tried to allocate 2147483648 bytes."
    ),
}
out_of_memory = ERRORS["a CPU"]


@pytest.fixture
def runs(llama):
    """Runs whose model is known to be replayed."""
    made = Runs(llama.runs.bridge)
    with made.untouched():
        assert checked(made, CLEAN).past
        yield made


@pytest.fixture(scope="module")
def expected(llama):
    """What sweeps by whole passes give, by site."""
    return {site: sweep(llama.whole, site) for site in ("resid_pre", "head_out")}


@pytest.fixture
def cramp(monkeypatch):
    """Leave room for so many rows in a block; what it gives tells how many were tried."""

    def make(most, error):
        run, tried = Blocks.run, []

        def cramped(self, layer, stream, *arguments, **options):
            tried.append(len(stream))
            if len(stream) > most:
                raise error()
            return run(self, layer, stream, *arguments, **options)

        monkeypatch.setattr(Blocks, "run", cramped)
        return tried

    return make


def sweep(runs, site="resid_pre"):
    return patched(runs, site, CLEAN, CORRUPTED, positions=each(CLEAN))


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("most", [1, 5])
def test_what_does_not_fit_is_halved_until_it_does_and_for_good(expected, runs, cramp, error, most):
    assert runs.room == 1
    tried = cramp(most, error)

    found = sweep(runs)

    assert off(found, expected["resid_pre"]) < EXACT / 10
    assert max(tried) > most
    assert runs.room < 1
    tried.clear()
    np.testing.assert_allclose(sweep(runs), found, atol=1e-6)
    assert max(tried) <= most


def test_so_it_is_in_the_middle_of_a_list(expected, runs, monkeypatch):
    run, calls = Blocks.run, []

    def at_times(self, layer, stream, *arguments, **options):
        calls.append(len(stream))
        if len(calls) in (2, 3, 6):
            raise out_of_memory()
        return run(self, layer, stream, *arguments, **options)

    monkeypatch.setattr(Blocks, "run", at_times)

    assert off(sweep(runs, "head_out"), expected["head_out"]) < EXACT / 10
    assert runs.room < 1


@pytest.mark.parametrize("part", [(Blocks, "keys_and_values"), (replay, "end_logits")])
def test_so_it_is_where_keys_or_logits_do_not_fit(expected, runs, monkeypatch, part):
    owner, name = part
    function = getattr(owner, name)

    def once(*_, **__):
        monkeypatch.setattr(owner, name, function)
        raise out_of_memory()

    monkeypatch.setattr(owner, name, once)

    assert off(sweep(runs), expected["resid_pre"]) < EXACT / 10
    assert runs.room < 1


def test_whole_passes_are_halved_too(expected, own_llama, monkeypatch):
    runs = whole(own_llama)
    forward, tried = runs.forward, []

    def cramped(tokens, *arguments, **options):
        tried.append(len(tokens))
        if len(tokens) > 7:
            raise out_of_memory()
        return forward(tokens, *arguments, **options)

    monkeypatch.setattr(runs, "forward", cramped)

    assert off(sweep(runs), expected["resid_pre"]) < EXACT / 10
    assert max(tried) > 7
    assert runs.room < 1


def test_where_not_even_one_run_fits_it_is_told(runs, cramp):
    tried = cramp(0, out_of_memory)

    with pytest.raises(ModelError) as error:
        sweep(runs)

    assert str(error.value) == (
        "out of memory on cpu with a single run of a single prompt.\n"
        "Use shorter prompts, a smaller dtype (--circuits-dtype) or another device."
    )
    assert tried[-1] == 1
    # Every half was tried once.
    assert len(tried) == len(set(tried))


@pytest.mark.parametrize("error", [RuntimeError("sizes must match"), ValueError("memory")])
def test_other_errors_are_not_caught(runs, cramp, error):
    tried = cramp(0, lambda: error)

    with pytest.raises(type(error), match=re.escape(str(error))):
        sweep(runs)

    assert len(tried) == 1
    assert runs.room == 1


@pytest.mark.parametrize(
    ("site", "nbytes"), [("resid_pre", 1), ("resid_pre", 8000), ("head_out", 2000)]
)
def test_a_small_budget_is_kept_by_portions(expected, runs, monkeypatch, site, nbytes):
    run, streams = Blocks.run, []

    def noted(self, layer, stream, *arguments, **options):
        streams.append(stream.untyped_storage().nbytes())
        return run(self, layer, stream, *arguments, **options)

    monkeypatch.setattr(Blocks, "run", noted)
    monkeypatch.setattr(replay, "budget", lambda device: nbytes)

    found = sweep(runs, site)

    assert off(found, expected[site]) < EXACT / 10
    # 32 numbers of four bytes at each position.
    assert max(streams) <= max(nbytes, 6 * 32 * 4)


def test_a_budget_is_some_memory():
    assert 0 < budget(torch.device("cpu")) <= 1 << 30


@pytest.mark.parametrize(("most", "room"), [(1, 1.0), (3, 1.0), (10, 0.31), (100, 1.0), (2, 0.1)])
def test_parts_are_all_there_is_in_its_order(runs, most, room):
    runs.room = room
    parts = []

    in_parts(runs, np.arange(8), most, lambda part: parts.append(part.tolist()))

    assert [one for part in parts for one in part] == list(range(8))
    assert {len(part) for part in parts[:-1]} <= {max(1, int(most * room))}
