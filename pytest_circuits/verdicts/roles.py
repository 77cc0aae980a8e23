"""Judging the heads of a role: who left, who took over, and what is left of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings import Direction
from pytest_circuits.findings.statistics import t95
from pytest_circuits.verdicts.unseen import less_left, silent_heads, wrote
from pytest_circuits.verdicts.verdict import HAIR, About, Change, Reason, movement, within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_circuits.findings import Finding, Head
    from pytest_circuits.verdicts.tolerances import Tolerance


@dataclass(frozen=True)
class MechanismChange:
    """What happened to what a finding's values tell of.

    Attributes:
        reasons: what happened to its parts, and to it as a whole.
        compensated: whether heads lost strength that others, which had the role already, took
            over: the role as a whole lost no more than one head may.
        held: the heads that hold the role now, by which its strength is told; None where there
            is no role.
    """

    reasons: tuple[Reason, ...]
    compensated: bool = False
    held: Mapping[Head, float] | None = None


def judge_role(found: Finding, approved: Finding, tolerance: Tolerance) -> MechanismChange:
    """Hold the heads of a role against those of the baseline.

    Heads outside the role on both sides are noise. A head within tolerance is unchanged, also
    where it crossed the threshold. Of the others, those are *moved* that map one to one to
    heads whose values have the same sign and the same profile (see :mod:`.relocation`); the rest
    left, joined, or changed.
    """
    if not approved.nulls:
        # A baseline without nulls says nothing about them: the threshold alone decides.
        found = found.derived(nulls={})
    role = _Role(found, approved, tolerance)
    reasons = list(less_left(role.heads(), found, approved, tolerance))
    weaker = [r for r in reasons if r.change in (Change.LEFT, Change.WORSE)]
    rose = any(r.change is Change.BETTER for r in reasons)
    made_up = -role.gained <= max((r.tolerance for r in weaker), default=0.0) + HAIR
    whole = list(role.as_a_whole(reasons))
    return MechanismChange(
        (*reasons, *role.silent.values(), *whole, *role.overtaken()),
        compensated=bool(weaker) and rose and made_up and not any(r.bad for r in whole),
        held=role.held,
    )


class _Role:
    """A role before and now."""

    def __init__(self, found: Finding, approved: Finding, tolerance: Tolerance) -> None:
        assert approved.role is not None
        self.name = approved.role.name
        self.found, self.approved, self.tolerance = found, approved, tolerance
        self.before = approved.members()
        self.now = {
            head: value
            for head, value in found.members(approved.role.threshold).items()
            if not self._met_its_null(head)
        }
        self.unchanged = {head for head in found.heads() if self._unchanged(head)}
        self.changed = sorted((self.before.keys() | self.now.keys()) - self.unchanged)
        taken_over = self._taken_over(approved.role.threshold) if self.changed else {}
        # Heads a hair below the threshold had no part that could move.
        self.moved = {old: new for old, new in taken_over.items() if old in self.before}
        self.filled = set(taken_over.values())
        held = {head: float(found.values[head]) for head in self._held()}
        parts = {head: self.moved.get(head, head) for head in self.before}
        self.silent = silent_heads(
            found, approved, {head: part for head, part in parts.items() if part in held}
        )
        speaking = {head: value for head, value in held.items() if head not in self.silent}
        if self.silent and not any(wrote(found, head) for head in speaking):
            # Who never wrote for the next token does not hold up what the others did.
            speaking = {}
        held = speaking
        self.held = dict(sorted(held.items(), key=lambda item: -abs(item[1])))
        #: By how much the role as a whole got stronger.
        self.gained = movement(approved.direction, strength(self.before), strength(self.held))

    def _taken_over(self, threshold: float) -> dict[Head, Head]:
        # Most roles are as they were, and need no map of where they went.
        from pytest_circuits.verdicts.relocation import Cast, takeovers

        return takeovers(
            Cast(self.approved, self.before.keys(), threshold),
            Cast(self.found, self.now.keys(), threshold),
            self.unchanged,
            self.tolerance,
        )

    def _unchanged(self, head: Head) -> bool:
        before, after = self._values(head)
        if not within(after - before, self.tolerance.value.of(before)):
            return False
        return head not in self.before or head in self.now or not self._met_its_null(head)

    def _met_its_null(self, head: Head) -> bool:
        """Whether the head now does the same, or half of it, where there is nothing to find."""
        was, now = self.approved.nulls.get(str(head)), self.found.nulls.get(str(head))
        before, after = self._values(head)
        if was is None or now is None or (now.rejected and now.mean <= after / 2):
            return False
        return not within(now.mean - was.mean, self.tolerance.value.of(before))

    def _values(self, head: Head) -> tuple[float, float]:
        return float(self.approved.values[head]), float(self.found.values[head])

    def _null(self, head: Head) -> float | None:
        null = self.found.nulls.get(str(head))
        return None if null is None else null.mean

    def heads(self) -> Iterator[Reason]:
        """What happened to each head."""
        for head in sorted({*self.changed, *self.moved}):
            before, after = self._values(head)
            allowed = self.tolerance.value.of(before)
            taker = self.moved.get(head)
            if taker is not None:
                yield Reason(
                    Change.MOVED,
                    About.HEAD,
                    str(head),
                    self.found.quantity,
                    before,
                    float(self.found.values[taker]),
                    allowed,
                    other=str(taker),
                )
            elif head not in self.filled and not (head in self.silent and self._grew(head)):
                yield Reason(
                    self._change(head, before, after),
                    About.HEAD,
                    str(head),
                    self.found.quantity,
                    before,
                    after,
                    allowed,
                    null=self._null(head),
                )

    def _grew(self, head: Head) -> bool:
        return self._change(head, *self._values(head)) is Change.BETTER

    def _change(self, head: Head, before: float, after: float) -> Change:
        if head not in self.now:
            return Change.LEFT
        if head not in self.before:
            return Change.OPPOSES if self._opposes(head) else Change.JOINED
        return (
            Change.BETTER if movement(self.approved.direction, before, after) > 0 else Change.WORSE
        )

    def as_a_whole(self, heads: Sequence[Reason]) -> Iterator[Reason]:
        """Whether the role is empty, weaker or stronger than it was."""
        if self.before and not self.held:
            yield Reason(Change.EMPTY, About.ROLE, self.name, "heads", float(len(self.before)), 0.0)
        elif (
            any(r.bad for r in heads)
            and _distinct(self.approved, self.before)
            and not _distinct(self.found, self.held)
        ):
            yield Reason(
                Change.EMPTY,
                About.ROLE,
                self.name,
                "heads distinct from 0",
                float(len(self.before)),
                0.0,
                null=0.0,
            )
        # A share of what its heads move, also where they work against one another.
        allowed = self.tolerance.role.of(sum(map(abs, self.before.values())))
        # Many small losses, each within tolerance, are a loss all the same; so are gains, where
        # no head told of one.
        lost = self.gained < 0
        if not within(self.gained, allowed) and (lost or not any(r.good for r in heads)):
            yield Reason(
                Change.WORSE if lost else Change.BETTER,
                About.ROLE,
                self.name,
                "summed strength",
                strength(self.before),
                strength(self.held),
                allowed,
            )

    def _held(self) -> list[Head]:
        """The heads that have the role now, also those a hair below the threshold."""
        stayed = self.before.keys() & self.unchanged - self.moved.keys()
        changed = self.now.keys() - self.unchanged - self.filled
        # Newcomers that work against the behaviour hold up nothing.
        holding = {h for h in changed if h in self.before or not self._opposes(h)}
        return sorted({*stayed, *self.moved.values(), *holding})

    def _opposes(self, newcomer: Head) -> bool:
        """Whether a head that is new in the role works against the behaviour."""
        return self._values(newcomer)[1] < 0

    def overtaken(self) -> Iterator[Reason]:
        """The head that fell furthest behind another one which it led, beyond the margin.

        The margin is the larger of the two heads' tolerances on both sides: heads closer than
        that have no order.
        """
        kept = [head for head in self.before if head in self.now and head not in self.moved]
        before, now = np.abs([self._values(head) for head in kept] or np.empty((0, 2))).T
        allowed = [self.tolerance.value.of(value) for value in before]
        margin = np.maximum.outer(allowed, allowed) + HAIR
        # By leader and other head:
        led, behind = np.subtract.outer(before, before), np.subtract.outer(now, now).T
        fell = np.where((led > margin) & (behind > margin), behind, 0)
        if fell.any():
            leader, other = np.unravel_index(fell.argmax(), fell.shape)
            yield Reason(
                Change.OVERTAKEN,
                About.HEAD,
                str(kept[leader]),
                self.found.quantity,
                *self._values(kept[leader]),
                float(margin[leader, other]),
                other=str(kept[other]),
            )


def _distinct(finding: Finding, heads: Mapping[Head, float]) -> bool:
    """Whether the interval of any of these heads (t over clusters, 95 % each way) excludes 0."""
    if finding.direction is not Direction.TWO_SIDED:
        return bool(heads)
    margin = t95(finding.clusters) * finding.errors
    return any(abs(finding.values[head]) > margin[head] for head in heads)


def strength(members: Mapping[Head, float]) -> float:
    """The sum of the values of the heads that have a role; those against it take away from it."""
    return float(sum(members.values()))
