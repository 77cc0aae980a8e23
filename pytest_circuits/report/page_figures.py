"""A finding's figures as data of the page: numbers once, drawn when somebody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_circuits.report.figures import mechanism, over_versions, paired_samples, ranking
from pytest_circuits.report.figures.grids import Grid
from pytest_circuits.report.figures.paired import left_out
from pytest_circuits.report.figures.points import heads_left_out
from pytest_circuits.report.figures.style import said
from pytest_circuits.report.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.report.figures import SideBySide, Step
    from pytest_circuits.report.figures.style import Drawing


class FigureView(NamedTuple):
    """A figure of the page.

    Attributes:
        title: its heading.
        caption: how to read it.
        about: the same for somebody who can't see it.
    """

    title: str
    caption: str
    about: str


class Drawn(NamedTuple):
    """Figures and what they are drawn from.

    Attributes:
        views: what the page says of each.
        data: for the page's script: ``figures`` (each with ``data``, ``layout`` and the layout of
            a ``narrow`` page), ``shared`` lists that traces name by number, and the number of the
            one that has all cells, ``table``.
    """

    views: list[FigureView]
    data: dict[str, Any]


def figures_of(comparison: SideBySide) -> Drawn:
    """Every figure of a finding."""
    shared = _Shared()
    views, figures = [], []
    for view, wide, narrow in _figures(comparison):
        if wide is not None and narrow is not None:
            views.append(view)
            figures.append(_stored(wide, narrow, shared))
    return Drawn(
        views, {"figures": figures, "table": _table(comparison, shared), "shared": shared.lists}
    )


def _figures(
    comparison: SideBySide,
) -> list[tuple[FigureView, Drawing | None, Drawing | None]]:
    whole, ranked = mechanism(comparison), ranking(comparison)
    several = len(comparison.found.axes) > 1
    return [
        (_values(comparison), whole, mechanism(comparison, stacked=True) if several else whole),
        (_ranks(comparison), ranked, ranked),
        (
            _samples(comparison),
            paired_samples(comparison),
            paired_samples(comparison, stacked=True),
        ),
    ]


def _values(comparison: SideBySide) -> FigureView:
    found, caption = comparison.found, [_quantity(comparison)]
    if len(found.axes) > 1:
        if comparison.role is not None:
            caption.append("Outlined cells have the role.")
        if comparison.comparable:
            caption.append("A triangle marks what moved by more than its tolerance.")
            if comparison.role is not None:
                caption.append("Heads outside the role before and after are not judged.")
        if not comparison.present.all():
            caption.append("A line runs through what the model does not have.")
    else:
        if np.isfinite(found.errors).any():
            caption[0] += ", ± its standard error"
        if comparison.comparable:
            caption.append("The bar behind an open circle is the tolerance.")
        if not comparison.present.all():
            caption.append("What the model does not have has no circle.")
    return FigureView(
        "Every value" if found.axes else "The number",
        f"{caption[0]}. {' '.join(caption[1:])}",
        f"{found.quantity} of every {' and '.join(found.axes) or 'finding'}; {_IN_TABLE}",
    )


_IN_TABLE = "the numbers are in the table below"


def _quantity(comparison: SideBySide) -> str:
    return f"{comparison.found.quantity} ({comparison.found.unit})"


def _ranks(comparison: SideBySide) -> FigureView:
    before, now = comparison.names
    caption = f"{_quantity(comparison)}, strongest first, with the rank. "
    if comparison.comparable:
        caption += f"Open circle: {before}, filled: {now}, each ± its standard error; the bar is "
        caption += "the tolerance, the dotted line what it takes to have the role."
    else:
        caption += "The dotted line is what it takes to have the role."
    if more := heads_left_out(comparison):
        are = "is" if more == 1 else "are"
        caption += f" Of these heads {counted(more, 'further one')} {are} not drawn."
    return FigureView("Heads of the role", caption, f"heads that have the role; {_IN_TABLE}")


def _samples(comparison: SideBySide) -> FigureView:
    before, now = comparison.names
    caption = (
        f"Each mark is one prompt or sequence, the same one in both: {before} across, {now} "
        f"upwards. On the dashed line nothing changed. {left_out(comparison)}"
    )
    about = f"values of every sample, {before} against {now}"
    return FigureView("Sample by sample", caption.strip(), about)


def versions(findings: Sequence[tuple[str, Sequence[Step]]]) -> dict[str, Any]:
    """The figure of several models as data."""
    wide, narrow = over_versions(findings), over_versions(findings, stacked=True)
    shared = _Shared()
    return {"figures": [_stored(wide, narrow, shared)], "shared": shared.lists}


class _Shared:
    """Lists that several traces have in common."""

    def __init__(self) -> None:
        self.lists: list[Any] = []

    def number(self, wanted: Any) -> int:  # noqa: ANN401 — plotly's own
        if wanted not in self.lists:
            self.lists.append(wanted)
        return self.lists.index(wanted)


def _stored(wide: Drawing, narrow: Drawing, shared: _Shared) -> dict[str, Any]:
    traces = [
        trace | {"customdata": shared.number(trace["customdata"])}
        if "customdata" in trace
        else trace
        for trace in wide["data"]
    ]
    stored = {"data": traces, "layout": wide["layout"]}
    same = wide["layout"] == narrow["layout"]
    return stored if same else stored | {"narrow": narrow["layout"]}


def _table(comparison: SideBySide, shared: _Shared) -> int:
    """The shared list that has every cell of the finding: its own map's, if that has all rows."""
    if len(comparison.found.axes) > 1:
        grid = Grid.of(comparison)
        if not grid.note:
            return shared.number(grid.cells(comparison))
    return shared.number([said(cell) for cell in comparison.cells()])
