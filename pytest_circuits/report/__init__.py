"""Rows → what people read. Pure functions: tested without a model."""

from pytest_circuits.report.rows import Row
from pytest_circuits.report.terminal import terminal_lines

__all__ = ["Row", "terminal_lines"]
