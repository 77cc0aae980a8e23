"""Layer × head, layer × position: baseline, candidate and difference, cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.report.figures.arrangement import arrange
from pytest_circuits.report.figures.colours import DIFFERENCES, colour_axes
from pytest_circuits.report.figures.names import plain
from pytest_circuits.report.figures.panels import panels_of
from pytest_circuits.report.figures.points import beyond_marks
from pytest_circuits.report.figures.style import (
    INK,
    MUTED,
    NOTHING,
    axis,
    figure,
    heading,
    numbers,
    suffix,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_circuits.report.figures.arrangement import Spot
    from pytest_circuits.report.figures.comparison import Comparison
    from pytest_circuits.report.figures.panels import Panel
    from pytest_circuits.report.figures.style import Drawing

#: Names, and plain numbers, that one axis has room for.
_MOST_NAMES, _MOST_NUMBERS = 40, 12
#: Characters from which the names of columns are slanted.
_LONG = 4


def heat_maps(comparison: Comparison, *, stacked: bool = False) -> Drawing:
    """Maps of baseline, candidate and difference; what can't be compared has no difference.

    Baseline and candidate share one range of colours. Cells that have the role are outlined;
    those that moved by more than their tolerance have a triangle, up or down.

    Args:
        comparison: a finding with two axes or more, and its baseline.
        stacked: whether the maps stand one below the other, for a narrow page.
    """
    panels = panels_of(comparison)
    arrangement = arrange(
        len(panels),
        max(len(panel.grid.rows) for panel in panels),
        max(len(panel.grid.columns) for panel in panels),
        stacked=stacked,
    )
    layout: dict[str, Any] = {"height": arrangement.height, "shapes": [], "annotations": []}
    # Rows that are the same ones are named once.
    alike = not arrangement.stacked and len({panel.grid.rows for panel in panels}) == 1
    first = next((panel for panel in panels if panel.outlined), None)
    data: list[dict[str, Any]] = []
    for number, (panel, spot) in enumerate(zip(panels, arrangement.spots, strict=True), start=1):
        data += _traces(panel, number, comparison)
        layout |= _axes(panel, spot, number, named=number == 1 or not alike)
        layout["annotations"] += _words(panel, spot, number)
        layout["shapes"] += _outlines(panel, number, explained=panel is first)
    layout |= colour_axes(comparison, panels, arrangement.spots)
    if any(np.isnan(panel.values).any() for panel in panels):
        # It is seen where there is no value.
        layout["plot_bgcolor"] = NOTHING
    return figure(data, **layout)


def _traces(panel: Panel, number: int, comparison: Comparison) -> Iterator[dict[str, Any]]:
    where = {"xaxis": f"x{suffix(number)}", "yaxis": f"y{suffix(number)}"}
    yield where | {
        "type": "heatmap",
        "name": panel.title,
        "z": numbers(panel.values),
        **(
            {"customdata": panel.cells, "hovertemplate": panel.hover}
            if panel.hover
            else {"hoverinfo": "skip"}
        ),
        "coloraxis": panel.scale,
        "xgap": 1,
        "ygap": 1,
    }
    if panel.scale == DIFFERENCES:
        beyond, rose = panel.grid.take(comparison.beyond), panel.values > 0
        rows, columns = np.indices(beyond.shape)
        at = np.asarray(columns), np.asarray(rows)
        for marks in beyond_marks(beyond & rose, beyond & ~rose, at, 9):
            yield marks | where


def _axes(panel: Panel, spot: Spot, number: int, *, named: bool) -> dict[str, Any]:
    grid, end = panel.grid, suffix(number)
    across = axis(
        domain=spot.x,
        anchor=f"y{end}",
        range=[-0.5, len(grid.columns) - 0.5],
        showgrid=False,
        showline=False,
        title=_title(grid.column_axis),
        **_ticks(grid.columns, slanted=max(map(len, grid.columns)) >= _LONG),
    )
    down = axis(
        domain=spot.y,
        anchor=f"x{end}",
        range=[len(grid.rows) - 0.5, -0.5],
        showgrid=False,
        showline=False,
        showticklabels=named,
        title=_title(grid.row_axis if named else ""),
        **_ticks(grid.rows),
    )
    return {f"xaxis{end}": across, f"yaxis{end}": down}


def _title(text: str) -> dict[str, Any]:
    return {"text": plain(text), "font": {"color": MUTED}, "standoff": 6}


def _ticks(names: Sequence[str], *, slanted: bool = False) -> dict[str, Any]:
    """Ticks at numbers, with names for words: names that are alike stay apart."""
    room = _MOST_NUMBERS if all(name.isdigit() for name in names) else _MOST_NAMES
    places = list(range(0, len(names), -(-len(names) // room)))
    return {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [plain(names[place]) for place in places],
        **({"tickangle": -60} if slanted else {}),
    }


def _words(panel: Panel, spot: Spot, number: int) -> Iterator[dict[str, Any]]:
    yield heading(panel.title, spot.x[0], spot.y[1])
    if panel.empty:
        yield {
            "text": panel.empty,
            "x": 0.5,
            "y": 0.5,
            "xref": f"x{suffix(number)} domain",
            "yref": f"y{suffix(number)} domain",
            "showarrow": False,
            "font": {"color": INK, "size": 14},
        }


def _outlines(panel: Panel, number: int, *, explained: bool) -> Iterator[dict[str, Any]]:
    """The outlines of a panel's cells as one shape: roles can have hundreds of heads."""
    if not panel.outlined:
        return
    yield {
        "type": "path",
        "xref": f"x{suffix(number)}",
        "yref": f"y{suffix(number)}",
        "path": "".join(
            f"M{column - 0.5},{row - 0.5}H{column + 0.5}V{row + 0.5}H{column - 0.5}Z"
            for row, column in panel.outlined
        ),
        "line": {"color": INK, "width": 2},
        **({"showlegend": True, "name": "in the role"} if explained else {}),
    }
