"""A line on the terminal while a long measurement runs, gone when it is over."""

from __future__ import annotations

import logging
import math
import os
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from pytest_circuits.report.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import pytest

#: Seconds that a loop may take before anything is said of it.
_PATIENCE = 1.0
#: Seconds from one line to the next.
_PAUSE = 0.2
#: What sums of shares of steps may be off by.
_HAIR = 1e-6
#: Below this nothing fits.
_LEAST_WIDTH = 20
#: What pytest calls the ways of capturing that keep everybody else off the terminal.
_QUIET = ("fd", "sys")
_UP, _RIGHT, _ERASE = "\x1b[A", "\x1b[{}C", "\r\x1b[K"
_MINUTE, _HOUR = 60, 3600


class Screen(Protocol):
    """Where the line is shown."""

    def show(self, text: str) -> None:
        """Show a line in place of the one that is shown."""

    def erase(self) -> None:
        """Take the line away, if one is shown."""


class ProgressLine:
    """Tells of the outermost loop that runs, once it has taken a second.

    It is a :class:`pytest_circuits.forward.Progress`.
    """

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen, self._clock = screen, clock
        self._depth = 0
        self._what, self._unit, self._total, self._done = "", "", 0, 0.0
        self._since = self._next = 0.0

    def begin(self, what: str, total: int, unit: str) -> None:
        """A loop begins; one that lies in another is a part of that one's steps."""
        self._depth += 1
        if self._depth == 1:
            self._what, self._unit, self._total, self._done = what, unit, total, 0.0
            self._since = self._clock()
            self._next = self._since + _PATIENCE

    def advance(self, steps: float) -> None:
        """So many more steps are done."""
        if self._depth != 1:
            return
        self._done += steps
        now = self._clock()
        # What is done needs no telling: it ends now.
        if now >= self._next and self._done < self._total - _HAIR:
            self._screen.show(
                progress_text(self._what, self._done, self._total, self._unit, now - self._since)
            )
            self._next = now + _PAUSE

    def end(self) -> None:
        """The loop is over."""
        self._depth -= 1
        if self._depth == 0:
            self._screen.erase()

    @contextmanager
    def saying(self, text: str) -> Iterator[None]:
        """Show a text while something runs of which no more is known."""
        self._depth += 1
        if self._depth == 1:
            self._screen.show(text)
        try:
            yield
        finally:
            self.end()


def progress_text(what: str, done: float, total: int, unit: str, elapsed: float) -> str:
    """How far a loop is: ``patch head_out  120/270 cells  44 %  8 s left``.

    Args:
        what: what it does.
        done: steps that are done.
        total: all of its steps.
        unit: what a step is.
        elapsed: seconds that they took.
    """
    steps = min(total, math.floor(done + _HAIR))
    parts = [what, f"{steps}/{total} {unit}"]
    if done > 0:
        left = elapsed * max(0.0, total - done) / done
        parts += [f"{math.floor(100 * steps / total)} %", f"{_duration(left)} left"]
    return "  ".join(parts)


def _duration(seconds: float) -> str:
    whole = math.ceil(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{math.ceil(whole / _MINUTE)} min"
    hours, rest = divmod(whole, _HOUR)
    return f"{hours} h {rest // _MINUTE} min"


class TerminalScreen(logging.Handler):
    """One line of pytest's terminal, below what pytest has written so far.

    The cursor goes back to where pytest left it when the line is taken away. Log records may be
    shown live by others, and come before everything else: the line makes room for them.
    """

    def __init__(
        self,
        reporter: pytest.TerminalReporter,
        uncaptured: Callable[[], AbstractContextManager[None]],
    ) -> None:
        super().__init__()
        self._reporter, self._uncaptured = reporter, uncaptured
        #: What takes the line away; empty while there is none.
        self._undo = ""

    def show(self, text: str) -> None:
        """Show a line in place of the one that is shown."""
        with self._uncaptured():
            width = shutil.get_terminal_size().columns
            line = _ascii(text)[: width - 1]
            if self._undo:
                self._reporter.write_raw(_ERASE + line, flush=True)
                return
            written = self._reporter._tw.width_of_current_line  # noqa: SLF001 — nobody else knows
            column = written % width
            # Where the cursor is can't be told of what has no width, or fills its line.
            if width < _LEAST_WIDTH or written < 0 or (written and not column):
                return
            self._reporter.write_raw(("\n" if written else "") + line, flush=True)
            self._undo = _ERASE + (_UP + _RIGHT.format(column) if written else "")
        handlers = logging.getLogger().handlers
        if self not in handlers:
            handlers.insert(0, self)  # before the one that shows records

    def erase(self) -> None:
        """Take the line away, if one is shown."""
        logging.getLogger().removeHandler(self)
        self._take_away()

    def _take_away(self) -> None:
        if self._undo:
            with self._uncaptured():
                self._reporter.write_raw(self._undo, flush=True)
            self._undo = ""

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 — it is no log
        """Make room for a record."""
        # Still a handler: who is removed while the list is gone through hides the next one.
        self._take_away()


def _ascii(text: str) -> str:
    """A text that every terminal can show, a column a character."""
    return "".join(c if c.isascii() else "?" for c in plain(text))


def progress_line(config: pytest.Config) -> ProgressLine | None:
    """The line of a run, or None where there is nobody to see it.

    That is under ``-q``, on xdist's workers, without a terminal, and where output isn't captured
    (``-s``): what tests print would mix with it, as it would with pytest's own percentages, which
    pytest leaves out there too.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if (
        reporter is None
        or capture is None
        or hasattr(config, "workerinput")
        or config.get_verbosity() < 0
        or config.getoption("capture", "no") not in _QUIET
        or not reporter.isatty()
        or os.environ.get("TERM") == "dumb"
    ):
        return None
    return ProgressLine(TerminalScreen(reporter, capture.global_and_fixture_disabled))
