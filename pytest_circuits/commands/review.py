"""``pytest-circuits review``: pending findings one by one, worst first, each to be decided on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.commands.console import (
    add_command,
    add_folder,
    no_folder,
    refuse,
    say,
    say_wrapped,
)

if TYPE_CHECKING:
    import argparse

    from pytest_circuits.commands.console import Commands
    from pytest_circuits.commands.pending import PendingEntries

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


def add(commands: Commands) -> None:
    """Add the command, its arguments and its help."""
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
        run,
    )
    add_folder(review)
    review.add_argument("--list", action="store_true", help="list the keys, and ask nothing")


def run(options: argparse.Namespace) -> int:
    """Walk through what is pending below a folder, or list it."""
    from pytest_circuits.commands.pending import PendingEntries

    problem = no_folder(options.path)
    if problem:
        return refuse(problem)
    found = PendingEntries(options.path)
    answers = _Answers() if found.entries and not options.list else None
    if answers is None or not answers.are_there:
        found.listed()
        status = found.ended()
        if answers is not None:
            say_wrapped(_OTHERWISE, "")
        return status
    try:
        _walk(found, answers)
    except KeyboardInterrupt:
        # Each decision is whole or not there at all, so there is nothing to undo.
        say("")
    return found.ended()


def _walk(found: PendingEntries, answers: _Answers) -> None:
    """Show every finding and do what is answered."""
    for number, entry in enumerate(found.entries, start=1):
        entry.show(number, len(found.entries))
        answer = answers.next()
        if answer.quits:
            return
        chosen = found.entries[number - 1 :] if answer.all_that_follow else [entry]
        if answer.accepts is not None:
            found.decide(chosen, accepts=answer.accepts)
        if answer.all_that_follow:
            return
        say("")


class _Answers:
    """What is answered, typed or piped.

    Attributes:
        are_there: whether anything answers.
    """

    def __init__(self) -> None:
        self._terminal = sys.stdin is not None and sys.stdin.isatty()
        # Answers may be piped; where nothing is, a prompt would wait for nobody.
        self._first = "" if self._terminal else _line()
        self.are_there = self._terminal or bool(self._first)

    def next(self) -> _Answer:
        """Ask, and explain the keys, until one is named."""
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
            say(*_HELP.split("\n"))


def _line() -> str:
    """The next line that is typed or piped; empty at the end."""
    try:
        return "" if sys.stdin is None else sys.stdin.readline()
    except UnicodeDecodeError:
        return "\n"
