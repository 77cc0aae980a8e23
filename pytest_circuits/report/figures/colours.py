"""Which colour a value has: one scale for baseline and candidate, one for their difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.findings import Direction
from pytest_circuits.report.figures.style import DIVERGING, MUTED, PAPER, SEQUENTIAL, scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.report.figures.arrangement import Spot
    from pytest_circuits.report.figures.comparison import Comparison
    from pytest_circuits.report.figures.panels import Panel

#: The scale of values, and that of differences.
VALUES, DIFFERENCES = "coloraxis", "coloraxis2"


def colour_axes(
    comparison: Comparison, panels: Sequence[Panel], spots: Sequence[Spot]
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
        most = float(max(np.abs(comparison.differences).max(), 2 * comparison.allowed.min()))
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


def _bar(spot: Spot, height: float) -> dict[str, Any]:
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
