"""Judging single numbers: companion behaviours, and findings of one number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.verdicts.movement import movement, sign, within
from pytest_circuits.verdicts.tolerances import DEAD_SHARE
from pytest_circuits.verdicts.verdict import About, Change, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_circuits.findings import Behaviour, Finding
    from pytest_circuits.verdicts.tolerances import Tolerance


def behaviour_reasons(found: Finding, approved: Finding, tolerance: Tolerance) -> Iterator[Reason]:
    """What changed in the behaviours that the mechanism serves."""
    for before in approved.companion:
        after = found.behaviour(before.name)
        allowed = tolerance.behaviours[before.name].of(before.value)
        change = _change(before, after, allowed)
        if before.name == found.relative_to and found.undefined and not approved.undefined:
            change = Change.GONE  # and with it what was a fraction of it
        if change is not None:
            yield Reason(
                change,
                About.BEHAVIOUR,
                before.name,
                before.unit,
                before.value,
                after.value,
                allowed,
                # What is as large as ever is gone where it can't be told from nothing.
                null=_null(change, before, after),
            )


def whole_gone(found: Finding, reasons: Iterable[Reason]) -> Reason | None:
    """What became of the behaviour that the values are fractions of, where it is gone.

    Fractions of nothing mean nothing, whatever they are: they are neither judged nor shown.

    Args:
        found: what was measured.
        reasons: what changed, the behaviours among it.
    """
    for reason in reasons:
        if (reason.change, reason.about, reason.subject) == (
            Change.GONE,
            About.BEHAVIOUR,
            found.relative_to,
        ):
            return reason
    return None


def number_reasons(found: Finding, approved: Finding, tolerance: Tolerance) -> Iterator[Reason]:
    """What changed in a finding of one number, judged as the behaviour that it is.

    One that was told from its null and is not any more is gone, however large it is.
    """
    before, after = approved.as_behaviour(), found.as_behaviour()
    allowed = tolerance.value.of(before.value)
    change = _change(before, after, allowed)
    met = _met_its_null(found, approved, allowed)
    if met is not None:
        change = Change.GONE
    if change is not None:
        yield Reason(
            change,
            About.VALUE,
            found.quantity,
            found.unit,
            before.value,
            after.value,
            allowed,
            null=_null(change, before, after) if met is None else met,
        )


def _met_its_null(found: Finding, approved: Finding, allowed: float) -> float | None:
    """The null that the number met, or None if it was none before, or is still told from it.

    A p-value that wavers while number and null stay where they were is no change.
    """
    was, now = approved.nulls.get(approved.measure), found.nulls.get(found.measure)
    if was is None or now is None or now.rejected or not was.rejected:
        return None
    stayed = within(float(found.values - approved.values), allowed)
    return None if stayed and within(now.mean - was.mean, allowed) else now.mean


def _change(before: Behaviour, after: Behaviour, allowed: float) -> Change | None:
    moved = movement(before.direction, before.value, after.value)
    # What was never there can't go, and what was against us and got better has not gone.
    there = before.vital and not before.indistinct and (before.value > 0 or moved < 0)
    if there and _is_gone(before, after, allowed):
        return Change.GONE
    if not before.judged or within(moved, allowed):
        return None
    return Change.BETTER if moved > 0 else Change.WORSE


def _is_gone(before: Behaviour, after: Behaviour, allowed: float) -> bool:
    """Whether it fell to nothing, or can't be told from nothing any more.

    That takes more than the tolerance, or the least wobble of what only just was distinct would
    be a loss.
    """
    return _fell(before, after) or abs(after.value) + allowed <= after.margin


def _null(change: Change, before: Behaviour, after: Behaviour) -> float | None:
    """0 for what is gone, though as large as ever, because it can't be told from that."""
    return 0.0 if change is Change.GONE and not _fell(before, after) else None


def _fell(before: Behaviour, after: Behaviour) -> bool:
    return after.value * sign(before.value) < DEAD_SHARE * abs(before.value)
