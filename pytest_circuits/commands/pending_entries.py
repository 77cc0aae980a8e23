"""Pending findings as the commands have them: by key, worst first, and what is done to one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.baselines import BaselineError, Location
from pytest_circuits.baselines.pending import Pending, PendingError, read_pending
from pytest_circuits.baselines.pending_files import (
    OutdatedError,
    accept,
    drop,
    pending_path,
    walk_pending,
)
from pytest_circuits.commands.console import (
    EXIT_OK,
    EXIT_PENDING,
    EXIT_UNREADABLE,
    complain,
    say,
    wrapped,
)
from pytest_circuits.report import FailedTest
from pytest_circuits.report.run import test_of
from pytest_circuits.report.text import plain
from pytest_circuits.verdicts import SEVERITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Entry(NamedTuple):
    """A pending finding.

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

    @property
    def title(self) -> str:
        """Its test, its name within that, and its model."""
        name = f", {plain(self.pending.name)}" if self.pending.name else ""
        return f"{self.test}{name} ({plain(self.place.alias)})"


class Found(NamedTuple):
    """What is pending below a folder.

    Attributes:
        entries: the findings that can be decided on, worst first.
        problems: what is wrong with files that can't be read.
    """

    entries: list[Entry]
    problems: list[str]


class Problem(NamedTuple):
    """Why nothing became of a decision, and whether that is because of a file."""

    text: str
    of_file: bool


def pending_below(folder: Path) -> Found:
    """The pending findings below a folder.

    Of verdicts alike, those on children come before those on their parents: what they were held
    against is then still there when both are accepted.
    """
    found = Found([], [])
    top = folder.resolve()
    for place in walk_pending(top):
        try:
            test = read_pending(pending_path(place))
        except PendingError as error:
            found.problems.append(str(error))
            continue
        for pending in test.findings if test else ():
            found.entries.append(
                Entry(
                    _key(place, pending.name, top),
                    plain(test_of(FailedTest(test.test, place.alias))) if test else "",
                    place,
                    pending,
                )
            )
    found.entries.sort(key=lambda e: (SEVERITY.index(e.pending.verdict), -_parents(e)))
    return found


def _key(place: Location, name: str, top: Path) -> str:
    folder = Path(os.path.relpath(place.folder, top))
    path = (folder / place.alias / place.module / place.name).as_posix()
    return plain(f"{path}:{name}" if name else path)


def _parents(entry: Entry) -> int:
    return len(entry.pending.owners)


def children_first(entries: Iterable[Entry]) -> list[Entry]:
    """The findings in the order in which all of them can be accepted."""
    return sorted(entries, key=lambda entry: -_parents(entry))


def decide(entry: Entry, *, accepts: bool) -> Problem | None:
    """Accept or reject a finding; gives what went wrong."""
    try:
        (accept if accepts else drop)(entry.place, entry.pending)
    except OutdatedError as error:
        return Problem(f"{entry.key}: {error}", of_file=False)
    except (BaselineError, PendingError) as error:
        return Problem(str(error), of_file=True)
    except OSError as error:
        file = error.filename or entry.place.path
        return Problem(f"{file}: can't be written ({error.strerror}).", of_file=True)
    return None


def cautions(entry: Entry) -> list[str]:
    """What somebody should know who accepts a finding."""
    place, pending = entry.place, entry.pending
    test = f"{place.module}.py"
    failure = (
        f"something else kept its test from passing, which accepting it does not change: "
        f"{plain(pending.failure)}"
    )
    return [
        *([] if (place.folder / test).exists() else [f"there is no {plain(test)} any more"]),
        *([failure] if pending.failure else []),
        *([plain(pending.warning)] if pending.warning else []),
    ]


def listed(entries: Sequence[Entry]) -> None:
    """Print the keys, each with verdict and headline."""
    room = max((len(entry.pending.verdict) for entry in entries), default=0)
    for entry in entries:
        say(f"{entry.pending.verdict:<{room}}  {entry.key}")
        say(wrapped(plain(entry.pending.headline), " " * (room + 2)))


def complain_plainly(text: str) -> None:
    """Print what went wrong, line by line, without what a terminal obeys."""
    for line in text.splitlines():
        complain(plain(line))


def ended(left: int, problems: Sequence[str], *, of_file: bool, hint: str = "") -> int:
    """Say what is left and what could not be read; gives the exit status.

    Args:
        left: how many findings are still pending.
        problems: what is wrong with files.
        of_file: whether another file made trouble.
        hint: what to do about those that are left.
    """
    for problem in problems:
        complain_plainly(problem)
    if left:
        noun = "finding" if left == 1 else "findings"
        say(f"{left} {noun} pending{f': {hint}' if hint else ''}")
    elif not problems:
        say("nothing pending")
    if problems or of_file:
        return EXIT_UNREADABLE
    return EXIT_PENDING if left else EXIT_OK
