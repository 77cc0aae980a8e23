"""The commands' arguments and help. What a command needs is imported when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 — has no other name


def add_show(commands: Commands) -> None:
    """``pytest-circuits show``."""
    show = add_command(
        commands,
        "show",
        "print baselines in words",
        """
        example:
          pytest-circuits show example_suites/quickstart

        exit status:
          0  done
          2  usage error
          3  a baseline can't be read; the others are shown
        """,
        _show,
    )
    show.add_argument(
        "paths",
        nargs="*",
        type=Path,
        default=[Path()],
        metavar="PATH",
        help="baseline files, or folders to look for them in (default: here)",
    )


def add_history(commands: Commands) -> None:
    """``pytest-circuits history``."""
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
        _history,
    )
    history.add_argument(
        "test",
        metavar="TEST",
        help="a test's name, with its class and parameters where that matters, or its node id",
    )
    add_folder(history)
    history.add_argument("--alias", help="only the baselines of this model")


def add_diff(commands: Commands) -> None:
    """``pytest-circuits diff``."""
    diff = add_command(
        commands,
        "diff",
        "say what changed between the baselines of two revisions",
        """
        Revisions and paths are as in git diff: none is HEAD against the working tree,
        one is that against the working tree; A..B, and A...B for what B did since it
        left A. Without a path all of the repository is looked at, from any folder.
        What is there now is held against what was, with the tolerance it had then:
        a wider one excuses nothing, and is told of. A model's first baseline of its
        own is held against its parent's, which served before.

        example:
          pytest-circuits diff main
          pytest-circuits diff main...HEAD --markdown changes.md --html changes.html
          pytest-circuits diff v1.0 v1.1 -- tests/circuits

        exit status:
          0  no changes
          1  findings changed
          2  usage error: no git, no repository, no such revision or path
          3  a baseline can't be read, or is a symbolic link; the others are told of
        """,
        _diff,
    )
    diff.usage = (
        "%(prog)s [-h] [--markdown FILE] [--html FILE] [--json FILE]\n"
        "                            [REV [REV]] [-- PATH ...]"
    )
    diff.add_argument("revisions", nargs="*", metavar="REV", help="a revision (default: HEAD)")
    for kind in ("markdown", "html", "json"):
        diff.add_argument(
            f"--{kind}", metavar="FILE", help=f"write the changes as {kind}; - prints them"
        )


def paths_apart(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments, and the paths of ``diff`` after ``--``, to argparse further revisions."""
    before = list(arguments)
    if before[:1] != ["diff"] or "--" not in before:
        return before, []
    place = before.index("--")
    return before[:place], before[place + 1 :]


def add_report(commands: Commands) -> None:
    """``pytest-circuits report``."""
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
          2  usage error: two reports contradict each other, or a file can't be written
          3  a report can't be read
        """,
        _report,
    )
    report.add_argument(
        "files", nargs="+", metavar="[ALIAS=]FILE", help="a report.json, its model renamed"
    )
    for kind in ("html", "markdown", "json"):
        report.add_argument(
            f"--{kind}", metavar="FILE", help=f"write the report as {kind}; - prints it"
        )
    report.add_argument(
        "--dir", type=Path, metavar="DIR", help="write report.html, report.md and report.json here"
    )
    report.add_argument(
        "--budget",
        type=int,
        metavar="BYTES",
        help="what markdown has at most (default: 65536, as a comment on GitHub)",
    )


def add_prune(commands: Commands) -> None:
    """``pytest-circuits prune``."""
    prune = add_command(
        commands,
        "prune",
        "list baseline files that nobody needs, or delete them",
        """
        Nobody needs a file that no test on a declared model owns, nor one that equals
        the baselines of the model's parent: the same numbers (to one unit of the last
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
        _prune,
    )
    prune.add_argument(
        "path",
        nargs="?",
        type=Path,
        metavar="PATH",
        help="the suite's folder (default: what pytest runs here)",
    )
    prune.add_argument("--yes", action="store_true", help="delete what is listed")


def add_folder(command: argparse.ArgumentParser) -> None:
    """Let a command look in a folder, which need not be named."""
    command.add_argument(
        "path",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="the folder to look in (default: here)",
    )


def add_command(
    commands: Commands, name: str, what: str, more: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """Add a command.

    Args:
        commands: what to add it to.
        name: its name.
        what: what it does, in a few words.
        more: further help: an example, and the exit statuses.
        run: runs it and gives its exit status.
    """
    command = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=dedent(more).strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def _show(options: argparse.Namespace) -> int:
    from pytest_circuits.commands.show import show

    return show(options.paths)


def _history(options: argparse.Namespace) -> int:
    from pytest_circuits.commands.history import history

    return history(options.test, options.path, options.alias)


def _diff(options: argparse.Namespace) -> int:
    from pytest_circuits.commands.diff import diff

    reports = {kind: getattr(options, kind) for kind in ("markdown", "html", "json")}
    wanted = {kind: place for kind, place in reports.items() if place is not None}
    return diff(options.revisions, options.after_dashes, wanted)


def _report(options: argparse.Namespace) -> int:
    from pytest_circuits.commands.report import report

    outputs = {kind: getattr(options, kind) for kind in ("html", "markdown", "json")}
    wanted = {kind: place for kind, place in outputs.items() if place is not None}
    return report(options.files, wanted, options.dir, options.budget)


def _prune(options: argparse.Namespace) -> int:
    from pytest_circuits.commands.prune import prune

    return prune(options.path, yes=options.yes)
