"""A run as the lines of pytest's terminal section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.report.causes import also_in, causes
from pytest_circuits.report.rows import ASSERTED
from pytest_circuits.report.run import (
    colour,
    failed_claims,
    fails,
    is_news,
    labels,
    marks,
    test_of,
    title,
    waivers_not_needed,
)
from pytest_circuits.report.summary import (
    NOT_ENDED,
    ended,
    failed_all_the_same,
    model_lines,
    nothing_judged,
    silent,
    summarise_run,
    uncollected,
)
from pytest_circuits.report.text import Line, Part, counted, folded, names, squeeze
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_circuits.report.causes import Cause
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run
    from pytest_circuits.report.summary import Summary

_NOTHING_JUDGED = "nothing was judged: no finding was held against a baseline, or by an assertion"
_LEAST_TEST = 16
_LEAST_NUMBER = 8
#: Tests without a verdict that are named.
_NAMED = 5


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
    everything = causes(run)
    rows = [row for cause in everything for row in cause.rows]
    claims = {(failed.test, failed.alias): failed.message for failed in failed_claims(run)}
    # That an assertion held a finding is not said where the assertion failed.
    told = causes(run, (row for row in rows if row.verdict != ASSERTED or _key(row) not in claims))
    called = labels(rows)
    summary = summarise_run(run)
    heads = _heads(rows, called, width) if verbose else []
    last = [
        *_claims(rows, claims, called, width),
        *_waivers(rows, called, width),
        *_models(run, width),
        *(line for note in notes for line in folded(note, width)),
        *_total(run, summary, width),
        *_incomplete(run, summary, width),
        *(folded(_NOTHING_JUDGED, width, "yellow") if nothing_judged(run, summary) else []),
    ]
    if run.compared is not None:
        states = folded(f"baselines: {' → '.join(run.compared)}", width)
        return [*states, *_findings(told, called, width), *heads, *last]
    if len(run.models) == 1 or not rows:
        return [*_findings(told, called, width), *heads, *last]
    overview = _overview(run, called, width)
    news = causes(run, filter(is_news, rows))
    # Called as in the table, also where there is room for more.
    details = _findings(news, called, width, bare=True)
    empty = Line(())
    # Tables of heads begin and end with an empty line.
    before = [empty] if details or not heads else []
    after = [empty] if details and not heads else []
    return [*overview, *before, *details, *after, *heads, *last]


def _overview(run: Run, called: Mapping[str, str], width: int) -> list[Line]:
    """The table tests × models."""
    # Tables are for runs of several models and for verbose ones.
    from pytest_circuits.report.table import table, worst_first
    from pytest_circuits.report.terminal_tables import table_lines

    aliases = [model.alias for model in run.models]
    return table_lines(worst_first(table(run)), called, aliases, width)


def _heads(rows: Sequence[Row], called: Mapping[str, str], width: int) -> list[Line]:
    """A table of heads for each finding, between empty lines."""
    from pytest_circuits.report.terminal_tables import heads_lines

    empty = Line(())
    tables = [heads_lines(row, width, called) for row in rows]
    lines = [line for table in tables if table for line in (*table, empty)]
    return [empty, *lines] if lines else []


def _findings(
    told: Sequence[Cause], called: Mapping[str, str], width: int, *, bare: bool = False
) -> list[Line]:
    """A line for each finding: verdict, test, alias, and the number that matters.

    Findings with one cause stand together. The first has all; of the others those that have
    nothing of their own to tell share a line.
    """
    if not told:
        return []
    rows = [row for cause in told for row in (cause.lead, *cause.others)]
    verdict_width = max(len(row.verdict) for row in rows)
    alias_width = min(width // 5, max(len(row.alias) for row in rows))
    room = width - verdict_width - alias_width - 3
    # The number matters more than the name, which stands in pytest's own summary too.
    wanted = room - max(len(_number(row, row.headline)) for row in rows)
    most = max(1, min(max(_LEAST_TEST, wanted), room - _LEAST_NUMBER))
    indent = " " * (verdict_width + 1)
    lines = []
    shown = iter(names([title(row, called) for row in rows], most, bare=bare))
    for cause in told:
        for row in (cause.lead, *cause.others):
            alias = f"{squeeze(row.alias, alias_width):<{alias_width}}"
            head = f"{row.verdict:<{verdict_width}} {next(shown)} {alias} "
            text = _number(row, cause.headline(row))
            lines += folded(text, width, colour(row), head=head, indent=indent)
            lines += folded(_waiver(row), width, colour(row), head=indent, indent=indent)
        lines += folded(also_in(cause, called), width, head=indent, indent=2 * indent)
    return lines


def _number(row: Row, text: str) -> str:
    # What is waived has a line of its own, which says why.
    words = [word for word in marks(row) if word != Term.WAIVED]
    return f"{', '.join(words)}: {text}" if words else text


def _waiver(row: Row) -> str:
    """Why a waiver let a finding pass, or why it didn't."""
    if row.waived:
        return f"waived {row.waiver}"
    if not row.waiver or not fails(row):
        return ""
    if row.waiver.startswith("ended"):
        return f"waiver {row.waiver}"
    return f"waiver does not accept {row.verdict}"


def _key(row: Row) -> tuple[str, str]:
    return row.test, row.alias


def _claims(
    rows: Sequence[Row],
    claims: Mapping[tuple[str, str], str],
    called: Mapping[str, str],
    width: int,
) -> Iterator[Line]:
    """A line for each test that failed though all of its findings pass."""
    tests = {_key(row): called[test_of(row)] for row in rows}
    for (test, alias), message in claims.items():
        head = f"{Term.FAILED} {tests[test, alias]} {alias} "
        yield from folded(message, width, "red", head=head, indent=" " * (len(Term.FAILED) + 1))


def _waivers(rows: Sequence[Row], called: Mapping[str, str], width: int) -> Iterator[Line]:
    for test, waiver in waivers_not_needed(rows):
        when, _, _ = waiver.partition(":")
        yield from folded(f"{called[test]}: waiver {when} is not needed", width)


def _models(run: Run, width: int) -> Iterator[Line]:
    for model in run.models:
        rows = run.of(model)
        for text in model_lines(model, rows):
            yield from folded(text, width)
        failed = run.failed_on(model)
        # Of a run's only model the last line says so.
        if failed and len(run.models) > 1:
            yield from folded(f"{model.alias}: {silent(len(failed))}", width, "red")


def _total(run: Run, summary: Summary, width: int) -> Iterator[Line]:
    """How many findings of which kinds there are."""
    parts = [
        Part(_findings_in_words(run, summary)),
        *([Part(f"{summary.remembered} remembered")] if summary.remembered else []),
        *([Part(silent(summary.silent), "red")] if summary.silent else []),
        *([Part(failed_all_the_same(summary.claims), "red")] if summary.claims else []),
    ]
    first, *others = parts
    together = Line((first, *(p for part in others for p in (Part("; "), part))))
    if len(together.text) <= width:
        yield together
        return
    for text, colour_of_it in parts:
        yield from folded(text, width, colour_of_it)


def _findings_in_words(run: Run, summary: Summary) -> str:
    changed = run.compared is not None
    if not summary.findings:
        return "no changes" if changed else "no findings"
    number = counted(summary.findings, "finding")
    causes_of_them = f"; {summary.shared}" if summary.shared else ""
    return f"{number}{' changed' if changed else ''}: {summary.kinds}{causes_of_them}"


def _incomplete(run: Run, summary: Summary, width: int) -> Iterator[Line]:
    how = ended(run, summary) if summary.ended else NOT_ENDED
    if how and not run.complete:
        yield from folded(f"incomplete: {how}", width, "red")
    if summary.uncollected:
        yield from folded(f"incomplete: {uncollected(summary.uncollected)}", width, "red")
    if summary.incomplete:
        text = f"incomplete: {summary.incomplete} circuit test(s) did not run to a verdict"
        yield from folded(text, width, "red")
        named = sorted(run.unfinished)[:_NAMED]
        left = summary.incomplete - len(named)
        for text in [*named, *([f"and {left} more"] if left else [])]:
            yield from folded(text, width, "red", head="  ", indent="    ")
