"""A finding's cells laid out in rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.findings import Head
from pytest_circuits.report.figures.hover import said
from pytest_circuits.report.figures.names import count, printable, tick_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_circuits.findings import Finding
    from pytest_circuits.report.figures.comparison import Comparison

#: Rows of a map whose rows are not layers alone; the others are in the table.
_MOST_ROWS = 32


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
    def of(cls, comparison: Comparison) -> Grid:
        """The grid of a finding with two axes or more.

        Where several axes run down, only the rows that say most are in it: those with a value
        beyond its tolerance, then those with the largest values.
        """
        found = comparison.found
        *down, across = found.axes
        columns = tuple(tick_text(found, across))
        places = list(np.ndindex(*found.values.shape[:-1]))
        note = ""
        if len(down) > 1 and len(places) > _MOST_ROWS:
            told = _foremost(comparison, places)
            what = "head" if down == ["layer", "head"] else "row"
            note = (
                f"Of {count(len(places), what)}, the {_MOST_ROWS} that changed most or have the "
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

    def cells(self, comparison: Comparison) -> list[list[list[str]]]:
        """What is to be said of each cell, ``[row][column]``."""
        return [
            [said(comparison.cell((*place, column))) for column in range(len(self.columns))]
            for place in self.places
        ]


def _foremost(comparison: Comparison, places: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    def weight(place: tuple[int, ...]) -> tuple[bool, float]:
        strongest = np.nan_to_num(np.abs(comparison.values[place])).max()
        return bool(comparison.beyond[place].any()), float(strongest)

    return sorted(places, key=weight, reverse=True)[:_MOST_ROWS]


def _row_name(finding: Finding, place: tuple[int, ...], names: Sequence[Sequence[str]]) -> str:
    if finding.axes[:2] == ("layer", "head") and len(place) == 2:  # noqa: PLR2004 — layer, head
        return str(Head(*place))
    return ", ".join(named[index] for named, index in zip(names, place, strict=True))
