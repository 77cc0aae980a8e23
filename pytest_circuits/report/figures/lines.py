"""Findings along one axis, and findings of one number: points with errors and what is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.report.figures.hover import cell_hover, said
from pytest_circuits.report.figures.names import plain, tick_text
from pytest_circuits.report.figures.points import Points, band, beyond_marks
from pytest_circuits.report.figures.style import AFTER, BEFORE, MUTED, axis, figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.report.figures.comparison import Comparison
    from pytest_circuits.report.figures.style import Drawing

#: Names of cells that one axis has room for.
_MOST_TICKS = 64
#: Half the width of what is allowed around a value, in places along the axis.
_HALF = 0.36


def values_along(comparison: Comparison) -> Drawing:
    """A finding with one axis: the baseline's values open, the candidate's filled.

    The bar behind a baseline's value is what is allowed; what lies outside has a triangle.
    """
    (name,) = comparison.found.axes
    ticks = tick_text(comparison.found, name)
    shown = range(0, len(ticks), -(-len(ticks) // _MOST_TICKS))
    return figure(
        list(_along(comparison)),
        shapes=list(_bands(comparison)),
        height=360,
        xaxis=axis(
            title={"text": plain(name), "font": {"color": MUTED}},
            tickmode="array",
            tickvals=list(shown),
            ticktext=[plain(ticks[place]) for place in shown],
            range=[-0.6, len(ticks) - 0.4],
            showgrid=False,
        ),
        yaxis=axis(zeroline=True, zerolinecolor=MUTED),
        margin={"l": 48, "r": 16, "t": 12, "b": 90},
    )


def _along(comparison: Comparison) -> Iterator[dict[str, Any]]:
    approved, before = comparison.approved, comparison.before
    before_name, now_name = map(plain, comparison.names)
    places = list(range(len(comparison.values)))
    if approved is not None and before is not None and comparison.same_cells:
        yield Points(before_name, places, before, approved.errors, BEFORE, filled=False).upright()
    else:
        now_name = "measured"
    measured = Points(now_name, places, comparison.values, comparison.errors, AFTER, filled=True)
    yield measured.upright() | {
        "customdata": [said(cell) for cell in comparison.cells()],
        "hovertemplate": cell_hover(comparison),
    }
    if comparison.differences is not None:
        rose = comparison.beyond & (comparison.differences > 0)
        fell = comparison.beyond & (comparison.differences < 0)
        yield from beyond_marks(rose, fell, (np.array(places), comparison.values), 13)


def _bands(comparison: Comparison) -> Iterator[dict[str, Any]]:
    if comparison.before is None or comparison.allowed is None:
        return
    around = zip(comparison.before, comparison.allowed, strict=True)
    for place, (value, allowed) in enumerate(around):
        box = band((place - _HALF, place + _HALF), (value - allowed, value + allowed))
        yield box | ({} if place else {"showlegend": True, "name": "tolerance"})


def one_number(comparison: Comparison) -> Drawing:
    """A finding of one number: before and after with standard errors, and what is allowed."""
    approved = comparison.approved
    before_name, now_name = map(plain, comparison.names)
    data, shapes, names = [], [], ["measured"]
    if approved is not None and comparison.before is not None and not approved.axes:
        before = float(comparison.before)
        if comparison.allowed is not None:
            allowed = float(comparison.allowed)
            shapes.append(band((before - allowed, before + allowed), (1 - _HALF, 1 + _HALF)))
        data.append(Points(before_name, [1], before, approved.errors, BEFORE, filled=False).flat())
        names = [now_name, before_name]
    measured = Points(names[0], [0], comparison.values, comparison.errors, AFTER, filled=True)
    data.append(
        measured.flat()
        | {"customdata": [said(comparison.cell(()))], "hovertemplate": cell_hover(comparison)}
    )
    return figure(
        data,
        height=124 + 22 * len(names),
        shapes=shapes,
        xaxis=axis(zeroline=True, zerolinecolor=MUTED),
        yaxis=axis(
            tickmode="array",
            tickvals=list(range(len(names))),
            ticktext=names,
            range=[-0.7, len(names) - 0.3],
            showgrid=False,
        ),
        margin={"l": 80, "r": 16, "t": 12, "b": 62},
    )
