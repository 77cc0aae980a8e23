"""A verdict and its reasons, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The outcomes of holding a finding against its baseline."""

    PRESERVED = "preserved"
    STRENGTHENED = "strengthened"
    WEAKENED = "weakened"
    LOST = "lost"
    NEW = "new"
    INCOMPARABLE = "incomparable"


#: Worst first: the order of every list of verdicts.
SEVERITY = (
    Kind.LOST,
    Kind.INCOMPARABLE,
    Kind.WEAKENED,
    Kind.NEW,
    Kind.STRENGTHENED,
    Kind.PRESERVED,
)


class About(StrEnum):
    """What kind of thing a reason is about."""

    HEAD = "head"
    ROLE = "role"
    VALUE = "value"  # the one number of a finding without heads
    BEHAVIOUR = "behaviour"
    FIELD = "field"


class Change(StrEnum):
    """What happened to one thing that a verdict looked at."""

    LEFT = "left"  # a head is no longer in the role
    JOINED = "joined"  # a head is new in the role
    OPPOSES = "opposes"  # a head is new among those that work against the behaviour
    EMPTY = "empty"  # the role has no heads left
    GONE = "gone"  # a vital behaviour can't be told from nothing, or fell below a fifth
    WORSE = "worse"
    BETTER = "better"
    DIFFERS = "differs"  # a field that must be equal is not


@dataclass(frozen=True)
class Reason:
    """One thing that changed, or would have to for another verdict.

    Attributes:
        change: what happened.
        about: what kind of thing it happened to.
        subject: its name: a head's label, a role, a behaviour, a field.
        quantity: what the two numbers are (empty for a field).
        before: the baseline's value; text for a field.
        after: the finding's value; None where it is undefined.
        tolerance: the deviation that was allowed.
    """

    change: Change
    about: About
    subject: str
    quantity: str
    before: float | str | None
    after: float | str | None
    tolerance: float = 0.0

    @property
    def bad(self) -> bool:
        """Whether it counts against the finding."""
        return self.change not in (Change.JOINED, Change.BETTER)

    @property
    def excess(self) -> float:
        """How many tolerances it moved (infinite where that can't be said)."""
        return self.distance / self.tolerance if self.tolerance > 0 else float("inf")

    @property
    def distance(self) -> float:
        """How far it moved (infinite where that can't be said)."""
        if isinstance(self.before, float) and isinstance(self.after, float):
            return abs(self.after - self.before)
        return float("inf")


@dataclass(frozen=True)
class Verdict:
    """The outcome of holding a finding against its baseline.

    Attributes:
        kind: which of the outcomes.
        reasons: what led to it, worst first.
        summary: the finding's own numbers in a few words.
        companion: names of the companion behaviours, the one that says most first.
    """

    kind: Kind
    reasons: tuple[Reason, ...]
    summary: str
    companion: tuple[str, ...] = ()
