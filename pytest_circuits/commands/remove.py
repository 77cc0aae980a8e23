"""``pytest-circuits remove``: take a finding that is no longer compared out of its file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.commands.console import (
    EXIT_OK,
    EXIT_UNREADABLE,
    add_command,
    complain,
    refuse,
    say,
    shown,
)

if TYPE_CHECKING:
    import argparse

    from pytest_circuits.commands.console import Commands


def add(commands: Commands) -> None:
    """Add the command, its arguments and its help."""
    remove = add_command(
        commands,
        "remove",
        "take a finding out of a baseline file",
        """
        For a finding that its test no longer compares, which no run removes. A file
        of which nothing is left is deleted.

        example:
          pytest-circuits remove __circuits__/recall/test_recall/test_heads.json other

        exit status:
          0  removed
          2  usage error: there is no such file, or no such finding in it
          3  the file can't be read, and stays, or can't be written
        """,
        run,
    )
    remove.add_argument("file", type=Path, metavar="FILE", help="the baseline file")
    remove.add_argument(
        "name",
        nargs="?",
        default="",
        metavar="NAME",
        help="the finding's name within its test (default: the one that has none)",
    )


def run(options: argparse.Namespace) -> int:
    """Remove a finding from a baseline file."""
    from pytest_circuits.baselines import BaselineError, Location
    from pytest_circuits.baselines.pruning import remove

    file, name = options.file, options.name
    location = Location.of(file.absolute())
    if location is None or not file.is_file():
        return refuse(f"there is no baseline file {file}")
    try:
        names = remove(location, name)
    except BaselineError as error:
        complain(str(error))
        return EXIT_UNREADABLE
    except OSError as error:
        complain(f"{file}: can't be written ({error.strerror}).")
        return EXIT_UNREADABLE
    what = repr(name) if name else "finding without a name"
    if name not in names:
        there = ", ".join(repr(each) if each else "one without a name" for each in names)
        return refuse(f"{file} has no {what}; there is {there}")
    say(f"removed {what} from {shown(file)}")
    return EXIT_OK
