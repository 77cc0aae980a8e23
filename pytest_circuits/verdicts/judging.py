"""Holding one finding against one baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.findings import Behaviour, Direction, Finding
from pytest_circuits.verdicts.tolerances import DEAD_SHARE, Tolerance
from pytest_circuits.verdicts.verdict import About, Change, Kind, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_circuits.findings import Head, Json


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
    differing = _sorted(_differences(found, approved))
    if differing:
        return Verdict(Kind.INCOMPARABLE, differing, summarise(found))
    behaviours = list(_behaviours(found, approved, tolerance))
    gone = {reason.subject for reason in behaviours if reason.change is Change.GONE}
    # Fractions of a behaviour that is gone mean nothing, so they are not shown.
    undefined = found.relative_to in gone or found.undefined or approved.undefined
    values = [] if undefined else _values(found, approved, tolerance)
    reasons = _sorted([*behaviours, *values])
    changes = {reason.change for reason in reasons}
    if changes & {Change.GONE, Change.EMPTY}:
        kind = Kind.LOST
    elif any(reason.bad for reason in reasons):
        kind = Kind.WEAKENED
    elif reasons:
        kind = Kind.STRENGTHENED
    else:
        kind = Kind.PRESERVED
    return Verdict(
        kind,
        reasons,
        summarise(found),
        companion=tuple(behaviour.name for behaviour in approved.companion),
    )


def without_baseline(found: Finding) -> Verdict:
    """The verdict on a finding that nobody has approved yet."""
    return Verdict(Kind.NEW, (), summarise(found))


#: Far below the last decimal that is kept, far above what binary fractions are off by.
_HAIR = 1e-9

_ORDER = {Change.DIFFERS: 0, Change.GONE: 1, Change.EMPTY: 2}


def _sorted(reasons: list[Reason]) -> tuple[Reason, ...]:
    """Worst first: what is gone, then the heads, then the rest."""
    return tuple(sorted(reasons, key=_badness))


def _badness(reason: Reason) -> tuple[bool, int, bool, float, str]:
    of_a_head = reason.about is About.HEAD
    # Heads share one scale; what else moved is only comparable in tolerances.
    size = reason.distance if of_a_head else reason.excess
    return (not reason.bad, _ORDER.get(reason.change, 3), not of_a_head, -size, reason.subject)


def _differences(found: Finding, approved: Finding) -> list[Reason]:
    """The fields that make the two different quantities."""
    pairs: dict[str, tuple[object, object]] = {
        "measure": (approved.measure, found.measure),
        "unit": (approved.unit, found.unit),
        "direction": (approved.direction.value, found.direction.value),
        "axes": (" × ".join(approved.axes), " × ".join(found.axes)),
        "shape": (_shape(approved), _shape(found)),
    }
    measured = {behaviour.name for behaviour in found.companion}
    pairs |= {
        f"companion.{behaviour.name}": ("measured", "not measured")
        for behaviour in approved.companion
        if behaviour.name not in measured
    }
    if approved.measure == found.measure:
        pairs |= _pairs("convention", approved.convention, found.convention)
        # Drawn ids are covered by their hash, and too long to print.
        pairs |= {
            field: pair
            for field, pair in _pairs("prompts", approved.prompts, found.prompts).items()
            if field != "prompts.ids"
        }
    return [
        Reason(Change.DIFFERS, About.FIELD, field, "", _text(before), _text(after))
        for field, (before, after) in pairs.items()
        if before != after
    ]


def _pairs(
    name: str, approved: Mapping[str, Json], found: Mapping[str, Json]
) -> dict[str, tuple[object, object]]:
    keys = list(approved) + [key for key in found if key not in approved]
    return {f"{name}.{key}": (approved.get(key), found.get(key)) for key in keys}


def _shape(finding: Finding) -> str:
    return " × ".join(map(str, finding.values.shape)) or "one number"


def _text(value: object) -> str:
    return "none" if value is None else str(value)


def _movement(direction: Direction, before: float, after: float) -> float:
    """How far a value moved in its good direction (negative: in its bad one)."""
    if direction is Direction.LOWER:
        return before - after
    if direction is Direction.TWO_SIDED:
        # Along the baseline's sign, so that a flip counts with its whole distance.
        return (after - before) * _sign(before)
    return after - before


def _sign(value: float) -> float:
    return 1.0 if value >= 0 else -1.0


def _within(moved: float, allowed: float) -> bool:
    """Whether a movement is within the tolerance, which is one of decimal numbers.

    0.90 − 0.85 is a little more than 0.05 in binary, and should not be a change.
    """
    return abs(moved) <= allowed + _HAIR


def _behaviours(found: Finding, approved: Finding, tolerance: Tolerance) -> Iterator[Reason]:
    now = {behaviour.name: behaviour for behaviour in found.companion}
    for before in approved.companion:
        after = now[before.name]
        allowed = tolerance.behaviours[before.name].of(before.value)
        change = _behaviour_change(before, after, allowed)
        if change is not None:
            yield Reason(
                change,
                About.BEHAVIOUR,
                before.name,
                before.unit,
                before.value,
                after.value,
                allowed,
            )


def _behaviour_change(before: Behaviour, after: Behaviour, allowed: float) -> Change | None:
    moved = _movement(before.direction, before.value, after.value)
    # What was never there can't go, and what got better has not gone.
    if before.vital and not before.indistinct and moved < 0 and _is_gone(before, after):
        return Change.GONE
    if not before.judged or _within(moved, allowed):
        return None
    return Change.BETTER if moved > 0 else Change.WORSE


def _is_gone(before: Behaviour, after: Behaviour) -> bool:
    return after.indistinct or after.value * _sign(before.value) < DEAD_SHARE * abs(before.value)


def _values(found: Finding, approved: Finding, tolerance: Tolerance) -> Iterator[Reason]:
    if approved.role is None:
        before, after = _as_behaviour(approved), _as_behaviour(found)
        allowed = tolerance.value.of(before.value)
        change = _behaviour_change(before, after, allowed)
        if change is not None:
            yield Reason(
                change, About.VALUE, found.quantity, found.unit, before.value, after.value, allowed
            )
        return
    yield from _heads(found, approved, tolerance)


def _as_behaviour(finding: Finding) -> Behaviour:
    """A finding of one number, judged as the behaviour that it is.

    Where more is better, a number that falls to nothing is a behaviour that is gone.
    """
    return Behaviour(
        finding.measure,
        float(finding.values),
        float(finding.errors),
        finding.clusters,
        finding.direction,
        finding.unit,
        vital=finding.direction is Direction.HIGHER,
    )


def _heads(found: Finding, approved: Finding, tolerance: Tolerance) -> Iterator[Reason]:
    """The role's heads, before and after; heads outside it on both sides are noise."""
    assert approved.role is not None
    role = approved.role
    members, now = approved.members(), found.members(role.threshold)
    strength = _strength(members)
    kept: dict[Head, float] = {}
    for head in sorted(members.keys() | now.keys()):
        before, after = float(approved.values[head]), float(found.values[head])
        allowed = tolerance.value.of(before)
        moved = _movement(approved.direction, before, after)
        if _within(moved, allowed):
            # Also where it crossed the threshold by less than the tolerance: it is no change.
            if head in members:
                kept[head] = after
            continue
        if head in now:
            kept[head] = after
        if head not in now:
            change = Change.LEFT
        elif head not in members:
            # Where values have signs, a negative newcomer works against the behaviour.
            change = Change.JOINED if after > 0 else Change.OPPOSES
        else:
            change = Change.BETTER if moved > 0 else Change.WORSE
        yield Reason(change, About.HEAD, str(head), found.quantity, before, after, allowed)
    if members and not kept:
        yield Reason(Change.EMPTY, About.ROLE, role.name, "heads", float(len(members)), 0.0)
    strength_now = _strength(kept)
    role_allowed = tolerance.role.of(strength)
    if strength_now < strength and not _within(strength - strength_now, role_allowed):
        # Many small losses, each within tolerance, are a loss all the same.
        yield Reason(
            Change.WORSE,
            About.ROLE,
            role.name,
            "summed strength",
            strength,
            strength_now,
            role_allowed,
        )


def _strength(members: Mapping[Head, float]) -> float:
    return float(sum(abs(value) for value in members.values()))


def summarise(finding: Finding) -> str:
    """The finding's own numbers in a few words."""
    parts = []
    if finding.undefined:
        parts.append(f"{finding.quantity} undefined")
    elif finding.role is None:
        parts.append(f"{finding.quantity} {float(finding.values):.2f}")
    else:
        members = finding.members()
        top = next(iter(members), None)
        heads = f"{len(members)} head{'s' if len(members) != 1 else ''}"
        parts.append(heads if top is None else f"{heads}, {top} {members[top]:.2f}")
    parts += [f"{readable(b.name)} {b.value:.2f}" for b in finding.companion[:1]]
    return "; ".join(parts)


def readable(name: str) -> str:
    """A field's name as words."""
    return name.replace("_", " ")
