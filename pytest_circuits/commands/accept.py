"""``pytest-circuits accept`` and ``reject``: decisions on pending findings, for scripts."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pytest_circuits.commands.console import no_folder, refuse, say, wrapped
from pytest_circuits.commands.pending_entries import (
    cautions,
    children_first,
    complain_plainly,
    decide,
    ended,
    pending_below,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_circuits.commands.pending_entries import Entry

#: Keys named where one is close to what was typed.
_CLOSE = 3
_REVIEW = "pytest-circuits review"


def accept(keys: Sequence[str], folder: Path, *, everything: bool) -> int:
    """Make pending findings baselines."""
    return _decide(keys, folder, everything=everything, accepts=True)


def reject(keys: Sequence[str], folder: Path, *, everything: bool) -> int:
    """Forget pending findings."""
    return _decide(keys, folder, everything=everything, accepts=False)


def _decide(keys: Sequence[str], folder: Path, *, everything: bool, accepts: bool) -> int:
    problem = no_folder(folder)
    if problem:
        return refuse(problem)
    if everything == bool(keys):
        return refuse(f"name keys (`{_REVIEW} --list` shows them) or add --all, and not both")
    found = pending_below(folder)
    unknown = [key for key in keys if not any(_fits(entry, key) for entry in found.entries)]
    if unknown:
        for text in found.problems:
            complain_plainly(text)
        return refuse("\n".join(_unknown(key, found.entries) for key in unknown))
    chosen = [
        entry for entry in found.entries if everything or any(_fits(entry, key) for key in keys)
    ]
    left, of_file = len(found.entries), False
    for entry in children_first(chosen):
        refused = decide(entry, accepts=accepts)
        if refused is not None:
            complain_plainly(refused.text)
            of_file |= refused.of_file
            continue
        left -= 1
        say(f"{'accepted' if accepts else 'rejected'} {entry.key}")
        for caution in cautions(entry) if accepts else ():
            say(wrapped(caution, "  "))
    return ended(left, found.problems, of_file=of_file, hint=_REVIEW)


def _fits(entry: Entry, key: str) -> bool:
    """Whether a key or a glob names a finding. Brackets are part of parametrised tests' names."""
    return entry.key == key or fnmatchcase(entry.key, key.replace("[", "[[]"))


def _unknown(key: str, entries: Sequence[Entry]) -> str:
    close = get_close_matches(key, [entry.key for entry in entries], n=_CLOSE, cutoff=0.5)
    if close:
        return f"nothing pending is called {key!r}; close to it: {', '.join(close)}"
    there = f"`{_REVIEW} --list` shows what is there" if entries else "nothing is pending here"
    return f"nothing pending is called {key!r}; {there}"
