"""The commands' arguments and help. What a command needs is imported when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

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
    history.add_argument(
        "path",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="the folder to look in (default: here)",
    )
    history.add_argument("--alias", help="only the baselines of this model")


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
        empty set of parameters, and files that are no baselines.

        example:
          pytest-circuits prune tests/circuits
          pytest-circuits prune tests/circuits --yes

        exit status:
          0  nothing to delete, or deleted
          1  files were listed, and nothing was deleted
          2  usage error, or the tests can't all be collected: nothing was deleted
          3  a baseline can't be read, and stays, or can't be deleted
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


def _prune(options: argparse.Namespace) -> int:
    from pytest_circuits.commands.prune import prune

    return prune(options.path, yes=options.yes)
