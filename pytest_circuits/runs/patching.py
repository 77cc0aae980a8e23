"""Patching: runs with activations of other runs put in, many cells in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_circuits.runs.prompted import grouped
from pytest_circuits.runs.runs import exact
from pytest_circuits.runs.sites import SITES, mix, record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.runs.runs import Runs
    from pytest_circuits.runs.sites import Site

    #: From logits at the last position ``[row, vocabulary]`` and the rows' prompt indices to one
    #: number each, ``[row]``.
    Read = Callable[[Tensor, tuple[int, ...]], Tensor]


@dataclass(frozen=True)
class Cell:
    """What is put in at one go, in one layer.

    Attributes:
        head: the head, or None for all there is at a position.
        position: its index in every prompt, or None for all positions.
    """

    head: int | None
    position: tuple[int, ...] | None


def cells_of(heads: int | None, positions: Sequence[tuple[int, ...]] | None) -> list[Cell]:
    """Every cell of a layer: heads first, then positions.

    Args:
        heads: how many heads the site has; None for a site without heads.
        positions: index of each position in every prompt; None to put in all at once.
    """
    of_heads = [None] if heads is None else list(range(heads))
    of_positions = [None] if positions is None else list(positions)
    return [Cell(head, position) for head in of_heads for position in of_positions]


def patch_cells(
    runs: Runs,
    site: Site,
    source: Sequence[Sequence[int]],
    target: Sequence[Sequence[int]],
    *,
    cells: Sequence[Cell],
    read: Read,
) -> NDArray[np.float64]:
    """Run the target prompts once for every cell of every layer, with that cell of the source.

    Cells of one layer go through the model together, as many as fit into a pass.

    Args:
        runs: the model.
        site: where to put in.
        source: the prompts that activations come from.
        target: the prompts they are put into, each as long as its source.
        cells: the cells of each layer.
        read: what is read off the logits.

    Returns:
        the numbers, ``[prompt, layer, cell]``.

    Raises:
        ModelError: if the model has no such site.
    """
    given = to_put_in(runs, site, source, target)
    results = np.zeros((len(target), runs.layers, len(cells)))
    groups = list(zip(grouped(runs, target), given, strict=True))
    with runs.watched(f"patch {site.name}", runs.layers * len(cells), "cells") as advance:
        for (rows, tokens), layers in groups:
            for layer, values in enumerate(layers):
                for part in together(runs, len(rows), tokens.shape[1], len(cells)):
                    chosen = [_of_rows(cell, rows) for cell in cells[part]]
                    logits = runs.forward(
                        tokens.repeat(len(chosen), 1),
                        [(site.at(layer), _put_in(values, chosen))],
                    )[:, -1]
                    numbers = exact(read(logits, rows * len(chosen))).numpy()
                    results[list(rows), layer, part] = numbers.reshape(len(chosen), len(rows)).T
                    advance(len(chosen) * len(rows) / len(target))
    return results


def to_put_in(
    runs: Runs, site: Site, source: Sequence[Sequence[int]], target: Sequence[Sequence[int]]
) -> list[tuple[Tensor, ...]]:
    """What a site's hook gets to put in, ``[group][layer]``, tensors ``[row, position, …]``."""
    given = record(runs, source, site).layers
    if site.stands_for is None:
        return [tuple(layers) for layers in given]
    # What the attention would have to add for that stream, or what a head mixes by that pattern
    # of the values that it has.
    other = record(runs, target, SITES["resid_pre" if site.name == "resid_mid" else "head_v"])
    make = torch.sub if site.name == "resid_mid" else mix
    return [
        tuple(make(value, there) for value, there in zip(*layers, strict=True))
        for layers in zip(given, other.layers, strict=True)
    ]


def together(runs: Runs, rows: int, positions: int, copies: int) -> list[slice]:
    """Copies of the prompts that fit into one pass."""
    step = max(1, next(iter(runs.batches(rows * copies, positions))).stop // rows)
    return [slice(first, min(first + step, copies)) for first in range(0, copies, step)]


def _of_rows(cell: Cell, rows: tuple[int, ...]) -> Cell:
    if cell.position is None:
        return cell
    return Cell(cell.head, tuple(cell.position[row] for row in rows))


def _put_in(source: Tensor, cells: Sequence[Cell]) -> Callable[..., Tensor]:
    everyone = torch.arange(len(source), device=source.device)

    def hook(value: Tensor, **_: object) -> Tensor:
        patched = value.clone()
        copies = patched.view(len(cells), -1, *patched.shape[1:])
        for cell, copy in zip(cells, copies, strict=True):
            place: tuple[slice | Tensor | int, ...] = (slice(None), slice(None))
            if cell.position is not None:
                place = (everyone, torch.tensor(cell.position, device=source.device))
            if cell.head is not None:
                place = (*place, cell.head)
            copy[place] = source[place]
        return patched

    return hook
