"""The tables that reports have, before anything is laid out: what is said, and what is news.

===============  ===============================  ==============================================
table            a row is                         writers
===============  ===============================  ==============================================
tests × models   a finding on every model         ``terminal_tables``, ``markdown_tables``,
                                                  ``page/page.html``
a finding's values  a head, a cell, a behaviour or   ``terminal_tables``, ``markdown_tables``
                 a number, before and now
===============  ===============================  ==============================================
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.findings.digits import decimals, shown
from pytest_circuits.report.run import badness, is_news, marks, test_of
from pytest_circuits.report.text import counted
from pytest_circuits.verdicts.verdict import HAIR
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_circuits.findings import Null
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run

FAILED = Term.FAILED.value


class TableCell(NamedTuple):
    """A finding on one model, in words.

    Attributes:
        row: its row; None where the model has no such finding.
        verdict: its verdict; ``failed`` for a test that failed without a finding, empty where
            there was nothing to run.
        number: its number; empty where it has none.
        marks: what else must be known beside the verdict.
    """

    row: Row | None
    verdict: str
    number: str = ""
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableRow:
    """One finding of one test, on every model that has it.

    Attributes:
        test: the test's node id without a model's alias.
        name: the finding's name within its test; empty for the first.
        measure: the finding's measure.
        cells: the model's row, by alias; a model without the finding is missing.
        failed: the aliases of models on which the test failed without a finding.
    """

    test: str
    name: str
    measure: str
    cells: Mapping[str, Row]
    failed: frozenset[str]

    def cell(self, alias: str) -> TableCell:
        """What the finding is on a model."""
        row = self.cells.get(alias)
        if row is None:
            return TableCell(None, FAILED if alias in self.failed else "")
        number = "" if row.number is None else shown(row.number, 2)
        return TableCell(row, row.verdict, number, tuple(marks(row)))

    @property
    def first(self) -> Row:
        """Its row on the first model that has it."""
        return next(iter(self.cells.values()))

    @property
    def news(self) -> bool:
        """Whether there is anything to tell but that it was preserved on every model."""
        return bool(self.failed) or any(map(is_news, self.cells.values()))


def table(run: Run) -> list[TableRow]:
    """A run's rows as a table, in the order of the tests' node ids.

    Findings that were never compared have no name; the n-th of a measure on one model stands
    beside the n-th on the others.
    """
    entries: dict[tuple[str, str, str, int], dict[str, Row]] = {}
    seen: Counter[tuple[str, ...]] = Counter()
    for row in run.rows:
        key = (test_of(row), row.name, row.measure)
        seen[*key, row.alias] += 1
        entries.setdefault((*key, seen[*key, row.alias]), {})[row.alias] = row
    failed: dict[str, set[str]] = {}
    for each in run.failed:
        failed.setdefault(test_of(each), set()).add(each.alias)
    return [
        TableRow(test, name, measure, cells, frozenset(failed.get(test, ())))
        for (test, name, measure, _), cells in sorted(entries.items(), key=lambda item: item[0])
    ]


def worst_first(rows: Iterable[TableRow]) -> list[TableRow]:
    """The rows by their worst cell."""
    return sorted(rows, key=lambda each: min(map(badness, each.cells.values())))


@dataclass(frozen=True)
class ValueRow:
    """One head, cell, behaviour or number, before and now.

    Attributes:
        name: what it is called.
        now: its value; NaN where it is undefined.
        before: the baseline's; NaN where it is undefined, None without a baseline.
        tolerance: how far it may move; None where nothing is held against it.
        error: the standard error of its value; None where that isn't known.
        null: what its value is held against, where that is known.
        happened: what happened to it; empty where it is within tolerance.
        unit: its unit, where its table has several.
    """

    name: str
    now: float
    before: float | None = None
    tolerance: float | None = None
    error: float | None = None
    null: Null | None = None
    happened: str = ""
    unit: str = ""

    @property
    def change(self) -> float | None:
        """How far it moved; None where that can't be said."""
        change = math.nan if self.before is None else self.now - self.before
        return None if math.isnan(change) else change

    def digits(self, least: int) -> int:
        """How many decimals its numbers have: those of what decides, or of the larger of two."""
        numbers = [self.now, self.before or 0.0] if self.tolerance is None else [self.tolerance]
        return decimals(max(map(abs, filter(math.isfinite, numbers)), default=0.0), least=least)

    @property
    def beyond(self) -> bool:
        """Whether it moved by more than its tolerance."""
        if self.change is None or self.tolerance is None:
            return False
        return abs(self.change) > self.tolerance + HAIR


@dataclass(frozen=True)
class ValueTable:
    """A finding's values, as far as a table shows them.

    Attributes:
        about: what its values are.
        kind: what a row is: head, cell, or nothing for one number.
        shown: the heads or cells that matter, worst first; or the one number.
        more: how many are left out, and how many of those are beyond tolerance.
        together: the role as a whole, or the matrix where something happened to it.
        behaviours: its companion behaviours.
        notes: what else must be known to read it.
    """

    about: str
    kind: str
    shown: tuple[ValueRow, ...]
    more: tuple[int, int]
    together: tuple[ValueRow, ...]
    behaviours: tuple[ValueRow, ...]
    notes: tuple[str, ...]

    @property
    def rows(self) -> tuple[ValueRow, ...]:
        """All rows of the table, in order."""
        return (*self.shown, *self.together, *self.behaviours)

    def left_out(self, noun: str = "") -> str:
        """How many heads or cells are left out, in words; empty where none are."""
        count, beyond = self.more
        if not count:
            return ""
        whose = "all" if beyond == count else f"{beyond} of them"
        far = f", {whose} beyond tolerance" if beyond else ""
        return f"and {counted(count, f'more {noun}') if noun else f'{count} more'}{far}"
