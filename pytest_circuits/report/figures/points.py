"""Values as points with their errors and what is allowed: along an axis, of one number, by rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.findings.digits import places
from pytest_circuits.report.figures.style import (
    AFTER,
    BAND,
    BEFORE,
    INK,
    MUTED,
    PAPER,
    axis,
    cell_hover,
    figure,
    numbers,
    said,
    ticks,
)
from pytest_circuits.report.side_by_side import tick_text
from pytest_circuits.report.text import in_figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from pytest_circuits.findings import Head
    from pytest_circuits.report.figures.style import Drawing
    from pytest_circuits.report.side_by_side import CellText, SideBySide

_HALO = {"color": PAPER, "width": 1}
_LINE = {
    "type": "line",
    "layer": "below",
    "line": {"color": MUTED, "width": 1.5, "dash": "dot"},
}
#: Names of cells that one axis has room for.
_MOST_TICKS = 64
#: Half the width of what is allowed around a value, in places along the axis.
_HALF = 0.36
#: Heads in one figure.
_MOST_HEADS = 24


@dataclass(frozen=True)
class Points:
    """Values with their standard errors, each at a place along an axis.

    Attributes:
        name: what they are called.
        places: where each stands.
        values: the values.
        errors: their standard errors; NaN where there is none.
        colour: their colour.
        filled: whether their marks are filled: the baseline's are open.
    """

    name: str
    places: Sequence[float]
    values: ArrayLike
    errors: ArrayLike
    colour: str
    filled: bool

    def upright(self) -> dict[str, Any]:
        """A trace whose values go upwards."""
        return self._trace() | {
            "x": list(self.places),
            "y": numbers(np.atleast_1d(self.values)),
            "error_y": self._bars(),
            "hovertemplate": f"{self.name}: %{{y:.4~g}}<extra></extra>",
        }

    def flat(self) -> dict[str, Any]:
        """A trace whose values go to the right."""
        return self._trace() | {
            "x": numbers(np.atleast_1d(self.values)),
            "y": list(self.places),
            "error_x": self._bars(),
            "hovertemplate": f"{self.name}: %{{x:.4~g}}<extra></extra>",
        }

    def _trace(self) -> dict[str, Any]:
        return {
            "type": "scatter",
            "name": self.name,
            "mode": "markers",
            "showlegend": True,
            "marker": {
                "symbol": "circle" if self.filled else "circle-open",
                "size": 9 if self.filled else 12,
                "color": self.colour,
                "line": {"color": self.colour, "width": 2},
            },
        }

    def _bars(self) -> dict[str, Any]:
        # A single cluster has no error, and so no bar.
        errors = np.nan_to_num(np.atleast_1d(np.asarray(self.errors, dtype=float)), posinf=0.0)
        return {
            "type": "data",
            "array": numbers(np.round(errors, places([*np.atleast_1d(self.values)]))),
            "color": self.colour,
            "thickness": 1.5,
            "width": 3,
        }


def beyond_marks(
    rose: NDArray[np.bool_],
    fell: NDArray[np.bool_],
    at: tuple[NDArray[Any], NDArray[Any]],
    size: int,
) -> Iterator[dict[str, Any]]:
    """Triangles on what moved by more than its tolerance, up or down.

    Args:
        rose: which places rose.
        fell: which fell.
        at: where the marks of all places stand, as x and y.
        size: of a mark, in pixels.
    """
    x, y = at
    for which, symbol, word in ((rose, "triangle-up", "rose"), (fell, "triangle-down", "fell")):
        if which.any():
            yield {
                "type": "scatter",
                "mode": "markers",
                "name": f"{word} by more than the tolerance",
                "x": numbers(x[which]),
                "y": numbers(y[which]),
                "marker": {"symbol": symbol, "size": size, "color": INK, "line": _HALO},
                "hoverinfo": "skip",
                "showlegend": True,
            }


def band(x: tuple[float, float], y: tuple[float, float]) -> dict[str, Any]:
    """What is allowed, as a box between two numbers."""
    corners = {"x0": float(x[0]), "x1": float(x[1]), "y0": float(y[0]), "y1": float(y[1])}
    return corners | {"type": "rect", "layer": "below", "fillcolor": BAND, "line": {"width": 0}}


def _hover(comparison: SideBySide, cells: Iterable[CellText]) -> dict[str, Any]:
    """What is said under the pointer, of each point."""
    return {"customdata": [said(cell) for cell in cells], "hovertemplate": cell_hover(comparison)}


def values_along(comparison: SideBySide) -> Drawing:
    """A finding with one axis: the baseline's values open, the candidate's filled.

    The bar behind a baseline's value is what is allowed; what lies outside has a triangle.
    """
    (name,) = comparison.found.axes
    named = tick_text(comparison.found, name)
    shown = range(0, len(named), -(-len(named) // _MOST_TICKS))
    return figure(
        list(_along(comparison)),
        shapes=list(_bands(comparison)),
        height=360,
        xaxis=axis(
            title={"text": in_figure(name), "font": {"color": MUTED}},
            **ticks(shown, [in_figure(named[place]) for place in shown]),
            range=[-0.6, len(named) - 0.4],
            showgrid=False,
        ),
        yaxis=axis(zeroline=True, zerolinecolor=MUTED),
        margin={"l": 48, "r": 16, "t": 12, "b": 90},
    )


def _along(comparison: SideBySide) -> Iterator[dict[str, Any]]:
    approved, before = comparison.approved, comparison.before
    before_name, now_name = map(in_figure, comparison.names)
    places = list(range(len(comparison.values)))
    if approved is not None and before is not None and comparison.same_cells:
        yield Points(before_name, places, before, approved.errors, BEFORE, filled=False).upright()
    else:
        now_name = "measured"
    measured = Points(now_name, places, comparison.values, comparison.errors, AFTER, filled=True)
    yield measured.upright() | _hover(comparison, comparison.cells())
    if comparison.differences is not None:
        rose = comparison.beyond & (comparison.differences > 0)
        fell = comparison.beyond & (comparison.differences < 0)
        yield from beyond_marks(rose, fell, (np.array(places), comparison.values), 13)


def _bands(comparison: SideBySide) -> Iterator[dict[str, Any]]:
    if comparison.before is None or comparison.allowed is None:
        return
    places = np.flatnonzero(comparison.present).tolist()
    for place in places:
        value, allowed = comparison.before[place], comparison.allowed[place]
        box = band((place - _HALF, place + _HALF), (value - allowed, value + allowed))
        yield box | ({"showlegend": True, "name": "tolerance"} if place == places[0] else {})


def one_number(comparison: SideBySide) -> Drawing:
    """A finding of one number: before and after with standard errors, and what is allowed."""
    approved = comparison.approved
    before_name, now_name = map(in_figure, comparison.names)
    data, shapes, names = [], [], ["measured"]
    if approved is not None and comparison.before is not None and not approved.axes:
        before = float(comparison.before)
        if comparison.allowed is not None:
            allowed = float(comparison.allowed)
            shapes.append(band((before - allowed, before + allowed), (1 - _HALF, 1 + _HALF)))
        data.append(Points(before_name, [1], before, approved.errors, BEFORE, filled=False).flat())
        names = [now_name, before_name]
    measured = Points(names[0], [0], comparison.values, comparison.errors, AFTER, filled=True)
    data.append(measured.flat() | _hover(comparison, comparison.cells()))
    return figure(
        data,
        height=124 + 22 * len(names),
        shapes=shapes,
        xaxis=axis(zeroline=True, zerolinecolor=MUTED),
        yaxis=axis(
            **ticks(range(len(names)), names),
            range=[-0.7, len(names) - 0.3],
            showgrid=False,
        ),
        margin={"l": 80, "r": 16, "t": 12, "b": 62},
    )


def ranked_heads(comparison: SideBySide) -> list[Head]:
    """The heads that have or had the role: the baseline's by rank, then those that are new.

    A baseline that can't be compared says nothing about these heads.
    """
    before = comparison.members_before if comparison.comparable else {}
    return list(dict.fromkeys([*before, *comparison.members]))


def ranking(comparison: SideBySide) -> Drawing | None:
    """The role's heads by their rank, a line each: baseline open, candidate filled.

    The bar behind the open circle is the tolerance. None for a finding without a role, or where
    no head ever had it, or whose values are undefined.
    """
    heads = ranked_heads(comparison)[:_MOST_HEADS]
    if not heads or np.isnan(comparison.values).all():
        return None
    count = len(heads)
    rows = {head: count - 1 - place for place, head in enumerate(heads)}
    data, shapes = _ranked_before(comparison, rows) if comparison.comparable else ([], [])
    measured = Points(
        in_figure(comparison.names[1]) if data else "measured",
        list(rows.values()),
        [comparison.values[head] for head in heads],
        [comparison.errors[head] for head in heads],
        AFTER,
        filled=True,
    )
    data.append(measured.flat() | _hover(comparison, map(comparison.cell, heads)))
    return figure(
        data,
        # A single row needs as much room for the legend as many.
        height=84 + max(26 * count, 60),
        shapes=[*shapes, *_thresholds(comparison)],
        xaxis=axis(zeroline=True, zerolinecolor=MUTED, range=_reach(comparison, heads)),
        yaxis=axis(
            **ticks(list(rows.values()), [_rank(comparison, head) for head in heads]),
            range=[-0.7, count - 0.3],
            showgrid=False,
            tickfont={"size": 12},
        ),
        margin={"l": 110, "r": 16, "t": 8, "b": 58},
    )


def heads_left_out(comparison: SideBySide) -> int:
    """How many heads the figure leaves out."""
    return max(0, len(ranked_heads(comparison)) - _MOST_HEADS)


def _ranked_before(
    comparison: SideBySide, rows: dict[Head, int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The baseline's values, and behind them what is allowed and how far each head went."""
    approved, before, allowed = comparison.approved, comparison.before, comparison.allowed
    assert approved is not None
    assert before is not None
    assert allowed is not None
    shapes = [
        shape
        for head, row in rows.items()
        for shape in (
            band(
                (before[head] - allowed[head], before[head] + allowed[head]),
                (row - 0.32, row + 0.32),
            ),
            _way(float(before[head]), float(comparison.values[head]), row),
        )
    ]
    values, errors = [before[head] for head in rows], [approved.errors[head] for head in rows]
    name = in_figure(comparison.names[0])
    return [Points(name, list(rows.values()), values, errors, BEFORE, filled=False).flat()], shapes


def _way(start: float, end: float, row: int) -> dict[str, Any]:
    """How far a head went."""
    return _LINE | {"x0": start, "x1": end, "y0": row, "y1": row}


def _rank(comparison: SideBySide, head: Head) -> str:
    """A head with its ranks: ``L5H1  #2 → #4``, ``L5H2  #3 → out``, ``L6H0  new → #1``."""
    sides = ((comparison.members_before, "new"), (comparison.members, "out"))
    ranks = [
        f"#{list(members).index(head) + 1}" if head in members else otherwise
        for members, otherwise in sides
    ]
    if not comparison.comparable or ranks[0] == ranks[1]:
        return f"{head}  {ranks[1]}"
    return f"{head}  {ranks[0]} → {ranks[1]}"


def _reach(comparison: SideBySide, heads: list[Head]) -> list[float]:
    """From 0 or below to the last value, error or tolerance, with some room."""
    ends = [0.0]
    sides = [(comparison.values, comparison.errors)]
    if comparison.approved is not None and comparison.before is not None and comparison.comparable:
        assert comparison.allowed is not None
        sides.append((comparison.before, comparison.approved.errors))
        sides.append((comparison.before, comparison.allowed))
    for values, around in sides:
        for head in heads:
            value, reach = float(values[head]), float(np.nan_to_num(around[head], posinf=0.0))
            ends += [value - reach, value + reach]
    room = 0.03 * (max(ends) - min(ends)) or 1.0
    return [min(ends) - room, max(ends) + room]


def _thresholds(comparison: SideBySide) -> list[dict[str, Any]]:
    """What it takes to have the role, on either side where heads stand there."""
    assert comparison.role is not None
    shown = [*comparison.members.values(), *comparison.members_before.values()]
    sides = [1, -1] if any(value < 0 for value in shown) else [1]
    places = [side * comparison.role.threshold for side in sides]
    return [_LINE | {"x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1} for at in places]
