"""Rows → what people read. Pure functions: tested without a model.

Names are loaded when they are first used, so that a run imports the reports that it makes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_circuits.report.details import Details
    from pytest_circuits.report.json_document import document, json_report
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import FailedTest, Model, Run
    from pytest_circuits.report.stored import ReportError, read_report
    from pytest_circuits.report.terminal import terminal_lines

__all__ = [
    "Details",
    "FailedTest",
    "Model",
    "ReportError",
    "Row",
    "Run",
    "document",
    "json_report",
    "read_report",
    "render",
    "terminal_lines",
]

_HOMES = {
    "Details": "details",
    "FailedTest": "run",
    "Model": "run",
    "ReportError": "stored",
    "Row": "rows",
    "Run": "run",
    "document": "json_document",
    "json_report": "json_document",
    "read_report": "stored",
    "terminal_lines": "terminal",
}


def render(kind: str, run: Run) -> str:
    """A run as a report that is a file.

    Args:
        kind: ``html``, ``markdown`` or ``json``.
        run: the run.
    """
    # What draws pages and plots is imported where one is wanted.
    if kind == "html":
        from pytest_circuits.report.html import html_report

        return html_report(run)
    if kind == "markdown":
        from pytest_circuits.report.markdown import markdown_report

        return markdown_report(run)
    from pytest_circuits.report.json_document import json_report

    return json_report(run)


def __getattr__(name: str) -> Any:  # noqa: ANN401 — the module's own names
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
