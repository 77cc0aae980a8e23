"""Whether a model still computes what it did, after somebody has made another object of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

#: How many tokens are looked at.
_TOKENS = 8


def sample_tokens(model: nn.Module) -> Tensor:
    """Some tokens that a model of transformers knows, ``[1, position]``, where its embedding is."""
    known: Any = model
    embedding = known.get_input_embeddings()
    rows = int(embedding.num_embeddings)
    return torch.arange(1, _TOKENS + 1, device=embedding.weight.device)[None] % rows


def sample_logits(model: nn.Module, tokens: Tensor) -> Tensor:
    """The logits of a model of transformers, as float32, on the CPU."""
    with torch.no_grad():
        logits: Tensor = model(input_ids=tokens, use_cache=False).logits
    return logits.float().cpu()


def deviation(expected: Tensor, found: Tensor, dtype: torch.dtype) -> float | None:
    """How far logits are from others, in standard deviations of these; None if by rounding alone.

    That is the root mean square difference, and rounding may take half the digits of the dtype, and
    of no finer one than parts are always computed in. Logits that are not finite can't be held
    against any; measures refuse them.
    """
    if not expected.isfinite().all():
        return None
    missed = (found - expected).square().mean().sqrt() / expected.std()
    digits = max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps) ** 0.5
    return None if missed <= digits else float(missed)
