from __future__ import annotations

import math
from itertools import count

import numpy as np
import pytest
import torch
from transformer_lens.patching import get_act_patch_attn_head_out_all_pos

from pytest_circuits import measures
from pytest_circuits.findings import Direction, Head, InvalidFindingError
from pytest_circuits.forward import Runs
from pytest_circuits.prompts import PromptError, PromptPairs
from pytest_circuits.testing import COPIED_LOGIT


def test_patching_is_that_of_transformer_lens(bridge, telling_pairs):
    pairs = telling_pairs(bridge)
    tokens = pairs.check(bridge.tokenizer)
    clean, corrupted = torch.tensor(tokens.clean), torch.tensor(tokens.corrupted)
    rows = range(len(pairs))

    def mean_difference(logits):
        last = logits[:, -1]
        return (last[rows, tokens.answers] - last[rows, tokens.wrong_answers]).mean()

    with torch.no_grad():
        clean_logits, cache = bridge.run_with_cache(clean)
        best = mean_difference(clean_logits)
        worst = mean_difference(bridge(corrupted, return_type="logits"))
        patched = get_act_patch_attn_head_out_all_pos(bridge, corrupted, cache, mean_difference)

    found = measures.patch(bridge, pairs)

    expected = ((patched - worst) / (best - worst)).numpy()
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    assert found.behaviour("clean_logit_diff").value == pytest.approx(best.item(), abs=1e-5)
    assert found.behaviour("corrupted_logit_diff").value == pytest.approx(worst.item(), abs=1e-5)
    assert found.behaviour("logit_diff_gap").value == pytest.approx((best - worst).item(), abs=1e-5)


# Two of the corruptions of the truth table (tests/measures/test_truth_table.py), where the cells of
# all sites are derived: L1H0 says what follows the earlier "a", which L0H0 tells it by its key.
# Another value: "v" is said instead, 20 against −20; L1H0 restores all of it, L0H0 nothing.
VALUE = PromptPairs(
    ["a b c a", "x y z u x"], ["a v c a", "x w z u x"], ["b", "y"], ["v", "w"], name="value"
)
# Another key: nothing is found, 20 against 0; either head restores all of it.
KEY = PromptPairs(
    ["a b c a", "x y z u x"], ["k b c a", "l y z u x"], ["b", "y"], ["c", "z"], name="key"
)


def test_recovered_has_a_sign(perfect):
    # Key and value are corrupted: L1H0 finds no "a" and writes nothing (clean 20, corrupted 0).
    # With the clean L0H0 it finds position 2 again, where now "v" stands: the wrong answer, −20.
    pairs = PromptPairs(["a b c a", "x y z x"], ["k v c a", "l w z x"], ["b", "y"], ["v", "w"])

    found = measures.patch(perfect, pairs)

    np.testing.assert_allclose(found.values, [[-1, 0], [1, 0]], atol=1e-6)
    np.testing.assert_allclose(found.profiles["L0H0"], [-COPIED_LOGIT] * 2, atol=1e-5)
    assert list(found.members()) == [Head(0, 0), Head(1, 0)]


def test_fractions_are_ratios_of_means(perfect):
    # Five pairs with a gap of 40 that L0H0 restores nothing of, five with a gap of 20 that it
    # restores: 100 of 300, where the mean of the pairs' own fractions would be a half.
    pairs = PromptPairs(
        ["a b c a"] * 10,
        ["a v c a"] * 5 + ["k b c a"] * 5,
        ["b"] * 10,
        ["v"] * 5 + ["c"] * 5,
        clusters=[*"0123456789"],
    )

    found = measures.patch(perfect, pairs)

    np.testing.assert_allclose(found.values, [[100 / 300, 0], [1, 0]], atol=1e-6)
    np.testing.assert_allclose(found.profiles["L0H0"], [0] * 5 + [COPIED_LOGIT] * 5, atol=1e-5)
    assert found.errors[0, 0] > 0.05
    assert found.errors[1, 0] == pytest.approx(0, abs=1e-6)


def test_prompts_of_two_lengths_give_the_same_numbers_as_separately(bridge, telling_pairs):
    pairs = telling_pairs(bridge, lengths=(9, 5) * 4)

    def part(rows):
        return PromptPairs(
            *(
                [column[row] for row in rows]
                for column in (pairs.clean, pairs.corrupted, pairs.answers, pairs.wrong_answers)
            )
        )

    together = measures.patch(bridge, pairs)
    long, short = (measures.patch(bridge, part(rows)) for rows in (range(0, 8, 2), range(1, 8, 2)))

    gaps = [found.behaviour("logit_diff_gap").value for found in (long, short)]
    expected = (gaps[0] * long.values + gaps[1] * short.values) / sum(gaps)
    np.testing.assert_allclose(together.values, expected, atol=1e-5)
    gap = together.behaviour("logit_diff_gap")
    np.testing.assert_allclose(
        gap.profile[::2], long.behaviour("logit_diff_gap").profile, atol=1e-5
    )


def test_numerators_are_kept_for_the_heads_that_restore_a_twentieth(bridge, telling_pairs):
    found = measures.patch(bridge, telling_pairs(bridge))

    gap = found.behaviour("logit_diff_gap").value
    restoring = {str(head): value for head, value in found.heads().items() if abs(value) >= 0.05}
    assert {*map(str, found.members())} <= {*found.profiles} == {*restoring}
    for head, value in restoring.items():
        assert found.profiles[head].mean() / gap == pytest.approx(value)


def test_one_pair_has_fractions_and_no_errors(perfect):
    found = measures.patch(perfect, PromptPairs(["a b c a"], ["k b c a"], ["b"], ["c"]))

    np.testing.assert_allclose(found.values, [[1, 0], [1, 0]], atol=1e-6)
    assert np.isnan(found.errors).all()
    assert math.isnan(found.behaviour("logit_diff_gap").error)
    assert found.gone == ()


DEAD = {
    # c or d before the last word: the answer does not depend on it.
    "no gap": PromptPairs(["a b c a", "x y z x"], ["a b d a", "x y v x"], ["b", "y"], ["k", "k"]),
    # 40 one way, 40 the other: nothing on average.
    "an uncertain gap": PromptPairs(
        ["a b c a", "x y z x"], ["a v c a", "x w z x"], ["b", "w"], ["v", "y"]
    ),
}


@pytest.mark.parametrize("pairs", DEAD.values(), ids=DEAD)
def test_nothing_to_restore_has_no_fractions(perfect, pairs):
    runs = Runs(perfect)

    found = measures.patch(runs, pairs)

    assert [b.name for b in found.gone] == ["logit_diff_gap"]
    assert found.undefined
    assert np.isnan(found.values).all()
    assert found.values.shape == (2, 2)
    assert found.profiles == {}
    assert runs.passes == 2  # clean and corrupted; no patches


def test_a_gap_the_wrong_way_is_not_nothing_to_restore(perfect):
    pairs = PromptPairs(["a b c a", "x y z x"], ["a v c a", "x w z x"], ["v", "w"], ["b", "y"])

    found = measures.patch(perfect, pairs)

    assert found.behaviour("logit_diff_gap").value == pytest.approx(-2 * COPIED_LOGIT)
    assert found.gone == ()
    np.testing.assert_allclose(found.values, [[0, 0], [1, 0]], atol=1e-6)


def test_the_corrupted_logit_difference_is_shown_and_not_judged(perfect):
    companion = measures.patch(perfect, KEY).companion

    assert {b.name: b.judged for b in companion} == {
        "clean_logit_diff": True,
        "corrupted_logit_diff": False,
        "logit_diff_gap": True,
    }


def test_a_patch_says_what_was_patched(perfect):
    found = measures.patch(perfect, KEY)

    assert found.convention["site"] == "head_out"
    assert found.convention["patching"] == "denoising, all positions"
    assert found.direction is Direction.TWO_SIDED
    assert found.relative_to == "logit_diff_gap"
    assert (found.samples, found.clusters) == (2, 2)


def test_an_unknown_site_is_refused_with_the_known_ones(perfect):
    with pytest.raises(ValueError, match="can't patch at 'resid'; sites are resid_pre"):
        measures.patch(perfect, KEY, site="resid")


def test_pairs_of_unequal_length_are_refused(perfect):
    with pytest.raises(PromptError, match="4 tokens in the clean prompt, 3 in the corrupted one"):
        measures.patch(perfect, PromptPairs(["a b c a"], ["a b a"], ["b"], ["c"]))


def test_patching_leaves_the_model_as_it_was(perfect):
    tokens = torch.tensor([[0, 1, 2, 3, 1]])
    with torch.no_grad():
        before = perfect(tokens, return_type="logits")

    measures.patch(perfect, KEY)

    with torch.no_grad():
        assert torch.equal(perfect(tokens, return_type="logits"), before)


@pytest.mark.parametrize(
    ("passes", "what"),
    [  # a pass for each of the two lengths of prompts
        (0, "clean logit difference"),
        (2, "corrupted logit difference"),
        (4, "patched logit difference"),
    ],
)
def test_numbers_that_are_not_finite_are_told_before_anything_is_computed(perfect, passes, what):
    made = count()

    def broken(logits, **_):
        return logits.clone().fill_(float("nan")) if next(made) >= passes else logits

    message = rf"patch: the model gives numbers that are not finite \({what}\)"
    with (
        perfect.hooks(fwd_hooks=[("unembed.hook_out", broken)]),
        pytest.raises(InvalidFindingError, match=message),
    ):
        measures.patch(perfect, VALUE)
