"""What there is to tell of a run, and what tests and findings are called in doing so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.report.reading import badness, fails, test_of
from pytest_circuits.verdicts import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run


def is_news(row: Row) -> bool:
    """Whether there is anything to tell of a finding but that it was preserved."""
    return row.verdict != Kind.PRESERVED or fails(row)


def news_of(run: Run) -> list[Row]:
    """The rows there is something to tell of, worst first.

    Between two states of baselines, what is preserved drifted: it changed within its tolerance.
    """
    return sorted(
        (row for row in run.rows if run.compared is not None or is_news(row)),
        key=lambda row: (*badness(row), row.test, row.name, row.alias, row.measure),
    )


def title(row: Row, called: Mapping[str, str]) -> str:
    """What a finding is called: its test, and its name within the test."""
    test = called[test_of(row)]
    return f"{test} ({row.name})" if row.name else test


def place(test: str, line: int | None) -> str:
    """The file of a test and the line in it."""
    file = test.partition("::")[0]
    return file if line is None else f"{file}:{line}"
