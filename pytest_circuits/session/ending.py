"""How a run ends: until it has, its reports say that it is incomplete; Ctrl-C leaves it so."""

from __future__ import annotations

import atexit
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pytest_circuits.report.text import plain

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pytest_circuits.session.session import CircuitsSession

#: Exit statuses that a run in which tests are left must not end with.
_WELL = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
#: Tests that are named.
_NAMED = 5


class Ending:
    """Registered beside the session of circuits, in xdist's workers too."""

    def __init__(self, config: pytest.Config, circuits: CircuitsSession) -> None:
        self._circuits = circuits
        #: xdist's workers write no reports.
        self._reports = not hasattr(config, "workerinput")
        self._begun = False
        self._selected: set[str] = set()
        self._reported: set[str] = set()
        self._lost = False
        #: Tests that did not run though pytest said that all went well.
        self._left: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Leave reports that say incomplete, before code of the tests can end the process.

        An earlier run's are gone with that. What only lists tests touches none.
        """
        option = session.config.option
        if self._reports and not (option.collectonly or option.setuponly):
            self._begun = True
            self._begin()

    def _begin(self) -> None:
        settings = self._circuits.settings
        if not (settings.reports or settings.on_github):
            return
        from pytest_circuits.session.reporting import begin_reports, begin_summary

        run = self._circuits.run_so_far(None)
        begin_reports(run, settings)
        if settings.on_github:
            self._circuits.begun_summary = begin_summary(run)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which tests are to run."""
        self._selected.update(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note which tests xdist's workers are to run."""
        self._selected.update(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note which tests did."""
        if report.when != "setup" or not report.passed:
            self._reported.add(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object | None) -> None:
        """Note whether xdist lost a worker."""
        self._lost = self._lost or bool(error)

    def exit_status(self, status: int) -> int:
        """What a run ends with that would end with this status.

        With tests left it was stopped, and with a finding that fails it has failed, whatever other
        plugins say.
        """
        if status not in _WELL:
            return status
        self._left = sorted(self._selected - self._reported)
        # Of workers that were lost before they had collected nobody knows what they leave.
        stopped = self._left or (self._lost and not self._selected)
        if stopped:
            return pytest.ExitCode.INTERRUPTED
        return pytest.ExitCode.TESTS_FAILED if self._circuits.gate.fails else status

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Let Ctrl-C end a run that is ending, as one that was stopped; and have the last word."""
        try:
            result = yield
            if self._begun:
                session.exitstatus = self.exit_status(session.exitstatus)
            return result  # noqa: TRY300
        except KeyboardInterrupt:
            if self._begun:
                with suppress(pytest.UsageError):
                    self._begin()
            # pytest would show a traceback; this way it ends as it does after Ctrl-C in a test.
            pytest.exit("interrupted", returncode=pytest.ExitCode.INTERRUPTED)

    def pytest_unconfigure(self) -> None:
        """Let Ctrl-C be too late once all is said: torch, which leaves slowly, would show it."""
        atexit.unregister(_ignore_ctrl_c)
        atexit.register(_ignore_ctrl_c)  # the last that is registered is called first

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say why a run has the status of one that was stopped."""
        if self._left:
            more = len(self._left) - _NAMED
            named = ", ".join(self._left[:_NAMED]) + (f" and {more} more" if more > 0 else "")
            terminalreporter.write_line(
                f"the run ended before these tests: {plain(named)}", red=True
            )


def _ignore_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
