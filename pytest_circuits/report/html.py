"""A run as one self-contained page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.report.json_report import json_report

if TYPE_CHECKING:
    from pytest_circuits.report.run import Run


def html_report(run: Run) -> str:
    """A run as one self-contained page."""
    return json_report(run)
