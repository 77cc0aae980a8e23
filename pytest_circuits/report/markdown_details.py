"""What a markdown report folds away: one finding's reasons, numbers, origins and commands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_circuits.report.commands import approve, no_approval, reproduce
from pytest_circuits.report.heads import story
from pytest_circuits.report.markdown_tables import table_head, table_row
from pytest_circuits.report.news import title
from pytest_circuits.report.reading import marks
from pytest_circuits.report.text import NONE, block, cell, code, html_code
from pytest_circuits.verdicts import About, reason_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.findings import Json
    from pytest_circuits.report.entries import Entry
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run

_REASONS_SHOWN = 12
#: Characters of a version or a fingerprint.
_ORIGIN = 40
#: What is known of a finding and says nothing of where its numbers come from.
_NO_ORIGIN = ("first_prompt",)


def fold(run: Run, row: Row, called: Mapping[str, str]) -> str:
    """One finding's details behind a line that opens them."""
    words = ", ".join([row.verdict, *marks(row)])
    line = f"{words}: {html_code(title(row, called))} on {html_code(row.alias)}"
    paragraphs = [
        f"<details><summary>{line}</summary>",
        *filter(None, ("\n".join(lines) for lines in _paragraphs(run, row))),
        "</details>",
    ]
    return "\n\n".join(paragraphs)


def _paragraphs(run: Run, row: Row) -> Iterator[list[str]]:
    before, now = ("baseline", "now") if run.compared is None else map(cell, run.compared)
    yield list(_reasons(row))
    yield [_held_against(row, compared=run.compared is not None)]
    yield list(_numbers(row, before, now))
    yield list(_origins(row, before, now))
    yield from _commands(run, row)


def _reasons(row: Row) -> Iterator[str]:
    shown = row.reasons[:_REASONS_SHOWN]
    yield from (f"- {code(reason_text(reason))}" for reason in shown)
    more = len(row.reasons) - len(shown) + row.more_reasons
    if more:
        yield f"- and {more} more"
    if row.waiver:
        yield f"- {'waived' if row.waived else 'waiver'} {code(row.waiver)}"


def _held_against(row: Row, *, compared: bool) -> str:
    measured = f"Measured by {code(row.measure)}"
    if row.details is not None:
        finding = row.details.found.finding
        samples = f"{finding.samples} {'sample' if finding.samples == 1 else 'samples'}"
        measured += f" ({code(finding.unit)}, {samples})"
    if compared:
        return f"{measured}."
    whose = f"held against the baseline of {code(row.owner)}" if row.owner else "without a baseline"
    own = ", which has a tolerance of its own" if row.own_tolerance else ""
    return f"{measured}, {whose}{own}."


def _numbers(row: Row, before: str, now: str) -> Iterator[str]:
    told = story(row)
    if told is None:
        return
    entries = [*told.entries, *told.together, *told.behaviours]
    if entries and all(entry.before is None for entry in entries):
        yield from table_head(["", now], numbers=1)
        yield from (table_row([cell(entry.name), _figure(entry.now)]) for entry in entries)
    elif entries:
        yield from table_head(["", before, now, "tolerance"], numbers=3)
        yield from map(_entry_row, entries)
    more, beyond = told.more
    if more:
        noun = told.kind if more == 1 else f"{told.kind}s"
        yield f"\nand {more} more {noun}{f', {beyond} of them beyond tolerance' if beyond else ''}"


def _entry_row(entry: Entry) -> str:
    tolerance = NONE if entry.tolerance is None else f"{entry.tolerance:.2f}"
    before = NONE if entry.before is None else _figure(entry.before)
    return table_row([cell(entry.name), before, _figure(entry.now), tolerance])


def _figure(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.2f}"


def _origins(row: Row, before: str, now: str) -> Iterator[str]:
    """What the two were measured with, where that differs."""
    if row.details is None or row.details.approved is None:
        return
    found, approved = row.details.found.finding, row.details.approved.finding
    # What the reasons name need not be told again.
    told = {reason.subject for reason in row.reasons if reason.about is About.FIELD}
    old = _flat(approved.provenance) | _flat(approved.convention, "convention.")
    new = _flat(found.provenance) | _flat(found.convention, "convention.")
    differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    shown = [name for name in differing if name not in told and name not in _NO_ORIGIN]
    if shown:
        yield from table_head(["measured with", before, now])
        for name in shown:
            pair = (cell(old.get(name, ""), _ORIGIN), cell(new.get(name, ""), _ORIGIN))
            yield table_row([cell(name.removeprefix("versions."), _ORIGIN), *pair])


def _flat(facts: Mapping[str, Json], beginning: str = "") -> dict[str, str]:
    """Facts and the facts within them, by names with dots."""
    flat: dict[str, str] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{beginning}{name}.")
        else:
            flat[f"{beginning}{name}"] = str(value)
    return flat


def _commands(run: Run, row: Row) -> Iterator[list[str]]:
    yield ["Measure it again:" if run.compared is None else "The change of its file:"]
    yield block(reproduce(run, row), "sh")
    command = approve(run, row)
    if command:
        yield ["Approve it:"]
        yield block(command, "sh")
    else:
        why = no_approval(run, row)
        if why:
            yield [f"It can't be approved: {code(why)}"]
