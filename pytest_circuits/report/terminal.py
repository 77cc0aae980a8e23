"""A run as the lines of pytest's terminal section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.report.heads_table import heads_lines
from pytest_circuits.report.models import model_line, redundant_line
from pytest_circuits.report.reading import badness, colour, fails, labels, marks, test_of
from pytest_circuits.report.summary import summarise_run
from pytest_circuits.report.table import table, worst_first
from pytest_circuits.report.terminal_table import table_lines
from pytest_circuits.report.text import Line, Part, folded, names, squeeze
from pytest_circuits.report.words import uncollected
from pytest_circuits.verdicts import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run
    from pytest_circuits.report.summary import Summary

_LEAST_TEST = 16
_LEAST_NUMBER = 8


def terminal_lines(
    run: Run, width: int, *, verbose: bool = False, notes: Sequence[str] = ()
) -> list[Line]:
    """What a run found, worst first; last, what it comes to.

    One model: a line a finding. Several: a table, tests × models, and below it a line for each
    finding that isn't preserved. Then a line for every model of which there is more to say.
    What became of baselines is a line a finding, however many models they are of.

    Args:
        run: the run.
        width: columns of the terminal; no line is longer.
        verbose: whether tables of heads follow the findings.
        notes: what else there is to say, before what it comes to.
    """
    return [line.plain for line in _section(run, width, notes, verbose=verbose)]


def _section(run: Run, width: int, notes: Sequence[str], *, verbose: bool) -> list[Line]:
    rows = sorted(run.rows, key=lambda row: (*badness(row), row.test, row.name))
    called = labels(rows)
    heads = _heads(rows, called, width) if verbose else []
    last = [
        *_waivers_not_needed(rows, called, width),
        *_models(run, width),
        *(line for note in notes for line in folded(note, width)),
        *_total(run, width),
        *_incomplete(run, width),
    ]
    if run.compared is not None:
        states = folded(f"baselines: {' → '.join(run.compared)}", width)
        return [*states, *_findings(rows, called, width), *heads, *last]
    if len(run.models) == 1 or not rows:
        return [*_findings(rows, called, width), *heads, *last]
    entries = worst_first(table(run))
    overview = table_lines(
        entries,
        [_label(called[entry.test], entry.name) for entry in entries],
        [model.alias for model in run.models],
        width,
    )
    news = [row for row in rows if row.verdict != Kind.PRESERVED]
    # Called as in the table, also where there is room for more.
    details = _findings(news, called, width, bare=True)
    empty = Line(())
    # Tables of heads begin and end with an empty line.
    before = [empty] if details or not heads else []
    after = [empty] if details and not heads else []
    return [*overview, *before, *details, *after, *heads, *last]


def _heads(rows: Sequence[Row], called: Mapping[str, str], width: int) -> list[Line]:
    """A table of heads for each finding, between empty lines."""
    empty = Line(())
    tables = [heads_lines(row, width, called[test_of(row)]) for row in rows]
    lines = [line for table in tables if table for line in (*table, empty)]
    return [empty, *lines] if lines else []


def _label(test: str, name: str) -> str:
    return f"{test} ({name})" if name else test


def _findings(
    rows: Sequence[Row], called: Mapping[str, str], width: int, *, bare: bool = False
) -> list[Line]:
    """A line for each finding: verdict, test, alias, and the number that matters."""
    if not rows:
        return []
    verdict_width = max(len(row.verdict) for row in rows)
    alias_width = min(width // 5, max(len(row.alias) for row in rows))
    room = width - verdict_width - alias_width - 3
    # The number matters more than the name, which stands in pytest's own summary too.
    wanted = room - max(len(_number(row)) for row in rows)
    most = max(1, min(max(_LEAST_TEST, wanted), room - _LEAST_NUMBER))
    indent = " " * (verdict_width + 1)
    lines = []
    shown = names([_label(called[test_of(row)], row.name) for row in rows], most, bare=bare)
    for row, name in zip(rows, shown, strict=True):
        alias = f"{squeeze(row.alias, alias_width):<{alias_width}}"
        head = f"{row.verdict:<{verdict_width}} {name} {alias} "
        lines += folded(_number(row), width, colour(row), head=head, indent=indent)
        lines += folded(_waiver(row), width, colour(row), head=indent, indent=indent)
    return lines


def _number(row: Row) -> str:
    # What is waived has a line of its own, which says why.
    words = [word for word in marks(row) if word != "waived"]
    return f"{', '.join(words)}: {row.headline}" if words else row.headline


def _waiver(row: Row) -> str:
    """Why a waiver let a finding pass, or why it didn't."""
    if row.waived:
        return f"waived {row.waiver}"
    if not row.waiver or not fails(row):
        return ""
    if row.waiver.startswith("ended"):
        return f"waiver {row.waiver}"
    return f"waiver does not accept {row.verdict}"


def _waivers_not_needed(
    rows: Sequence[Row], called: Mapping[str, str], width: int
) -> Iterator[Line]:
    """Waivers of tests whose findings are all preserved, on every model."""
    waivers = {test_of(row): row.waiver for row in rows if row.waiver}
    needed = {test_of(row) for row in rows if row.waiver and row.verdict != Kind.PRESERVED}
    for test, waiver in waivers.items():
        if test not in needed:
            when, _, _ = waiver.partition(":")
            yield from folded(f"{called[test]}: waiver {when} is not needed", width)


def _models(run: Run, width: int) -> Iterator[Line]:
    for model in run.models:
        rows = run.of(model)
        for text in (model_line(model, rows), redundant_line(model, rows)):
            yield from folded(text, width)
        failed = run.failed_on(model)
        if failed:
            yield from folded(f"{model.alias}: {_silent(len(failed))}", width, "red")


def _silent(count: int) -> str:
    return f"{count} {'test' if count == 1 else 'tests'} failed without a finding"


def _total(run: Run, width: int) -> Iterator[Line]:
    """How many findings of which kinds, and how many false alarms to expect."""
    summary = summarise_run(run)
    parts = [
        Part(_changed(summary) if run.compared is not None else _counted(summary)),
        *([Part(f"{summary.remembered} remembered")] if summary.remembered else []),
        *([Part(_silent(summary.silent), "red")] if summary.silent else []),
        *([Part(f"false alarms to expect: {summary.alarms}")] if summary.alarms else []),
    ]
    first, *others = parts
    together = Line((first, *(p for part in others for p in (Part("; "), part))))
    if len(together.text) <= width:
        yield together
        return
    for text, colour_of_it in parts:
        yield from folded(text, width, colour_of_it)


def _counted(summary: Summary) -> str:
    if not summary.findings:
        return "no findings"
    counted = ", ".join(
        f"{count} {verdict}{f' ({exception})' if exception else ''}"
        for (verdict, exception), count in summary.counts.items()
    )
    noun = "finding" if summary.findings == 1 else "findings"
    return f"{summary.findings} {noun}: {counted}"


def _changed(summary: Summary) -> str:
    """What the change of baselines comes to."""
    if not summary.findings:
        return "no changes"
    return _counted(summary).replace(":", " changed:", 1)


def _incomplete(run: Run, width: int) -> Iterator[Line]:
    modules = summarise_run(run).uncollected
    if modules:
        yield from folded(f"incomplete: {uncollected(modules)}", width, "red")
    if run.unfinished:
        text = f"incomplete: {run.unfinished} circuit test(s) did not run to a verdict"
        yield from folded(text, width, "red")
