"""A pending finding as somebody sees it who has to decide: verdict, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.baselines import Baseline, BaselineError, find, loads
from pytest_circuits.baselines.pending_files import outdated
from pytest_circuits.commands.console import cut, say, width, wrapped
from pytest_circuits.commands.pending_entries import cautions
from pytest_circuits.report import Details, Row
from pytest_circuits.report.movements import numbers
from pytest_circuits.report.text import plain
from pytest_circuits.verdicts import Kind, judge, without_baseline
from pytest_circuits.verdicts.movement import within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_circuits.commands.pending_entries import Entry
    from pytest_circuits.report.movements import Number

_INDENT = "  "
#: Columns of one number.
_COLUMN = 10
#: Heads or cells of which numbers are shown.
_MOST = 8


def show_entry(entry: Entry, number: int, of: int) -> None:
    """Print a finding: which one it is, its verdict in words, its numbers before and after."""
    pending = entry.pending
    say(wrapped(f"{number} of {of}  {pending.verdict}  {entry.title}", ""))
    say(wrapped(plain(pending.headline), _INDENT))
    for line in pending.lines:
        # A single reason is the headline already.
        if line != pending.headline:
            say(wrapped(plain(line), _INDENT * 2))
    approved, problem = _approved(entry)
    if not problem:
        say("")
        for line in _numbers(entry, approved):
            say(line)
    notes = list(_notes(entry, problem))
    if notes:
        say("")
    for note in notes:
        say(wrapped(note, _INDENT))
    say("")


def _approved(entry: Entry) -> tuple[Baseline | None, str]:
    """The baseline that the finding was held against; or why it can't be held against it now."""
    place, pending = entry.place, entry.pending
    try:
        found = find(place.path, (place.alias, *pending.owners), pending.name)
        problem = outdated(pending, found)
        return None if problem or found is None else loads(found[1], place.path), problem
    except BaselineError as error:
        return None, str(error)


def _numbers(entry: Entry, approved: Baseline | None) -> Iterator[str]:
    found = entry.pending.baseline
    yield wrapped(plain(str(found.finding).splitlines()[0]), _INDENT)
    mechanism, behaviours = numbers(_row(entry, approved))
    shown = [*mechanism[:_MOST], *behaviours]
    if not shown:
        yield f"{_INDENT}its values can't be put beside those of the baseline"
        return
    heads: tuple[str, ...] = ("measured",)
    if approved is not None:
        comparable = entry.pending.verdict is not Kind.INCOMPARABLE
        heads = ("before", "after", "tolerance") if comparable else ("before", "after")
    names = [plain(number.name) for number in shown]
    most = width() - len(_INDENT) - (len(heads) + 1) * _COLUMN
    room = max(_COLUMN, min(max(map(len, names)), most))
    yield f"{_INDENT}{'':<{room}}{''.join(f'{head:>{_COLUMN}}' for head in heads)}"
    for place, (name, number) in enumerate(zip(names, shown, strict=True)):
        if place == _MOST and len(mechanism) > _MOST:
            yield f"{_INDENT}… and {len(mechanism) - _MOST} more"
        yield f"{_INDENT}{cut(name, room):<{room}}{''.join(_columns(number, heads))}"


def _row(entry: Entry, approved: Baseline | None) -> Row:
    """The finding as reports have it."""
    found = entry.pending.baseline
    verdict = (
        without_baseline(found.finding)
        if approved is None
        else judge(found.finding, approved.finding, approved.tolerance)
    )
    return Row.judged(
        entry.test,
        entry.place.alias,
        found.finding,
        verdict,
        name=found.name,
        owner="",
        passes=True,
        written=False,
        details=Details(found, approved),
    )


def _columns(number: Number, heads: Sequence[str]) -> Iterator[str]:
    """A column for each head, and a word where the number moved further than it may."""
    before, after, tolerance = number.before, number.after, number.tolerance
    for value in (before, after) if "before" in heads else (after,):
        yield f"{'undefined' if value is None else f'{value:.3f}':>{_COLUMN}}"
    if "tolerance" in heads and tolerance is not None:
        yield f"{tolerance:>{_COLUMN}.3f}"
        if before is not None and after is not None and not within(after - before, tolerance):
            yield "  beyond"


def _notes(entry: Entry, problem: str) -> Iterator[str]:
    pending, held = entry.pending, entry.pending.held_against
    if problem:
        yield f"it can't be accepted: {plain(problem)}"
    elif held is not None and held.owner != entry.place.alias:
        yield (
            f"held against the baseline of {plain(held.owner)}: accepting it gives "
            f"{plain(entry.place.alias)} one of its own"
        )
    yield from cautions(pending)
