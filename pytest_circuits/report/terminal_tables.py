"""Tables for a terminal: tests × models, and a finding's values (``--circuits-verbose``)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.findings.digits import shown
from pytest_circuits.report.heads import value_table
from pytest_circuits.report.run import colour, labels, title
from pytest_circuits.report.text import Line, Part, cut, folded, names, squeeze

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.table import TableCell, TableRow, ValueRow, ValueTable

_INDENT, _GAP = "  ", "  "
_UNDEFINED, _NONE = "undefined", "-"
#: What names of tests keep beside as many models as fit.
_LEAST_TEST = 14
#: What an alias may widen its column to.
_MOST_ALIAS = 20
#: What a name of a head may take of a line, as a part of it.
_NAMES_SHARE = 3
_LEAST_NAME = 5
#: What is kept free for what happened, before further columns are shown.
_WORDS = 16
#: Above this, decimals say nothing.
_LARGE = 100


class _Column(NamedTuple):
    """A column of parts, all of one width."""

    head: Part
    cells: tuple[Part, ...]

    @property
    def width(self) -> int:
        return len(self.head.text)


# Tests × models


def table_lines(
    rows: Sequence[TableRow], called: Mapping[str, str], aliases: Sequence[str], width: int
) -> list[Line]:
    """A line a finding, a column a model; models for whom there is no room come below the others.

    Args:
        rows: the findings, in order.
        called: what their tests are called.
        aliases: the models, in order.
        width: columns of the terminal; no line is longer.
    """
    titles = [title(row.first, called) for row in rows]
    least = min(_LEAST_TEST, max(map(len, titles)), width // 2)
    most = max(1, width - least - len(_GAP))
    columns = [_model(alias, [row.cell(alias) for row in rows], most) for alias in aliases]
    blocks = _blocks(columns, width - least)
    taken = max(sum(len(_GAP) + column.width for column in block) for block in blocks)
    shown = names(titles, width - taken, bare=True)
    lines: list[Line] = []
    for block in blocks:
        if lines:
            lines.append(Line(()))
        lines.append(_beside(" " * len(shown[0]), [column.head for column in block]))
        lines += [_beside(name, [c.cells[n] for c in block]) for n, name in enumerate(shown)]
    return lines


def _model(alias: str, cells: Sequence[TableCell], most: int) -> _Column:
    number_width = max(len(cell.number) for cell in cells)
    verdict_width = max((len(cell.verdict) for cell in cells if cell.row), default=0)
    parts = []
    for verdict, number, row, marks in ((c.verdict, c.number, c.row, c.marks) for c in cells):
        if row is None:
            parts.append(Part(verdict, "red") if verdict else Part(_NONE))
            continue
        text = f"{verdict:<{verdict_width}} {number:>{number_width}}"
        text = " ".join([text, *marks]).rstrip()
        # A number that is cut is a wrong one.
        parts.append(Part(text if len(text) <= most else cut(verdict, most), colour(row)))
    longest = max(len(part.text) for part in parts)
    width = min(most, max(longest, min(len(alias), _MOST_ALIAS)))
    return _Column(
        Part(f"{squeeze(alias, width):<{width}}"),
        tuple(part._replace(text=f"{part.text:<{width}}") for part in parts),
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


def _beside(name: str, cells: Sequence[Part]) -> Line:
    *others, last = cells
    parts = [Part(name)]
    for cell in [*others, last._replace(text=last.text.rstrip())]:
        parts += [Part(_GAP), cell]
    return Line(tuple(parts))


# A finding's values


class _Numbers(NamedTuple):
    """A column of numbers, ``[row]``."""

    head: str
    cells: list[str]

    @property
    def width(self) -> int:
        return max(map(len, [self.head, *self.cells]))

    @property
    def empty(self) -> bool:
        return set(self.cells) <= {_NONE}

    def line(self, number: int | None = None) -> str:
        """A cell, or the head, with the gap before it."""
        return f"{_GAP}{self.head if number is None else self.cells[number]:>{self.width}}"


def heads_lines(row: Row, width: int, called: Mapping[str, str] | None = None) -> list[Line]:
    """A table of the heads that matter, worst first, and of the behaviours they serve.

    Heads that something happened to come first, then others of the role; about ten, and how many
    more there are. Findings without heads show their cells, or their number. Of a preserved
    finding the strongest four are shown, and nothing else. Columns for which there is no room are
    left out, those that say least first.

    Args:
        row: the finding's row; without its details there is no table.
        width: columns of the terminal; no line is longer.
        called: what tests are called; by default what this one is called alone.
    """
    table = value_table(row)
    if table is None:
        return []
    head = f"{row.verdict} {title(row, called or labels([row]))} {row.alias}: {table.about}"
    return _plain([*folded(head, width, colour(row)), *_below(table, row, width)])


def numbers_lines(row: Row, width: int) -> list[Line]:
    """The same under what its values are, where the verdict and the test stand above it already."""
    table = value_table(row)
    if table is None:
        return []
    return _plain([*_indented(table.about, width), *_below(table, row, width)])


def _plain(lines: Sequence[Line]) -> list[Line]:
    return [line.plain for line in lines]


def _indented(text: str, width: int) -> list[Line]:
    return folded(text, width, head=_INDENT, indent=2 * _INDENT)


def _below(table: ValueTable, row: Row, width: int) -> list[Line]:
    """What stands below a table's title."""
    notes = [line for note in table.notes for line in _indented(note, width)]
    return [*notes, *_values(table, width, colour(row))] if table.rows else notes


def _values(table: ValueTable, width: int, news: str) -> list[Line]:
    rows = table.rows
    longest = max(len(row.name) for row in rows)
    most = max(_LEAST_NAME, width // _NAMES_SHARE)
    name_width = max(len(table.kind), min(longest, most))
    words = min(_WORDS, max(len(row.happened) for row in rows))
    columns = _that_fit(_columns(rows), width - len(_INDENT) - name_width, words)
    kind = table.kind if table.shown else ""
    head = "".join(column.line() for column in columns)
    lines = [_line(f"{kind:<{name_width}}", head, "", width, "")]
    for number, row in enumerate(rows):
        cells = "".join(column.line(number) for column in columns)
        name = f"{squeeze(row.name, name_width):<{name_width}}"
        room = width - len(_INDENT + name + cells + _GAP)
        lines.append(_line(name, cells, _words(row, room), width, news if row.happened else ""))
    left_out = folded(table.left_out(), width, head=_INDENT, indent=_INDENT)
    lines.insert(1 + len(table.shown), left_out)
    return [line for folds in lines for line in folds]


def _line(name: str, cells: str, words: str, width: int, tint: str) -> list[Line]:
    """A line of a table; what happened goes on below where there is no room beside the numbers."""
    head = f"{_INDENT}{name}{cells}"
    if len(head.rstrip()) > width:
        # Not even a name and its value: then in as many lines as it takes.
        return folded(f"{cells} {words}".strip(), width, tint, head=f"{_INDENT}{name.strip()} ")
    return folded(words, width, tint, head=f"{head}{_GAP}", indent=2 * _INDENT)


def _words(row: ValueRow, room: int) -> str:
    """What happened, and the unit where there is room for it too."""
    unit = f"({row.unit})" if row.unit else ""
    both = f"{row.happened} {unit}".strip()
    return both if len(both) <= room else row.happened


def _columns(rows: Sequence[ValueRow]) -> list[_Numbers]:
    """Every column of which something is known, in order."""
    sizes = [abs(v) for r in rows for v in (r.now, r.before) if v is not None and math.isfinite(v)]
    least = 1 if max(sizes, default=0) >= _LARGE else 3

    def column(head: str, pick: Callable[[ValueRow], float | None], sign: str = "") -> _Numbers:
        return _Numbers(head, [_number(pick(row), sign, row.digits(least)) for row in rows])

    made = [
        column("baseline", lambda row: row.before),
        column("now", lambda row: row.now),
        column("change", lambda row: row.change, "+"),
        column("tolerance", lambda row: row.tolerance),
        column("error", lambda row: row.error, "±"),
        column("null", lambda row: None if row.null is None else row.null.mean),
        _Numbers("p", [_NONE if row.null is None else f"{row.null.p:.2g}" for row in rows]),
    ]
    return [column for column in made if not column.empty]


def _number(value: float | None, sign: str, digits: int) -> str:
    if value is None:
        return _NONE
    if math.isnan(value):
        return _UNDEFINED
    text = shown(value, digits=digits, sign=sign.replace("±", ""))
    return f"±{text}" if sign == "±" else text


#: Which columns go first where there is no room.
_LEAST_FIRST = (("null", "p"), ("error",), ("tolerance",), ("change",), ("baseline",))


def _that_fit(columns: Sequence[_Numbers], room: int, words: int) -> list[_Numbers]:
    """The columns beside which there is room for words; at the worst the value alone."""
    kept = list(columns)
    for heads in _LEAST_FIRST:
        needed = sum(len(_GAP) + column.width for column in kept)
        # What happened may go on below rather than that before or now is left out.
        free = words + len(_GAP) if heads != ("baseline",) else 0
        if needed + free <= room:
            break
        kept = [column for column in kept if column.head not in heads]
    return kept
