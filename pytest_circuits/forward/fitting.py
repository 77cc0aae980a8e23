"""Fitting work into memory: as much at once as there is room for, and less if there was not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from pytest_circuits.models.errors import OutOfMemoryError, is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.forward.runs import Runs

#: The share of free memory that a sweep may take, and the most on a CPU, where more is no faster.
_SHARE, _ON_CPU = 0.5, 1 << 30


def budget(*devices: torch.device) -> int:
    """Bytes that the tensors of a sweep may take on each of these devices of one type."""
    if devices[0].type == "cuda":
        return int(min(torch.cuda.mem_get_info(device)[0] for device in devices) * _SHARE)
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return _ON_CPU
    return min(_ON_CPU, int(free * _SHARE))


def portions(sizes: NDArray[np.int64], budget: int) -> list[slice]:
    """Consecutive parts whose sizes sum to no more than a budget, or that are one alone."""
    parts, first, held = [], 0, 0
    for number, size in enumerate(sizes.tolist()):
        if number > first and held + size > budget:
            parts.append(slice(first, number))
            first, held = number, 0
        held += size
    return [*parts, slice(first, len(sizes))]


def grouped(runs: Runs, prompts: Sequence[Sequence[int]]) -> list[tuple[tuple[int, ...], Tensor]]:
    """Prompts of one length that fit into one pass: their rows, and tokens ``[row, position]``."""
    by_length: dict[int, list[int]] = {}
    for row, prompt in enumerate(prompts):
        by_length.setdefault(len(prompt), []).append(row)
    found = []
    for length, rows in sorted(by_length.items()):
        most = runs.rows_at_once(length)
        for first in range(0, len(rows), most):
            part = tuple(rows[first : first + most])
            tokens = torch.tensor([list(prompts[row]) for row in part], device=runs.device)
            found.append((part, tokens))
    return found


def in_parts(
    runs: Runs,
    chosen: NDArray[np.int64],
    most: int,
    run: Callable[[NDArray[np.int64]], None],
) -> None:
    """Run a list in parts, halved wherever one doesn't fit into memory, from then on for good.

    Args:
        runs: the model.
        chosen: what is run.
        most: how many fit at once.
        run: runs a part.

    Raises:
        OutOfMemoryError: if not even one fits.
    """
    first = 0
    while first < len(chosen):
        size = max(1, int(most * runs.room))
        part = chosen[first : first + size]
        if _fits(run, part):
            first += len(part)
            continue
        if len(part) == 1:
            raise OutOfMemoryError(
                f"out of memory on {runs.device} with a single run of a single prompt.\n"
                f"Use shorter prompts, a smaller dtype (--circuits-dtype) or another device."
            )
        runs.room = len(part) / 2 / most
        if runs.device.type == "cuda":
            torch.cuda.empty_cache()


def _fits(run: Callable[[NDArray[np.int64]], None], part: NDArray[np.int64]) -> bool:
    # The error is gone when this returns, and with it the tensors that its frames hold.
    try:
        run(part)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True
