"""A finding's tables: the cells that matter, behaviours, and what it was measured with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_circuits.findings.absent import indices
from pytest_circuits.findings.digits import decimals, estimate, shown
from pytest_circuits.verdicts import readable
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_circuits.findings import Finding
    from pytest_circuits.report.side_by_side import CellText, SideBySide

#: Rows of the table of the cells that matter; the whole table has all.
_MOST_CELLS = 24
#: Cells of a finding in which nothing matters more than anything else.
_FOREMOST = 8


def cells_that_matter(comparison: SideBySide) -> list[CellText]:
    """The cells that moved by more than their tolerance, those of the role, else the largest."""
    if not comparison.found.axes:
        return [comparison.cell(())]
    beyond = indices(comparison.beyond)
    moved = comparison.differences
    if moved is not None and comparison.allowed is not None:
        excess = np.abs(moved) / np.maximum(comparison.allowed, np.finfo(float).tiny)
        beyond.sort(key=lambda place: -float(excess[place]))
    # Without the same cells a baseline's heads are others.
    before = comparison.members_before if comparison.same_cells else {}
    role = [*before, *comparison.members]
    places = list(dict.fromkeys([*beyond, *map(tuple, role)]))
    if not places:
        strengths = np.nan_to_num(np.abs(comparison.values))
        there = indices(comparison.present)
        places = sorted(there, key=lambda place: -strengths[place])[:_FOREMOST]
    return [comparison.cell(place) for place in places[:_MOST_CELLS]]


class BehaviourView(NamedTuple):
    """A companion behaviour before and after, as text; empty where there is no such number."""

    name: str
    unit: str
    before: str
    after: str
    difference: str
    tolerance: str
    word: str
    beyond: bool


def behaviours(comparison: SideBySide) -> Iterator[BehaviourView]:
    """What the mechanism is for, before and after, in words."""
    for now, before, tolerance, happened in comparison.behaviours():
        difference = word = ""
        digits = decimals(tolerance or now.value, least=3)
        if before is not None and comparison.same_quantity:
            difference = shown(now.value - before.value, digits=digits, sign="+")
        if tolerance is not None:
            word = happened or (Term.HELD if now.held else "only shown")
        yield BehaviourView(
            readable(now.name),
            now.unit,
            "" if before is None else estimate(before.value, before.error, digits=digits),
            estimate(now.value, now.error, digits=digits),
            difference,
            "" if tolerance is None else shown(tolerance, digits=digits),
            word,
            bool(happened),
        )


class FieldView(NamedTuple):
    """One field of two findings.

    Attributes:
        name: the field.
        before: the baseline's.
        after: the finding's.
        differs: whether they differ.
    """

    name: str
    before: str
    after: str
    differs: bool


def convention(found: Finding, approved: Finding | None) -> list[FieldView]:
    """Every choice that changes the numbers, and the prompts, side by side."""
    return list(_fields(_about(found), None if approved is None else _about(approved)))


def _about(finding: Finding) -> dict[str, object]:
    about: dict[str, object] = {"samples": finding.samples, "clusters": finding.clusters}
    about |= finding.convention
    return about | {f"prompts: {name}": value for name, value in finding.prompts.items()}


def provenance(found: Finding, approved: Finding | None) -> list[FieldView]:
    """What both were measured with, side by side."""
    before = None if approved is None else dict(_flat(approved.provenance))
    return list(_fields(dict(_flat(found.provenance)), before))


def _flat(provenance: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in provenance.items():
        if isinstance(value, dict):
            yield from ((f"{name}: {inner}", each) for inner, each in value.items())
        else:
            yield readable(name), value


def _fields(
    after: Mapping[str, object], before: Mapping[str, object] | None
) -> Iterator[FieldView]:
    for name in {**(before or {}), **after}:
        was = _text(before[name]) if before is not None and name in before else ""
        now = _text(after[name]) if name in after else ""
        yield FieldView(name, was, now, before is not None and was != now)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"


#: Characters of a field: drawn token ids fill pages, and their hash stands beside them.
_MOST_TEXT = 300
