"""A run as markdown, for job summaries and comments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits.report.causes import causes
from pytest_circuits.report.commands import compare
from pytest_circuits.report.markdown_details import fold
from pytest_circuits.report.markdown_tables import failed_table, matrix_table, news_table
from pytest_circuits.report.rows import NOT_JUDGED
from pytest_circuits.report.run import labels, news_of, waivers_not_needed
from pytest_circuits.report.summary import (
    all_or_some,
    ended,
    judged_in_words,
    model_lines,
    news_in_words,
    nothing_judged,
    remembered,
    summarise_run,
    unexplained,
)
from pytest_circuits.report.text import code, counted
from pytest_circuits.verdicts import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_circuits.report.run import Run
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
    summary, news = summarise_run(run), news_of(run)
    called = labels([*run.rows, *run.failed])
    told = causes(run, news)
    rows = [row for cause in told for row in cause.rows]
    folds = [fold(run, row, called) for row in rows if row.verdict != NOT_JUDGED]
    matrix = matrix_table(run, called) if len(run.models) > 1 else ([], [])
    sections = [
        _Section(*news_table(told, called), ("finding is", "findings are")),
        _Section(*matrix, ("line of tests × models is", "lines of tests × models are")),
        _Section(*failed_table(run, called), ("failed test is", "failed tests are")),
        _Section(
            ("Not run to a verdict:", ""),
            [f"- {code(each)}" for each in sorted(run.unfinished)],
            ("test that did not run to a verdict is", "tests that did not run to a verdict are"),
        ),
        _Section((), list(_facts(run, summary, called)), ("remark is", "remarks are")),
        _Section((), folds, ("finding's details are", "findings' details are"), gap="\n\n"),
    ]
    plain = f"{_NAME}: {_went(run, summary)}"
    return _fitted(plain, _verdict(run, summary, plain), sections, budget)


def _fitted(plain: str, verdict: str, sections: Sequence[_Section], budget: int) -> str:
    """As much of the sections as fits, below the verdict.

    Args:
        plain: how it went, in few words of ours, of which every character is a byte.
        verdict: the same as the report's first line.
        sections: the rest.
        budget: bytes that there are.
    """
    most = [len(section.lines) for section in sections]

    def text() -> str:
        shown = [section.text(lines) for section, lines in zip(sections, most, strict=True)]
        return "\n\n".join(filter(None, [verdict, *shown])) + "\n"

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
    for short in (text(), f"{verdict}\n"):
        if _size(short) <= budget:
            return short
    # Nothing in it but words of ours, that may be cut anywhere.
    return f"{plain}\n"[: max(0, budget)]


def _size(text: str) -> int:
    return len(text.encode())


def _verdict(run: Run, summary: Summary, plain: str) -> str:
    """The report's first line: how it went, and how many findings of which kinds there are."""
    between = ""
    if run.compared is not None:
        before, after = map(code, run.compared)
        between = f" between {before} and {after}"
    counts = "; ".join(filter(None, [summary.kinds, summary.shared]))
    return f"**{plain}**{between}{f' — {counts}' if counts else ''}"


def _went(run: Run, summary: Summary) -> str:
    if run.compared is not None:
        return f"{counted(summary.findings, 'finding')} changed" if run.rows else "no changes"
    incomplete = [] if run.complete else ["incomplete"]
    failing = all_or_some(summary.failing, summary.findings)
    wrong = [f"{failing} fail{'s' if summary.failing == 1 else ''}"] if summary.failing else []
    if wrong or summary.failures:
        return ", ".join([*incomplete, *wrong, *summary.failures])
    news = news_in_words(run)
    gate = " (gate never)" if run.gate == Gate.NEVER else ""
    if unexplained(run, summary):
        # Why, as far as it is known, is among the facts.
        return ", ".join([*incomplete, f"nothing fails{gate} but the run", *news])
    if nothing_judged(run, summary):
        return ", ".join(["nothing was judged", *news])
    return ", ".join([f"nothing fails{gate}", *news]) if news else "no changes"


def _facts(run: Run, summary: Summary, called: Mapping[str, str]) -> Iterator[str]:
    """What is to be said of models, of waivers, and of the run as a whole, a line each."""
    if run.compared is not None and run.rows:
        yield f"- the same in a terminal: {code(compare(run))}"
    for model in run.models:
        yield from (f"- {code(line)}" for line in model_lines(model, run.of(model)))
    for test, waiver in waivers_not_needed(run.rows):
        yield f"- the waiver of {code(called[test])} is not needed: {code(waiver)}"
    if judged := judged_in_words(run, summary):
        yield f"- judged: {judged}"
    if summary.remembered:
        yield f"- remembered: {remembered(summary)}"
    how = ended(run, summary)
    if how:
        yield f"- {how}"
