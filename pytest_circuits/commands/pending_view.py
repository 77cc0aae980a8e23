"""A pending finding as somebody sees it who has to decide: verdict, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.baselines import Baseline, BaselineError, find, loads
from pytest_circuits.baselines.pending import MeasuredOn
from pytest_circuits.baselines.pending_files import outdated
from pytest_circuits.commands.console import cut, say, width, wrapped
from pytest_circuits.commands.pending_entries import cautions
from pytest_circuits.report import Details, Row
from pytest_circuits.report.terminal_tables import numbers_lines
from pytest_circuits.report.text import plain
from pytest_circuits.verdicts import judge, without_baseline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.commands.pending_entries import Entry

_INDENT = "  "
#: Digits of a hash that are shown.
_DIGITS = 8


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
        for shown in numbers_lines(_row(entry, approved), width()):
            say(shown.text)
    notes = list(_notes(entry, approved, problem))
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


def _notes(entry: Entry, approved: Baseline | None, problem: str) -> Iterator[str]:
    pending, held = entry.pending, entry.pending.held_against
    now = pending.measured_on
    before = MeasuredOn("", "") if approved is None else MeasuredOn.of(approved.finding)
    if now.source and now != before:
        other = f", and the baseline on {_model(before)}" if before.source else ""
        yield f"measured on {_model(now)}{other}"
    if problem:
        yield f"it can't be accepted: {plain(problem)}"
    elif held is not None and held.owner != entry.place.alias:
        yield (
            f"held against the baseline of {plain(held.owner)}: accepting it gives "
            f"{plain(entry.place.alias)} one of its own"
        )
    yield from cautions(entry)


def _model(measured_on: MeasuredOn) -> str:
    """A model's source with the beginning of its weights' hash."""
    kind, colon, digest = plain(measured_on.weights).rpartition(":")
    weights = f"{kind}{colon}{cut(digest, _DIGITS + 1)}"
    return plain(measured_on.source) + (f" ({weights})" if digest else "")
