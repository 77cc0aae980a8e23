"""A run in figures: findings of which kinds, and how many false alarms to expect."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits.report.reading import VERDICTS, compared, exception, fails
from pytest_circuits.verdicts import Gate, expected_alarms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.report.run import Run

_EXCEPTIONS = ("", "waived", "xfailed", "xpassed")


@dataclass(frozen=True)
class Summary:
    """A run in figures.

    Attributes:
        findings: how many there are.
        counts: how many of each verdict, worst first. What a waiver or a marker excuses is no
            news and counts apart, by verdict and exception.
        failing: how many count against the run.
        remembered: how many an earlier run measured.
        by_default: how many were held against baselines with default tolerances.
        by_own: how many against baselines with tolerances of their own, of which nothing is
            known.
        false_alarms: the upper bound of the expected false alarms among those by default; None
            where there are none, or where the gate isn't the one it was counted for.
        silent: tests that failed without a finding.
        uncollected: modules that could not be collected, so that nobody knows of their tests.
        incomplete: tests that never ran to an end.
    """

    findings: int
    counts: Mapping[tuple[str, str], int]
    failing: int
    remembered: int
    by_default: int
    by_own: int
    false_alarms: float | None
    silent: int
    uncollected: int
    incomplete: int

    @property
    def alarms(self) -> str:
        """How many false alarms to expect, in words; empty where that isn't known."""
        if self.false_alarms is not None:
            # Rounded up, so that "at most" stays true.
            most = math.ceil(100 * self.false_alarms) / 100
            own = f" ({self.by_own} with own tolerances left out)" if self.by_own else ""
            return f"at most {most:.2f}{own}"
        return "unknown (own tolerances)" if self.by_own and not self.by_default else ""


def summarise_run(run: Run) -> Summary:
    """The figures of a run."""
    counts = Counter((row.verdict, exception(row)) for row in run.rows)
    modules = sum(not each.of_test for each in run.failed)
    kinds = [(verdict, reason) for reason in _EXCEPTIONS for verdict in VERDICTS]
    held = [row for row in run.rows if compared(row)]
    by_own = sum(row.own_tolerance for row in held)
    by_default = len(held) - by_own
    # Between two states of baselines nothing is measured that chance could move.
    known = by_default > 0 and run.gate == Gate.REGRESSION and run.compared is None
    return Summary(
        findings=len(run.rows),
        counts={kind: counts[kind] for kind in kinds if counts[kind]},
        failing=sum(map(fails, run.rows)),
        remembered=sum(row.remembered for row in run.rows),
        by_default=by_default,
        by_own=by_own,
        false_alarms=expected_alarms(by_default) if known else None,
        silent=len(run.failed) - modules,
        uncollected=modules,
        incomplete=run.unfinished,
    )
