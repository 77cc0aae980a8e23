"""Whether two models are the same: their logits on some tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError, first_lines

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from pytest_circuits.models.sources.source import Source

#: For how many tokens logits are compared.
_TOKENS = 8


def sample_tokens(model: nn.Module) -> Tensor:
    """Some tokens that a model of transformers knows, ``[1, position]``, where its embedding is."""
    import torch

    known: Any = model
    embedding = known.get_input_embeddings()
    rows = int(embedding.num_embeddings)
    return torch.arange(1, _TOKENS + 1, device=embedding.weight.device)[None] % rows


def sample_logits(model: nn.Module, tokens: Tensor) -> Tensor:
    """The logits of a model of transformers, as float32, on the CPU."""
    import torch

    with torch.no_grad():
        logits: Tensor = model(input_ids=tokens, use_cache=False).logits
    return logits.float().cpu()


def logits_of(source: Source, model: nn.Module, tokens: Tensor) -> Tensor:
    """As :func:`sample_logits`.

    Raises:
        ModelError: if transformers can't run the model on text.
    """
    try:
        return sample_logits(model, tokens)
    except Exception as error:
        raise ModelError(
            f"{source.text}: transformers can't run this {type(model).__name__} on text:\n"
            f"{first_lines(error)}"
        ) from error


def deviation(expected: Tensor, found: Tensor, dtype: torch.dtype) -> float | None:
    """How far logits are from others, in standard deviations of these; None if by rounding alone.

    That is the root mean square difference, and rounding may take half the digits of the dtype, and
    of no finer one than parts are always computed in. Logits that are not finite can't be held
    against any; measures refuse them.
    """
    import torch

    if not expected.isfinite().all():
        return None
    missed, scale = (found - expected).square().mean().sqrt(), expected.std()
    digits = max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps) ** 0.5
    return None if missed <= digits * scale else float(missed / scale)
