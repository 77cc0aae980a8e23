"""The tables of a markdown report: what changed, tests × models, and tests that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.report.failures import other_failures
from pytest_circuits.report.news import is_news, place, title
from pytest_circuits.report.reading import fails, marks, test_of
from pytest_circuits.report.table import table, worst_first
from pytest_circuits.report.text import NONE, cell
from pytest_circuits.verdicts import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run

#: Tables of several models leave out what is no news.
_FAILED = "**failed**"


def verdict(row: Row) -> str:
    """A row's verdict and what else a reader must know, as markdown; bold where it fails."""
    words = ", ".join([row.verdict, *marks(row)])
    return f"**{words}**" if fails(row) else words


def news_head() -> list[str]:
    """How the table of news begins."""
    return table_head(["verdict", "test", "model", "what changed"])


def news_rows(news: Sequence[Row], called: Mapping[str, str]) -> Iterator[str]:
    """A line a finding: verdict, test and where it is, model, what changed."""
    for row in news:
        test = f"{cell(title(row, called))}<br>{cell(place(row.test, row.line))}"
        yield table_row([verdict(row), test, cell(row.alias), _what(row)])


def _what(row: Row) -> str:
    if not row.waiver or row.verdict == Kind.PRESERVED:
        return cell(row.headline)
    said = "waived" if row.waived else "waiver"
    return f"{cell(row.headline)}<br>{said} {cell(row.waiver)}"


def matrix_head(run: Run) -> list[str]:
    """How the table tests × models begins."""
    return table_head(["test", *(cell(model.alias, 40) for model in run.models)])


def matrix_rows(run: Run, called: Mapping[str, str]) -> Iterator[str]:
    """A line for each finding that is news on any model; a cell has the verdict and its number."""
    for entry in worst_first(table(run)):
        rows = list(entry.cells.values())
        if not any(map(is_news, rows)) and not entry.failed:
            continue
        cells = []
        for model in run.models:
            row = entry.cells.get(model.alias)
            if row is None:
                cells.append(_FAILED if model.alias in entry.failed else NONE)
            else:
                number = "" if row.number is None else f" {row.number:.2f}"
                cells.append(verdict(row) + number)
        yield table_row([cell(title(rows[0], called)), *cells])


def failed_head() -> list[str]:
    """How the table of tests that failed begins."""
    return table_head(["test that failed", "model", "why"])


def failed_rows(run: Run, called: Mapping[str, str]) -> Iterator[str]:
    """A line for each test that failed though none of its findings did."""
    for failed in other_failures(run):
        where = cell(place(failed.test, failed.line))
        # A module is called as its file.
        test = f"{cell(called[test_of(failed)])}<br>{where}" if failed.of_test else where
        yield table_row([test, cell(failed.alias), cell(failed.message)])


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
