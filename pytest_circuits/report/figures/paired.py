"""The same samples before and after: what each head and the behaviour gave on every one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.findings.digits import places
from pytest_circuits.report.figures.style import (
    AFTER,
    HEADS,
    MUTED,
    SYMBOLS,
    axes,
    axis_title,
    figure,
    heading,
    numbers,
    on,
)
from pytest_circuits.report.text import counted, in_figure, in_template
from pytest_circuits.verdicts import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_circuits.report.figures.style import Drawing
    from pytest_circuits.report.side_by_side import SideBySide

_HEIGHT = 380
#: Panels of one figure.
_MOST_PANELS = 3


@dataclass(frozen=True)
class Pairs:
    """The values of the same samples before and after.

    Attributes:
        name: whose values they are.
        before: the baseline's, ``[sample]``.
        now: the finding's, ``[sample]``.
    """

    name: str
    before: NDArray[np.float64]
    now: NDArray[np.float64]


def pairs_of_heads(comparison: SideBySide) -> list[Pairs]:
    """The role's heads whose values are kept on both sides, strongest first."""
    approved, found = comparison.approved, comparison.found
    if approved is None or not comparison.comparable:
        return []
    members = dict.fromkeys([*comparison.members_before, *comparison.members])
    heads = [str(head) for head in members] or list(approved.profiles)
    return list(
        _kept((name, approved.profiles.get(name), found.profiles.get(name)) for name in heads)
    )


def pairs_of_behaviours(comparison: SideBySide) -> list[Pairs]:
    """The companion behaviours whose values are kept on both sides."""
    approved = comparison.approved
    if approved is None or not comparison.same_quantity:
        return []
    now = {behaviour.name: behaviour.profile for behaviour in comparison.found.companion}
    return list(
        _kept(
            (f"{readable(before.name)} ({before.unit})", before.profile, now.get(before.name))
            for before in approved.companion
        )
    )


def _short(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(values, places(values))


def _kept(
    sides: Any,  # noqa: ANN401 — names with what may be profiles
) -> Iterator[Pairs]:
    for name, before, now in sides:
        if before is not None and now is not None and before.shape == now.shape and len(before):
            yield Pairs(name, _short(before), _short(now))


def paired_samples(comparison: SideBySide, *, stacked: bool = False) -> Drawing | None:
    """Baseline against candidate on every sample; on the diagonal nothing changed.

    The role's heads share a panel; each behaviour, whose unit is another, has one of its own.
    None where no sample's values are kept on both sides.

    Args:
        comparison: the finding and its baseline.
        stacked: whether the panels stand one below the other, for a narrow page.
    """
    panels = _panels(comparison)[:_MOST_PANELS]
    if not panels:
        return None
    several = any(len(pairs) > 1 for _, pairs in panels)
    layout: dict[str, Any] = {"annotations": []}
    data: list[dict[str, Any]] = []
    for number, (title, pairs) in enumerate(panels, start=1):
        x, y = _spot(number, len(panels), stacked=stacked)
        data += _traces(pairs, number, quiet=len(pairs) == 1)
        across, up = (
            {"range": list(_range(pairs)), "title": axis_title(name, 8)}
            for name in comparison.names
        )
        layout |= axes(number, x, y, across, up)
        layout["annotations"].append(heading(in_figure(title), x[0], y[1]))
    height = _HEIGHT * (len(panels) if stacked else 1) + (40 if several else 0)
    return figure(
        data,
        height=height,
        margin={"l": 60, "r": 16, "t": 34, "b": 100 if several else 64},
        **layout,
    )


def left_out(comparison: SideBySide) -> str:
    """How many heads and behaviours the figure leaves out; empty where it has all."""
    heads = len(pairs_of_heads(comparison)) - len(HEADS)
    panels = len(_panels(comparison)) - _MOST_PANELS
    told = [f"The {len(HEADS)} strongest heads; {_not_drawn(heads, 'head')}."] * (heads > 0)
    told += [f"{_not_drawn(panels, 'behaviour')}."] * (panels > 0)
    return " ".join(told)


def _panels(comparison: SideBySide) -> list[tuple[str, list[Pairs]]]:
    """Every panel that there could be, with its name."""
    heads = pairs_of_heads(comparison)[: len(HEADS)]
    title = "heads of the role" if comparison.role else comparison.found.quantity
    behaviours = [(pair.name, [pair]) for pair in pairs_of_behaviours(comparison)]
    return [(title, heads), *behaviours] if heads else behaviours


def _not_drawn(more: int, noun: str) -> str:
    return f"{counted(more, noun)} more {'is' if more == 1 else 'are'} not drawn"


def _spot(
    number: int, panels: int, *, stacked: bool
) -> tuple[tuple[float, float], tuple[float, float]]:
    if stacked:
        each = 1 / panels
        top = 1 - (number - 1) * each
        return (0, 1), (max(0.0, top - each * (0.72 if panels > 1 else 1)), top)
    width = 0.38 if panels < 3 else 0.27  # noqa: PLR2004 — panels beside one another
    left = (number - 1) * (width + (0.1 if panels < 3 else 0.09))  # noqa: PLR2004
    return (left, left + width), (0, 1)


def _traces(pairs: Sequence[Pairs], number: int, *, quiet: bool) -> Iterator[dict[str, Any]]:
    where = on(number)
    low, high = _range(pairs)
    yield {
        "type": "scatter",
        "name": "unchanged",
        "mode": "lines",
        "x": [low, high],
        "y": [low, high],
        "line": {"color": MUTED, "width": 1, "dash": "dash"},
        "hoverinfo": "skip",
        "showlegend": False,
        **where,
    }
    for place, pair in enumerate(pairs):
        name = in_figure(pair.name)
        yield {
            "type": "scatter",
            "name": name,
            "mode": "markers",
            "x": numbers(pair.before),
            "y": numbers(pair.now),
            "marker": {
                "color": AFTER if quiet else HEADS[place],
                "symbol": SYMBOLS[place],
                "size": 7,
                "opacity": 0.8,
            },
            "customdata": list(range(1, len(pair.now) + 1)),
            "hovertemplate": (
                f"<b>{in_template(pair.name)}</b>, sample %{{customdata}}<br>"
                "before %{x:.4~g}<br>after %{y:.4~g}<extra></extra>"
            ),
            "showlegend": not quiet,
            **where,
        }


def _range(pairs: Sequence[Pairs]) -> tuple[float, float]:
    every = np.concatenate([np.concatenate([pair.before, pair.now]) for pair in pairs])
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room
