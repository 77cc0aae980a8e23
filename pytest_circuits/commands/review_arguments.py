"""The arguments and help of the commands that decide on pending findings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.commands.arguments import add_command, add_folder

if TYPE_CHECKING:
    import argparse

    from pytest_circuits.commands.arguments import Commands


def add_review(commands: Commands) -> None:
    """``pytest-circuits review``."""
    review = add_command(
        commands,
        "review",
        "walk through what `pytest --circuits --circuits-pending` left, and decide",
        """
        Shows each pending finding, worst first: the verdict in words, the numbers of
        the baseline and those measured now. Accepting one makes the baseline that
        --snapshot-update would have written in that run; where it would have written
        none, as the test did not pass for another reason than this finding, that is
        said. Answers can be piped, a line each.

        example:
          pytest-circuits review
          pytest-circuits review tests/circuits --list

        exit status:
          0  nothing is pending any more
          1  something is still pending
          2  usage error
          3  a baseline or pending file can't be read or written
        """,
        _review,
    )
    add_folder(review)
    review.add_argument("--list", action="store_true", help="list the keys, and ask nothing")


def add_accept(commands: Commands) -> None:
    """``pytest-circuits accept``."""
    accept = add_command(
        commands,
        "accept",
        "make pending findings baselines",
        """
        A finding whose baseline is no longer what it was held against is refused:
        measure again.

        example:
          pytest-circuits accept recall/test_recall/test_induction_heads
          pytest-circuits accept 'recall/*' --in tests/circuits
          pytest-circuits accept --all

        exit status:
          0  nothing is pending any more
          1  something is still pending, perhaps because it was refused
          2  usage error, or a key that names nothing: nothing was accepted
          3  a baseline or pending file can't be read or written; the others are done
        """,
        _accept,
    )
    _add_keys(accept, "accept")


def add_reject(commands: Commands) -> None:
    """``pytest-circuits reject``."""
    reject = add_command(
        commands,
        "reject",
        "forget pending findings; their baselines stay",
        """
        example:
          pytest-circuits reject recall/test_recall/test_induction_heads
          pytest-circuits reject 'tuned/*' --in tests/circuits
          pytest-circuits reject --all

        exit status:
          0  nothing is pending any more
          1  something is still pending
          2  usage error, or a key that names nothing: nothing was rejected
          3  a pending file can't be read or written; the others are done
        """,
        _reject,
    )
    _add_keys(reject, "reject")


def _add_keys(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument(
        "keys",
        nargs="*",
        metavar="KEY",
        help="a key as `pytest-circuits review --list` shows it, or a glob of * and ? (in quotes)",
    )
    command.add_argument("--all", action="store_true", help=f"{what} everything that is pending")
    command.add_argument(
        "--in",
        dest="folder",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="the folder to look in, which keys count from (default: here)",
    )


def _review(options: argparse.Namespace) -> int:
    from pytest_circuits.commands.review import review

    return review(options.path, only_list=options.list)


def _accept(options: argparse.Namespace) -> int:
    from pytest_circuits.commands.accept import accept

    return accept(options.keys, options.folder, everything=options.all)


def _reject(options: argparse.Namespace) -> int:
    from pytest_circuits.commands.accept import reject

    return reject(options.keys, options.folder, everything=options.all)
