"""What a figure of heat maps shows: a finding's cells in rows and columns, a panel a side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.findings import Head
from pytest_circuits.report.figures.style import cell_hover, said
from pytest_circuits.report.side_by_side import SideBySide, tick_text
from pytest_circuits.report.text import counted, in_figure, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_circuits.findings import Finding

#: Rows of a map whose rows are not layers alone; the others are in the table.
_MOST_ROWS = 32
#: The scale of values, and that of differences.
VALUES, DIFFERENCES = "coloraxis", "coloraxis2"


@dataclass(frozen=True)
class Grid:
    """Cells in rows and columns: the last axis runs across, the others down.

    Attributes:
        row_axis: what a row is.
        column_axis: what a column is.
        rows: the rows' names.
        columns: the columns' names, some of them alike.
        places: the cells of each row, ``[row]`` without the last axis.
        note: what is not in it; empty where everything is.
    """

    row_axis: str
    column_axis: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]
    note: str = ""

    @classmethod
    def of(cls, comparison: SideBySide) -> Grid:
        """The grid of a finding with two axes or more.

        Where several axes run down and rows are many, only those that say most are in it: those
        with a value beyond its tolerance, then those with the largest values; and none without any.
        """
        found = comparison.found
        *down, across = found.axes
        columns = tuple(tick_text(found, across))
        places = list(np.ndindex(*found.values.shape[:-1]))
        note = ""
        if len(down) > 1 and len(places) > _MOST_ROWS:
            places = [place for place in places if comparison.present[place].any()]
        if len(down) > 1 and len(places) > _MOST_ROWS:
            told = _foremost(comparison, places)
            what = "head" if down == ["layer", "head"] else "row"
            note = (
                f"Of {counted(len(places), what)}, the {_MOST_ROWS} that changed most or have the "
                f"largest values are drawn; the table has all of them."
            )
            places = sorted(told)
        name = "head" if down == ["layer", "head"] else ", ".join(down)
        names = [tick_text(found, axis) for axis in down]
        rows = tuple(_row_name(found, place, names) for place in places)
        return cls(printable(name), printable(across), rows, columns, tuple(places), note)

    def take(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the finding, ``[row, column]``."""
        return np.stack([values[place] for place in self.places])

    def cells(self, comparison: SideBySide) -> list[list[list[str]]]:
        """What is to be said of each cell, ``[row][column]``."""
        return [
            [said(comparison.cell((*place, column))) for column in range(len(self.columns))]
            for place in self.places
        ]


def _foremost(comparison: SideBySide, places: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    def weight(place: tuple[int, ...]) -> tuple[bool, float]:
        strongest = np.nan_to_num(np.abs(comparison.values[place])).max()
        return bool(comparison.beyond[place].any()), float(strongest)

    return sorted(places, key=weight, reverse=True)[:_MOST_ROWS]


def _row_name(finding: Finding, place: tuple[int, ...], names: Sequence[Sequence[str]]) -> str:
    if finding.axes[:2] == ("layer", "head") and len(place) == 2:  # noqa: PLR2004 — layer, head
        return str(Head(*place))
    return ", ".join(named[index] for named, index in zip(names, place, strict=True))


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
        absent: which cells the model does not have, ``[row, column]``.
        outlined: cells with an outline, as row and column.
        empty: what stands in a map without values.
    """

    title: str
    values: NDArray[np.float64]
    grid: Grid
    scale: str
    cells: list[list[list[str]]]
    hover: str
    absent: NDArray[np.bool_]
    outlined: Sequence[tuple[int, int]] = ()
    empty: str = ""


def panels_of(comparison: SideBySide) -> list[Panel]:
    """Baseline, candidate and difference, as far as there are any."""
    grid, approved = Grid.of(comparison), comparison.approved
    cells = grid.cells(comparison)
    before, now = map(in_figure, comparison.names)
    found = Panel(
        now if approved is not None else "measured",
        grid.take(comparison.values),
        grid,
        VALUES,
        cells,
        cell_hover(comparison),
        grid.take(~comparison.present),
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


def _approved_panel(comparison: SideBySide, title: str, found: Panel) -> Panel:
    approved = comparison.approved
    assert approved is not None
    assert comparison.before is not None
    shown, grid, cells = comparison, found.grid, found.cells
    if len(approved.axes) < 2:  # noqa: PLR2004 — rows and columns
        nothing, value = Grid("", "", ("",), ("",), ((),)), np.full((1, 1), np.nan)
        absent = np.zeros((1, 1), dtype=bool)
        return Panel(title, value, nothing, VALUES, [], "", absent, empty="other axes")
    if not comparison.same_cells:
        # Other cells, which nothing stands beside.
        shown = SideBySide.of(approved, names=("", comparison.names[0]))
        grid = Grid.of(shown)
        cells = grid.cells(shown)
    values, outlined = grid.take(comparison.before), _places(grid, comparison.members_before)
    absent, empty = grid.take(~shown.present), _nothing(comparison.before)
    return Panel(title, values, grid, VALUES, cells, cell_hover(shown), absent, outlined, empty)


def _difference(comparison: SideBySide, found: Panel) -> Iterator[Panel]:
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
