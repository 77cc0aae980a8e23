"""What a markdown report folds away: one finding's reasons, numbers, origins and commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_circuits.report.commands import approve, no_approval, reproduce
from pytest_circuits.report.markdown_tables import table_head, table_row, values_table
from pytest_circuits.report.run import marks, reasons_shown, title
from pytest_circuits.report.text import block, cell, code, counted, html_code
from pytest_circuits.verdicts import About, settlement_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.findings import Json
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
    yield list(values_table(row, before, now))
    yield list(_origins(row, before, now))
    yield from _commands(run, row)


def _reasons(row: Row) -> Iterator[str]:
    shown, more = reasons_shown(row, _REASONS_SHOWN)
    yield from (f"- {code(reason)}" for reason in shown)
    if more:
        yield f"- and {more} more"
    if settled := settlement_text(row.settlement):
        yield f"- {code(settled)}"
    if row.waiver:
        yield f"- {'waived' if row.waived else 'waiver'} {code(row.waiver)}"


def _held_against(row: Row, *, compared: bool) -> str:
    measured = f"Measured by {code(row.measure)}"
    if row.details is not None:
        finding = row.details.found.finding
        measured += f" ({code(finding.unit)}, {counted(finding.samples, 'sample')})"
    if compared:
        return f"{measured}."
    whose = f"held against the baseline of {code(row.owner)}" if row.owner else "without a baseline"
    own = ", which has a tolerance of its own" if row.own_tolerance else ""
    return f"{measured}, {whose}{own}."


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
            texts = (name.removeprefix("versions."), old.get(name, ""), new.get(name, ""))
            yield table_row(cell(text, _ORIGIN) for text in texts)


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
