"""What pytest itself shows of a run: without secrets, and our messages without terminal escapes.

A test, a fixture or a plugin that fails may quote the source that it was given, with the token that
stands in it, in its message or in what it printed; and what pytest keeps of that goes to the
terminal, to JUnit files, and into our reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_circuits.models.secrets import redacted, secrets_of, tokens, without
from pytest_circuits.report.text import plain_lines

if TYPE_CHECKING:
    import warnings
    from collections.abc import Callable, Generator

    from pytest_circuits.session.settings import Settings

#: Paths of pytest's own, by which files are found again.
_PLACES = ("path", "lineno")


def said(text: str) -> str:
    """A message of ours as it is shown."""
    return plain_lines(redacted(text))


class ShownReports:
    """Registered as a plugin: takes out of what pytest keeps whatever must not be shown."""

    def __init__(self, settings: Settings) -> None:
        lines = (*settings.declared.values(), *settings.measured.values())
        self._secrets = {secret for line in lines for secret in secrets_of(line.source)}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[object]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Take it out of a test's report: its failure, and what was captured."""
        report = yield
        ours = call.excinfo is not None and _is_ours(call.excinfo.type)
        self._clean(report, plain_lines if ours else str)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Take it out of the report of a module that can't be collected."""
        report = yield
        self._clean(report, str)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Take it out of a warning, which is shown in words alone."""
        message: Any = self._without(str(warning_message.message))
        if _is_ours(warning_message.category):
            message = plain_lines(message)
        if message != str(warning_message.message):
            warning_message.message = message

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: object) -> None:
        """Take it out of what is told of an error in a plugin."""
        _change(excrepr, self._without)

    def _clean(
        self, report: pytest.TestReport | pytest.CollectReport, further: Callable[[str], str]
    ) -> None:
        if report.longrepr is None and not report.sections:
            return
        known = [*self._secrets, *tokens()]

        def change(text: str) -> str:
            return further(without(text, known))

        report.longrepr = _change(report.longrepr, change)
        report.sections = _change(report.sections, change)

    def _without(self, text: str) -> str:
        return without(text, [*self._secrets, *tokens()])


def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith("pytest_circuits.")


def _change(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401 — pytest's
    """A value with every text in it changed; objects of pytest's are changed in place."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, (tuple, list)):
        return type(value)([_change(each, change) for each in value])
    if type(value).__module__.startswith("_pytest."):
        for name, part in vars(value).items():
            if name not in _PLACES:
                setattr(value, name, _change(part, change))
    return value
