"""``pytest-circuits report``: reports that were written, rendered as any other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.commands.console import (
    EXIT_OK,
    EXIT_UNREADABLE,
    add_command,
    add_outputs,
    complain,
    outputs,
    refuse,
    say,
    too_many,
    width,
    write_outputs,
)

if TYPE_CHECKING:
    import argparse

    from pytest_circuits.commands.console import Commands
    from pytest_circuits.report import Run

#: What each kind is called in a folder; as a run with ``--circuits-report`` calls it.
FILES = {"html": "report.html", "markdown": "report.md", "json": "report.json"}
#: Bytes that say how a run went, whatever it found.
LEAST_BUDGET = 200
EXIT_INCOMPLETE = 1
_RENAMED = re.compile(r"([A-Za-z0-9._-]+)=(.+)", re.DOTALL)


def add(commands: Commands) -> None:
    """Add the command, its arguments and its help."""
    report = add_command(
        commands,
        "report",
        "render reports that were written as JSON, several as one",
        """
        Reports of one model on other tests are put together, those of several models
        stand side by side. ALIAS=FILE gives a report's only model another name, which
        reports need that call theirs alike. Without an option the terminal gets what
        the end of a run shows.

        example:
          pytest-circuits report out/report.json
          pytest-circuits report out/report.json --html report.html --markdown -
          pytest-circuits report 500=a/report.json 1000=b/report.json --dir together

        exit status:
          0  rendered
          1  rendered, and incomplete: a run did not come to its end
          2  usage error: two reports contradict each other, or a file can't be written
          3  a report can't be read
        """,
        run,
    )
    report.add_argument(
        "files", nargs="+", metavar="[ALIAS=]FILE", help="a report.json, its model renamed"
    )
    add_outputs(report, tuple(FILES), "write the report as {}; - prints it")
    report.add_argument(
        "--dir", type=Path, metavar="DIR", help="write report.html, report.md and report.json here"
    )
    report.add_argument(
        "--budget",
        type=int,
        metavar="BYTES",
        help="what markdown has at most (default: 65536, as a comment on GitHub)",
    )


def run(options: argparse.Namespace) -> int:
    """Render reports as one."""
    from pytest_circuits.report import ReportError, terminal_lines
    from pytest_circuits.report.merging import MergeError, merge

    budget, folder = options.budget, options.dir
    places = {kind: str(folder / name) for kind, name in FILES.items()} if folder else {}
    places |= outputs(options)
    problem = too_many(places)
    if budget is not None and budget < LEAST_BUDGET:
        problem = f"--budget {budget} has no room for a verdict: {LEAST_BUDGET} at least"
    if problem:
        return refuse(problem)
    try:
        runs = [_named(name) for name in options.files]
        merged = merge(runs)
    except ReportError as error:
        complain(str(error))
        return EXIT_UNREADABLE
    except MergeError as error:
        return refuse(str(error))
    if not places:
        for line in terminal_lines(merged, width()):
            say(line.text)
    problem = write_outputs(places, lambda kind: _rendered(kind, merged, budget))
    if problem:
        return refuse(problem)
    left = [name for name, run in runs if not run.complete]
    if left and (places or len(runs) > 1):
        complain(
            f"incomplete: {', '.join(left)}: a run, or a circuit test of one, did not come to its "
            f"end"
        )
    return EXIT_OK if merged.complete else EXIT_INCOMPLETE


def _named(name: str) -> tuple[str, Run]:
    """A report by its name, its model renamed where the name says so."""
    from pytest_circuits.report import read_report
    from pytest_circuits.report.merging import MergeError, renamed

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
    from pytest_circuits.report import render

    return render(kind, run)
