"""Layer × head, layer × position: baseline, candidate and difference, cell by cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.findings import Direction
from pytest_circuits.report.figures.grids import DIFFERENCES, VALUES, panels_of
from pytest_circuits.report.figures.points import beyond_marks
from pytest_circuits.report.figures.style import (
    DIVERGING,
    INK,
    MUTED,
    NOTHING,
    PAPER,
    SEQUENTIAL,
    axes,
    axis_title,
    figure,
    heading,
    numbers,
    on,
    scale,
    suffix,
    ticks,
)
from pytest_circuits.report.text import in_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_circuits.report.figures.grids import Panel
    from pytest_circuits.report.figures.style import Drawing
    from pytest_circuits.report.side_by_side import SideBySide

#: Names, and in_figure numbers, that one axis has room for.
_MOST_NAMES, _MOST_NUMBERS = 40, 12
#: Characters from which the names of columns are slanted.
_LONG = 4
#: Pixels of a row at least and at most, and of all rows side by side and one below the other.
_ROW, _BESIDE, _STACKED = (9, 28), 560, 400
#: The least that a map is high, in pixels.
_LEAST = 90
#: Pixels over a map, for its name, and below it, for its columns' names and the legend.
_ABOVE, _BELOW, _LEGEND = 34, 64, 70
#: Pixels between maps that stand one below the other.
_GAP = 96
#: Columns beyond which maps don't stand side by side, and from which one map has all the width.
_MOST_BESIDE, _WIDE = 26, 14


def heat_maps(comparison: SideBySide, *, stacked: bool = False) -> Drawing:
    """Maps of baseline, candidate and difference; what can't be compared has no difference.

    Baseline and candidate share one range of colours. Cells that have the role are outlined;
    those that moved by more than their tolerance have a triangle, up or down. Where the model has
    no such cell there is no colour, and a line.

    Args:
        comparison: a finding with two axes or more, and its baseline.
        stacked: whether the maps stand one below the other, for a narrow page.
    """
    panels = panels_of(comparison)
    arrangement = _arrange(
        len(panels),
        max(len(panel.grid.rows) for panel in panels),
        max(len(panel.grid.columns) for panel in panels),
        stacked=stacked,
    )
    layout: dict[str, Any] = {"height": arrangement.height, "shapes": [], "annotations": []}
    # Rows that are the same ones are named once.
    alike = not arrangement.stacked and len({panel.grid.rows for panel in panels}) == 1
    first = next((panel for panel in panels if panel.outlined), None)
    sparse = next((panel for panel in panels if panel.absent.any()), None)
    absent = "no head here" if comparison.found.axes[:2] == ("layer", "head") else "no value here"
    data: list[dict[str, Any]] = []
    for number, (panel, spot) in enumerate(zip(panels, arrangement.spots, strict=True), start=1):
        data += _traces(panel, number, comparison)
        data += _blanks(panel, number, absent, explained=panel is sparse)
        layout |= _axes(panel, spot, number, named=number == 1 or not alike)
        layout["annotations"] += _words(panel, spot, number)
        layout["shapes"] += _outlines(panel, number, explained=panel is first)
    layout |= _colour_axes(comparison, panels, arrangement.spots)
    if any((np.isnan(panel.values) & ~panel.absent).any() for panel in panels):
        # It is seen where there is no value.
        layout["plot_bgcolor"] = NOTHING
    return figure(data, **layout)


def _traces(panel: Panel, number: int, comparison: SideBySide) -> Iterator[dict[str, Any]]:
    where = on(number)
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
        # What is said there is said by another trace.
        **({"hoverongaps": False} if panel.absent.any() else {}),
    }
    if panel.scale == DIFFERENCES:
        beyond, rose = panel.grid.take(comparison.beyond), panel.values > 0
        rows, columns = np.indices(beyond.shape)
        at = np.asarray(columns), np.asarray(rows)
        for marks in beyond_marks(beyond & rose, beyond & ~rose, at, 9):
            yield marks | where


def _blanks(panel: Panel, number: int, name: str, *, explained: bool) -> Iterator[dict[str, Any]]:
    """Cells that the model does not have: what is said of each, and a line through all of a row."""
    if not panel.absent.any():
        return
    where = on(number)
    yield where | {
        "type": "heatmap",
        "name": name,
        "z": numbers(np.where(panel.absent, 0.0, np.nan)),
        "customdata": panel.cells,
        "hovertemplate": f"<b>%{{customdata[0]}}</b><br>{name}: %{{customdata[1]}}<extra></extra>",
        "hoverongaps": False,
        "colorscale": scale((PAPER, PAPER)),
        "showscale": False,
    }
    runs = [(row, run) for row, absent in enumerate(panel.absent) for run in _runs(absent)]
    yield where | {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [end for _, run in runs for end in (run[0] - 0.2, run[-1] + 0.2, None)],
        "y": [end for row, _ in runs for end in (row, row, None)],
        "line": {"color": MUTED, "width": 1},
        "hoverinfo": "skip",
        "showlegend": explained,
    }


def _runs(absent: NDArray[np.bool_]) -> list[list[int]]:
    """The columns of a row that are absent, in parts without a gap."""
    columns = np.flatnonzero(absent)
    parts = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    return [part.tolist() for part in parts if len(part)]


def _axes(panel: Panel, spot: _Spot, number: int, *, named: bool) -> dict[str, Any]:
    grid, bare = panel.grid, {"showgrid": False, "showline": False}
    slanted = max(map(len, grid.columns)) >= _LONG
    across = {
        "range": [-0.5, len(grid.columns) - 0.5],
        **bare,
        "title": axis_title(grid.column_axis, 6),
        **_ticks(grid.columns, slanted=slanted),
    }
    down = {
        "range": [len(grid.rows) - 0.5, -0.5],
        **bare,
        "showticklabels": named,
        "title": axis_title(grid.row_axis if named else "", 6),
        **_ticks(grid.rows),
    }
    return axes(number, spot.x, spot.y, across, down)


def _ticks(names: Sequence[str], *, slanted: bool = False) -> dict[str, Any]:
    room = _MOST_NUMBERS if all(name.isdigit() for name in names) else _MOST_NAMES
    places = list(range(0, len(names), -(-len(names) // room)))
    named = ticks(places, [in_figure(names[place]) for place in places])
    return named | ({"tickangle": -60} if slanted else {})


def _words(panel: Panel, spot: _Spot, number: int) -> Iterator[dict[str, Any]]:
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


@dataclass(frozen=True)
class _Spot:
    """Where a map stands, in shares of the figure; ``bar`` is where its colours are told."""

    x: tuple[float, float]
    y: tuple[float, float]
    bar: tuple[float, float]


@dataclass(frozen=True)
class _Arrangement:
    """Where the maps of a figure stand.

    Attributes:
        spots: of each map.
        height: of the figure, in pixels.
        stacked: whether they stand one below the other.
    """

    spots: list[_Spot]
    height: int
    stacked: bool


def _arrange(count: int, rows: int, columns: int, *, stacked: bool) -> _Arrangement:
    """So many maps of at most so many rows and columns."""
    stacked = stacked or columns > _MOST_BESIDE
    height = max(_LEAST, min(_STACKED if stacked else _BESIDE, rows * _ROW[1]), rows * _ROW[0])
    if not stacked:
        return _Arrangement(_beside(count, columns), _ABOVE + height + _BELOW + _LEGEND, stacked)
    total = _ABOVE + count * height + (count - 1) * _GAP + _BELOW + _LEGEND
    return _Arrangement(_below(count, height), total, stacked)


def _beside(count: int, columns: int) -> list[_Spot]:
    if count == 1:
        # A few heads drawn across a whole page would be bricks.
        right = 0.9 if columns > _WIDE else 0.42
        return [_Spot((0, right), (0, 1), (right + 0.005, 0.5))]
    if count == 2:  # noqa: PLR2004 — baseline and candidate, which share their colours
        return [_Spot((0, 0.43), (0, 1), (0.915, 0.5)), _Spot((0.48, 0.91), (0, 1), (0.915, 0.5))]
    return [
        _Spot((0, 0.265), (0, 1), (0.565, 0.5)),
        _Spot((0.295, 0.56), (0, 1), (0.565, 0.5)),
        _Spot((0.665, 0.93), (0, 1), (0.935, 0.5)),
    ]


def _below(count: int, height: float) -> list[_Spot]:
    whole = count * height + (count - 1) * _GAP
    spots = []
    for place in range(count):
        top = 1 - place * (height + _GAP) / whole
        low = max(0.0, top - height / whole)
        spots.append(_Spot((0, 0.86), (low, top), (0.87, (low + top) / 2)))
    return spots


def _colour_axes(
    comparison: SideBySide, panels: Sequence[Panel], spots: Sequence[_Spot]
) -> dict[str, Any]:
    """The scales of a figure of maps.

    Values that have a sign are centred at 0, and so are differences. What is within its tolerance
    stays pale, however little there is beside it.
    """
    shown = [panel for panel in panels if panel.scale == VALUES]
    every = np.concatenate([panel.values.ravel() for panel in shown])
    every = every[np.isfinite(every)]
    low, high = _range(comparison.found.direction, every) if len(every) else (0.0, 1.0)
    height = spots[0].y[1] - spots[0].y[0]
    axes = {
        VALUES: {
            "cmin": low,
            "cmax": high,
            "colorscale": scale(DIVERGING if low == -high else SEQUENTIAL),
            "colorbar": _bar(spots[len(shown) - 1], height),
            "showscale": bool(len(every)),
        }
    }
    if comparison.differences is not None and comparison.allowed is not None:
        moved, allowed = (
            each[comparison.present] for each in (comparison.differences, comparison.allowed)
        )
        most = float(max(np.abs(moved).max(), 2 * allowed.min()))
        axes[DIFFERENCES] = {
            "cmin": -most,
            "cmax": most,
            "colorscale": scale(DIVERGING),
            "colorbar": _bar(spots[-1], height),
        }
    return axes


def _range(direction: Direction, values: np.ndarray[Any, Any]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if direction is Direction.TWO_SIDED or low < 0:
        most = max(-low, high) or 1.0
        return -most, most
    if direction is Direction.HIGHER:
        low = 0.0
    return low, high if high > low else low + 1


def _bar(spot: _Spot, height: float) -> dict[str, Any]:
    return {
        "x": spot.bar[0],
        "xanchor": "left",
        "y": spot.bar[1],
        "yanchor": "middle",
        "len": height,
        "thickness": 10,
        "nticks": 6,
        "outlinewidth": 0,
        "tickfont": {"color": MUTED, "size": 11},
        "bgcolor": PAPER,
    }
