"""Who had the role and who has it: ranks and values, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.report.figures.hover import cell_hover, said
from pytest_circuits.report.figures.names import plain
from pytest_circuits.report.figures.points import Points, band
from pytest_circuits.report.figures.style import AFTER, BEFORE, MUTED, axis, figure

if TYPE_CHECKING:
    from typing import Any

    from pytest_circuits.findings import Head
    from pytest_circuits.report.figures.comparison import Comparison
    from pytest_circuits.report.figures.style import Drawing

#: Heads in one figure.
_MOST = 24


def ranked_heads(comparison: Comparison) -> list[Head]:
    """The heads that have or had the role: the baseline's by rank, then those that are new.

    A baseline that can't be compared says nothing about these heads.
    """
    before = comparison.members_before if comparison.comparable else {}
    return list(dict.fromkeys([*before, *comparison.members]))


def ranking(comparison: Comparison) -> Drawing | None:
    """The role's heads by their rank, a line each: baseline open, candidate filled.

    The bar behind the open circle is the tolerance. None for a finding without a role, or where
    no head ever had it, or whose values are undefined.
    """
    heads = ranked_heads(comparison)[:_MOST]
    if not heads or np.isnan(comparison.values).all():
        return None
    count = len(heads)
    rows = {head: count - 1 - place for place, head in enumerate(heads)}
    data, shapes = _before(comparison, rows) if comparison.comparable else ([], [])
    measured = Points(
        plain(comparison.names[1]) if data else "measured",
        list(rows.values()),
        [comparison.values[head] for head in heads],
        [comparison.errors[head] for head in heads],
        AFTER,
        filled=True,
    )
    data.append(
        measured.flat()
        | {
            "customdata": [said(comparison.cell(head)) for head in heads],
            "hovertemplate": cell_hover(comparison),
        }
    )
    return figure(
        data,
        # A single row needs as much room for the legend as many.
        height=84 + max(26 * count, 60),
        shapes=[*shapes, *_thresholds(comparison)],
        xaxis=axis(zeroline=True, zerolinecolor=MUTED, range=_reach(comparison, heads)),
        yaxis=axis(
            tickmode="array",
            tickvals=list(rows.values()),
            ticktext=[_rank(comparison, head) for head in heads],
            range=[-0.7, count - 0.3],
            showgrid=False,
            tickfont={"size": 12},
        ),
        margin={"l": 110, "r": 16, "t": 8, "b": 58},
    )


def heads_left_out(comparison: Comparison) -> int:
    """How many heads the figure leaves out."""
    return max(0, len(ranked_heads(comparison)) - _MOST)


def _before(
    comparison: Comparison, rows: dict[Head, int]
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
    name = plain(comparison.names[0])
    return [Points(name, list(rows.values()), values, errors, BEFORE, filled=False).flat()], shapes


def _way(start: float, end: float, row: int) -> dict[str, Any]:
    """How far a head went."""
    return _LINE | {"x0": start, "x1": end, "y0": row, "y1": row}


_LINE = {
    "type": "line",
    "layer": "below",
    "line": {"color": MUTED, "width": 1.5, "dash": "dot"},
}


def _rank(comparison: Comparison, head: Head) -> str:
    """A head with its ranks: ``L5H1  #2 → #4``, ``L5H2  #3 → out``, ``L6H0  new → #1``."""
    sides = ((comparison.members_before, "new"), (comparison.members, "out"))
    ranks = [
        f"#{list(members).index(head) + 1}" if head in members else otherwise
        for members, otherwise in sides
    ]
    if not comparison.comparable or ranks[0] == ranks[1]:
        return f"{head}  {ranks[1]}"
    return f"{head}  {ranks[0]} → {ranks[1]}"


def _reach(comparison: Comparison, heads: list[Head]) -> list[float]:
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


def _thresholds(comparison: Comparison) -> list[dict[str, Any]]:
    """What it takes to have the role, on either side where heads stand there."""
    assert comparison.role is not None
    shown = [*comparison.members.values(), *comparison.members_before.values()]
    sides = [1, -1] if any(value < 0 for value in shown) else [1]
    places = [side * comparison.role.threshold for side in sides]
    return [_LINE | {"x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1} for at in places]
