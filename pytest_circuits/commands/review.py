"""``pytest-circuits review``: pending findings one by one, worst first, each to be decided on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.commands.console import no_folder, refuse, say, wrapped
from pytest_circuits.commands.pending_entries import (
    children_first,
    complain_plainly,
    decide,
    ended,
    listed,
    pending_below,
)
from pytest_circuits.commands.pending_view import show_entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_circuits.commands.pending_entries import Entry

_PROMPT = "(a)ccept (r)eject (s)kip (A)ccept all (R)eject all (q)uit (?) > "
_HELP = """\
  a  accept: what was measured becomes the baseline
  r  reject: it is forgotten, and the baseline stays
  s  skip: it stays pending
  A  accept this one and all that follow
  R  reject this one and all that follow
  q  quit: what is not decided on stays pending"""
#: What is done instead of answering.
_OTHERWISE = (
    "to decide, run `pytest-circuits review` in a terminal, or `pytest-circuits accept KEY` and "
    "`pytest-circuits reject KEY`"
)


class _Answer(NamedTuple):
    """What somebody decided: whether to accept or reject, if either, and how far that goes."""

    accepts: bool | None = None
    all_that_follow: bool = False
    quits: bool = False


_ANSWERS = {
    "a": _Answer(accepts=True),
    "accept": _Answer(accepts=True),
    "r": _Answer(accepts=False),
    "reject": _Answer(accepts=False),
    "s": _Answer(),
    "skip": _Answer(),
    "A": _Answer(accepts=True, all_that_follow=True),
    "R": _Answer(accepts=False, all_that_follow=True),
    "q": _Answer(quits=True),
    "quit": _Answer(quits=True),
}


def review(folder: Path, *, only_list: bool) -> int:
    """Walk through what is pending below a folder, or list it."""
    problem = no_folder(folder)
    if problem:
        return refuse(problem)
    found = pending_below(folder)
    if only_list or not found.entries:
        listed(found.entries)
        return ended(len(found.entries), found.problems, of_file=False)
    walk = _Walk(found.entries)
    if not walk.has_answers:
        listed(found.entries)
        status = ended(len(found.entries), found.problems, of_file=False)
        say(wrapped(_OTHERWISE, ""))
        return status
    try:
        walk.walk()
    except KeyboardInterrupt:
        # Each decision is whole or not there at all, so there is nothing to undo.
        say("")
    return ended(walk.left, found.problems, of_file=walk.of_file)


class _Walk:
    """One walk through pending findings.

    Attributes:
        left: how many are still pending.
        of_file: whether a file made trouble.
        has_answers: whether there is anybody, or anything, that answers.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.left = len(entries)
        self.of_file = False
        self._entries = entries
        self._terminal = sys.stdin is not None and sys.stdin.isatty()
        # Answers may be piped; where nothing is, a prompt would wait for nobody.
        self._first = "" if self._terminal else _line()
        self.has_answers = self._terminal or bool(self._first)

    def walk(self) -> None:
        """Show every finding and do what is answered."""
        for number, entry in enumerate(self._entries, start=1):
            show_entry(entry, number, len(self._entries))
            answer = self._answer()
            if answer.quits:
                return
            rest = self._entries[number - 1 :]
            if answer.accepts is not None:
                for each in children_first(rest) if answer.all_that_follow else [entry]:
                    self._decide(each, accepts=answer.accepts)
            if answer.all_that_follow:
                return
            say("")

    def _decide(self, entry: Entry, *, accepts: bool) -> None:
        problem = decide(entry, accepts=accepts)
        if problem is None:
            self.left -= 1
            say(f"{'accepted' if accepts else 'rejected'} {entry.key}")
            return
        self.of_file |= problem.of_file
        sys.stdout.flush()
        complain_plainly(problem.text)

    def _answer(self) -> _Answer:
        while True:
            sys.stdout.write(_PROMPT)
            sys.stdout.flush()
            line, self._first = self._first or _line(), ""
            if not line:
                say("")
                return _Answer(quits=True)
            key = line.strip()
            if not self._terminal:
                say(ascii(key)[1:-1])
            if key in _ANSWERS:
                return _ANSWERS[key]
            if key not in ("?", "help"):
                say(f"there is no key {key!r}" if key else "a key, then Enter:")
            say(_HELP)


def _line() -> str:
    """The next line that is typed or piped; empty at the end."""
    try:
        return "" if sys.stdin is None else sys.stdin.readline()
    except UnicodeDecodeError:
        return "\n"
