"""Findings over versions: each one's number on every model, in the models' order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_circuits.report.figures.style import (
    AFTER,
    INK,
    MUTED,
    axes,
    figure,
    heading,
    on,
    ticks,
)
from pytest_circuits.report.side_by_side import visible
from pytest_circuits.report.text import cut, in_figure, in_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.report.figures.style import Drawing


#: A verdict's mark, told apart by shape.
_MARKS = {
    "preserved": "circle",
    "strengthened": "triangle-up",
    "relocated": "diamond",
    "weakened": "triangle-down",
    "lost": "x",
}
_OTHER = "circle-open"
#: Models whose names fit below a quarter of the page.
_FEW = 5
#: Characters of a name that the page has room for, over all columns.
_CHARACTERS = 96
#: Pixels of a panel, and of what stands between two.
_HEIGHT, _BETWEEN = 96, 44


class Step(NamedTuple):
    """One finding on one model.

    Attributes:
        model: the model's alias.
        number: the finding in one number; None where it has none.
        verdict: its verdict; empty where the model has no such finding.
    """

    model: str
    number: float | None
    verdict: str


def over_versions(
    findings: Sequence[tuple[str, Sequence[Step]]], *, stacked: bool = False
) -> Drawing:
    """A line a finding over the models, each in a panel of its own, whose unit is its own.

    The marks are the verdicts. A model without a number interrupts the line.

    Args:
        findings: each finding's name and what every model gave, in the models' order.
        stacked: whether a panel takes the whole width, for a narrow page.
    """
    several = max((len(steps) for _, steps in findings), default=0) > _FEW
    columns = 1 if stacked else min(2 if several else 4, max(1, len(findings)))
    rows, most = -(-len(findings) // columns), _CHARACTERS // columns
    inside = rows * _HEIGHT + (rows - 1) * _BETWEEN
    layout: dict[str, Any] = {"annotations": [], "height": inside + 104}
    data = []
    for place, (name, steps) in enumerate(findings):
        row, column = divmod(place, columns)
        width = (1 - 0.07 * (columns - 1)) / columns
        left = column * (width + 0.07)
        top = 1 - row * (_HEIGHT + _BETWEEN) / inside
        y = (max(0.0, top - _HEIGHT / inside), top)
        data.append(_line(name, steps) | on(place + 1))
        last = row == rows - 1 or place + columns >= len(findings)
        across = {
            **ticks(range(len(steps)), [in_figure(visible(step.model)) for step in steps]),
            "showticklabels": last,
            "range": [-0.35, len(steps) - 0.65],
        }
        layout |= axes(place + 1, (left, left + width), y, across, _UPWARDS)
        layout["annotations"].append(
            heading(in_figure(cut(name, most)), left, top, font={"size": 12})
        )
    data += _legend({step.verdict for _, steps in findings for step in steps if step.verdict})
    return figure(data, margin={"l": 44, "r": 20, "t": 30, "b": 74}, **layout)


def _line(name: str, steps: Sequence[Step]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": in_figure(name),
        "mode": "lines+markers",
        "x": list(range(len(steps))),
        "y": [step.number for step in steps],
        "customdata": [[in_figure(step.model), step.verdict or "not measured"] for step in steps],
        "hovertemplate": f"{in_template(name)}<br>{_SAID}",
        "connectgaps": False,
        "cliponaxis": False,
        "line": {"color": AFTER, "width": 2},
        "marker": {
            "symbol": [_MARKS.get(step.verdict, _OTHER) for step in steps],
            "size": 10,
            "color": INK,
        },
        "showlegend": False,
    }


_UPWARDS = {"nticks": 4, "rangemode": "tozero", "zeroline": True, "zerolinecolor": MUTED}
_SAID = "<b>%{customdata[0]}</b>: %{y:.4~g}<br>%{customdata[1]}<extra></extra>"


def _legend(verdicts: set[str]) -> list[dict[str, Any]]:
    """What each mark means, of those that are drawn."""
    known = [verdict for verdict in _MARKS if verdict in verdicts]
    others = sorted(verdicts - _MARKS.keys())
    return [
        {
            "type": "scatter",
            "name": in_figure(verdict),
            "mode": "markers",
            "x": [None],
            "y": [None],
            "marker": {"symbol": _MARKS.get(verdict, _OTHER), "size": 10, "color": INK},
            "showlegend": True,
        }
        for verdict in known + others
    ]
