"""What every report is made of: a whole run, and how its rows are read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.report.rows import ASSERTED, NOT_JUDGED, REFUSED
from pytest_circuits.verdicts import SEVERITY, Kind, reason_text
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_circuits.report.rows import Row

DELETED = Term.DELETED.value
UNREADABLE = Term.UNREADABLE.value
#: What else can become of a baseline between two states of a repository: its tolerance allows
#: more, or less; the same finding is another test's, another model's, or called otherwise.
LOOSENED = Term.LOOSENED.value
TIGHTENED = Term.TIGHTENED.value
RENAMED = Term.RENAMED.value
#: Where they stand among the verdicts: before the one that is named.
_BETWEEN = {Kind.NEW: (LOOSENED,), Kind.PRESERVED: (TIGHTENED, RENAMED)}
#: Every verdict a row can have, worst first.
VERDICTS = (
    UNREADABLE,
    REFUSED,
    DELETED,
    *(word for kind in SEVERITY for word in (*_BETWEEN.get(kind, ()), kind.value)),
    ASSERTED,
    NOT_JUDGED,
)
#: Exit statuses of a run that did not end by itself: none yet, and pytest's for one that was
#: interrupted and one that broke.
_STOPPED = (None, 2, 3)
#: Outcomes that a test was marked for.
_EXPECTED = ("xfailed", "xpassed")
#: Verdicts on a finding whose numbers were held against a baseline's.
_COMPARED = (Kind.LOST, Kind.WEAKENED, Kind.RELOCATED, Kind.STRENGTHENED, Kind.PRESERVED)


@dataclass(frozen=True)
class Model:
    """A model of a run.

    Attributes:
        alias: its stable name.
        source: its source, as its user wrote it.
        owners: the aliases whose baselines serve for it, nearest first.
        declared: whether it owns baselines, which can be approved.
        options: further options of its own, where runs of several are put together.
    """

    alias: str
    source: str
    owners: tuple[str, ...]
    declared: bool = True
    options: tuple[str, ...] = ()


class FailedTest(NamedTuple):
    """A circuit test that failed and gave no finding, so that no row tells of it.

    Or a module that could not be collected, so that nobody knows of its tests.

    Attributes:
        test: its node id; of a module, its file.
        alias: its model's alias; empty for a test that can't run once for every model.
        message: why it failed, in a line.
        line: where in its file it failed, or else begins, counted from 1; None if unknown.
    """

    test: str
    alias: str
    message: str = ""
    line: int | None = None

    @property
    def of_test(self) -> bool:
        """Whether it is a test, and no module."""
        return "::" in self.test


@dataclass(frozen=True)
class Run:
    """What a run found.

    Attributes:
        models: the models that were asked for, in the order they were named.
        rows: a row a finding, in any order.
        gate: which verdicts fail, a value of :class:`~pytest_circuits.verdicts.Gate`.
        failed: tests that failed without a finding, also in their setup, and modules that could
            not be collected, in any order.
        unfinished: the node ids of tests that never ran to an end (a run that stopped, a lost
            worker).
        exit_status: pytest's; None for a run that has not come to its end, perhaps never will.
        options: options of the command line that the numbers depend on, as they would be typed.
        root: where the tests' paths start, from the folder that pytest ran in; empty where it ran
            there.
        compared: the names of two states of the baselines, where rows tell what became of them
            from the one to the other; None for a run that measured models.
    """

    models: tuple[Model, ...]
    rows: tuple[Row, ...]
    gate: str = "regression"
    failed: tuple[FailedTest, ...] = ()
    unfinished: tuple[str, ...] = ()
    exit_status: int | None = 0
    options: tuple[str, ...] = ()
    root: str = ""
    compared: tuple[str, str] | None = None

    @property
    def complete(self) -> bool:
        """Whether it came to its end, and every circuit test did."""
        collected = all(each.of_test for each in self.failed)
        return self.exit_status not in _STOPPED and not self.unfinished and collected

    def of(self, model: Model) -> list[Row]:
        """A model's rows."""
        return [row for row in self.rows if row.alias == model.alias]

    def failed_on(self, model: Model) -> list[FailedTest]:
        """A model's tests that failed without a finding."""
        return [failed for failed in self.failed if failed.alias == model.alias]


# Rows


def fails(row: Row) -> bool:
    """Whether a finding counts against the run."""
    return not row.passes and row.outcome not in _EXPECTED


def badness(row: Row) -> tuple[bool, int, bool, float, int]:
    """A key that sorts worst first: what fails, then by verdict, then by size.

    What is lost and what is weakened is one: how much either is says the size.
    """
    place = VERDICTS.index(row.verdict)
    worse = VERDICTS.index(Kind.LOST) if row.verdict == Kind.WEAKENED else place
    return not fails(row), worse, *row.size, place


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
    return Term.WAIVED.value if row.waived else ""


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

    Function and own parameters; the class only where several tests are called alike, and the file
    where they are then too.
    """
    whole = {test: _without_file(test) for test in map(test_of, rows)}
    short = {test: _without_class(text) for test, text in whole.items()}
    alike = Counter(short.values()), Counter(whole.values())
    return {
        test: short[test]
        if alike[0][short[test]] == 1
        else text
        if alike[1][text] == 1
        else f"{text} in {test.partition('::')[0]}"
        for test, text in whole.items()
    }


def _without_file(test: str) -> str:
    # A folder may have brackets in its name, and parameters may have colons.
    file, _, test = test.partition("::")
    if not test:
        return file
    name, bracket, parameters = test.partition("[")
    return name.replace("::", ".") + bracket + parameters


def _without_class(test: str) -> str:
    name, bracket, parameters = test.partition("[")
    return name.rpartition(".")[2] + bracket + parameters


def marks(row: Row) -> list[str]:
    """What else a reader must know beside the verdict, a word each."""
    return [word for word in (exception(row), "written" if row.written else "") if word]


def judged(row: Row) -> bool:
    """Whether a finding was held against anything: a baseline, or a claim of its test.

    Not where the test was expected to fail: then nothing hangs on it.
    """
    if row.outcome in _EXPECTED:
        return False
    if row.claimed or row.verdict == ASSERTED:
        return True
    return row.is_judged and row.verdict != Kind.NEW


def colour(row: Row) -> str:
    """Red for what fails, yellow for what else is news."""
    if fails(row):
        return "red"
    return "yellow" if is_news(row) else ""


def reasons_shown(row: Row, most: int) -> tuple[list[str], int]:
    """The worst reasons of a row in words, and how many more there are."""
    shown = [reason_text(reason) for reason in row.reasons[:most]]
    return shown, len(row.reasons) - len(shown) + row.more_reasons


# Names


def title(row: Row, called: Mapping[str, str]) -> str:
    """What a finding is called: its test, and its name within the test.

    Args:
        row: the finding's row, on any model.
        called: what tests are called, as :func:`labels` gives it.
    """
    test = called[test_of(row)]
    return f"{test} ({row.name})" if row.name else test


def place(test: str, line: int | None) -> str:
    """The file of a test and the line in it."""
    file = test.partition("::")[0]
    return file if line is None else f"{file}:{line}"


# Runs


def is_news(row: Row) -> bool:
    """Whether there is anything to tell of a finding but that it was preserved, or asserted."""
    return row.verdict not in (Kind.PRESERVED, ASSERTED) or fails(row)


def news_of(run: Run) -> list[Row]:
    """The rows there is something to tell of, worst first.

    Between two states of baselines, what is preserved drifted: it changed within its tolerance.
    """
    return sorted(
        (row for row in run.rows if run.compared is not None or is_news(row)),
        key=lambda row: (*badness(row), row.test, row.name, row.alias, row.measure),
    )


def waivers_not_needed(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """The tests whose findings are all preserved, on every model, and their waivers."""
    waived = [row for row in rows if row.waiver]
    needed = {test_of(row) for row in waived if row.verdict != Kind.PRESERVED}
    waivers = {test_of(row): row.waiver for row in waived}
    return [(test, waiver) for test, waiver in waivers.items() if test not in needed]


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
