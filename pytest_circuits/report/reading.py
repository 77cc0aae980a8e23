"""How a row is read, whatever it is shown in."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_circuits.report.rows import NOT_JUDGED, REFUSED
from pytest_circuits.verdicts import SEVERITY, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import FailedTest

DELETED = "deleted"
UNREADABLE = "unreadable"
#: What else can become of a baseline between two states of a repository: its tolerance allows
#: more, or less; the same finding is another test's, another model's, or called otherwise.
LOOSENED = "loosened"
TIGHTENED = "tightened"
RENAMED = "renamed"
#: Where they stand among the verdicts: before the one that is named.
_BETWEEN = {Kind.NEW: (LOOSENED,), Kind.PRESERVED: (TIGHTENED, RENAMED)}
#: Every verdict a row can have, worst first.
VERDICTS = (
    UNREADABLE,
    REFUSED,
    DELETED,
    *(word for kind in SEVERITY for word in (*_BETWEEN.get(kind, ()), kind.value)),
    NOT_JUDGED,
)
#: Outcomes that a test was marked for.
_EXPECTED = ("xfailed", "xpassed")
#: Verdicts on a finding whose numbers were held against a baseline's.
_COMPARED = (Kind.LOST, Kind.WEAKENED, Kind.RELOCATED, Kind.STRENGTHENED, Kind.PRESERVED)


def fails(row: Row) -> bool:
    """Whether a finding counts against the run."""
    return not row.passes and row.outcome not in _EXPECTED


def badness(row: Row) -> tuple[bool, int]:
    """A key that sorts worst first: what fails, then by verdict."""
    return not fails(row), VERDICTS.index(row.verdict)


def compared(row: Row) -> bool:
    """Whether a finding's numbers were held against a baseline's."""
    return row.verdict in _COMPARED


def changed(row: Row) -> bool:
    """Whether the comparison found a change."""
    return compared(row) and row.verdict != Kind.PRESERVED


def exception(row: Row) -> str:
    """Why a finding doesn't count as others of its verdict do; empty where it does."""
    if row.outcome in _EXPECTED:
        return row.outcome
    return "waived" if row.waived else ""


def test_of(told: Row | FailedTest) -> str:
    """The node id of a row's test, or of a failed one, without the model's alias."""
    for ending, rest in ((f"[{told.alias}]", ""), (f"-{told.alias}]", "]")):
        if told.test.endswith(ending):
            return told.test.removesuffix(ending) + rest
    return told.test


def nodeid(test: str, alias: str) -> str:
    """The node id of a test on a model: its alias is the last of its parameters."""
    return f"{test[:-1]}-{alias}]" if test.endswith("]") else f"{test}[{alias}]"


def labels(rows: Iterable[Row | FailedTest]) -> dict[str, str]:
    """What the rows' tests are called, by node id without alias.

    Class, function and own parameters; the file only where tests of two files are called alike.
    """
    short = {test: _without_file(test) for test in map(test_of, rows)}
    alike = Counter(short.values())
    return {
        test: text if alike[text] == 1 else f"{text} in {test.partition('::')[0]}"
        for test, text in short.items()
    }


def _without_file(test: str) -> str:
    # A folder may have brackets in its name, and parameters may have colons.
    file, _, test = test.partition("::")
    if not test:
        return file
    name, bracket, parameters = test.partition("[")
    return name.replace("::", ".") + bracket + parameters


def marks(row: Row) -> list[str]:
    """What else a reader must know beside the verdict, a word each."""
    return [word for word in (exception(row), "written" if row.written else "") if word]


def colour(row: Row) -> str:
    """Red for what fails, yellow for what else is news."""
    if fails(row):
        return "red"
    return "" if row.verdict == Kind.PRESERVED else "yellow"
