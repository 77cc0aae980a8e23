"""Judging values for which no role is known: the largest deviation, and all of them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings import Direction
from pytest_circuits.findings.absent import indices
from pytest_circuits.verdicts.verdict import HAIR, About, Change, Reason, movement, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.findings import Finding
    from pytest_circuits.verdicts.tolerances import Tolerance


def matrix_reasons(found: Finding, approved: Finding, tolerance: Tolerance) -> Iterator[Reason]:
    """What changed in a matrix: its worst and its best cell, and its strength as a whole.

    A cell is held against the tolerance of a value. The whole is the length of the finding along
    its baseline, ⟨found, w⟩ / ‖w‖ (Frobenius) with w = approved, or |approved| where one way is
    better; it tells that everything gave way a little, and noise in single cells cancels in it.
    It has the tolerance that a role's summed strength has, ‖approved‖ being the strength.
    """
    cells = indices(approved.present)
    moved = [
        movement(approved.direction, float(approved.values[cell]), float(found.values[cell]))
        for cell in cells
    ]
    allowed = [tolerance.value.of(float(approved.values[cell])) for cell in cells]
    excess = np.divide(moved, np.maximum(allowed, HAIR))
    for place in sorted({int(excess.argmin()), int(excess.argmax())}):
        if within(moved[place], allowed[place]):
            continue
        cell = cells[place]
        yield Reason(
            Change.BETTER if moved[place] > 0 else Change.WORSE,
            About.CELL,
            found.cell_name(cell),
            found.quantity,
            float(approved.values[cell]),
            float(found.values[cell]),
            allowed[place],
        )
    yield from _as_a_whole(found, approved, tolerance)


def _as_a_whole(found: Finding, approved: Finding, tolerance: Tolerance) -> Iterator[Reason]:
    values, now = approved.values[approved.present], found.values[approved.present]
    strength = float(np.linalg.norm(values))
    if strength == 0:
        return  # nothing to be a part of
    two_sided = approved.direction is Direction.TWO_SIDED
    along = (values if two_sided else abs(values)) / strength
    before, after = float(np.vdot(along, values)), float(np.vdot(along, now))
    moved = movement(approved.direction, before, after)
    allowed = tolerance.role.of(strength)
    if not within(moved, allowed):
        yield Reason(
            Change.BETTER if moved > 0 else Change.WORSE,
            About.MATRIX,
            found.quantity,
            "as a whole",
            before,
            after,
            allowed,
        )
