"""Tests × models: every finding of a run, one row for all models."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits.report.reading import badness, test_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run


@dataclass(frozen=True)
class Entry:
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


def table(run: Run) -> list[Entry]:
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
        Entry(test, name, measure, cells, frozenset(failed.get(test, ())))
        for (test, name, measure, _), cells in sorted(entries.items(), key=lambda item: item[0])
    ]


def worst_first(entries: Iterable[Entry]) -> list[Entry]:
    """The entries by their worst cell."""
    return sorted(entries, key=lambda entry: min(map(badness, entry.cells.values())))
