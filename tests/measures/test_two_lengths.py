"""Scores on repeated tokens of two block lengths: what counts, how sure, what a window hides."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from measures.families import FAMILIES, hooked, random_model

from pytest_circuits import measures, paired_differences
from pytest_circuits.findings import Head
from pytest_circuits.forward import Runs
from pytest_circuits.prompts import RepeatedTokens

TWO = RepeatedTokens(batch=6, block=(8, 16))


def within(window, layer=1, head=0):
    """A hook by which a head sees only so many keys, the query among them; the rest goes to BOS."""

    def hook(pattern, **_):
        pattern, size = pattern.clone(), pattern.shape[-1]
        back = torch.arange(size)[:, None] - torch.arange(size)
        pattern[:, head] = torch.where(back < window, pattern[:, head], 0.0)
        pattern[:, head, :, 0] += 1 - pattern[:, head].sum(-1)
        return pattern

    return [(f"blocks.{layer}.attn.hook_pattern", hook)]


def by_length(samples, blocks=(6, 3)):
    """The samples of each length."""
    return np.split(samples, [blocks[0]])


def test_a_perfect_head_scores_1_on_both_lengths_without_an_error(perfect):
    for measure, head in (
        (measures.induction_scores, Head(1, 0)),
        (measures.previous_token_scores, Head(0, 0)),
    ):
        found = measure(perfect)

        assert found.convention["block"] == [8, 16]
        assert (found.samples, found.clusters) == (15, 15)
        assert found.values[head] == pytest.approx(1, abs=1e-6)
        assert found.errors[head] == pytest.approx(0, abs=1e-6)
        np.testing.assert_allclose(found.raw["scores"][:, *head], 1, atol=1e-6)


# What followed the earlier occurrence stands 7 and 15 tokens back, and a window counts the query.
@pytest.mark.parametrize(("window", "score"), [(16, 1), (15, 0.5), (8, 0.5), (7, 0)])
def test_a_head_with_a_window_does_what_it_sees_and_each_length_counts_half(perfect, window, score):
    whole = float(measures.repeat_loss(perfect, TWO))
    with perfect.hooks(fwd_hooks=within(window)):
        found = measures.induction_scores(perfect, TWO)
        loss = measures.repeat_loss(perfect, TWO)

    assert found.values[1, 0] == pytest.approx(score, abs=1e-6)
    assert found.errors[1, 0] == pytest.approx(0, abs=1e-6)
    short, long = by_length(found.raw["scores"][:, 1, 0])
    assert short == pytest.approx(np.full(6, float(window >= 8)), abs=1e-6)
    assert long == pytest.approx(np.full(3, float(window >= 16)), abs=1e-6)
    assert float(loss) == pytest.approx(score * whole + (1 - score) * math.log(40), abs=1e-5)


def test_one_length_is_what_it_was(perfect):
    found = measures.induction_scores(perfect, RepeatedTokens(batch=6, block=8))

    assert (found.convention["block"], found.samples) == (8, 6)


def test_values_and_errors_are_those_of_a_stratified_mean(bridge):
    prompts = RepeatedTokens(batch=6, block=(5, 9))

    found = measures.previous_token_scores(bridge, prompts)
    loss = measures.repeat_loss(bridge, prompts)

    for finding, samples in (
        (found, found.raw["scores"]),
        (loss, _losses(bridge, loss.prompts["ids"])),
    ):
        short, long = by_length(samples)
        mean = (short.mean(0) + long.mean(0)) / 2
        error = np.sqrt(short.var(0, ddof=1) / 6 + long.var(0, ddof=1) / 3) / 2
        np.testing.assert_allclose(finding.values, mean, atol=1e-6)
        np.testing.assert_allclose(finding.errors, error, atol=1e-6)


def _losses(bridge, blocks):
    """The mean loss over predictions at T+1 … 2T−1 of each block, repeated, by itself."""
    found = []
    for block in blocks:
        tokens = torch.tensor([[0, *block, *block]])
        with torch.no_grad():
            logits = bridge(tokens, return_type="logits")[0]
        losses = torch.nn.functional.cross_entropy(logits[:-1], tokens[0, 1:], reduction="none")
        found.append(float(losses[len(block) + 1 :].mean()))
    return np.array(found)


def test_a_paired_difference_is_stratified_too(bridges):
    prompts = RepeatedTokens(batch=6, block=(5, 9))
    recall = bridges["recall"]
    before = measures.repeat_loss(recall, prompts)
    with recall.hooks(fwd_hooks=[("blocks.1.attn.hook_z", lambda z, **_: 0.9 * z)]):
        after = measures.repeat_loss(recall, prompts)

    change = paired_differences(after, before)["repeat_loss"]

    with recall.hooks(fwd_hooks=[("blocks.1.attn.hook_z", lambda z, **_: 0.9 * z)]):
        differences = _losses(recall, after.prompts["ids"])
    differences -= _losses(recall, before.prompts["ids"])
    short, long = by_length(differences)
    assert change.mean == pytest.approx((short.mean() + long.mean()) / 2, abs=1e-5)
    error = math.sqrt(short.var(ddof=1) / 6 + long.var(ddof=1) / 3) / 2
    assert change.error == pytest.approx(error, abs=1e-5)


def test_nulls_are_those_of_the_shorter_block(bridges):
    one, two = (
        measures.induction_scores(bridges["recall"], RepeatedTokens(batch=6, block=block))
        for block in (8, (8, 16))
    )

    assert two.nulls == one.nulls
    assert two.nulls


def test_all_scores_share_three_passes_for_each_length(perfect):
    runs = Runs(perfect)
    measures.induction_scores(runs)
    made = runs.passes

    for measure in (
        measures.duplicate_token_scores,
        measures.previous_token_scores,
        measures.first_token_scores,
        measures.repeat_loss,
    ):
        measure(runs)

    # Two lengths, the next seed, and the control of the shorter length.
    assert (made, runs.passes) == (4, 4)


def test_the_next_seed_is_measured_beside(perfect):
    found = measures.repeat_loss(perfect, TWO)
    other = found.behaviour("repeat_loss_second_seed")

    assert found.convention["second_seed"] == 1
    assert other.clusters == 5
    assert other.value == pytest.approx(
        float(measures.repeat_loss(perfect, RepeatedTokens(batch=5, block=8, seed=1))), abs=1e-6
    )


def test_a_model_that_knows_one_seed_by_heart_has_not_learned_the_next(perfect):
    drawn = TWO.draw(perfect.tokenizer, perfect.cfg.n_ctx, perfect.cfg.d_vocab)
    known = {
        sequence[: 1 + block] for sequence, block in zip(drawn.sequences, drawn.strata, strict=True)
    }
    rows = {}

    def remember(tokens, **_):
        rows["now"] = [
            any(tuple(row[: len(one)].tolist()) == one for one in known) for row in tokens
        ]

    def only_what_it_knows(z, **_):
        return z * torch.tensor(rows["now"])[:, None, None, None]

    hooks = [("embed.hook_in", remember), ("blocks.1.attn.hook_z", only_what_it_knows)]
    before = measures.repeat_loss(perfect, TWO)
    with perfect.hooks(fwd_hooks=hooks):
        found = measures.repeat_loss(perfect, TWO)

    assert float(found) == float(before)
    assert found.behaviour("repeat_loss_second_seed").value == pytest.approx(math.log(40), abs=1e-6)


@pytest.mark.parametrize("window", [None, 8, 20])
def test_a_window_in_a_candidates_config_is_noted_and_lowers_what_lies_beyond_it(window):
    model = random_model(FAMILIES["mistral"].but(sliding_window=window), 0)
    bridge = hooked(model)

    found = measures.induction_scores(bridge)

    short, long = found.convention["block"]
    assert (short, long) == (15, 31)
    of_short, of_long = by_length(found.raw["scores"], (10, 5))
    assert (of_long.max() == 0) == (window is not None)
    assert (of_short.max() == 0) == (window == 8)
    assert found.provenance.get("attention_window") == window
    assert "blocks" not in found.provenance


def test_a_window_that_no_block_is_longer_than_is_said_beside_the_finding():
    bridge = hooked(random_model(FAMILIES["mistral"].but(sliding_window=40), 0))

    found = measures.induction_scores(bridge)

    assert found.convention["block"] == [15, 31]
    assert found.provenance["blocks"] == "shorter than the attention window"
    assert "blocks" not in measures.induction_scores(bridge, RepeatedTokens(block=9)).provenance


def test_ablation_and_masks_take_one_length_unless_two_are_asked_for(bridges):
    recall = bridges["recall"]
    one, two = RepeatedTokens(), RepeatedTokens(block=(8, 20))
    back = np.eye(49, k=-1)

    assert measures.ablate(recall, one, heads=["L0H3"]).convention["block"] == 24
    masked = measures.attention_scores(recall, one, mask=back, name="one back")
    assert masked.convention["block"] == 24

    harm = measures.ablate(recall, two, heads=["L0H3"], value="zero")
    assert (harm.convention["block"], harm.samples) == ([8, 20], 15)
    short, long = by_length(harm.raw["ablated"] - harm.raw["intact"], (10, 5))
    one_alone = RepeatedTokens(block=8)
    alone = measures.ablate(recall, one_alone, heads=["L0H3"], value="zero")
    assert float(alone) == pytest.approx(short.mean(), abs=1e-5)
    assert float(harm) == pytest.approx((short.mean() + long.mean()) / 2, abs=1e-6)
    error = math.sqrt(short.var(ddof=1) / 10 + long.var(ddof=1) / 5) / 2
    assert float(harm.errors) == pytest.approx(error, abs=1e-6)
    assert float(harm) == pytest.approx(
        harm.behaviour("ablated_repeat_loss").value - harm.behaviour("repeat_loss").value, abs=1e-6
    )
    masks = [np.eye(17, k=-1)] * 10 + [np.eye(41, k=-1)] * 5
    previous = measures.attention_scores(recall, two, mask=masks, name="one back")
    expected = measures.previous_token_scores(recall, two)
    np.testing.assert_allclose(previous.values, expected.values, atol=1e-6)
    np.testing.assert_allclose(previous.errors, expected.errors, atol=1e-6)


def test_a_length_with_one_sequence_has_no_errors(perfect):
    found = measures.induction_scores(perfect, RepeatedTokens(batch=1, block=(8, 16)))

    assert (found.samples, found.clusters) == (2, 1)
    assert np.isnan(found.errors).all()
