"""Pairs that are each other the other way round: denoising and noising tell the same."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from pytest_circuits import PromptPairs, measures, prompts
from pytest_circuits.prompts import PromptWarning
from pytest_circuits.testing import word_tokenizer

#: Each is the other with the names exchanged.
CLEAN = ("a b c a d", "a b c b d")
SWAPPED = PromptPairs(
    clean=[*CLEAN, "e f c e d", "e f c f d"],
    corrupted=[*reversed(CLEAN), "e f c f d", "e f c e d"],
    answers=["b", "a", "f", "e"],
    wrong_answers=["a", "b", "e", "f"],
)
#: The corrupted prompts name a third one.
THIRD = PromptPairs(
    clean=list(CLEAN), corrupted=["a b c g d"] * 2, answers=["b", "a"], wrong_answers=["a", "b"]
)


def both(bridge, pairs, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptWarning)
        return [
            measures.patch(bridge, pairs, direction=direction, **options)
            for direction in ("denoising", "noising")
        ]


@pytest.mark.parametrize(
    "options",
    [{}, {"site": "resid_post"}, {"site": "head_out", "positions": [4, -1]}],
    ids=["heads", "layers", "heads by position"],
)
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_denoising_and_noising_swapped_pairs_give_the_same_cells(bridges, name, options):
    recovered, removed = both(bridges[name], SWAPPED, **options)

    np.testing.assert_allclose(removed.values, recovered.values, atol=1e-4)
    np.testing.assert_allclose(removed.errors, recovered.errors, atol=1e-4)
    assert recovered.convention["corruption"] == removed.convention["corruption"] == "swap"


@pytest.mark.parametrize(
    ("pairs", "options"), [(THIRD, {}), (SWAPPED, {"metric": "probability"})], ids=["third", "p"]
)
def test_another_corruption_or_metric_tells_the_two_apart(bridges, pairs, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", PromptWarning)
        recovered, removed = (
            measures.patch(bridges["llama"], pairs, direction=direction, **options)
            for direction in ("denoising", "noising")
        )

    assert not np.allclose(removed.values, recovered.values, atol=1e-2)
    assert "corruption" not in removed.convention


@pytest.mark.parametrize("measure", [measures.patch, measures.attribution_patching])
def test_noising_swapped_pairs_is_warned_of_with_what_to_do(bridges, measure):
    with pytest.warns(PromptWarning, match=r'prompts\.ioi\(corruption="third name"\)'):
        measure(bridges["llama"], SWAPPED, direction="noising")
    with warnings.catch_warnings():
        warnings.simplefilter("error", PromptWarning)
        measure(bridges["llama"], SWAPPED)


def test_a_pair_without_its_counterpart_is_no_swap():
    tokenizer = word_tokenizer()

    def swapped(kept, **others):
        columns = {
            name: [getattr(SWAPPED, name)[place] for place in kept]
            for name in ("clean", "corrupted", "answers", "wrong_answers")
        }
        return PromptPairs(**(columns | others)).check(tokenizer).swapped

    assert swapped([0, 1])
    assert swapped([0, 1, 0, 1])
    assert not swapped([0, 1, 2])
    assert not swapped([0, 1, 0])
    assert not swapped([0, 1], answers=["b", "c"])


BUILDERS = {
    "ioi": (prompts.ioi(n=8), True),
    "ioi, a third name": (prompts.ioi(n=8, corruption="third name"), False),
    "ioi, one order": (prompts.ioi(n=8, order="ABBA"), False),
    "agreement": (prompts.subject_verb_agreement(n=8), True),
    "capitals": (prompts.country_capital(n=8), True),
    "phrases": (prompts.repeated_phrases(n=8), False),
    "years": (prompts.greater_than(n=8), False),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_which_builders_make_swapped_pairs(name):
    pairs, swapped = BUILDERS[name]
    every = set(zip(pairs.clean, pairs.corrupted, pairs.answers, pairs.wrong_answers, strict=True))

    others = {(corrupted, clean, wrong, answer) for clean, corrupted, answer, wrong in every}
    assert (others == every) == swapped
