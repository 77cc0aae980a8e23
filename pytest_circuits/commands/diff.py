"""``pytest-circuits diff``: what changed between the baselines of two states of a repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.commands.console import (
    EXIT_OK,
    EXIT_PENDING,
    EXIT_UNREADABLE,
    add_command,
    add_outputs,
    complain,
    outputs,
    refuse,
    say_line,
    too_many,
    width,
    write_outputs,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_circuits.commands.console import Commands
    from pytest_circuits.history.changes import Changes


def add(commands: Commands) -> None:
    """Add the command, its arguments and its help."""
    diff = add_command(
        commands,
        "diff",
        "say what changed between the baselines of two revisions",
        """
        Revisions and paths are as in git diff: none is HEAD against the working tree,
        one is that against the working tree; A..B, and A...B for what B did since it
        left A. Without a path all of the repository is looked at, from any folder.
        What is there now is held against what was, with the tolerance it had then:
        a wider one excuses nothing, and is reported. A model's first baseline of its
        own is held against its parent's, which served before.

        example:
          pytest-circuits diff main
          pytest-circuits diff main...HEAD --markdown changes.md --html changes.html
          pytest-circuits diff v1.0 v1.1 -- tests/circuits

        exit status:
          0  no changes
          1  findings changed
          2  usage error: no git, no repository, no such revision or path
          3  a baseline can't be read, or is a symbolic link; the others are compared
        """,
        run,
    )
    diff.usage = (
        "%(prog)s [-h] [--markdown FILE] [--html FILE] [--json FILE]\n"
        "                            [REV [REV]] [-- PATH ...]"
    )
    diff.add_argument("revisions", nargs="*", metavar="REV", help="a revision (default: HEAD)")
    add_outputs(diff, ("markdown", "html", "json"), "write the changes as {}; - prints them")


def paths_apart(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments, and the paths of ``diff`` after ``--``, to argparse further revisions."""
    before = list(arguments)
    if before[:1] != ["diff"] or "--" not in before:
        return before, []
    place = before.index("--")
    return before[:place], before[place + 1 :]


def run(options: argparse.Namespace) -> int:
    """Print or write what changed between two states of the baselines."""
    from pytest_circuits.history.changes import changes
    from pytest_circuits.history.files import differing
    from pytest_circuits.history.git import GitError, Repository, states
    from pytest_circuits.history.parents import with_parents
    from pytest_circuits.history.rows import run_of
    from pytest_circuits.report import render, terminal_lines

    reports, paths = outputs(options), options.after_dashes
    problem = too_many(reports)
    if problem:
        return refuse(problem)
    try:
        repository = Repository(Path.cwd())
        before, after = states(repository, options.revisions)
        found = changes(differing(repository, before, after, paths))
        found.findings = with_parents(repository, before, after, found.findings)
    except GitError as error:
        return refuse(str(error))
    compared = run_of(found, repository.top, (before.name, after.name))
    if reports:
        problem = write_outputs(reports, lambda kind: render(kind, compared))
        if problem:
            return refuse(problem)
    else:
        for line in terminal_lines(compared, width(), notes=list(_notes(found, paths))):
            say_line(line)
    for file in found.unreadable:
        complain(str(file.error))
    if found.unreadable:
        return EXIT_UNREADABLE
    return EXIT_PENDING if compared.rows else EXIT_OK


def _notes(found: Changes, paths: Sequence[str]) -> Iterator[str]:
    """What else is to be known of the files."""
    for files, one, several in (
        (found.recorded, "what it was recorded with", "what they were recorded with"),
        (found.rewritten, "how it is written", "how they are written"),
    ):
        if files:
            differ = f"file differs only in {one}"
            yield f"{len(files)} {differ if len(files) == 1 else f'files differ only in {several}'}"
    if paths:
        yield f"only below {', '.join(paths)}"
