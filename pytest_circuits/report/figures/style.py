"""What figures have in common: colours, the bare figure, and the words under the pointer.

Colours are two ramps of lightness, told apart by every kind of eye.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from pytest_circuits.report.text import in_figure, in_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_circuits.report.side_by_side import CellText, SideBySide


class Drawing(TypedDict):
    """A figure as plotly's script reads it.

    ``plotly.graph_objects.Figure`` takes it as it is, and spends most of a page's time on looking
    at every number of it once more.
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]


INK = "#1c2330"
MUTED = "#5d6778"
GRID = "#e2e6ec"
PAPER = "#fffffe"
#: Where there is no value.
NOTHING = "#d3d8df"
#: The baseline is always an open mark of this colour, the candidate a filled one of the next.
BEFORE = "#4f5b6e"
AFTER = "#0a62b0"
BAND = "rgba(90, 104, 126, 0.22)"
#: Values that have one good direction, from nothing on: lightness alone tells them apart.
SEQUENTIAL = ("#f2f5f9", "#c9dbed", "#8fb8dd", "#4a8ac6", "#1c5ba3", "#0a3069")
#: Below zero orange, above it blue (told apart by every kind of colour blindness).
DIVERGING = ("#8f3f00", "#d06c12", "#f4b979", "#f5f6f8", "#93bfe4", "#2f78bd", "#0b3d78")
#: Okabe and Ito's colours, of heads that share a figure; each has a symbol of its own as well.
HEADS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#56b4e9")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")

#: What stands for each colour on a dark page.
DARK: Mapping[str, str] = {
    INK: "#e8ecf2",
    MUTED: "#9aa6b8",
    GRID: "#2b3442",
    PAPER: "#161c26",
    NOTHING: "#3a4352",
    BEFORE: "#b4bfce",
    AFTER: "#6cb6ff",
    BAND: "rgba(168, 182, 204, 0.24)",
    **dict(
        zip(
            SEQUENTIAL,
            ("#1e2836", "#21456b", "#3a6b94", "#7f96a0", "#c3bb86", "#ffe680"),
            strict=True,
        )
    ),
    **dict(
        zip(
            DIVERGING,
            ("#ffc58a", "#ee8b33", "#8a5220", "#222b38", "#25598c", "#4fa0e6", "#b5dcff"),
            strict=True,
        )
    ),
    HEADS[0]: "#5aaef0",
    HEADS[1]: "#ff9a4d",
    HEADS[2]: "#2fd6a3",
    HEADS[3]: "#eba3cb",
    HEADS[4]: "#e3c650",
    HEADS[5]: "#9fd4f5",
}

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def suffix(number: int) -> str:
    """What the n-th axes of a figure end in: plotly counts from ``x``, ``x2``."""
    return "" if number == 1 else str(number)


def scale(colours: Sequence[str]) -> list[list[Any]]:
    """Colours as a plotly colour scale."""
    return [[place / (len(colours) - 1), colour] for place, colour in enumerate(colours)]


def figure(data: list[dict[str, Any]], **layout: Any) -> Drawing:  # noqa: ANN401 — plotly's own
    """A figure without plotly's template, in our colours."""
    about = {
        "template": {},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "font": {"family": _FONT, "size": 12, "color": INK},
        "hoverlabel": {"align": "left", "bgcolor": PAPER, "font": {"color": INK, "size": 13}},
        "margin": {"l": 56, "r": 16, "t": 34, "b": 64},
        "legend": {
            "orientation": "h",
            "x": 0,
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "font": {"color": INK},
            "itemclick": False,
            "itemdoubleclick": False,
        },
    }
    return {"data": data, "layout": about | layout}


def axis(**about: Any) -> dict[str, Any]:  # noqa: ANN401 — plotly's own
    """An axis with a quiet grid."""
    common = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "ticks": ""}
    return common | {"tickfont": {"color": MUTED, "size": 11}, "automargin": True} | about


def axes(
    number: int,
    x: tuple[float, float],
    y: tuple[float, float],
    across: Mapping[str, Any],
    down: Mapping[str, Any],
) -> dict[str, Any]:
    """The two axes of the n-th panel.

    Args:
        number: which panel, from 1.
        x: where it lies across the figure, as shares of it.
        y: where upwards.
        across: what is to be said of the horizontal axis.
        down: what of the vertical one.
    """
    end = suffix(number)
    return {
        f"xaxis{end}": axis(domain=x, anchor=f"y{end}", **across),
        f"yaxis{end}": axis(domain=y, anchor=f"x{end}", **down),
    }


def on(number: int) -> dict[str, str]:
    """What puts a trace on the n-th panel."""
    return {"xaxis": f"x{suffix(number)}", "yaxis": f"y{suffix(number)}"}


def ticks(places: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """Ticks at numbers, with names for words: names that are alike stay apart."""
    return {"tickmode": "array", "tickvals": list(places), "ticktext": list(names)}


def axis_title(text: str, standoff: int) -> dict[str, Any]:
    """An axis's name, so many pixels from its ticks."""
    return {"text": in_figure(text), "font": {"color": MUTED}, "standoff": standoff}


def heading(text: str, x: float, y: float, **about: Any) -> dict[str, Any]:  # noqa: ANN401 — plotly's own
    """The name of a panel, over its upper left corner."""
    return {
        "text": f"<b>{text}</b>",
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 4,
        "showarrow": False,
        "font": {"color": INK, "size": 13},
    } | about


def numbers(values: NDArray[Any]) -> list[Any]:
    """Values as lists of numbers, None where there is none."""
    told: list[Any] = values.tolist()
    if np.isfinite(values).all():
        return told
    if values.ndim > 1:
        return [numbers(row) for row in values]
    return [value if math.isfinite(value) else None for value in told]


def cell_hover(comparison: SideBySide) -> str:
    """A template over the cell's texts (``customdata``, in the order of a ``CellText``)."""
    before, now = map(in_template, comparison.names)
    found = comparison.found
    # Of a single cluster no error is known.
    error = " ± %{customdata[2]}" if np.isfinite(found.errors).any() else ""
    lines = [
        "<b>%{customdata[0]}</b>",
        f"{now}: %{{customdata[1]}}{error} {in_template(found.unit)}",
    ]
    if comparison.approved is not None:
        lines.append(f"{before}: %{{customdata[3]}}")
    if comparison.comparable:
        lines += [
            "difference: %{customdata[4]} (%{customdata[6]} tolerances) %{customdata[8]}",
            "tolerance: %{customdata[5]}",
        ]
    if comparison.role is not None:
        lines.append("%{customdata[7]}")
    return "<br>".join(lines) + "<extra></extra>"


def said(cell: CellText) -> list[str]:
    """A cell's texts for plotly, with dashes for what there is none of.

    Of one that the model does not have: its name, and why.
    """
    if cell.absent:
        return [in_figure(cell.name), cell.absent]
    numbers = [text or "–" for text in cell[1:7]]
    return [in_figure(cell.name), *numbers, cell.role or "not in the role", cell.beyond]
