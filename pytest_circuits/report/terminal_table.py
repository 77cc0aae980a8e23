"""Tests × models for a terminal: verdicts and headline numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.report.reading import colour, marks
from pytest_circuits.report.text import Line, Part, cut, names, squeeze

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.report.table import Entry

_GAP = "  "
_NONE = "-"
#: The cell of a test that failed without a finding.
_FAILED = "failed"
#: What names of tests keep beside as many models as fit.
_LEAST_NAME = 14
#: What an alias may widen its column to.
_MOST_ALIAS = 20


class _Column(NamedTuple):
    """A model's cells under its alias, all of one width."""

    head: Part
    cells: tuple[Part, ...]

    @property
    def width(self) -> int:
        return len(self.head.text)


def table_lines(
    entries: Sequence[Entry], labels: Sequence[str], aliases: Sequence[str], width: int
) -> list[Line]:
    """A line a finding, a column a model; models for whom there is no room come below the others.

    Args:
        entries: the findings, in order.
        labels: what they are called.
        aliases: the models, in order.
        width: columns of the terminal; no line is longer.
    """
    least = min(_LEAST_NAME, max(map(len, labels)), width // 2)
    most = max(1, width - least - len(_GAP))
    columns = [_column(alias, entries, most) for alias in aliases]
    blocks = _blocks(columns, width - least)
    taken = max(sum(len(_GAP) + column.width for column in block) for block in blocks)
    shown = names(labels, width - taken, bare=True)
    lines: list[Line] = []
    for block in blocks:
        if lines:
            lines.append(Line(()))
        lines.append(_line(" " * len(shown[0]), [column.head for column in block]))
        lines += [_line(name, [c.cells[n] for c in block]) for n, name in enumerate(shown)]
    return lines


def _column(alias: str, entries: Sequence[Entry], most: int) -> _Column:
    rows = [entry.cells.get(alias) for entry in entries]
    numbers = ["" if row is None or row.number is None else f"{row.number:.2f}" for row in rows]
    number_width = max(map(len, numbers))
    verdict_width = max(len(row.verdict) for row in rows if row) if any(rows) else 0
    cells = []
    for entry, row, number in zip(entries, rows, numbers, strict=True):
        if row is None:
            cells.append(Part(_FAILED, "red") if alias in entry.failed else Part(_NONE))
            continue
        text = f"{row.verdict:<{verdict_width}} {number:>{number_width}}"
        text = " ".join([text, *marks(row)]).rstrip()
        # A number that is cut is a wrong one.
        cells.append(Part(text if len(text) <= most else cut(row.verdict, most), colour(row)))
    longest = max(len(cell.text) for cell in cells)
    width = min(most, max(longest, min(len(alias), _MOST_ALIAS)))
    return _Column(
        Part(f"{squeeze(alias, width):<{width}}"),
        tuple(cell._replace(text=f"{cell.text:<{width}}") for cell in cells),
    )


def _blocks(columns: Sequence[_Column], room: int) -> list[list[_Column]]:
    """As many columns beside each other as fit, and never none."""
    blocks: list[list[_Column]] = []
    left = 0
    for column in columns:
        needed = len(_GAP) + column.width
        if not blocks or needed > left:
            blocks.append([])
            left = room
        blocks[-1].append(column)
        left -= needed
    return blocks


def _line(name: str, cells: Sequence[Part]) -> Line:
    *others, last = cells
    parts = [Part(name)]
    for cell in [*others, last._replace(text=last.text.rstrip())]:
        parts += [Part(_GAP), cell]
    return Line(tuple(parts))
