"""Losses and shares for which it is known what a model gives that can't do it."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_circuits import measures
from pytest_circuits.baselines.approving import nothing_to_approve
from pytest_circuits.findings.encoding import decode, encode
from pytest_circuits.prompts import PromptPairs

PAIRS = PromptPairs(
    clean=["a b c a", "d e f d"],
    corrupted=["a g c a", "d g f d"],
    answers=["b", "e"],
    wrong_answers=["g", "g"],
)


def silent(bridge):
    """A model for which all tokens are equally likely."""
    return bridge.hooks(
        fwd_hooks=[("unembed.hook_out", lambda logits, **_: torch.zeros_like(logits))]
    )


CASES = {
    "repeat_loss": (measures.repeat_loss, math.log(40)),
    "text_loss": (lambda bridge: measures.text_loss(bridge, "a b a b a b"), math.log(40)),
    "top_k_accuracy": (lambda bridge: measures.top_k_accuracy(bridge, PAIRS, k=39), 39 / 40),
}


@pytest.mark.parametrize("name", ["repeat_loss", "text_loss"])
def test_a_model_that_knows_nothing_is_at_chance_and_nothing_to_approve(perfect, name):
    measure, chance = CASES[name]

    with silent(perfect):
        found = measure(perfect)

    assert found.chance == pytest.approx(chance)
    assert float(found) == pytest.approx(chance, abs=1e-5)
    assert found.as_behaviour().at_chance
    assert "no better than chance (3.69)" in nothing_to_approve(found)


@pytest.mark.parametrize("name", ["repeat_loss", "top_k_accuracy"])
def test_a_model_that_knows_is_above_it_and_chance_is_stored(perfect, name):
    measure, chance = CASES[name]

    found = measure(perfect)

    assert not found.as_behaviour().at_chance
    assert encode(found)["chance"] == pytest.approx(chance, abs=1e-4)
    assert decode(encode(found)).chance == pytest.approx(chance, abs=1e-4)


def test_companions_on_repeated_tokens_are_at_chance_too(perfect):
    with silent(perfect):
        found = measures.induction_scores(perfect)

    at_chance = {each.name for each in found.companion if each.at_chance}
    assert at_chance >= {"repeat_loss", "repeat_loss_second_seed"}
    assert not found.behaviour("repeat_loss").held
    assert decode(encode(found)).behaviour("repeat_loss").at_chance


def test_outputs_are_stored(bridges):
    found = measures.induction_scores(bridges["recall"])

    read = decode(encode(found))

    assert read.outputs.keys() == found.outputs.keys() != set()
    for head, output in read.outputs.items():
        assert output.mean == pytest.approx(found.outputs[head].mean, abs=1e-4)
        assert output.error == pytest.approx(found.outputs[head].error, abs=1e-4)
