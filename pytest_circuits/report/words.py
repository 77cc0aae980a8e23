"""How a run went, in the words that every report has for it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_circuits.report.failures import other_failures
from pytest_circuits.report.reading import changed, exception, fails
from pytest_circuits.report.rows import NOT_JUDGED, REFUSED
from pytest_circuits.report.text import counted
from pytest_circuits.verdicts import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run

#: pytest's exit statuses of a run that went well: all passed, or there was nothing to run.
_WELL = (0, 5)
_SOME_FAILED = 1


def unexplained(run: Run) -> bool:
    """Whether pytest ended red for a reason that nothing accounts for that is told of the run."""
    told = any(map(fails, run.rows)) or run.unfinished or other_failures(run)
    return run.compared is None and run.exit_status not in _WELL and not told


def ended(run: Run) -> str:
    """How pytest ended, where a reader can't tell that from the rest; empty elsewhere."""
    if run.compared is not None or run.exit_status in _WELL:
        return ""
    how = f"pytest ended with status {run.exit_status}"
    if unexplained(run):
        # An ordinary test that failed, or what another plugin asks for.
        outside = run.exit_status == _SOME_FAILED
        return f"{how}, for a reason {'outside the circuits' if outside else 'not told here'}"
    return "" if run.exit_status == _SOME_FAILED else how


def remembered(run: Run) -> str:
    """How many findings an earlier run measured; empty where this run measured all."""
    number = sum(row.remembered for row in run.rows)
    if not number:
        return ""
    return f"{number} of {counted(len(run.rows), 'finding')}, measured by an earlier run"


def uncollected(number: int) -> str:
    """So many modules whose circuit tests, if they have any, nobody knows of."""
    return f"{counted(number, 'module')} could not be collected"


def news_in_words(run: Run) -> list[str]:
    """What a run tells beside what it preserved, where no finding fails; a clause each.

    How findings came to pass stands in brackets where it is not the gate that let them.
    """
    of_kinds = [
        ([row for row in run.rows if changed(row)], "changed", "changed"),
        ([row for row in run.rows if row.verdict == Kind.NEW], "is new", "are new"),
        (_uncompared(run), "could not be compared", "could not be compared"),
        ([row for row in run.rows if row.verdict == NOT_JUDGED], "was not judged",
         "were not judged"),
    ]  # fmt: skip
    clauses: list[str] = []
    for rows, one, several in of_kinds:
        if rows:
            number = _number(len(rows), len(run.rows), first=not clauses)
            clauses.append(f"{number} {one if len(rows) == 1 else several}{_excused(rows)}")
    return clauses


def _uncompared(run: Run) -> list[Row]:
    return [row for row in run.rows if row.verdict in (Kind.INCOMPARABLE, REFUSED)]


def _number(number: int, of: int, *, first: bool) -> str:
    if not first:
        return str(number)
    return counted(of, "finding") if number == of else f"{number} of {counted(of, 'finding')}"


def _excused(rows: Sequence[Row]) -> str:
    """What let rows pass that is not the gate, in brackets; empty where there is none."""
    ways = Counter(exception(row) for row in rows)
    if len(ways) == 1:
        (way,) = ways
        return f" ({way})" if way else ""
    return f" ({', '.join(f'{number} {way}' for way, number in sorted(ways.items()) if way)})"


def gate_lets_pass(run: Run) -> str:
    """What the gate lets pass of a run in which no finding fails; empty where it is nothing."""
    told = [row for row in run.rows if changed(row)] + _uncompared(run)
    left = [row for row in told if not exception(row)]
    if not left:
        return ""
    return f"the gate lets {'that' if len(left) == len(told) else 'the rest'} pass"
