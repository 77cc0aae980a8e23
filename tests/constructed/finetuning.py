"""A light fine-tune: a few small steps on fresh prompts of the kind that the suite measures."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import cross_entropy

from pytest_circuits.models import load, parse_source

if TYPE_CHECKING:
    from constructed.changes import Checkpoint

    from pytest_circuits.prompts import PromptPairs, RepeatedTokens

STEPS = 10
#: How far a step moves a weight, as a share of how large weights are: 1e-5 on SmolLM2.
STEP = 5e-5


def fine_tuned(
    model: Checkpoint, repeated: RepeatedTokens, pairs: PromptPairs, *, step: float = STEP
) -> Checkpoint:
    """Ten steps of AdamW on next-token loss.

    Adam's steps are as large as the learning rate whatever the gradients, so the rate is a share
    of the weights' own size: the median standard deviation of the matrices.

    Args:
        model: the checkpoint.
        repeated: the sequences of repeated tokens, a tenth for each step.
        pairs: the prompts, their answers appended, likewise.
        step: the learning rate as a share of the weights.
    """
    bridge = load(parse_source(str(model.folder)), device="cpu").bridge
    weights = {
        name.replace("_original_component.", ""): parameter
        for name, parameter in bridge.original_model.named_parameters()
    }
    size = statistics.median(float(w.std()) for w in weights.values() if w.ndim > 1)
    optimiser = torch.optim.AdamW(bridge.requires_grad_().parameters(), lr=step * size)
    drawn = repeated.draw(bridge.tokenizer, bridge.cfg.n_ctx, bridge.cfg.d_vocab)
    tokenized = pairs.check(bridge.tokenizer)
    sentences = [
        (*clean, answer) for clean, answer in zip(tokenized.clean, tokenized.answers, strict=True)
    ]
    for number in range(STEPS):
        optimiser.zero_grad()
        for rows in (drawn.sequences[number::STEPS], sentences[number::STEPS]):
            _loss(bridge, rows).backward()
        optimiser.step()
    return model.with_(**{name: weights[name].detach().clone() for name in weights})


def _loss(bridge, rows):
    """Mean next-token loss over sequences, which may differ in length."""
    by_length: dict[int, list[tuple[int, ...]]] = {}
    for row in rows:
        by_length.setdefault(len(row), []).append(row)
    total = torch.zeros(())
    for alike in by_length.values():
        tokens = torch.tensor(alike)
        logits = bridge(tokens)[:, :-1].flatten(0, 1)
        total = total + cross_entropy(logits, tokens[:, 1:].flatten(), reduction="sum")
    return total / sum(len(row) - 1 for row in rows)
