"""Tests that failed and of which no finding that fails tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.report.reading import fails
from pytest_circuits.report.run import FailedTest

if TYPE_CHECKING:
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run


def failed_claims(run: Run) -> list[FailedTest]:
    """Tests that failed though the gate let all of their findings pass: they claim more."""
    tests: dict[tuple[str, str], list[Row]] = {}
    for row in run.rows:
        tests.setdefault((row.test, row.alias), []).append(row)
    return sorted(
        FailedTest(test, alias, rows[0].failure, rows[0].line)
        for (test, alias), rows in tests.items()
        if rows[0].failure and not any(map(fails, rows))
    )


def other_failures(run: Run) -> list[FailedTest]:
    """Those, and tests that failed without a finding."""
    return sorted({*run.failed, *failed_claims(run)}, key=lambda failed: failed[:3])
