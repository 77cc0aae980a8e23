"""Text in figures: what a user named is shown as it is, and means nothing to plotly."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.findings import Finding
    from pytest_circuits.report.figures.comparison import Cell, Comparison

#: Characters of a token that would not be seen.
_VISIBLE = {" ": "␣", "\n": "⏎", "\r": "␍", "\t": "⇥"}
#: Categories of characters that are not seen, or that reorder what stands around them.
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
#: Characters of a token or a label that an axis has room for.
_MOST = 16


def plain(text: str) -> str:
    """The text for plotly, which reads ``<b>`` and ``<a href>`` in any text as HTML."""
    text = printable(text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def in_template(text: str) -> str:
    """The text within a hover template, which reads ``%{…}`` as well."""
    return plain(text).replace("{", "&#123;")


def printable(text: str) -> str:
    """The text with control characters, direction marks and lone surrogates written out."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN:
        return character
    return _VISIBLE.get(character) or f"⟨U+{ord(character):04X}⟩"


def visible(token: str) -> str:
    """A token with its spaces and line ends to be seen, cut to what an axis has room for."""
    shown = printable("".join(_VISIBLE.get(character, character) for character in token))
    return shown if len(shown) <= _MOST else f"{shown[: _MOST - 1]}…"


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
    shown = [visible(label) if " " not in label.strip() else _cut(label) for label in labels]
    seen = tokens(finding, axis)
    return [f"{label} {token}" for label, token in zip(shown, seen, strict=True)] if seen else shown


def _cut(label: str) -> str:
    shown = printable(label)
    return shown if len(shown) <= 2 * _MOST else f"{shown[: 2 * _MOST - 1]}…"


def cell_text(finding: Finding, cell: Sequence[int]) -> str:
    """A cell's name, and the first prompt's token where it is one of a position."""
    name = printable(finding.cell_name(cell))
    if "position" not in finding.axes:
        return name
    seen = tokens(finding, "position")
    place = cell[finding.axes.index("position")]
    return f"{name} ({seen[place]})" if seen else name


def count(number: int, noun: str) -> str:
    """A count with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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
