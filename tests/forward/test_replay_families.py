"""Every family's sweeps are replayed, and give the numbers of whole passes with hooks."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
from forward.sweeping import (
    ALL_FAMILIES,
    EXACT,
    Both,
    changed,
    checked,
    drawn,
    each,
    off,
    patched,
)
from measures.families import FAMILIES, random_model
from measures.families_cases import Case
from zoo.specimens import SPECIMENS

from pytest_circuits import Circuit, measures
from pytest_circuits.forward import SITES, Runs
from pytest_circuits.prompts import RepeatedTokens

#: Longer than the window of those that have one.
CLEAN = drawn(8, 8, 8)
CORRUPTED = changed(CLEAN, 2, 5, 3)


def families(*often):
    """All of them; those that are not named here are tried nightly."""
    marks = {name: [] if name in often else [pytest.mark.nightly] for name in ALL_FAMILIES}
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=marks[name]) for name in ALL_FAMILIES]
    )


def is_native(name):
    return name.startswith("native")


@pytest.fixture(scope="module")
def models():
    """Models of every family, each twice, and what was found with them."""
    made = {}
    with ExitStack() as untouched:

        def get(name):
            if name not in made:
                both = Both.of(random_model(ALL_FAMILIES[name], 0))
                made[name] = untouched.enter_context(both.untouched())
            return made[name]

        yield get


@families(*FAMILIES)
def test_its_sweeps_are_replayed(models, name):
    both = models(name)
    runs = Runs(both.runs.bridge)

    found, expected = (
        patched(one, "head_out", CLEAN, CORRUPTED, positions=each(CLEAN))
        for one in (runs, both.whole)
    )

    can = checked(runs, CORRUPTED)
    assert (can.blocks, can.past) == (True, not name.startswith("native"))
    assert runs.passes == 2  # the clean prompts' own, and the corrupted ones'
    assert runs.replayed > 0
    assert both.whole.passes > 2
    assert both.whole.replayed == 0
    assert off(found, expected) < EXACT / 10


@pytest.mark.parametrize("name", ["mistral", "gemma3", "gpt-neo"])
def test_what_is_checked_on_two_tokens_holds_of_more_than_a_window(models, name):
    both = models(name)
    runs = Runs(both.runs.bridge)
    assert checked(runs, drawn(2)).past
    clean = drawn(14, 14)

    found, expected = (
        patched(one, "resid_pre", clean, changed(clean, 8, 3), positions=each(clean))
        for one in (runs, both.whole)
    )

    assert runs.passes == 1 + 2
    assert off(found, expected) < EXACT / 10


@pytest.mark.parametrize("name", ["lfm2", "qwen3-next", "mamba"])
@pytest.mark.parametrize("site", ["resid_pre", "head_out"])
@pytest.mark.filterwarnings("error::pytest_circuits.forward.SlowSweepWarning")
def test_layers_without_attention_are_replayed_too(name, site):
    both = Both.of(random_model(SPECIMENS[name], 0))
    if site in both.runs.anatomy.refusals:
        pytest.skip("it has none")
    found, expected = (patched(one, site, CLEAN, CORRUPTED) for one in both)

    assert both.runs.replayed
    assert off(found, expected) < EXACT / 5


@families("llama", "gemma2")  # grouped queries, windows, more norms
@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("positions", [each(CLEAN), None], ids=["each", "all"])
def test_every_site_is_what_it_is_with_whole_passes(models, name, site, positions):
    both = models(name)
    if site in both.runs.anatomy.refusals:
        pytest.skip("not every family has it")
    before = both.runs.replayed
    for source, target in ((CLEAN, CORRUPTED), (CORRUPTED, CLEAN)):
        found, expected = (patched(one, site, source, target, positions=positions) for one in both)
        assert off(found, expected) < EXACT / 5
    assert both.runs.replayed > before


# Ablation.

OPTIONS = {
    **{f"each head, {value}": {"heads": "each", "value": value} for value in ("zero", "mean")},
    "each head, resample": {"heads": "each", "value": "resample", "seed": 2},
    "heads of both layers": {"heads": ["L0H1", "L0H3", "L1H0"], "value": "mean"},
    "the last layer": {"heads": ["L1H2"], "value": "zero"},
    "at places": {"heads": "each", "value": "mean", "positions": [2, "END"]},
    "at the end": {"heads": ["L0H0", "L1H1"], "value": "zero", "positions": ["END"]},
    "of the vocabulary": {"heads": "each", "value": "resample", "metric": "kl"},
}


@pytest.fixture(scope="module")
def told():
    """Models of every family, each twice, and pairs that move them."""
    made = {}
    with ExitStack() as untouched:

        def get(name):
            if name not in made:
                case = Case(ALL_FAMILIES[name], 0)
                both = untouched.enter_context(Both.of(case.plain.model).untouched())
                made[name] = (both, case.pairs)
            return made[name]

        yield get


def compare(both, measure, *arguments, **options):
    """The raw numbers of a measure, replayed and by whole passes."""
    replayed, passes = both.runs.replayed, both.whole.passes
    found, expected = (measure(one, *arguments, **options).raw for one in both)
    assert both.runs.replayed > replayed
    assert both.whole.passes > passes
    assert both.runs.passes < both.whole.passes
    return found, expected


@families("llama")
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_ablations_are_what_they_are_with_whole_passes(told, name, options):
    both, pairs = told(name)
    mlps = [0] if ALL_FAMILIES[name].mlp and options["heads"] != "each" else []

    found, expected = compare(both, measures.ablate, pairs, mlps=mlps, **options)

    intact = expected["intact"].reshape(-1, *[1] * (expected["ablated"].ndim - 1))
    assert off(found["ablated"] - intact, expected["ablated"] - intact) < EXACT


@families("llama")
@pytest.mark.parametrize("value", ["zero", "mean", "resample"])
def test_so_are_those_of_repeated_tokens(told, name, value):
    both, _ = told(name)
    prompts = RepeatedTokens(batch=3, block=5)

    found, expected = compare(both, measures.ablate, prompts, heads="each", value=value)

    intact = expected["intact"][:, None, None]
    assert off(found["ablated"] - intact, expected["ablated"] - intact) < EXACT


@families("llama")
@pytest.mark.parametrize("value", ["zero", "mean"])
@pytest.mark.parametrize("direction", ["noising", "denoising"])
def test_so_are_circuits_with_all_but_a_few_heads_ablated(told, name, value, direction):
    both, pairs = told(name)
    circuit = Circuit(["L0H1", "L1H0", "L1H3"], mlps=[1] if ALL_FAMILIES[name].mlp else [])
    options = {"value": value, "direction": direction}

    found, expected = compare(both, measures.faithfulness, pairs, circuit, **options)

    gap = np.abs(expected["whole"] - expected["empty"]).max()
    for part in ("circuit", "whole", "empty"):
        np.testing.assert_allclose(found[part], expected[part], atol=EXACT * gap)
