"""Rows → what people read. Pure functions: tested without a model."""

from pytest_circuits.report.json_report import document, write_report
from pytest_circuits.report.rows import Row
from pytest_circuits.report.run import FailedTest, Model, Run
from pytest_circuits.report.terminal import terminal_lines

__all__ = ["FailedTest", "Model", "Row", "Run", "document", "terminal_lines", "write_report"]
