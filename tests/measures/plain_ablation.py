"""Ablation as plain loops, one prompt at a time: Hugging Face and torch's hooks."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from measures.families import HEADS, LAYERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from zoo.plain import Plain

    # What heads ``[layer, position, head, d_head]`` and MLPs ``[layer, position, d_model]`` say.
    Said = dict[str, Tensor]

EVERY_HEAD = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
EVERY_MLP = list(range(LAYERS))


@lru_cache(maxsize=512)
def said_on(plain: Plain, prompt: tuple[int, ...]) -> Said:
    """What heads and MLPs say on a prompt; nobody changes it."""
    seen = plain.see(torch.tensor([list(prompt)]))
    return {
        site: torch.stack([layer[0] for layer in seen[site]])
        for site in ("head_out", "mlp_out")
        if site in seen
    }


@lru_cache(maxsize=512)
def intact_logits(plain: Plain, prompt: tuple[int, ...]) -> Tensor:
    """Logits ``[position, vocabulary]`` with nothing ablated."""
    with torch.no_grad():
        return plain.run(torch.tensor([list(prompt)]), []).logits[0].double()


def mean_said(plain: Plain, prompts: Sequence[Sequence[int]]) -> Said:
    """What they say on the mean over prompts of one length."""
    every = [said_on(plain, tuple(prompt)) for prompt in prompts]
    return {site: torch.stack([one[site] for one in every]).mean(0) for site in every[0]}


def nothing_said(plain: Plain, prompt: Sequence[int]) -> Said:
    """Zeros."""
    return {site: torch.zeros_like(value) for site, value in said_on(plain, tuple(prompt)).items()}


def logits_saying(
    plain: Plain,
    prompt: Sequence[int],
    said: Said,
    heads: Sequence[tuple[int, int]] = (),
    mlps: Sequence[int] = (),
    *,
    positions: Sequence[int] | None = None,
) -> Tensor:
    """Logits ``[position, vocabulary]`` while these heads and MLPs say something else."""
    if not (heads or mlps):
        return intact_logits(plain, tuple(prompt))
    where = list(range(len(prompt))) if positions is None else list(positions)
    changes: list[tuple[Any, Any]] = []
    for layer, head in heads:

        def say(part: Tensor, layer: int = layer, head: int = head) -> None:
            for position in where:
                part[0, position, head] = said["head_out"][layer, position, head]

        changes.append((plain.places["head_out"][layer], say))
    for layer in mlps:

        def add(part: Tensor, layer: int = layer) -> None:
            for position in where:
                part[0, position] = said["mlp_out"][layer, position]

        changes.append((plain.places["mlp_out"][layer], add))
    with torch.no_grad():
        return plain.run(torch.tensor([list(prompt)]), changes).logits[0].double()


def difference(tokens: Any, row: int, logits: Tensor) -> float:
    """logit(answer) − logit(wrong answer) of a prompt, from its logits at all positions."""
    return float(logits[-1, tokens.answers[row]] - logits[-1, tokens.wrong_answers[row]])


def probability(tokens: Any, row: int, logits: Tensor) -> float:
    """That of the answer."""
    return float(logits[-1].softmax(-1)[tokens.answers[row]])


def divergence(reference: Tensor, logits: Tensor) -> float:
    """Σ p_reference log(p_reference / p) at the last position."""
    one, other = reference[-1].softmax(-1), logits[-1].softmax(-1)
    return sum(float(p * (p.log() - q.log())) for p, q in zip(one, other, strict=True))
