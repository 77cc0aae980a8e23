"""The numbers of a finding that a reader wants to see: before, after, and what was allowed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_circuits.findings import Head
from pytest_circuits.verdicts import About, Change, readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.findings import Finding
    from pytest_circuits.report.details import Details
    from pytest_circuits.report.rows import Row

#: Cells of a matrix without a role, and heads of a finding without a baseline, that are shown.
_FOREMOST = 4
_HEADS = ("layer", "head")


class Number(NamedTuple):
    """One number of a finding.

    Attributes:
        name: what it is of: a head's label, a cell's name, a behaviour's.
        before: the baseline's; None without one, or where it is undefined.
        after: the finding's; None where it is undefined.
        tolerance: the deviation that was allowed; None without a baseline.
    """

    name: str
    before: float | None
    after: float | None
    tolerance: float | None


def numbers(row: Row) -> tuple[list[Number], list[Number]]:
    """The numbers that a row's verdict rests on.

    Returns:
        The mechanism's (the heads that have or had the role, the cells that moved, or the one
        number), what moved furthest first; and those of the behaviours and the canary. None of
        findings that are different quantities.
    """
    details = row.details
    if details is None:
        return [], []
    if details.approved is None:
        return list(_new(details.found.finding)), list(_new_behaviours(details.found.finding))
    found, approved = details.found.finding, details.approved.finding
    if found.axes != approved.axes or found.values.shape != approved.values.shape:
        return [], []
    return list(_mechanism(row, details)), list(_behaviours(details))


def _mechanism(row: Row, details: Details) -> Iterator[Number]:
    assert details.approved is not None
    found, approved = details.found.finding, details.approved.finding
    tolerance = details.approved.tolerance
    if np.isfinite(approved.values).all():
        tolerance = tolerance.among(approved)
    if not approved.axes:
        cells: list[tuple[int, ...]] = [()]
    elif approved.role is None:
        cells = _moved_cells(row, found, approved)
    else:
        cells = _role_cells(row, found, approved)
    # Fractions of a behaviour that is gone mean nothing, whatever they come to.
    gone = any(r.change is Change.GONE and r.subject == found.relative_to for r in row.reasons)
    rows = [
        Number(
            found.cell_name(cell) if cell else found.quantity,
            _number(float(approved.values[cell])),
            None if gone else _number(float(found.values[cell])),
            tolerance.value.of(float(approved.values[cell])),
        )
        for cell in cells
    ]
    yield from sorted(rows, key=lambda number: -_distance(number))


def _moved_cells(row: Row, found: Finding, approved: Finding) -> list[tuple[int, ...]]:
    """The cells that the reasons name, and those that moved furthest."""
    named = {reason.subject for reason in row.reasons if reason.about is About.CELL}
    distance = np.nan_to_num(abs(found.values - approved.values))
    order = np.argsort(-distance, axis=None, kind="stable")
    places = zip(*np.unravel_index(order, distance.shape), strict=True)
    cells = [tuple(map(int, place)) for place in places]
    foremost = set(cells[:_FOREMOST])
    return [cell for cell in cells if cell in foremost or found.cell_name(cell) in named]


def _role_cells(row: Row, found: Finding, approved: Finding) -> list[tuple[int, ...]]:
    """The heads that have the role or had it, and those that the reasons name."""
    assert approved.role is not None
    named = [
        Head.parse(label)
        for reason in row.reasons
        if reason.about is About.HEAD
        for label in (reason.subject, reason.other)
        if label
    ]
    heads = [*approved.members(), *found.members(approved.role.threshold), *named]
    layers, wide = approved.values.shape
    inside = [head for head in heads if head.layer < layers and head.head_index < wide]
    return [(head.layer, head.head_index) for head in dict.fromkeys(inside)]


def _behaviours(details: Details) -> Iterator[Number]:
    assert details.approved is not None
    found, approved = details.found.finding, details.approved.finding
    tolerance = details.approved.tolerance
    after = {behaviour.name: behaviour.value for behaviour in found.companion}
    for behaviour in approved.companion:
        allowed = tolerance.behaviours[behaviour.name].of(behaviour.value)
        now = after.get(behaviour.name)
        # What is shown beside the others, and never judged, has no tolerance.
        held = allowed if behaviour.judged else None
        yield Number(readable(behaviour.name), behaviour.value, now, held)
    old, new = approved.canary, found.canary
    if old and new and (old.kind, old.tokens) == (new.kind, new.tokens):
        allowed = tolerance.canary.of(old.loss)
        yield Number(f"canary (loss on {_fixed(old.kind)})", old.loss, new.loss, allowed)


def _fixed(kind: str) -> str:
    return "a fixed text" if kind == "text" else kind


def _new(finding: Finding) -> Iterator[Number]:
    """Of a finding without a baseline: its role's heads, else what is largest."""
    if not finding.axes:
        yield Number(finding.quantity, None, _number(float(finding.values)), None)
        return
    if finding.undefined:
        return
    members = {str(head): value for head, value in finding.members().items()}
    shown = members or dict(list(finding.cells().items())[:_FOREMOST])
    for name, value in shown.items():
        yield Number(name, None, value, None)


def _new_behaviours(finding: Finding) -> Iterator[Number]:
    for behaviour in finding.companion:
        yield Number(readable(behaviour.name), None, behaviour.value, None)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _distance(number: Number) -> float:
    if number.before is None or number.after is None:
        return float("inf")
    return abs(number.after - number.before)
