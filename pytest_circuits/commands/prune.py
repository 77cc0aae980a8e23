"""``pytest-circuits prune``: the unused baseline and pending files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.commands.console import (
    EXIT_OK,
    EXIT_PENDING,
    EXIT_UNREADABLE,
    add_command,
    complain,
    no_folder,
    refuse,
    say,
    say_wrapped,
    shown,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_circuits.baselines import Location
    from pytest_circuits.commands.collection import Suite
    from pytest_circuits.commands.console import Commands


def add(commands: Commands) -> None:
    """Add the command, its arguments and its help."""
    prune = add_command(
        commands,
        "prune",
        "list unused baseline files, or delete them",
        """
        A file is unused if no test on a declared model owns it, or if it equals the
        baselines of the model's parent: the same numbers (to one unit of the last
        stored place), conventions, prompts and tolerance. pytest collects the tests
        as `pytest --circuits` would, all of them, whatever the suite's addopts select.
        Left alone are the files of a module in which it finds no test, or one with an
        empty set of parameters, and files that are no baselines. What is pending of a
        test that no declared model has any more is listed, and deleted, too.

        example:
          pytest-circuits prune tests/circuits
          pytest-circuits prune tests/circuits --yes

        exit status:
          0  nothing to delete, or deleted
          1  files were listed, and nothing was deleted
          2  usage error, or the tests can't all be collected: nothing was deleted
          3  a baseline or pending file can't be read, and stays, or can't be deleted
        """,
        run,
    )
    prune.add_argument(
        "path",
        nargs="?",
        type=Path,
        metavar="PATH",
        help="the suite's folder (default: what pytest runs here)",
    )
    prune.add_argument("--yes", action="store_true", help="delete what is listed")


def run(options: argparse.Namespace) -> int:
    """List the unused baseline files; with ``--yes`` delete them."""
    from pytest_circuits.baselines import delete
    from pytest_circuits.baselines.pending_files import forget, pending_path
    from pytest_circuits.baselines.pruning import needless
    from pytest_circuits.commands.collection import CollectionError, collect

    path, yes = options.path, options.yes
    problem = no_folder(path) if path else None
    if problem:
        return refuse(problem)
    try:
        suite = collect(path)
    except CollectionError as error:
        return refuse(str(error))
    _sweep(suite, yes=yes)
    found = needless(suite.files, suite.collected)
    for location, reason in found.reasons.items():
        say(str(shown(location.path)))
        say_wrapped(reason, "  ")
    pending, unreadable = _pending_of_nobody(suite)
    for location, reason in pending.items():
        say(str(shown(pending_path(location))))
        say_wrapped(f"pending, and {reason}", "  ")
    for line in _left_alone(suite, found.foreign):
        say_wrapped(f"left alone: {line}", "")
    failures = list(_delete(found.reasons, delete, lambda at: at.path)) if yes else []
    of_pending = list(_delete(pending, forget, pending_path)) if yes else []
    problems = [*map(str, found.errors), *unreadable, *failures, *of_pending]
    for problem in problems:
        complain(problem)
    number, files = len(found.reasons), len(suite.files)
    counted = [
        *([f"{_files(number - len(failures))} of {files}"] if number else []),
        *([_files(len(pending) - len(of_pending), "pending file")] if pending else []),
    ]
    if not counted:
        say(f"nothing to prune among {_files(files)}")
    elif yes:
        say(f"deleted {' and '.join(counted)}")
    else:
        say(f"{' and '.join(counted)} can be deleted: add --yes")
    if problems:
        return EXIT_UNREADABLE
    return EXIT_PENDING if counted and not yes else EXIT_OK


def _sweep(suite: Suite, *, yes: bool) -> None:
    """Delete what killed runs left, which is nobody's and would keep folders from going."""
    if not yes:
        return
    from pytest_circuits.baselines import ROOT
    from pytest_circuits.baselines.writing import sweep

    folders = {at.folder for at in (*suite.files, *suite.pending)}
    for folder in folders | {folder for folder, _ in suite.collected.modules}:
        sweep(folder / ROOT)


def _pending_of_nobody(suite: Suite) -> tuple[dict[Location, str], list[str]]:
    """The tests with pending files that are gone, and why; and what is wrong with other files."""
    from pytest_circuits.baselines.pending import PendingError, read_pending
    from pytest_circuits.baselines.pending_files import pending_path
    from pytest_circuits.baselines.pruning import vanished

    found: dict[Location, str] = {}
    problems: list[str] = []
    for location, reason in vanished(suite.pending, suite.collected):
        try:
            read_pending(pending_path(location))
        except PendingError as error:
            problems.append(str(error))
        else:
            found[location] = reason
    return found, problems


def _delete(
    locations: Iterable[Location],
    delete_one: Callable[[Location], None],
    path_of: Callable[[Location], Path],
) -> Iterator[str]:
    """Delete files; gives what went wrong."""
    for location in locations:
        try:
            delete_one(location)
        except OSError as error:
            yield f"{path_of(location)}: can't be deleted ({error.strerror})."


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


def _files(number: int, what: str = "file") -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
