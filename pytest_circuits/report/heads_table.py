"""A finding head by head, for a terminal: what ``--circuits-verbose`` adds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.report.heads import story
from pytest_circuits.report.reading import colour, labels, test_of
from pytest_circuits.report.text import Line, folded, squeeze

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_circuits.report.entries import Entry, Story
    from pytest_circuits.report.rows import Row

_INDENT, _GAP = "  ", "  "
#: What a name may take of a line, as a part of it.
_NAMES_SHARE = 3
_LEAST_NAME = 5
#: What is kept free for what happened, before further columns are shown.
_WORDS = 16
#: Above this, decimals say nothing.
_LARGE = 100
_UNDEFINED, _NONE = "undefined", "-"


class _Column(NamedTuple):
    """A column of numbers, ``[entry]``, all of one width."""

    head: str
    cells: list[str]

    @property
    def width(self) -> int:
        return max(map(len, [self.head, *self.cells]))

    @property
    def empty(self) -> bool:
        return set(self.cells) <= {_NONE}


def heads_lines(row: Row, width: int, called: str = "") -> list[Line]:
    """A table of the heads that matter, worst first, and of the behaviours they serve.

    Heads that something happened to come first, then others of the role; about ten, and how many
    more there are. Findings without heads show their cells, or their number. Of a preserved
    finding the strongest four are shown, and nothing else. Columns for which there is no room are
    left out, those that say least first.

    Args:
        row: the finding's row; without its details there is no table.
        width: columns of the terminal; no line is longer.
        called: what its test is called; by default its name.
    """
    told = story(row)
    if told is None:
        return []
    test = called or labels([row])[test_of(row)]
    name = f"{test} ({row.name})" if row.name else test
    title = folded(f"{row.verdict} {name} {row.alias}: {told.about}", width, colour(row))
    return [*(line.plain for line in title), *_below(told, row, width)]


def numbers_lines(row: Row, width: int) -> list[Line]:
    """The same under what its values are, where the verdict and the test stand above it already."""
    told = story(row)
    if told is None:
        return []
    title = folded(told.about, width, head=_INDENT, indent=2 * _INDENT)
    return [*(line.plain for line in title), *_below(told, row, width)]


def _below(told: Story, row: Row, width: int) -> list[Line]:
    """What stands below a table's title."""
    lines = [
        line
        for note in told.notes
        for line in folded(note, width, head=_INDENT, indent=2 * _INDENT)
    ]
    return [line.plain for line in (*lines, *_table(told, width, colour(row)))]


def _table(told: Story, width: int, news: str) -> list[Line]:
    entries = [*told.entries, *told.together, *told.behaviours]
    if not entries:
        return []
    longest = max(len(entry.name) for entry in entries)
    most = max(_LEAST_NAME, width // _NAMES_SHARE)
    name_width = max(len(told.kind), min(longest, most))
    words = min(_WORDS, max(len(entry.happened) for entry in entries))
    columns = _that_fit(_columns(entries), width - len(_INDENT) - name_width, words)
    head = "".join(f"{_GAP}{column.head:>{column.width}}" for column in columns)
    kind = told.kind if told.entries else ""
    lines = _line(f"{kind:<{name_width}}", head, "", width, "")
    for number, entry in enumerate(entries):
        if number == len(told.entries):
            lines += _left_out(told, width)
        cells = "".join(f"{_GAP}{column.cells[number]:>{column.width}}" for column in columns)
        name = f"{squeeze(entry.name, name_width):<{name_width}}"
        room = width - len(_INDENT + name + cells + _GAP)
        lines += _line(name, cells, _words(entry, room), width, news if entry.happened else "")
    return lines if len(entries) > len(told.entries) else [*lines, *_left_out(told, width)]


def _line(name: str, cells: str, words: str, width: int, tint: str) -> list[Line]:
    """A line of a table; what happened goes on below where there is no room beside the numbers."""
    head = f"{_INDENT}{name}{cells}"
    if len(head.rstrip()) > width:
        # Not even a name and its value: then in as many lines as it takes.
        return folded(f"{cells} {words}".strip(), width, tint, head=f"{_INDENT}{name.strip()} ")
    return folded(words, width, tint, head=f"{head}{_GAP}", indent=2 * _INDENT)


def _left_out(told: Story, width: int) -> list[Line]:
    count, beyond = told.more
    if not count:
        return []
    whose = "all" if beyond == count else f"{beyond} of them"
    far = f", {whose} beyond tolerance" if beyond else ""
    return folded(f"and {count} more{far}", width, head=_INDENT, indent=_INDENT)


def _words(entry: Entry, room: int) -> str:
    """What happened, and the unit where there is room for it too."""
    unit = f"({entry.unit})" if entry.unit else ""
    both = f"{entry.happened} {unit}".strip()
    return both if len(both) <= room else entry.happened


def _columns(entries: Sequence[Entry]) -> list[_Column]:
    """Every column of which something is known, in order."""
    sizes = [
        abs(v) for e in entries for v in (e.now, e.before) if v is not None and math.isfinite(v)
    ]
    digits = 1 if max(sizes, default=0) >= _LARGE else 3

    def column(head: str, pick: Callable[[Entry], float | None], sign: str = "") -> _Column:
        return _Column(head, [_number(pick(entry), sign, digits) for entry in entries])

    made = [
        column("baseline", lambda e: e.before),
        column("now", lambda e: e.now),
        column("change", lambda e: e.change, "+"),
        column("tolerance", lambda e: e.tolerance),
        column("error", lambda e: e.error, "±"),
        column("null", lambda e: None if e.null is None else e.null.mean),
        _Column("p", [_NONE if e.null is None else f"{e.null.p:.2g}" for e in entries]),
    ]
    return [column for column in made if not column.empty]


def _number(value: float | None, sign: str, digits: int) -> str:
    if value is None:
        return _NONE
    if math.isnan(value):
        return _UNDEFINED
    value = round(value, digits) + 0.0  # there is no −0.000
    return f"{value:+.{digits}f}" if sign == "+" else f"{sign}{value:.{digits}f}"


#: Which columns go first where there is no room.
_LEAST_FIRST = (("null", "p"), ("error",), ("tolerance",), ("change",), ("baseline",))


def _that_fit(columns: Sequence[_Column], room: int, words: int) -> list[_Column]:
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
