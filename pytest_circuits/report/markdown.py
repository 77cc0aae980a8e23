"""A run as markdown, for job summaries and comments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits.report.commands import compare
from pytest_circuits.report.failures import failed_claims
from pytest_circuits.report.markdown_details import fold
from pytest_circuits.report.markdown_tables import (
    failed_head,
    failed_rows,
    matrix_head,
    matrix_rows,
    news_head,
    news_rows,
)
from pytest_circuits.report.models import model_line, redundant_line
from pytest_circuits.report.news import news_of
from pytest_circuits.report.reading import labels, test_of
from pytest_circuits.report.rows import NOT_JUDGED
from pytest_circuits.report.summary import summarise_run
from pytest_circuits.report.text import code
from pytest_circuits.report.words import (
    counted,
    ended,
    news_in_words,
    remembered,
    uncollected,
    unexplained,
)
from pytest_circuits.verdicts import Gate, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import FailedTest, Run
    from pytest_circuits.report.summary import Summary

#: What a comment on GitHub may have: of characters, of which none is shorter than a byte.
BUDGET = 65_536
_NAME = "pytest-circuits"


@dataclass(frozen=True)
class _Section:
    """A part of a report that can be cut to fewer lines.

    Attributes:
        head: what stands before the lines, where there are any.
        lines: its lines, the most important first.
        what: what one line is of, and several are of.
        gap: what stands between lines.
    """

    head: Sequence[str]
    lines: Sequence[str]
    what: tuple[str, str]
    gap: str = "\n"

    def text(self, most: int) -> str:
        """The section with at most so many lines, and how many were left out."""
        left = len(self.lines) - most
        parts = [self.gap.join([*self.head, *self.lines[:most]])] if most and self.lines else []
        if left > 0:
            one, several = self.what
            parts.append(f"{left} more {one if left == 1 else several} not shown here.")
        return "\n\n".join(parts)


def markdown_report(run: Run, budget: int = BUDGET) -> str:
    """A run as markdown: a line that says how it went, and only what changed.

    What doesn't fit the budget is left out whole, the folded details first, then lines of tables,
    the least important first; the report says how many are missing.

    Args:
        run: the run.
        budget: bytes of UTF-8 that the report has at most.
    """
    news = news_of(run)
    called = _called(run)
    folds = [row for row in news if row.verdict != NOT_JUDGED]
    several = len(run.models) > 1
    sections = [
        _Section(news_head(), list(news_rows(news, called)), ("finding is", "findings are")),
        _Section(
            matrix_head(run),
            list(matrix_rows(run, called)) if several else [],
            ("line of tests × models is", "lines of tests × models are"),
        ),
        _Section(
            failed_head(),
            list(failed_rows(run, called)),
            ("failed test is", "failed tests are"),
        ),
        _Section((), list(_facts(run)), ("remark is", "remarks are")),
        _Section(
            (),
            [fold(run, row, called) for row in folds],
            ("finding's details are", "findings' details are"),
            gap="\n\n",
        ),
    ]
    return _fitted(run, sections, budget)


def _called(run: Run) -> dict[str, str]:
    told: list[Row | FailedTest] = [*run.rows, *run.failed]
    return labels(told)


def _fitted(run: Run, sections: Sequence[_Section], budget: int) -> str:
    """As much of the sections as fits, below the verdict."""
    most = [len(section.lines) for section in sections]

    def text() -> str:
        shown = [section.text(lines) for section, lines in zip(sections, most, strict=True)]
        return "\n\n".join(filter(None, [_verdict(run), *shown])) + "\n"

    # From the last, the details, to the first, the findings themselves.
    for place in reversed(range(len(sections))):
        if _size(text()) <= budget:
            return text()
        all_lines = most[place]
        most[place] = 0
        if _size(text()) <= budget:
            fits, too_many = 0, all_lines
            while too_many - fits > 1:
                most[place] = (fits + too_many) // 2
                if _size(text()) <= budget:
                    fits = most[place]
                else:
                    too_many = most[place]
            most[place] = fits
    for short in (text(), f"{_verdict(run)}\n"):
        if _size(short) <= budget:
            return short
    # Nothing in it but words of ours, that may be cut anywhere.
    return f"{_plain(run)}\n"[: max(0, budget)]


def _size(text: str) -> int:
    return len(text.encode())


def _plain(run: Run) -> str:
    """How it went, in few words of ours, of which every character is a byte."""
    return f"{_NAME}: {_went(run, summarise_run(run))}"


def _verdict(run: Run) -> str:
    """The report's first line: how it went, and how many findings of which kinds there are."""
    summary = summarise_run(run)
    between = ""
    if run.compared is not None:
        before, after = map(code, run.compared)
        between = f" between {before} and {after}"
    kinds = ", ".join(
        f"{count} {verdict}{f' ({exception})' if exception else ''}"
        for (verdict, exception), count in summary.counts.items()
    )
    return f"**{_plain(run)}**{between}{f' — {kinds}' if kinds else ''}"


def _went(run: Run, summary: Summary) -> str:
    total = counted(summary.findings, "finding")
    if run.compared is not None:
        return f"{total} changed" if summary.findings else "no changes"
    claims = len(failed_claims(run))
    wrong = [
        f"{_of_all(summary.failing, total)} fail{'s' if summary.failing == 1 else ''}"
        if summary.failing
        else "",
        f"{counted(summary.silent, 'test')} failed without a finding" if summary.silent else "",
        uncollected(summary.uncollected) if summary.uncollected else "",
        f"{counted(claims, 'test')} failed whose findings all pass" if claims else "",
        f"{counted(run.unfinished, 'test')} did not run to a verdict" if run.unfinished else "",
    ]
    if any(wrong):
        return ", ".join(filter(None, wrong))
    news = news_in_words(run)
    gate = " (gate never)" if run.gate == Gate.NEVER else ""
    if unexplained(run):
        # Why, as far as it is known, is among the facts.
        return ", ".join([f"nothing fails{gate} but the run", *news])
    if not news:
        return "no changes" if summary.findings else "no findings"
    return ", ".join([f"nothing fails{gate}", *news])


def _of_all(count: int, total: str) -> str:
    return total if total.startswith(f"{count} ") else f"{count} of {total}"


def _facts(run: Run) -> Iterator[str]:
    """What is to be said of models, of waivers, and of the run as a whole, a line each."""
    if run.compared is not None and run.rows:
        yield f"- the same in a terminal: {code(compare(run))}"
    for model in run.models:
        rows = run.of(model)
        for text in (model_line(model, rows), redundant_line(model, rows)):
            if text:
                yield f"- {code(text)}"
    waivers = {test_of(row): row.waiver for row in run.rows if row.waiver}
    needed = {test_of(row) for row in run.rows if row.waiver and row.verdict != Kind.PRESERVED}
    called = _called(run)
    for test, waiver in waivers.items():
        if test not in needed:
            yield f"- the waiver of {code(called[test])} is not needed: {code(waiver)}"
    summary = summarise_run(run)
    if summary.alarms:
        yield f"- false alarms to expect: {summary.alarms}"
    if summary.remembered:
        yield f"- remembered: {remembered(run)}"
    how = ended(run)
    if how:
        yield f"- {how}"
