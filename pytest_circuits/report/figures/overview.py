"""A finding's own figure, whatever its axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.report.figures.grids import Grid
from pytest_circuits.report.figures.heatmaps import heat_maps
from pytest_circuits.report.figures.points import one_number, values_along
from pytest_circuits.report.side_by_side import SideBySide
from pytest_circuits.report.text import in_figure

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from pytest_circuits.findings import Finding
    from pytest_circuits.report.figures.style import Drawing
    from pytest_circuits.verdicts import Tolerance


def mechanism(comparison: SideBySide, *, stacked: bool = False) -> Drawing:
    """All values of a finding beside its baseline: maps, points along an axis, or one number.

    Args:
        comparison: the finding and its baseline.
        stacked: whether maps stand one below the other, for a narrow page.
    """
    axes = len(comparison.found.axes)
    if axes > 1:
        return heat_maps(comparison, stacked=stacked)
    return values_along(comparison) if axes else one_number(comparison)


def notes(comparison: SideBySide) -> list[str]:
    """What the figure of all values doesn't show, and why, a sentence each."""
    said = [comparison.obstacle] if comparison.approved is not None else []
    if len(comparison.found.axes) > 1:
        said.append(Grid.of(comparison).note)
    return [note for note in said if note]


def plot(
    found: Finding, approved: Finding | None = None, tolerance: Tolerance | None = None
) -> go.Figure:
    """The figure of all values with its name, for a notebook.

    Args:
        found: what was measured.
        approved: what to hold it against.
        tolerance: how far it may lie from that; by default the finding's default tolerance.
    """
    # A notebook's figure is checked and can be changed; a page has no use for that.
    import plotly.graph_objects as go

    comparison = SideBySide.of(found, approved, tolerance)
    drawn = go.Figure(mechanism(comparison))
    title = (
        f"<b>{in_figure(found.measure)}</b>: {in_figure(found.quantity)} ({in_figure(found.unit)})"
    )
    below = "<br>".join(map(in_figure, notes(comparison)))
    about = {"text": title, "x": 0, "xref": "paper", "xanchor": "left", "yref": "container"}
    subtitle = {"subtitle": {"text": below}} if below else {}
    room = 62 + (20 * len(notes(comparison)))
    top = drawn.layout.margin.t + room
    drawn.update_layout(
        title=about | {"y": 1, "yanchor": "top", "pad": {"t": 12}} | subtitle,
        margin_t=top - 20,
        height=drawn.layout.height + room - 20,
    )
    return drawn
