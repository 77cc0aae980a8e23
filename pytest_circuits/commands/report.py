"""``pytest-circuits report``: reports that were written, rendered as any other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.commands.console import (
    EXIT_OK,
    EXIT_UNREADABLE,
    complain,
    refuse,
    say,
    width,
)
from pytest_circuits.commands.outputs import too_many, write_outputs
from pytest_circuits.report import ReportError, read_report, render, terminal_lines
from pytest_circuits.report.merging import MergeError, merge, renamed
from pytest_circuits.report.text import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_circuits.report import Run

#: What each kind is called in a folder; as a run with ``--circuits-report`` calls it.
FILES = {"html": "report.html", "markdown": "report.md", "json": "report.json"}
#: Bytes that say how a run went, whatever it found.
LEAST_BUDGET = 200
_RENAMED = re.compile(r"([A-Za-z0-9._-]+)=(.+)", re.DOTALL)


def report(
    names: Sequence[str],
    outputs: Mapping[str, str],
    folder: Path | None,
    budget: int | None,
) -> int:
    """Render reports as one.

    Args:
        names: their files, or ``ALIAS=FILE``.
        outputs: where each kind goes; ``-`` is standard output.
        folder: where all kinds go, but those that have a place of their own.
        budget: bytes that markdown has at most; None for those of a comment.
    """
    if budget is not None and budget < LEAST_BUDGET:
        return refuse(f"--budget {budget} has no room for a verdict: {LEAST_BUDGET} at least")
    places = {kind: str(folder / name) for kind, name in FILES.items()} if folder else {}
    places |= outputs
    several = too_many(places)
    if several:
        return refuse(several)
    try:
        run = merge([_named(name) for name in names])
    except ReportError as error:
        complain(_plain(error))
        return EXIT_UNREADABLE
    except MergeError as error:
        return refuse(_plain(error))
    if not places:
        for line in terminal_lines(run, width()):
            say(line.text)
    problem = write_outputs(places, lambda kind: _rendered(kind, run, budget))
    return refuse(problem) if problem else EXIT_OK


def _plain(error: Exception) -> str:
    """A message with nothing in it that a terminal obeys: names in it are a file's."""
    return "\n".join(map(plain, str(error).splitlines()))


def _named(name: str) -> tuple[str, Run]:
    """A report by its name, its model renamed where the name says so."""
    match = None if Path(name).exists() else _RENAMED.fullmatch(name)
    if match is None:
        return name, read_report(Path(name))
    alias, file = match.groups()
    try:
        return file, renamed(read_report(Path(file)), alias)
    except MergeError as error:
        raise MergeError(f"{file}: {error}") from error


def _rendered(kind: str, run: Run, budget: int | None) -> str:
    if kind == "markdown" and budget is not None:
        from pytest_circuits.report.markdown import markdown_report

        return markdown_report(run, budget)
    return render(kind, run)
