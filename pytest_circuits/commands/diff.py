"""``pytest-circuits diff``: what changed between the baselines of two states of a repository."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.commands.console import (
    EXIT_OK,
    EXIT_PENDING,
    EXIT_UNREADABLE,
    complain,
    refuse,
    say,
    width,
)
from pytest_circuits.commands.outputs import too_many, write_outputs
from pytest_circuits.history.changes import changes
from pytest_circuits.history.differing import differing
from pytest_circuits.history.git import GitError, Repository
from pytest_circuits.history.parents import with_parents
from pytest_circuits.history.rows import run_of
from pytest_circuits.history.states import states
from pytest_circuits.report import render, terminal_lines
from pytest_circuits.report.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_circuits.history.changes import Changes
    from pytest_circuits.report import Run
    from pytest_circuits.report.text import Line

_COLOURS = {"red": "31", "yellow": "33"}


def diff(revisions: Sequence[str], paths: Sequence[str], reports: Mapping[str, str]) -> int:
    """Print or write what changed between two states of the baselines.

    Args:
        revisions: the states, as ``git diff`` takes them.
        paths: where to look; everywhere by default.
        reports: where reports go, by their kind; ``-`` is the standard output. Without any, the
            terminal tells.
    """
    problem = too_many(reports)
    if problem:
        return refuse(problem)
    try:
        folder = Path.cwd()
    except FileNotFoundError:
        return refuse("the working directory is not there any more.\nGo to one that is: cd …")
    try:
        repository = Repository(folder)
        before, after = states(repository, revisions)
        found = changes(differing(repository, before, after, paths))
        found.findings = with_parents(repository, before, after, found.findings)
    except GitError as error:
        return refuse(str(error))
    run = run_of(found, repository.top, (before.name, after.name))
    if reports:
        problem = write_outputs(reports, lambda kind: render(kind, run))
        if problem:
            return refuse(problem)
    else:
        _print(run, list(_notes(found, paths)))
    for each in found.unreadable:
        complain("\n".join(map(plain, str(each.error).splitlines())))
    if found.unreadable:
        return EXIT_UNREADABLE
    return EXIT_PENDING if run.rows else EXIT_OK


def _print(run: Run, notes: Sequence[str]) -> None:
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for line in terminal_lines(run, width(), notes=notes):
        say(_coloured(line) if coloured else line.text)


def _coloured(line: Line) -> str:
    return "".join(
        f"\x1b[{_COLOURS[part.colour]}m{part.text}\x1b[0m" if part.colour in _COLOURS else part.text
        for part in line.parts
    )


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
