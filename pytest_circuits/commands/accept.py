"""``pytest-circuits accept`` and ``reject``: decisions on pending findings, for scripts."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.commands.console import (
    add_command,
    complain,
    no_folder,
    refuse,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_circuits.commands.console import Commands
    from pytest_circuits.commands.pending import PendingEntry

#: Keys named where one is close to what was typed.
_CLOSE = 3
_REVIEW = "pytest-circuits review"


def add(commands: Commands) -> None:
    """Add both commands, their arguments and their help."""
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
        run,
    )
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
        run,
    )
    for command, accepts in ((accept, True), (reject, False)):
        command.set_defaults(accepts=accepts)
        command.add_argument(
            "keys",
            nargs="*",
            metavar="KEY",
            help="a key as `pytest-circuits review --list` shows it, or a glob of * and ? "
            "(in quotes)",
        )
        command.add_argument(
            "--all",
            action="store_true",
            help=f"{'accept' if accepts else 'reject'} everything that is pending",
        )
        command.add_argument(
            "--in",
            dest="folder",
            type=Path,
            default=Path(),
            metavar="PATH",
            help="the folder to look in, which keys count from (default: here)",
        )


def run(options: argparse.Namespace) -> int:
    """Make pending findings baselines, or forget them."""
    from pytest_circuits.commands.pending import PendingEntries

    problem = no_folder(options.folder)
    if problem:
        return refuse(problem)
    if options.all == bool(options.keys):
        return refuse(f"name keys (`{_REVIEW} --list` shows them) or add --all, and not both")
    found = PendingEntries(options.folder)
    keys = options.keys
    unknown = [key for key in keys if not any(_fits(entry, key) for entry in found.entries)]
    if unknown:
        for text in found.problems:
            complain(text)
        return refuse("\n".join(_unknown(key, found.entries) for key in unknown))
    chosen = [
        entry for entry in found.entries if options.all or any(_fits(entry, key) for key in keys)
    ]
    found.decide(chosen, accepts=options.accepts, cautions=options.accepts)
    return found.ended(hint=_REVIEW)


def _fits(entry: PendingEntry, key: str) -> bool:
    """Whether a key or a glob names a finding. Brackets are part of parametrised tests' names."""
    return entry.key == key or fnmatchcase(entry.key, key.replace("[", "[[]"))


def _unknown(key: str, entries: Sequence[PendingEntry]) -> str:
    close = get_close_matches(key, [entry.key for entry in entries], n=_CLOSE, cutoff=0.5)
    if close:
        return f"nothing pending is called {key!r}; close to it: {', '.join(close)}"
    there = f"`{_REVIEW} --list` shows what is there" if entries else "nothing is pending here"
    return f"nothing pending is called {key!r}; {there}"
