"""Tables as markdown: what changed, tests × models, tests that failed, a finding's values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_circuits.findings.digits import shown
from pytest_circuits.report.causes import also_in
from pytest_circuits.report.heads import value_table
from pytest_circuits.report.run import fails, marks, other_failures, place, test_of, title
from pytest_circuits.report.table import table, worst_first
from pytest_circuits.report.text import NONE, cell
from pytest_circuits.verdicts import Kind
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_circuits.report.causes import Cause
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run
    from pytest_circuits.report.table import TableCell, ValueRow

    #: The lines that a table begins with, and one a row.
    Lines = tuple[list[str], list[str]]

#: Characters of an alias over its column.
_MOST_ALIAS = 40


def table_head(names: Sequence[str], numbers: int = 0) -> list[str]:
    """The two lines that a table begins with.

    Args:
        names: what the columns are called, as markdown.
        numbers: how many columns at the end hold numbers.
    """
    rules = ["---"] * (len(names) - numbers) + ["---:"] * numbers
    return [table_row(names), table_row(rules)]


def table_row(cells: Iterable[str]) -> str:
    """A line of a table, of cells that are markdown."""
    return f"| {' | '.join(cells)} |"


def news_table(told: Sequence[Cause], called: Mapping[str, str]) -> Lines:
    """A line a finding: verdict, test and where it is, model, what changed.

    Findings that only restate a cause stand with the one that tells of it.
    """
    rows = [
        table_row(
            [
                _verdict(row, marks(row)),
                f"{cell(title(row, called))}<br>{cell(place(row.test, row.line))}",
                cell(row.alias),
                _what(cause, row, called),
            ]
        )
        for cause in told
        for row in (cause.lead, *cause.others)
    ]
    return table_head(["verdict", "test", "model", "what changed"]), rows


def _verdict(row: Row, words: Iterable[str]) -> str:
    """A row's verdict and what else a reader must know, as markdown; bold where it fails."""
    text = ", ".join([row.verdict, *words])
    return f"**{text}**" if fails(row) else text


def _what(cause: Cause, row: Row, called: Mapping[str, str]) -> str:
    parts = [cell(cause.headline(row))]
    if row.waiver and row.verdict != Kind.PRESERVED:
        parts.append(f"{Term.WAIVED if row.waived else 'waiver'} {cell(row.waiver)}")
    also = also_in(cause, called, cell) if row is cause.lead else ""
    return "<br>".join([*parts, *filter(None, [also])])


def matrix_table(run: Run, called: Mapping[str, str]) -> Lines:
    """A line for each finding that is news on any model; a cell has the verdict and its number."""
    aliases = [model.alias for model in run.models]
    rows = [
        table_row(
            [cell(title(each.first, called)), *(_on_a_model(each.cell(alias)) for alias in aliases)]
        )
        for each in worst_first(table(run))
        if each.news
    ]
    return table_head(["test", *(cell(alias, _MOST_ALIAS) for alias in aliases)]), rows


def _on_a_model(said: TableCell) -> str:
    if said.row is None:
        return f"**{said.verdict}**" if said.verdict else NONE
    return f"{_verdict(said.row, said.marks)} {said.number}".rstrip()


def failed_table(run: Run, called: Mapping[str, str]) -> Lines:
    """A line for each test that failed though none of its findings did."""
    rows = []
    for failed in other_failures(run):
        where = cell(place(failed.test, failed.line))
        # A module is called as its file.
        test = f"{cell(called[test_of(failed)])}<br>{where}" if failed.of_test else where
        rows.append(table_row([test, cell(failed.alias), cell(failed.message)]))
    return table_head(["test that failed", "model", "why"]), rows


def values_table(row: Row, before: str, now: str) -> Iterator[str]:
    """A finding's values; nothing for one that isn't there whole.

    Args:
        row: the finding's row.
        before: what the baseline's column is called, as markdown.
        now: what the finding's is.
    """
    values = value_table(row)
    if values is None:
        return
    if values.rows and all(each.before is None for each in values.rows):
        yield from table_head(["", now], numbers=1)
        yield from (table_row([cell(each.name), _number(each.now, each)]) for each in values.rows)
    elif values.rows:
        yield from table_head(["", before, now, "tolerance"], numbers=3)
        for each in values.rows:
            numbers = (each.before, each.now, each.tolerance)
            yield table_row([cell(each.name), *(_number(number, each) for number in numbers)])
    left_out = values.left_out(values.kind)
    if left_out:
        yield f"\n{left_out}"


def _number(value: float | None, row: ValueRow) -> str:
    if value is None:
        return NONE
    return "undefined" if math.isnan(value) else shown(value, digits=row.digits(2))
