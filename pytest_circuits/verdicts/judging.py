"""Holding one finding against one baseline: its behaviours, and its values by what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings import Direction
from pytest_circuits.findings.digits import shown
from pytest_circuits.findings.quantity import TOKENIZER, differing, identity
from pytest_circuits.verdicts.roles import MechanismChange, judge_role, strength
from pytest_circuits.verdicts.tolerances import DEAD_SHARE
from pytest_circuits.verdicts.unseen import narrowed, windows
from pytest_circuits.verdicts.verdict import (
    REPEAT_GAIN,
    About,
    Change,
    Kind,
    Movement,
    Reading,
    Reason,
    Verdict,
    movement,
    sign,
    within,
)
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pytest_circuits.findings import Behaviour, Finding, Head
    from pytest_circuits.verdicts.tolerances import Tolerance


def judge(found: Finding, approved: Finding, tolerance: Tolerance) -> Verdict:
    """Hold a finding against an approved one.

    The mechanism is always judged with the behaviour it serves: a pattern score can't see that a
    head's output was destroyed, and a fraction hides that nothing is left to restore. Standard
    errors excuse nothing here: on identical prompts a change beyond tolerance is a change.

    Args:
        found: what was measured now, rounded as a file would hold it.
        approved: what the baseline holds.
        tolerance: the baseline's tolerance.
    """
    others = differences(found, approved)
    if others:
        return Verdict(Kind.INCOMPARABLE, _sorted(others), summarise(found), headline_number(found))
    behaviours = list(behaviour_reasons(found, approved, tolerance))
    meaningless = whole_gone(found, behaviours) or found.undefined or approved.undefined
    mechanism = None if meaningless else mechanism_change(found, approved, tolerance)
    narrowed = list(_narrowed(found, approved))
    reasons = _sorted([*behaviours, *(mechanism.reasons if mechanism else ()), *narrowed])
    held = mechanism.held if mechanism else None
    kind = _kind(reasons, found)
    behaviour_held = _behaviour_held(reasons, approved)
    intact = _intact(mechanism, approved) if mechanism else None
    return Verdict(
        kind,
        reasons,
        summarise(found, held, defined=mechanism is not None),
        headline_number(found, held) if mechanism else None,
        companion=_companion(found, approved, tolerance),
        canary=_canary(found, approved, tolerance),
        reading=(
            _reading(kind, behaviours, mechanism, approved) if mechanism and approved.axes else None
        ),
        behaviour_held=behaviour_held,
        asks=bool(
            behaviour_held
            and any(
                reason.of_gain or reason.change is Change.NARROWED or not approved.is_behaviour
                for reason in reasons
                if not reason.of_companion
            )
        ),
        intact=intact,
        own=None if approved.axes or mechanism is None else _own(found, approved, tolerance),
    )


def without_baseline(found: Finding) -> Verdict:
    """The verdict on a finding that nobody has approved yet."""
    return Verdict(Kind.NEW, (), summarise(found), headline_number(found))


def mechanism_change(found: Finding, approved: Finding, tolerance: Tolerance) -> MechanismChange:
    """What happened to the values: the heads of a role, a matrix, or one number.

    Of two findings of the same quantity whose values mean something.
    """
    if not approved.axes:
        return MechanismChange(tuple(number_reasons(found, approved, tolerance)))
    tolerance = tolerance.among(approved)
    if approved.role is None:
        from pytest_circuits.verdicts.matrices import matrix_reasons

        return MechanismChange(tuple(matrix_reasons(found, approved, tolerance)))
    return judge_role(found, approved, tolerance)


def behaviour_reasons(found: Finding, approved: Finding, tolerance: Tolerance) -> Iterator[Reason]:
    """What changed in the behaviours that the mechanism serves."""
    for before in approved.companion:
        after = found.behaviour(before.name)
        allowed = tolerance.behaviours[before.name].of(before.value)
        change = _change(before, after, allowed)
        if before.name == found.relative_to and found.undefined and not approved.undefined:
            change = Change.GONE  # and with it what was a fraction of it
        if change is Change.BETTER and before.name == REPEAT_GAIN:
            continue  # a model that is more surprised by the first block is no better
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
                identity=identity(approved, before),
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
            identity=identity(approved, before),
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
    if before.at_chance:
        return None  # what is no behaviour can't get worse, nor go
    moved = movement(before.direction, before.value, after.value)
    if before.judged and after.at_chance and moved < 0 and not within(moved, allowed):
        return Change.GONE
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
    """What can't be told from it is gone, though as large as ever: 0, or what chance gives."""
    if change is not Change.GONE or _fell(before, after):
        return None
    return after.chance if after.at_chance else 0.0


def _fell(before: Behaviour, after: Behaviour) -> bool:
    return after.value * sign(before.value) < DEAD_SHARE * abs(before.value)


def _kind(reasons: Sequence[Reason], found: Finding) -> Kind:
    if any(_is_loss(reason, found) for reason in reasons):
        return Kind.LOST
    if any(reason.bad for reason in reasons):
        return Kind.WEAKENED
    if any(reason.good for reason in reasons):
        return Kind.STRENGTHENED
    if any(reason.change is Change.MOVED for reason in reasons):
        return Kind.RELOCATED
    return Kind.PRESERVED


def _is_loss(reason: Reason, found: Finding) -> bool:
    """Whether nothing is left of what the finding is about.

    That is its role, or the behaviour that it is or has fractions of, by any of the numbers for
    it. A role that has heads left is not lost with the behaviour that it serves: other findings
    tell that this is gone.
    """
    if reason.change is Change.GONE:
        return not found.axes or reason.subject == found.relative_to
    return reason.change is Change.EMPTY


def _intact(mechanism: MechanismChange, approved: Finding) -> tuple[int, int] | None:
    """How many of the heads that had the role are no worse, and how many those were."""
    if approved.role is None:
        return None
    members = {str(head) for head in approved.members()}
    worse = {r.subject for r in mechanism.reasons if r.about is About.HEAD and r.bad}
    return len(members - worse), len(members)


def _own(found: Finding, approved: Finding, tolerance: Tolerance) -> Movement:
    before = float(approved.values)
    allowed = tolerance.value.of(before)
    return Movement(found.quantity, found.unit, before, float(found.values), allowed)


def _reading(
    kind: Kind, behaviours: Sequence[Reason], mechanism: MechanismChange, approved: Finding
) -> Reading | None:
    if kind not in (Kind.WEAKENED, Kind.LOST):
        return None
    behaviours = [reason for reason in behaviours if not reason.of_gain]
    if not any(reason.bad for reason in behaviours):
        if mechanism.compensated:
            return Reading.COMPENSATED
        # Only of a behaviour that was held against the baseline can be said that it held.
        return Reading.BEHAVIOUR_HELD if any(b.held for b in approved.companion) else None
    gone = any(reason.change is Change.GONE for reason in behaviours)
    if kind is Kind.WEAKENED and gone and approved.role is not None:
        return Reading.BEHAVIOUR_GONE
    intact = not any(reason.bad for reason in mechanism.reasons)
    return Reading.MECHANISM_INTACT if intact else None


def _narrowed(found: Finding, approved: Finding) -> Iterator[Reason]:
    """That attention has a window now, or a shorter one, which prompts may be too short to show."""
    layers = narrowed(found, approved)
    if layers:
        before, after = layers[0]
        count = max(len(windows(found)), len(windows(approved)))
        some = "" if len(layers) == count else f" of {len(layers)} of {count} layers"
        yield Reason(
            Change.NARROWED,
            About.FIELD,
            f"attention window{some}",
            "",
            str(before) if before else "none",
            str(after),
        )


def _behaviour_held(reasons: Sequence[Reason], approved: Finding) -> bool | None:
    """Whether no behaviour that was judged got worse; None where none was judged."""
    if not (approved.is_behaviour or any(b.judged for b in approved.companion)):
        return None
    return not any(
        r.bad and (r.of_companion or (approved.is_behaviour and not r.of_gain)) for r in reasons
    )


def _companion(found: Finding, approved: Finding, tolerance: Tolerance) -> tuple[Movement, ...]:
    return tuple(
        Movement(
            before.name,
            before.unit,
            before.value,
            found.behaviour(before.name).value,
            tolerance.behaviours[before.name].of(before.value),
        )
        for before in approved.companion
    )


def _canary(found: Finding, approved: Finding, tolerance: Tolerance) -> Movement | None:
    before, after = approved.canary, found.canary
    if before is None or after is None:
        return None
    if (before.kind, before.tokens) != (after.kind, after.tokens):
        return None  # losses on different tokens are different quantities
    text = "a fixed text" if after.kind == "text" else after.kind
    allowed = tolerance.canary.of(before.loss)
    return Movement(f"loss on {text}", "nats", before.loss, after.loss, allowed)


def _sorted(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Worst first: behaviours before heads, and the largest change in tolerances first.

    A behaviour that was measured on two seeds is told of by the first.
    """
    again = {f"{reason.subject}_second_seed".replace(" ", "_") for reason in reasons}
    return tuple(sorted(reasons, key=lambda reason: _badness(reason, again)))


def _badness(
    reason: Reason, again: Collection[str]
) -> tuple[bool, bool, bool, bool, bool, float, str]:
    of_a_head = reason.about is About.HEAD
    # Heads share one scale. In tolerances, which grow with a head, all that are gone are alike.
    size = reason.size * reason.tolerance if of_a_head else reason.size
    empty = reason.change is Change.EMPTY
    first = reason.of_behaviour or of_a_head or empty or bool(reason.identity)
    return (not reason.bad, not reason.good, not reason.of_behaviour, not first,
            reason.subject in again, -size, reason.subject)  # fmt: skip


def headline_number(finding: Finding, members: Mapping[Head, float] | None = None) -> float | None:
    """The finding in one number: its value, or the sum of the values of its role's heads.

    Of a matrix without a role it is the magnitude of its foremost value.

    Args:
        finding: what was measured.
        members: the heads that hold the role, if not those of the finding itself.
    """
    if finding.undefined:
        return None
    if not finding.axes:
        return float(finding.values)
    if finding.role is None:
        return abs(float(finding.values[_foremost(finding)]))
    return strength(finding.members() if members is None else members)


def _foremost(finding: Finding) -> tuple[int, ...]:
    """The cell of a matrix that says most: the best where less is better, else the largest."""
    strengths = -finding.values if finding.direction is Direction.LOWER else abs(finding.values)
    strengths = np.where(finding.present, strengths, -np.inf)
    return tuple(map(int, np.unravel_index(strengths.argmax(), strengths.shape)))


def summarise(
    finding: Finding, members: Mapping[Head, float] | None = None, *, defined: bool = True
) -> str:
    """The finding's own numbers in a few words.

    Args:
        finding: what was measured.
        members: the heads that hold the role, strongest first, if not those of the finding itself.
        defined: whether the values mean anything.
    """
    parts = []
    if finding.undefined or not defined:
        parts.append(f"{finding.quantity} undefined")
    elif not finding.axes:
        own = f" {Term.AT_CHANCE}" * finding.as_behaviour().at_chance
        parts.append(f"{finding.quantity} {shown(float(finding.values), 2)}{own}")
    elif finding.role is None:
        cell = _foremost(finding)
        value = float(finding.values[cell])
        parts.append(f"{finding.cell_name(cell)} {finding.quantity} {shown(value, 2)}")
    else:
        members = finding.members() if members is None else members
        top = next(iter(members), None)
        heads = f"{len(members)} head{'s' if len(members) != 1 else ''}"
        parts.append(heads if top is None else f"{heads}, {top} {shown(members[top], 2)}")
    parts += [
        f"{readable(b.name)} {shown(b.value, 2)}{f' {Term.AT_CHANCE}' * b.at_chance}"
        for b in finding.companion[:1]
    ]
    return "; ".join(parts)


def readable(name: str) -> str:
    """A field's name as words."""
    return name.replace("_", " ")


def differences(found: Finding, approved: Finding) -> list[Reason]:
    """The fields that make two findings different quantities; empty if they are the same.

    What makes a quantity is said at :func:`pytest_circuits.findings.quantity.differing`.
    """
    return [
        Reason(
            Change.DIFFERS,
            About.FIELD,
            field,
            "",
            _text(before),
            _text(after),
            # All findings of a model with another tokenizer differ in that.
            identity=TOKENIZER if field == TOKENIZER else "",
        )
        for field, (before, after) in differing(found, approved).items()
    ]


def _text(value: object) -> str:
    return "none" if value is None else str(value)
