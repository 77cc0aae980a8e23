"""``pytest-circuits prune``: the baseline files that nobody needs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_circuits.baselines import delete
from pytest_circuits.baselines.pruning import needless
from pytest_circuits.commands.collection import CollectionError, collect
from pytest_circuits.commands.console import (
    EXIT_OK,
    EXIT_PENDING,
    EXIT_UNREADABLE,
    complain,
    no_folder,
    refuse,
    say,
    shown,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_circuits.baselines import Location
    from pytest_circuits.commands.collection import Suite


def prune(path: Path | None, *, yes: bool) -> int:
    """List the baseline files that nobody needs; with ``yes`` delete them."""
    problem = no_folder(path) if path else None
    if problem:
        return refuse(problem)
    try:
        suite = collect(path)
    except CollectionError as error:
        return refuse(str(error))
    found = needless(suite.files, suite.collected)
    for location, reason in found.reasons.items():
        say(str(shown(location.path)))
        say(wrapped(reason, "  "))
    for line in _left_alone(suite, found.foreign):
        say(wrapped(f"left alone: {line}", ""))
    failures = list(_delete(found.reasons)) if yes else []
    problems = [*map(str, found.errors), *failures]
    for problem in problems:
        complain(problem)
    number, files = len(found.reasons), len(suite.files)
    if not number:
        say(f"nothing to prune among {_files(files)}")
    elif yes:
        say(f"deleted {_files(number - len(failures))} of {files}")
    else:
        say(f"{_files(number)} of {files} can be deleted: add --yes")
    if problems:
        return EXIT_UNREADABLE
    return EXIT_PENDING if number and not yes else EXIT_OK


def _delete(locations: Iterable[Location]) -> Iterator[str]:
    """Delete files; gives what went wrong."""
    for location in locations:
        try:
            delete(location)
        except OSError as error:
            yield f"{location.path}: can't be deleted ({error.strerror})."


def _left_alone(suite: Suite, foreign: Sequence[Location]) -> Iterator[str]:
    """What nothing is known of, and what is not ours."""
    reasons = [(location, suite.collected.unknown(location)) for location in suite.files]
    unknown = Counter(
        (location.folder / f"{location.module}.py", reason)
        for location, reason in reasons
        if reason
    )
    for (test, reason), number in unknown.items():
        yield f"{_files(number)} of {shown(test)}, {reason}"
    for location in foreign:
        yield f"{shown(location.path)}, which is no baseline file"
    for folder in suite.apart:
        yield f"{shown(folder)}, a suite of its own"


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"
