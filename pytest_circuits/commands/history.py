"""``pytest-circuits history``: what became of a test's baselines, commit by commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.commands.console import (
    EXIT_OK,
    EXIT_UNREADABLE,
    add_command,
    add_folder,
    no_folder,
    refuse,
    say,
    say_wrapped,
    shown,
    width,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_circuits.commands.console import Commands
    from pytest_circuits.history.files import File, Revision

#: What stands before the verdict: a date and a commit.
_INDENT = " " * 20
_COMMIT = 8


def add(commands: Commands) -> None:
    """Add the command, its arguments and its help."""
    history = add_command(
        commands,
        "history",
        "list what commits did to the baselines of a test, newest first",
        """
        Each commit's verdict is on what the file held before it, with the tolerance
        that it held then. Renamed files are followed.

        example:
          pytest-circuits history test_induction_heads tests/circuits

        exit status:
          0  done
          2  usage error: no such test, no git, no repository
          3  a revision can't be read; the others are shown
        """,
        run,
    )
    history.add_argument(
        "test",
        metavar="TEST",
        help="a test's name, with its class and parameters where that matters, or its node id",
    )
    add_folder(history)
    history.add_argument("--alias", help="only the baselines of this model")


def run(options: argparse.Namespace) -> int:
    """Print what commits did to a test's baselines, newest first."""
    from pytest_circuits.history.files import histories
    from pytest_circuits.history.git import GitError, Repository

    test, folder, alias = options.test, options.path, options.alias
    problem = no_folder(folder)
    if problem:
        return refuse(problem)
    try:
        repository = Repository(folder)
        found = histories(repository, test, alias)
    except GitError as error:
        return refuse(str(error))
    if not found:
        of = f" of {alias}" if alias else ""
        return refuse(f"no commit has baselines{of} of a test {test!r} below {folder.resolve()}")
    status = EXIT_OK
    for number, steps in enumerate(found):
        if number:
            say("")
        newest, _ = steps[0]
        say(str(shown(repository.top / newest.path)))
        for revision, file in steps:
            _print(revision, list(_became(file, repository.top)))
            if file.error:
                status = EXIT_UNREADABLE
    if repository.shallow:
        say("older commits are not in this clone, which is shallow (git fetch --unshallow)")
    return status


def _became(file: File, top: Path) -> Iterator[tuple[str, str]]:
    """What a commit did to a file: a word for each of its findings, and the same in a few."""
    from pytest_circuits.history.changes import changes, findings
    from pytest_circuits.history.rows import was_words
    from pytest_circuits.report.run import DELETED, UNREADABLE

    if file.error:
        yield UNREADABLE, str(file.error).splitlines()[0]
        return
    every = changes([file]).findings or findings(file)
    if file.after.text is None and not every:
        yield DELETED, "what it held can't be read"
    for each in every:
        name = f"{each.place.name}: " if each.place.name else ""
        was = f"; {was_words(each.place, each.was, top)}" if each.was else ""
        yield each.kind, f"{name}{each.words}{was}"


def _print(revision: Revision, became: list[tuple[str, str]]) -> None:
    from pytest_circuits.report.run import VERDICTS
    from pytest_circuits.report.text import cut

    kind = min((kind for kind, _ in became), key=VERDICTS.index, default="empty")
    line = f"{revision.date} {revision.commit[:_COMMIT]} {kind:<12} {revision.subject}"
    say(cut(line, width()))
    for each, words in became:
        several = f"{each}: " if len(became) > 1 else ""
        say_wrapped(f"{several}{words}", _INDENT)
    if revision.renamed_from:
        say_wrapped(f"was {revision.renamed_from}", _INDENT)
