"""Rows → what people read. Pure functions: tested without a model."""

from pytest_circuits.report.details import Details
from pytest_circuits.report.json_report import document, json_report
from pytest_circuits.report.kinds import render
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
