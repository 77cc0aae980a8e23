"""Patching: runs with activations of other runs put in, many cells in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_circuits.forward.anatomy import mix
from pytest_circuits.forward.prompted import first_difference, run_prompts
from pytest_circuits.forward.sites import SITES, record
from pytest_circuits.forward.sweeps import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.forward.anatomy import Points
    from pytest_circuits.forward.edits import Reading
    from pytest_circuits.forward.prompted import PromptGroup
    from pytest_circuits.forward.runs import Hook, Runs
    from pytest_circuits.forward.sites import Site


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
    read: Reading,
    unpatched: NDArray[np.float64],
    source_runs: Runs | None = None,
) -> NDArray[np.float64]:
    """Run the target prompts once for every cell of every layer, with that cell of the source.

    A cell before the first token in which source and target differ is put in where it already is:
    it has no effect, and is not run. Nor is a cell that a layer doesn't have.

    Args:
        runs: the model.
        site: where to put in.
        source: the prompts that activations come from.
        target: the prompts they are put into, each as long as its source.
        cells: the cells of each layer.
        read: what is read off.
        unpatched: the same of the target prompts as they are, ``[prompt]``.
        source_runs: the model that activations come from, if it is another; of the same shape.

    Returns:
        the numbers, ``[prompt, layer, cell]``.

    Raises:
        ModelError: if the model has no such site, or there is too little memory for a single run.
    """
    other = runs if source_runs is None else source_runs
    given = to_put_in(runs, site, source, target, other)
    results = np.tile(unpatched[:, None, None], (1, runs.layers, len(cells)))
    with runs.watched(f"patch {site.name}", runs.layers * len(cells), "cells") as advance:
        for group, values in zip(run_prompts(runs, target).groups, given, strict=True):
            since = [
                first_difference(source[row], target[row]) if other is runs and runs.causal else 0
                for row in group.rows
            ]
            edits = _Patches.of(runs, site, group, values, cells=cells, since=since)
            idle = len(group.rows) * runs.layers * len(cells) - len(edits.rows)
            advance(idle / len(target))
            numbers = sweep(runs, group, edits, read, lambda done: advance(done / len(target)))
            rows = np.array(group.rows)[edits.rows]
            results[rows, edits.layers, edits.cells] = numbers
    return results


@dataclass(frozen=True)
class _Patches:
    """Runs with one cell put in each: all that have an effect.

    Attributes:
        rows, first, start: as in :class:`.Edits`.
        layers: the layer of each, ``[run]``.
        cells: which of the cells, ``[run]``.
        heads: the head of each; None where all there is at a position is put in.
        positions: the position of each; None where all are put in.
        points: the hook points, of each layer and after the last; None in a layer without the site.
        given: what is put in there.
    """

    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    start: NDArray[np.int64]
    layers: NDArray[np.int64]
    cells: NDArray[np.int64]
    heads: NDArray[np.int64] | None
    positions: NDArray[np.int64] | None
    points: Points
    given: Sequence[Tensor | None]

    @classmethod
    def of(
        cls,
        runs: Runs,
        site: Site,
        group: PromptGroup,
        values: Sequence[Tensor | None],
        *,
        cells: Sequence[Cell],
        since: Sequence[int],
    ) -> _Patches:
        """The cells' runs; ``since`` is the first position of each row that differs."""
        # What is after a layer is what is before the next, whose block it saves.
        points, given = site.points(runs), tuple(values)
        shift = 0
        if site.name == "resid_post":
            points, given = (*SITES["resid_pre"].points(runs), points[-1]), (None, *given)
            shift = 1
        grid = np.indices((len(group.rows), runs.layers, len(cells))).reshape(3, -1)
        start = np.array(since)[grid[0]]
        positions = None
        places = [cell.position for cell in cells if cell.position is not None]
        if places:
            of_cells = np.array([[place[row] for row in group.rows] for place in places])
            positions = of_cells[grid[2], grid[0]]
        # Identical tokens up to a position say the same there.
        length = group.tokens.shape[1]
        felt = start < length if positions is None else positions >= start
        felt &= _there(points[shift:], cells)[grid[1], grid[2]]
        if positions is not None:
            start, positions = positions[felt], positions[felt]
        else:
            start = start[felt]
        rows, layers, chosen = grid[:, felt]
        heads = None
        if cells[0].head is not None:
            heads = np.array([cell.head for cell in cells])[chosen]
        return cls(
            rows=rows,
            first=layers + shift,
            start=start,
            layers=layers,
            cells=chosen,
            heads=heads,
            positions=positions,
            points=points,
            given=given,
        )

    def hooks(self, layer: int, chosen: NDArray[np.int64], start: int) -> list[Hook]:
        """The cells of this layer."""
        here = self.first[chosen] == layer
        if self.positions is not None:
            here &= self.positions[chosen] >= start
        if not here.any():
            return []
        places, these = np.flatnonzero(here), chosen[here]
        point, given = self.points[layer], self.given[layer]
        assert point is not None  # only what is there is put in
        assert given is not None
        return [point.hook(self._put_in(given, places, these, start))]

    def _put_in(
        self, given: Tensor, places: NDArray[np.int64], these: NDArray[np.int64], start: int
    ) -> Callable[..., Tensor]:
        def index(array: NDArray[np.int64]) -> Tensor:
            return torch.from_numpy(array).to(given.device)

        where, rows = index(places), index(self.rows[these])
        into: tuple[Tensor | slice, ...] = (where, slice(None))
        out_of: tuple[Tensor | slice, ...] = (rows, slice(start, None))
        if self.positions is not None:
            position = index(self.positions[these])
            into, out_of = (where, position - start), (rows, position)
        if self.heads is not None:
            head = index(self.heads[these])
            into, out_of = (*into, head), (*out_of, head)

        def hook(value: Tensor, **_: object) -> Tensor:
            patched = value.clone()
            patched[into] = given[out_of]
            return patched

        return hook


def _there(points: Points, cells: Sequence[Cell]) -> NDArray[np.bool_]:
    """Whether each layer has each cell, ``[layer, cell]``."""
    heads = np.array([0 if cell.head is None else cell.head for cell in cells])
    counts = np.array([0 if point is None else point.heads or 1 for point in points])
    there: NDArray[np.bool_] = heads < counts[:, None]
    return there


def to_put_in(
    runs: Runs,
    site: Site,
    source: Sequence[Sequence[int]],
    target: Sequence[Sequence[int]],
    source_runs: Runs | None = None,
) -> list[tuple[Tensor | None, ...]]:
    """What a site's hook gets to put in, ``[group][layer]``, tensors ``[row, position, …]``."""
    given = record(runs if source_runs is None else source_runs, source, site.name).layers
    if site.stands_for is None:
        return list(given)
    # What the attention would have to add for that stream, or what a head mixes by that pattern
    # of the values that it has.
    other = record(runs, target, "resid_pre" if site.name == "resid_mid" else "head_v")
    make = torch.sub if site.name == "resid_mid" else mix
    return [
        tuple(
            None if value is None or there is None else make(value, there)
            for value, there in zip(*layers, strict=True)
        )
        for layers in zip(given, other.layers, strict=True)
    ]
