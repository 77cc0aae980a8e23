"""Noticing that somebody changed a model's weights, also in ways that torch doesn't count."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
import xxhash

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

#: How many numbers are looked at together.
_TOGETHER = 1 << 18
_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def traces(tensors: Iterable[Tensor]) -> tuple[int, ...]:
    """A number for each tensor, which is another one when any bit of it changes.

    On a CPU it is the XXH3 hash of its bytes, which takes as long as reading them. Elsewhere a
    weighted sum of its bits is made where they are: bringing them here would take far longer.
    """
    made: list[int | Tensor] = [
        0  # it has none
        if tensor.device.type == "meta"
        else _hash(tensor.detach())
        if tensor.device.type == "cpu"
        else _weighted_sum(tensor.detach())
        for tensor in tensors
    ]
    # Only now, when all sums are on their way, is anything waited for.
    return tuple(int(trace) for trace in made)


def _hash(tensor: Tensor) -> int:
    # numpy has no bfloat16, but bytes.
    return xxhash.xxh3_64_intdigest(tensor.reshape(-1).view(torch.uint8).numpy().data)


def _weighted_sum(tensor: Tensor) -> Tensor:
    """A sum of the tensor's bits in which every place has a weight of its own."""
    bits = tensor.contiguous().view(-1) if tensor.ndim < 2 else tensor.contiguous().flatten(1)  # noqa: PLR2004
    bits = bits.view(_INTEGERS[bits.element_size()]).view(len(bits) if bits.ndim > 1 else 1, -1)
    columns = _place_weights(bits.shape[1], 2654435761, bits.device).to(bits.dtype)
    parts = torch.split(bits, max(1, _TOGETHER // max(1, bits.shape[1])))
    rows = torch.cat([(_spread(part) * columns).sum(1, dtype=bits.dtype) for part in parts]).long()
    return (rows * _place_weights(len(rows), 2246822519, bits.device)).sum()


def _spread(bits: Tensor) -> Tensor:
    """The bits, the upper ones in the lower half too.

    Sums wrap around, so that a change of the uppermost bit alone, a sign's, would cancel out where
    it is made an even number of times.
    """
    return bits ^ (bits >> (4 * bits.element_size() - 1))


@lru_cache(maxsize=64)
def _place_weights(count: int, factor: int, device: torch.device) -> Tensor:
    """Odd integers without a pattern: multiplying by them loses nothing when it wraps around."""
    return (torch.arange(1, count + 1, device=device) * factor >> 8) | 1
