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
    from collections.abc import Collection, Iterator, Mapping, Sequence

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
        was: the heads that held it in the baseline, and those that were so near to it that they
            are judged with them; None where there is no role.
    """

    reasons: tuple[Reason, ...]
    compensated: bool = False
    held: Mapping[Head, float] | None = None
    was: Mapping[Head, float] | None = None


def judge_role(found: Finding, approved: Finding, tolerance: Tolerance) -> MechanismChange:
    """Hold the heads of a role against those of the baseline.

    Heads outside the role on both sides are noise. A head within tolerance is unchanged, also
    where it crossed the threshold. Of the others, those are *moved* that map one to one to
    heads whose values have the same sign and the same profile (see :mod:`.relocation`); the rest
    left, joined, or changed.

    The threshold alone decides nothing (t: threshold, a: what is allowed of the head's baseline):

    ============================  ===================  =======================================
    the head was                  and is               which is
    ============================  ===================  =======================================
    at least t                    at least t − a       no leaving: judged by its own value
    at least t                    below t − a          left
    t − a to t                    at least t           no joining: judged by its own value
    below t − a                   at least t + a       joined, or now against the behaviour
    below t − a                   t to t + a           noise: not yet in the role
    ============================  ===================  =======================================
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
        was=role.was,
    )


def followed(finding: Finding, tolerance: Tolerance) -> tuple[Head, ...]:
    """The heads of a role that a baseline keeps the samples of, strongest first.

    Those that have the role, and those that miss its threshold by no more than their tolerance:
    each may be found elsewhere, or be judged by what it was.

    Args:
        finding: what a baseline is to hold.
        tolerance: the baseline's.
    """
    if finding.role is None or finding.undefined:
        return tuple(finding.members())
    allowed, threshold = tolerance.among(finding).value, finding.role.threshold
    return tuple(
        head
        for head, value in finding.heads().items()
        if finding.reaches(head, threshold - allowed.of(value) - HAIR)
    )


class _Role:
    """A role before and now."""

    def __init__(self, found: Finding, approved: Finding, tolerance: Tolerance) -> None:
        assert approved.role is not None
        self.name, self.threshold = approved.role.name, approved.role.threshold
        self.found, self.approved, self.tolerance = found, approved, tolerance
        self.before = approved.members()
        self.now = {
            head: value
            for head, value in found.members(self.threshold).items()
            if not self._met_its_null(head)
        }
        self.unchanged = {head for head in found.heads() if self._unchanged(head)}
        grown = self.now.keys() - self.before.keys() - self.unchanged
        #: Heads that were near the role and are in it: they are judged by what they were.
        self.near = {head for head in grown if self._was_near(head)}
        #: Heads above the threshold by less than what is allowed, which were not even near it.
        self.barely = {head for head in grown - self.near if not self._clearly_in(head)}
        stayed = {h for h in self.before.keys() - self.now.keys() if self._still_near(h)}
        self.stays = (self.before.keys() & self.now.keys()) | self.near | stayed
        changed = self.before.keys() | self.now.keys() - self.barely
        self.changed = sorted(changed - self.unchanged)
        taken_over = self._taken_over() if self.changed else {}
        # Heads a hair below the threshold had no part that could move.
        self.moved = {old: new for old, new in taken_over.items() if old in self.before}
        self.filled = set(taken_over.values())
        self.was = self.before | {
            head: float(approved.values[head]) for head in self.near - self.filled
        }
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
        self.gained = movement(approved.direction, strength(self.was), strength(self.held))

    def _allowed(self, head: Head) -> float:
        return self.tolerance.value.of(float(self.approved.values[head]))

    def _was_near(self, head: Head) -> bool:
        """Whether a head that is in the role was just below it, and on the same side of 0."""
        before, after = self._values(head)
        least = self.threshold - self._allowed(head) - HAIR
        return self.approved.reaches(head, least) and (before < 0) == (after < 0)

    def _still_near(self, head: Head) -> bool:
        """Whether a head of the role, now below the threshold, is so by no more than allowed."""
        least = self.threshold - self._allowed(head) - HAIR
        return self.found.reaches(head, least) and not self._met_its_null(head)

    def _clearly_in(self, head: Head) -> bool:
        return abs(self._values(head)[1]) >= self.threshold + self._allowed(head) - HAIR

    def _taken_over(self) -> dict[Head, Head]:
        # Most roles are as they were, and need no map of where they went.
        from pytest_circuits.verdicts.relocation import Cast, takeovers

        return takeovers(
            Cast(self.approved, self.before.keys(), self.threshold),
            Cast(self.found, self.now.keys(), self.threshold),
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
            allowed = self._allowed(head)
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
        if head in self.stays:
            better = movement(self.approved.direction, before, after) > 0
            return Change.BETTER if better else Change.WORSE
        if head in self.before:
            return Change.LEFT
        return Change.OPPOSES if self._opposes(head) else Change.JOINED

    def as_a_whole(self, heads: Sequence[Reason]) -> Iterator[Reason]:
        """Whether the role is empty, weaker or stronger than it was."""
        # Who has it barely is told of by no reason, and is not nothing.
        holding = {*self.held, *self.barely}
        if self.before and not holding:
            yield Reason(Change.EMPTY, About.ROLE, self.name, "heads", float(len(self.before)), 0.0)
        elif (
            any(r.bad for r in heads)
            and _distinct(self.approved, self.before)
            and not _distinct(self.found, holding)
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
        allowed = self.tolerance.role.of(sum(map(abs, self.was.values())))
        # Many small losses, each within tolerance, are a loss all the same; so are gains, where
        # no head told of one.
        lost = self.gained < 0
        if not within(self.gained, allowed) and (lost or not any(r.good for r in heads)):
            yield Reason(
                Change.WORSE if lost else Change.BETTER,
                About.ROLE,
                self.name,
                "summed strength",
                strength(self.was),
                strength(self.held),
                allowed,
            )

    def _held(self) -> list[Head]:
        """The heads that have the role now, also those a hair below the threshold."""
        unchanged = self.before.keys() & self.unchanged
        new = self.now.keys() - self.stays - self.unchanged - self.filled - self.barely
        # Newcomers that work against the behaviour hold up nothing.
        joined = {head for head in new if not self._opposes(head)}
        here = (unchanged | (self.stays - self.unchanged - self.filled)) - self.moved.keys()
        return sorted({*here, *self.moved.values(), *joined})

    def _opposes(self, newcomer: Head) -> bool:
        """Whether a head that is new in the role works against the behaviour."""
        return self._values(newcomer)[1] < 0

    def overtaken(self) -> Iterator[Reason]:
        """The head that fell furthest behind another one which it led, beyond the margin.

        The margin is the larger of the two heads' tolerances on both sides: heads closer than
        that have no order.
        """
        kept = [head for head in self.before if head in self.stays and head not in self.moved]
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


def _distinct(finding: Finding, heads: Collection[Head]) -> bool:
    """Whether the interval of any of these heads (t over clusters, 95 % each way) excludes 0."""
    if finding.direction is not Direction.TWO_SIDED:
        return bool(heads)
    margin = t95(finding.clusters) * finding.errors
    return any(abs(finding.values[head]) > margin[head] for head in heads)


def strength(members: Mapping[Head, float]) -> float:
    """The sum of the values of the heads that have a role; those against it take away from it."""
    return float(sum(members.values()))
