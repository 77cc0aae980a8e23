"""Pending findings as the commands have them: by key, worst first, shown, and decided on."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.baselines import (
    Baseline,
    BaselineError,
    Location,
    Served,
    compare_stored,
    find,
)
from pytest_circuits.baselines.pending import MeasuredOn, Pending, PendingError, read_pending
from pytest_circuits.baselines.pending_files import (
    OutdatedError,
    accept,
    drop,
    outdated,
    pending_path,
    walk_pending,
)
from pytest_circuits.commands.console import (
    EXIT_OK,
    EXIT_PENDING,
    EXIT_UNREADABLE,
    complain,
    say,
    say_wrapped,
    width,
)
from pytest_circuits.report import Details, FailedTest, Row
from pytest_circuits.report.run import test_of
from pytest_circuits.report.terminal_tables import numbers_lines
from pytest_circuits.report.text import cut, plain
from pytest_circuits.verdicts import SEVERITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_INDENT = "  "
#: Digits of a hash that are shown.
_DIGITS = 8


class PendingEntry(NamedTuple):
    """A pending finding with what it is called.

    Attributes:
        key: what it is called on the command line.
        test: its test's node id without the model's alias.
        place: where its test's baselines lie.
        pending: the finding.
    """

    key: str
    test: str
    place: Location
    pending: Pending

    def cautions(self) -> list[str]:
        """What to know before it is accepted."""
        test = self.place.folder / f"{self.place.module}.py"
        gone = "" if test.exists() else f"there is no {test.name} any more"
        failure = self.pending.failure and (
            f"something else kept its test from passing, which accepting it does not change: "
            f"{self.pending.failure}"
        )
        return [text for text in (gone, failure, self.pending.warning) if text]

    def show(self, number: int, of: int) -> None:
        """Print which one it is, its verdict in words, its numbers before and after."""
        pending = self.pending
        name = f", {pending.name}" if pending.name else ""
        title = f"{self.test}{name} ({self.place.alias})"
        say_wrapped(f"{number} of {of}  {pending.verdict}  {title}", "")
        say_wrapped(pending.headline, _INDENT)
        for line in pending.lines:
            # A single reason is the headline already.
            if line != pending.headline:
                say_wrapped(line, _INDENT * 2)
        approved, problem = _approved(self)
        if not problem:
            say("")
            for shown in numbers_lines(_row(self, approved), width()):
                say(shown.text)
        notes = list(_notes(self, approved, problem))
        if notes:
            say("")
        for note in notes:
            say_wrapped(note, _INDENT)
        say("")


class PendingEntries:
    """The pending findings below a folder, and what is decided on them.

    Of verdicts alike, those on children come before those on their parents: what they were held
    against is then still there when both are accepted.

    Attributes:
        entries: those that can be decided on, worst first.
        problems: what is wrong with files that can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self.entries: list[PendingEntry] = []
        self.problems: list[str] = []
        top = folder.resolve()
        for place in walk_pending(top):
            try:
                test = read_pending(pending_path(place))
            except PendingError as error:
                self.problems.append(str(error))
                continue
            for pending in test.findings if test else ():
                called = plain(test_of(FailedTest(test.test, place.alias))) if test else ""
                key = _key(place, pending.name, top)
                self.entries.append(PendingEntry(key, called, place, pending))
        self.entries.sort(key=lambda e: (SEVERITY.index(e.pending.verdict), -_parents(e)))
        self._left = len(self.entries)
        self._of_file = bool(self.problems)

    def listed(self) -> None:
        """Print the keys, each with verdict and headline."""
        room = max((len(entry.pending.verdict) for entry in self.entries), default=0)
        for entry in self.entries:
            say(f"{entry.pending.verdict:<{room}}  {entry.key}")
            say_wrapped(entry.pending.headline, " " * (room + 2))

    def decide(
        self, entries: Iterable[PendingEntry], *, accepts: bool, cautions: bool = False
    ) -> None:
        """Accept or reject findings in the order in which all can be accepted, and say so.

        Args:
            entries: the findings.
            accepts: whether they are accepted.
            cautions: whether to print what to know of those that were.
        """
        for entry in sorted(entries, key=_parents, reverse=True):
            problem = self._decide(entry, accepts=accepts)
            if problem:
                sys.stdout.flush()
                complain(problem)
                continue
            self._left -= 1
            say(f"{'accepted' if accepts else 'rejected'} {entry.key}")
            for caution in entry.cautions() if cautions else ():
                say_wrapped(caution, _INDENT)

    def _decide(self, entry: PendingEntry, *, accepts: bool) -> str:
        """Accept or reject a finding; gives what went wrong."""
        try:
            (accept if accepts else drop)(entry.place, entry.pending)
        except OutdatedError as error:
            return f"{entry.key}: {error}"
        except (BaselineError, PendingError) as error:
            problem = str(error)
        except OSError as error:
            file = error.filename or entry.place.path
            problem = f"{file}: can't be written ({error.strerror})."
        else:
            return ""
        self._of_file = True
        return problem

    def ended(self, hint: str = "") -> int:
        """Say what is left and what could not be read; gives the exit status.

        Args:
            hint: what to do about those that are left.
        """
        for problem in self.problems:
            complain(problem)
        if self._left:
            noun = "finding" if self._left == 1 else "findings"
            say(f"{self._left} {noun} pending{f': {hint}' if hint else ''}")
        elif not self.problems:
            say("nothing pending")
        if self._of_file:
            return EXIT_UNREADABLE
        return EXIT_PENDING if self._left else EXIT_OK


def _key(place: Location, name: str, top: Path) -> str:
    folder = Path(os.path.relpath(place.folder, top))
    path = (folder / place.alias / place.module / place.name).as_posix()
    return plain(f"{path}:{name}" if name else path)


def _parents(entry: PendingEntry) -> int:
    return len(entry.pending.owners)


def _approved(entry: PendingEntry) -> tuple[Baseline | None, str]:
    """The baseline that the finding was held against; or why it can't be held against it now."""
    place, pending = entry.place, entry.pending
    try:
        found = find(place.path, (place.alias, *pending.owners), pending.name)
    except BaselineError as error:
        return None, str(error)
    problem = outdated(pending, found)
    return None if problem or found is None else found.baseline, problem


def _row(entry: PendingEntry, approved: Baseline | None) -> Row:
    """The finding as reports have it."""
    found = entry.pending.baseline
    return Row.judged(
        entry.test,
        entry.place.alias,
        compare_stored(found, None if approved is None else Served("", approved)),
        passes=True,
        written=False,
        details=Details(found, approved),
    )


def _notes(entry: PendingEntry, approved: Baseline | None, problem: str) -> Iterator[str]:
    pending, held = entry.pending, entry.pending.held_against
    now = pending.measured_on
    before = MeasuredOn("", "") if approved is None else MeasuredOn.of(approved.finding)
    if now.source and now != before:
        other = f", and the baseline on {_model(before)}" if before.source else ""
        yield f"measured on {_model(now)}{other}"
    if problem:
        yield f"it can't be accepted: {problem}"
    elif held is not None and held.owner != entry.place.alias:
        yield (
            f"held against the baseline of {held.owner}: accepting it gives "
            f"{entry.place.alias} one of its own"
        )
    yield from entry.cautions()


def _model(measured_on: MeasuredOn) -> str:
    """A model's source with the beginning of its weights' hash."""
    kind, colon, digest = measured_on.weights.rpartition(":")
    weights = f"{kind}{colon}{cut(digest, _DIGITS + 1)}"
    return measured_on.source + (f" ({weights})" if digest else "")
