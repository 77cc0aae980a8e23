"""Passes that don't fit into memory are made in parts, and give what whole ones give."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pytest_circuits import measures
from pytest_circuits.forward import Runs, record, run_prompts
from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import PromptPairs, RepeatedTokens

PAIRS = PromptPairs(
    ["a apple bear bell a", "fox frog gate goat fox", "gate apple bear bell gate"],
    ["a bird bear bell a", "fox hat gate goat fox", "gate bird bear bell gate"],
    ["apple", "frog", "apple"],
    ["bird", "hat", "bird"],
)
MEASURES = {
    "pairs": lambda runs: measures.logit_diff(runs, PAIRS),
    "attention": lambda runs: measures.attention_between(runs, PAIRS, key=1),
    "repeated tokens": lambda runs: measures.induction_scores(runs, RepeatedTokens(batch=6)),
    "texts": lambda runs: measures.text_loss(runs, ["a apple bear", "fox frog gate", "a bell a"]),
    "the canary": measures.canary,
}


@pytest.fixture(scope="module")
def bridge():
    return load(parse_source("bundled:recall"), device="cpu").bridge


@pytest.fixture
def cramped(bridge, monkeypatch):
    """Runs that have room for two rows at once."""
    runs = Runs(bridge)
    forward = runs.forward

    def narrow(tokens, *arguments, **options):
        if len(tokens) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(tokens, *arguments, **options)

    monkeypatch.setattr(runs, "forward", narrow)
    return runs


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_measures_go_on_with_less(bridge, cramped, measure):
    found, expected = measure(cramped), measure(Runs(bridge))

    if hasattr(found, "values"):
        np.testing.assert_allclose(found.values, expected.values, atol=1e-6)
    else:
        assert found.loss == pytest.approx(expected.loss, abs=1e-6)
    assert cramped.room < 1


def test_what_was_seen_is_put_together_in_the_prompts_order(bridge, cramped):
    prompts = PAIRS.check(bridge.tokenizer).clean
    (group,), (whole,) = (run_prompts(runs, prompts).groups for runs in (cramped, Runs(bridge)))

    assert group.rows == whole.rows
    for one, other in zip(group.stream, whole.stream, strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(group.written["mlp_out"], whole.written["mlp_out"])
    for site in ("head_q", "head_v", "head_pattern"):
        seen, expected = (record(runs, prompts, site) for runs in (cramped, Runs(bridge)))
        torch.testing.assert_close(seen.layers, expected.layers)
