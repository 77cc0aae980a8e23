"""A run as a report that is a file, whichever was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_circuits.report.run import Run


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
