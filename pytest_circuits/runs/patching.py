"""Head patching: corrupted runs with one head's clean output put in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_circuits.runs.runs import exact

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.runs.prompted import PromptGroup, PromptRun
    from pytest_circuits.runs.runs import Runs


def patch_head_out(
    runs: Runs,
    clean: PromptRun,
    corrupted: PromptRun,
    read: Callable[[Tensor, tuple[int, ...]], Tensor],
) -> NDArray[np.float64]:
    """Run the corrupted prompts once for every head, with that head's z from the clean run.

    All positions of z are put in. Many heads of one layer go through the model in one batch.

    Args:
        runs: the model.
        clean: the run that activations come from.
        corrupted: the run they are put into, prompt by prompt as long as the clean one.
        read: from logits at the last position ``[row, vocabulary]`` and the rows' prompt
            indices to one number each, ``[row]``.

    Returns:
        the numbers, ``[prompt, layer, head]``.
    """
    prompts = sum(len(group.rows) for group in clean.groups)
    results = np.zeros((prompts, runs.layers, runs.heads))
    for source, target in zip(clean.groups, corrupted.groups, strict=True):
        rows = len(source.rows)
        for layer in range(runs.layers):
            for heads in _together(runs, rows, source.tokens.shape[1]):
                logits = runs.forward(
                    target.tokens.repeat(len(heads), 1),
                    [(f"blocks.{layer}.attn.hook_z", _put_in(source, layer, heads))],
                )[:, -1]
                numbers = exact(read(logits, source.rows * len(heads))).numpy()
                results[list(source.rows), layer, heads.start : heads.stop] = numbers.reshape(
                    len(heads), rows
                ).T
    return results


def _together(runs: Runs, rows: int, positions: int) -> list[range]:
    """Heads whose copies of the prompts fit into one pass."""
    step = max(1, next(iter(runs.batches(rows * runs.heads, positions))).stop // rows)
    return [range(first, min(first + step, runs.heads)) for first in range(0, runs.heads, step)]


def _put_in(source: PromptGroup, layer: int, heads: range) -> Callable[..., Tensor]:
    def hook(z: Tensor, **_: object) -> Tensor:
        patched = z.clone().view(len(heads), -1, *z.shape[1:])
        for copy, head in enumerate(heads):
            patched[copy, :, :, head] = source.z[layer][:, :, head]
        return torch.flatten(patched, 0, 1)

    return hook
