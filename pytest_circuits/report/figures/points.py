"""Points with error bars, and what is allowed around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.findings.encoding import DECIMALS
from pytest_circuits.report.figures.style import BAND, INK, PAPER, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

_HALO = {"color": PAPER, "width": 1}


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
            "hovertemplate": f"{self.name}: %{{y:.3f}}<extra></extra>",
        }

    def flat(self) -> dict[str, Any]:
        """A trace whose values go to the right."""
        return self._trace() | {
            "x": numbers(np.atleast_1d(self.values)),
            "y": list(self.places),
            "error_x": self._bars(),
            "hovertemplate": f"{self.name}: %{{x:.3f}}<extra></extra>",
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
            "array": numbers(np.round(errors, DECIMALS)),
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
