"""A run as markdown, for job summaries and comments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.report.json_report import json_report

if TYPE_CHECKING:
    from pytest_circuits.report.run import Run


def markdown_report(run: Run) -> str:
    """A run as markdown, for job summaries and comments."""
    return json_report(run)
