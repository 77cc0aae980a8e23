"""Text in figures: what a user named is shown as it is, and means nothing to plotly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.report.text import cut, in_figure, in_template, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.findings import Finding
    from pytest_circuits.report.figures.comparison import Cell, Comparison

#: Characters of a token or a label that an axis has room for.
_MOST = 16


def visible(token: str) -> str:
    """A token with its spaces and line ends to be seen, cut to what an axis has room for."""
    return cut(printable(token).replace(" ", "␣"), _MOST)


def tokens(finding: Finding, axis: str) -> list[str]:
    """The first prompt's tokens along an axis, to be seen; empty where there are none."""
    if axis != "position" or axis not in finding.axes:
        return []
    first = finding.provenance.get("first_prompt")
    length = finding.values.shape[finding.axes.index(axis)]
    if not isinstance(first, list) or len(first) != length:
        return []
    return [visible(str(token)) for token in first]


def tick_text(finding: Finding, axis: str) -> list[str]:
    """What the cells along an axis are called: ``3 ␣John``, ``END ␣to``, ``L3 attn``, ``5``."""
    length = finding.values.shape[finding.axes.index(axis)]
    labels = finding.labels.get(axis) or tuple(map(str, range(length)))
    shown = [
        visible(label) if " " not in label.strip() else cut(printable(label), 2 * _MOST)
        for label in labels
    ]
    seen = tokens(finding, axis)
    return [f"{label} {token}" for label, token in zip(shown, seen, strict=True)] if seen else shown


def cell_text(finding: Finding, cell: Sequence[int]) -> str:
    """A cell's name, and the first prompt's token where it is one of a position."""
    name = printable(finding.cell_name(cell))
    if "position" not in finding.axes:
        return name
    seen = tokens(finding, "position")
    place = cell[finding.axes.index("position")]
    return f"{name} ({seen[place]})" if seen else name


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
    return [in_figure(cell.name), *numbers, cell.role or "not in the role", cell.beyond]
