"""What a figure of heat maps shows: baseline, candidate and difference, a panel each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.report.figures.colours import DIFFERENCES, VALUES
from pytest_circuits.report.figures.comparison import Comparison
from pytest_circuits.report.figures.grids import Grid
from pytest_circuits.report.figures.hover import cell_hover
from pytest_circuits.report.figures.names import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_circuits.findings import Head


@dataclass(frozen=True)
class Panel:
    """One map of a figure.

    Attributes:
        title: its name.
        values: what is drawn, ``[row, column]``.
        grid: its rows and columns.
        scale: that of values, or that of differences.
        cells: what is said of each cell.
        hover: the template that says it; empty where there is nothing to say.
        outlined: cells with an outline, as row and column.
        empty: what stands in a map without values.
    """

    title: str
    values: NDArray[np.float64]
    grid: Grid
    scale: str
    cells: list[list[list[str]]]
    hover: str
    outlined: Sequence[tuple[int, int]] = ()
    empty: str = ""


def panels_of(comparison: Comparison) -> list[Panel]:
    """Baseline, candidate and difference, as far as there are any."""
    grid, approved = Grid.of(comparison), comparison.approved
    cells = grid.cells(comparison)
    before, now = map(plain, comparison.names)
    found = Panel(
        now if approved is not None else "measured",
        grid.take(comparison.values),
        grid,
        VALUES,
        cells,
        cell_hover(comparison),
        _places(grid, comparison.members),
        _nothing(comparison.values),
    )
    if approved is None:
        return [found]
    return [
        _approved_panel(comparison, before, found),
        found,
        *_difference(comparison, found),
    ]


def _approved_panel(comparison: Comparison, title: str, found: Panel) -> Panel:
    approved = comparison.approved
    assert approved is not None
    assert comparison.before is not None
    shown, grid, cells = comparison, found.grid, found.cells
    if len(approved.axes) < 2:  # noqa: PLR2004 — rows and columns
        nothing = Grid("", "", ("",), ("",), ((),))
        return Panel(title, np.full((1, 1), np.nan), nothing, VALUES, [], "", (), "other axes")
    if (approved.axes, approved.values.shape) != (comparison.found.axes, comparison.values.shape):
        # Other cells, which nothing stands beside.
        shown = Comparison.of(approved, names=("", comparison.names[0]))
        grid = Grid.of(shown)
        cells = grid.cells(shown)
    values, outlined = grid.take(comparison.before), _places(grid, comparison.members_before)
    return Panel(
        title, values, grid, VALUES, cells, cell_hover(shown), outlined, _nothing(comparison.before)
    )


def _difference(comparison: Comparison, found: Panel) -> Iterator[Panel]:
    if comparison.differences is not None:
        yield replace(
            found,
            title="difference",
            values=found.grid.take(comparison.differences),
            scale=DIFFERENCES,
            outlined=(),
        )


def _nothing(values: NDArray[np.float64]) -> str:
    return "undefined" if np.isnan(values).all() else ""


def _places(grid: Grid, members: Mapping[Head, float]) -> list[tuple[int, int]]:
    rows = {place: row for row, place in enumerate(grid.places)}
    return [(rows[(head.layer,)], head.head_index) for head in members if (head.layer,) in rows]
