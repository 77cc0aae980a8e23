"""What is said of a cell under the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.report.figures.names import in_template, plain

if TYPE_CHECKING:
    from pytest_circuits.report.figures.comparison import Cell, Comparison


def cell_hover(comparison: Comparison) -> str:
    """A template over the cell's texts (``customdata``, in the order of a ``Cell``)."""
    before, now = map(in_template, comparison.names)
    found = comparison.found
    lines = [
        "<b>%{customdata[0]}</b>",
        f"{now}: %{{customdata[1]}} ± %{{customdata[2]}} {in_template(found.unit)}",
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


def said(cell: Cell) -> list[str]:
    """A cell's texts for plotly, with dashes for what there is none of."""
    numbers = [text or "–" for text in cell[1:7]]
    return [plain(cell.name), *numbers, cell.role or "not in the role", cell.beyond]
