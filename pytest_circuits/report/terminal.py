"""Rows as lines for a terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.report.rows import NOT_JUDGED, REFUSED
from pytest_circuits.verdicts import SEVERITY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.report.rows import Row

_ORDER = [REFUSED, *(kind.value for kind in SEVERITY), NOT_JUDGED]
_LEAST_TEST = 16
_LEAST_NUMBER = 8
_EXPECTED = ("xfailed", "xpassed")
_NOTES = ("", *(f" ({outcome})" for outcome in _EXPECTED))


class Line(NamedTuple):
    """A line and the colour pytest gives it, if any."""

    text: str
    colour: str = ""


def terminal_lines(rows: Sequence[Row], width: int, unfinished: int = 0) -> list[Line]:
    """One line a finding (verdict, test, alias, the number that matters), worst first.

    Args:
        rows: the findings.
        width: columns of the terminal; no line is longer.
        unfinished: tests that never came to measure (a failed setup, a lost worker).
    """
    text = f"incomplete: {unfinished} circuit test(s) did not run to a verdict"
    incomplete = [Line(_cut(text, width), "red")] if unfinished else []
    if not rows:
        return [Line(_cut("no findings", width)), *incomplete]
    ordered = sorted(rows, key=lambda r: (not _fails(r), _ORDER.index(r.verdict), r.test, r.name))
    verdict_width = max(len(row.verdict) for row in rows)
    alias_width = min(width // 5, max(len(row.alias) for row in rows))
    room = width - verdict_width - alias_width - 3
    # The number matters more than the name, which stands in pytest's own summary too.
    wanted = room - max(len(_number(row)) for row in rows)
    names = [_test(row) for row in ordered]
    if max(map(len, names)) > max(_LEAST_TEST, wanted):
        names = [name.removeprefix("test_") for name in names]
    test_width = min(max(map(len, names)), max(_LEAST_TEST, wanted))
    test_width = max(1, min(test_width, room - _LEAST_NUMBER))
    lines = []
    for row, name in zip(ordered, names, strict=True):
        text = (
            f"{row.verdict:<{verdict_width}} {_squeeze(name, test_width):<{test_width}} "
            f"{_cut(row.alias, alias_width):<{alias_width}} {_number(row)}"
        )
        lines.append(Line(_cut(text.rstrip(), width), _colour(row)))
    return [*lines, Line(_cut(_count(rows), width)), *incomplete]


def _test(row: Row) -> str:
    """The test's class, function and own parameters, without file and alias."""
    path, bracket, parameters = row.test.partition("[")
    name = ".".join(path.split("::")[1:]) + bracket + parameters
    for ending in (f"[{row.alias}]", f"-{row.alias}]"):
        if name.endswith(ending):
            name = name.removesuffix(ending) + ("]" if ending[0] == "-" else "")
            break
    return f"{name} ({row.name})" if row.name else name


def _number(row: Row) -> str:
    notes = [row.outcome] if row.outcome in _EXPECTED else []
    if row.written:
        notes.append("written")
    return f"{', '.join(notes)}: {row.headline}" if notes else row.headline


def _fails(row: Row) -> bool:
    return not row.passes and row.outcome not in _EXPECTED


def _colour(row: Row) -> str:
    if _fails(row):
        return "red"
    return "" if row.verdict == "preserved" else "yellow"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def _squeeze(text: str, width: int) -> str:
    """Cut in the middle: names in one file begin alike, and differ towards the end."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"


def _count(rows: Sequence[Row]) -> str:
    # What a test was expected to do is no news, so it is counted apart.
    counts = Counter(
        f"{row.verdict} ({row.outcome})" if row.outcome in _EXPECTED else row.verdict
        for row in rows
    )
    kinds = [f"{verdict}{note}" for note in _NOTES for verdict in _ORDER]
    counted = ", ".join(f"{counts[kind]} {kind}" for kind in kinds if counts[kind])
    return f"{len(rows)} finding{'s' if len(rows) != 1 else ''}: {counted}"
