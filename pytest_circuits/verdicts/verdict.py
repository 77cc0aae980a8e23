"""A verdict and its reasons, as data, and how far a value moved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_circuits.findings import Direction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.findings import Json

#: Far below what is allowed of the smallest number, far above what binary fractions are off by.
HAIR = 1e-12


def movement(direction: Direction, before: float, after: float) -> float:
    """How far a value moved in its good direction (negative: in its bad one)."""
    if direction is Direction.LOWER:
        return before - after
    if direction is Direction.TWO_SIDED:
        # Along the baseline's sign, so that a flip counts with its whole distance.
        return (after - before) * sign(before)
    return after - before


def sign(value: float) -> float:
    """1 or −1."""
    return 1.0 if value >= 0 else -1.0


def within(moved: float, allowed: float) -> bool:
    """Whether a movement is within the tolerance, which is one of decimal numbers.

    0.90 − 0.85 is a little more than 0.05 in binary, and should not be a change.
    """
    return abs(moved) <= allowed + HAIR


class Kind(StrEnum):
    """The outcomes of holding a finding against its baseline."""

    PRESERVED = "preserved"
    RELOCATED = "relocated"
    STRENGTHENED = "strengthened"
    WEAKENED = "weakened"
    LOST = "lost"
    NEW = "new"
    INCOMPARABLE = "incomparable"


#: Worst first: the order of every list of verdicts.
SEVERITY = (
    Kind.LOST,
    Kind.WEAKENED,
    Kind.INCOMPARABLE,
    Kind.NEW,
    Kind.RELOCATED,
    Kind.STRENGTHENED,
    Kind.PRESERVED,
)


class About(StrEnum):
    """What kind of thing a reason is about."""

    HEAD = "head"
    ROLE = "role"
    CELL = "cell"  # one value of a matrix that has no role
    MATRIX = "matrix"  # all of its values together
    VALUE = "value"  # the one number of a finding without axes
    BEHAVIOUR = "behaviour"
    FIELD = "field"


class Change(StrEnum):
    """What happened to one thing that a verdict looked at."""

    MOVED = "moved"  # a head's part in the role is another head's now
    LEFT = "left"  # a head is no longer in the role
    JOINED = "joined"  # a head is new in the role
    SILENT = "silent"  # a head looks where it did, and writes nothing any more
    LESS_LEFT = "less left"  # a head carries more, and less of the behaviour is left without it
    OPPOSES = "opposes"  # a head is new among those that work against the behaviour
    OVERTAKEN = "overtaken"  # a head fell behind another one in the role, by more than the margin
    EMPTY = "empty"  # the role has no heads left, or none that can be told from nothing
    GONE = "gone"  # a vital behaviour can't be told from nothing, or fell below a fifth
    WORSE = "worse"
    BETTER = "better"
    NARROWED = "narrowed"  # attention can't look as far back as it could
    DIFFERS = "differs"  # a field that must be equal is not


#: The companion that is the loss on the first block minus that on the second.
REPEAT_GAIN = "repeat_gain"
#: How the names of companions begin that are what an ablation leaves.
_ABLATED = "ablated_"
#: Changes that say where something is now, and not that it is better or worse.
_NEUTRAL = (Change.MOVED, Change.OVERTAKEN, Change.NARROWED)
_GOOD = (Change.JOINED, Change.BETTER)


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
        null: what the finding's value would be where there is nothing to find, where that is
            known.
        other: the label of the other head: the one it moved to, or was overtaken by.
        identity: of a behaviour, by what it is known as the same one in other findings; empty
            where no other finding can have it.
    """

    change: Change
    about: About
    subject: str
    quantity: str
    before: float | str | None
    after: float | str | None
    tolerance: float = 0.0
    null: float | None = None
    other: str = ""
    identity: str = ""

    @property
    def of_companion(self) -> bool:
        """Whether it is about a behaviour of the whole model.

        What an ablation leaves of one is about the mechanism, and so is the repeat gain: it also
        falls where a model that predicts repeats as well is less surprised by random tokens.
        """
        behaviour = self.about is About.BEHAVIOUR and not self.of_gain
        return behaviour and not self.subject.startswith(_ABLATED)

    @property
    def of_gain(self) -> bool:
        """Whether a repetition helps less, and still does."""
        about_it = self.about is About.BEHAVIOUR and self.subject == REPEAT_GAIN
        return about_it and self.change is not Change.GONE

    @property
    def bad(self) -> bool:
        """Whether it counts against the finding."""
        return self.change not in _NEUTRAL + _GOOD

    @property
    def good(self) -> bool:
        """Whether it counts for the finding."""
        return self.change in _GOOD

    @property
    def excess(self) -> float:
        """How many tolerances it moved (infinite where that can't be said)."""
        return self.distance / self.tolerance if self.tolerance > 0 else float("inf")

    @property
    def of_behaviour(self) -> bool:
        """Whether it is about what the model does: a behaviour, or a finding of one number."""
        return self.about in (About.BEHAVIOUR, About.VALUE)

    @property
    def of_whole_model(self) -> bool:
        """Whether it is about a behaviour of the whole model, which other findings may have too.

        A fraction of one, what an ablation costs or leaves, and the repeat gain are not.
        """
        shared = self.of_behaviour and bool(self.identity)
        return shared and not (self.of_what_is_left or self.of_gain)

    @property
    def of_what_is_left(self) -> bool:
        """Whether it is about what an ablation leaves: lost redundancy, whatever the drop did."""
        left = self.about is About.BEHAVIOUR and self.subject.startswith(_ABLATED)
        return left or self.change is Change.LESS_LEFT

    @property
    def size(self) -> float:
        """How much it says, in tolerances: how far it moved.

        What moved elsewhere, or met its null, may have the value that it had: it counts whole.
        """
        gone = self.change in (Change.LEFT, Change.GONE) and self.null is not None
        if not (gone or self.change is Change.MOVED) or not isinstance(self.before, float):
            return self.excess
        whole = abs(self.before) / self.tolerance if self.tolerance > 0 else float("inf")
        return whole if self.change is Change.MOVED else max(whole, self.excess)

    @property
    def distance(self) -> float:
        """How far it moved (infinite where that can't be said)."""
        if isinstance(self.before, float) and isinstance(self.after, float):
            return abs(self.after - self.before)
        return float("inf")


class Reading(StrEnum):
    """What mechanism and behaviour say together."""

    #: Heads of the role lost strength, and others that had the role already took it over.
    COMPENSATED = "compensated"
    BEHAVIOUR_HELD = "behaviour held"
    MECHANISM_INTACT = "mechanism intact"
    #: The role has heads left, and what it serves is gone.
    BEHAVIOUR_GONE = "behaviour gone"


class Scope(StrEnum):
    """How far a change reaches."""

    SPECIFIC = "specific"
    WHOLE_MODEL = "whole model"


@dataclass(frozen=True)
class Movement:
    """Something that a verdict tells of whether it changed or not.

    Attributes:
        name: a companion behaviour's name, or what the canary is the loss on.
        unit: its unit.
        before: the baseline's value.
        after: the finding's.
        tolerance: the deviation that was allowed.
    """

    name: str
    unit: str
    before: float
    after: float
    tolerance: float


class Outcome(StrEnum):
    """What new prompts say of a mechanism that changed."""

    HOLDS = "holds"  # the model does on them what the reference does
    FAILS = "fails"  # it does worse on them, beyond tolerance and chance
    UNSETTLED = "not settled"


@dataclass(frozen=True)
class NewBehaviour:
    """A behaviour on new prompts, the same for both models.

    Attributes:
        name: its name.
        unit: its unit.
        before: the reference's value.
        after: the finding's model's.
        difference: the mean paired difference of the two.
        interval: the difference's interval.
        tolerance: the deviation that is allowed.
        prompts: on how many prompts or sequences.
    """

    name: str
    unit: str
    before: float
    after: float
    difference: float
    interval: tuple[float, float]
    tolerance: float
    prompts: int


@dataclass(frozen=True)
class Settlement:
    """What prompts that nobody had before say of a verdict.

    Attributes:
        outcome: what they say.
        behaviours: what was measured on them, the one that decided first.
        prompts: how they were drawn, in words; empty where none were.
        seed: the seed of the draw; empty where there was none.
        why: why nothing is settled, or why the model gives no numbers there; else empty.
        identity: a digest of the finding's own prompts, equal for findings on the same prompts.
    """

    outcome: Outcome
    behaviours: tuple[NewBehaviour, ...] = ()
    prompts: str = ""
    seed: str = ""
    why: str = ""
    identity: str = ""

    @property
    def size(self) -> float:
        """How many tolerances the behaviour that failed moved; 0 where none failed."""
        if self.outcome is not Outcome.FAILS:
            return 0.0
        if self.why or not self.behaviours:
            return float("inf")
        worst = self.behaviours[0]
        return abs(worst.difference) / worst.tolerance if worst.tolerance > 0 else float("inf")

    def document(self) -> dict[str, Json]:
        """The settlement as a JSON document."""
        return {
            "outcome": self.outcome.value,
            "why": self.why,
            "prompts": self.prompts,
            "seed": self.seed,
            "identity": self.identity,
            "behaviours": [
                {**vars(each), "interval": list(each.interval)} for each in self.behaviours
            ],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Settlement:
        """The settlement in a document that :meth:`document` made."""
        return cls(
            Outcome(document["outcome"]),
            tuple(
                NewBehaviour(**{**each, "interval": tuple(each["interval"])})
                for each in document["behaviours"]
            ),
            document["prompts"],
            document["seed"],
            document["why"],
            document["identity"],
        )


@dataclass(frozen=True)
class Verdict:
    """The outcome of holding a finding against its baseline.

    Attributes:
        kind: which of the outcomes.
        reasons: what led to it, worst first.
        summary: the finding's own numbers in a few words.
        number: the finding in one number: its value, or the summed strength of its role; None
            where it is undefined.
        companion: the companion behaviours, the one that says most first.
        canary: the loss on a fixed text; None where the two weren't measured on the same one.
        reading: what mechanism and behaviour say together, where that is worth saying.
        intact: how many of the role's heads are no worse than they were, and how many had the
            role; None where there is no role, or its values mean nothing.
        own: the finding's one number before and now; None for a finding with axes.
        behaviour_held: whether the behaviours that were judged, the finding's own number among
            them, got no worse; None where none was judged.
        asks: whether only new prompts can tell what the change means: the mechanism is another
            one, and the behaviours that were judged beside it held.
        settlement: what new prompts said; None where they were not asked.
    """

    kind: Kind
    reasons: tuple[Reason, ...]
    summary: str
    number: float | None = None
    companion: tuple[Movement, ...] = ()
    canary: Movement | None = None
    reading: Reading | None = None
    intact: tuple[int, int] | None = None
    own: Movement | None = None
    behaviour_held: bool | None = None
    asks: bool = False
    settlement: Settlement | None = None

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict is neither true nor false: ask .kind, as in `.kind == 'lost'`")

    def settled(self, settlement: Settlement) -> Verdict:
        """The verdict with what new prompts said of it.

        What fails on them is weakened at least, whatever else there is to say.
        """
        damaged = settlement.outcome is Outcome.FAILS and self.kind not in (
            Kind.WEAKENED,
            Kind.LOST,
        )
        return replace(self, kind=Kind.WEAKENED if damaged else self.kind, settlement=settlement)

    @property
    def outcome(self) -> Outcome | None:
        """What new prompts said; None where they were not asked."""
        return None if self.settlement is None else self.settlement.outcome

    @property
    def mechanism_alone(self) -> bool:
        """Whether the mechanism got worse, and no behaviour that was judged."""
        return self.kind in (Kind.WEAKENED, Kind.LOST) and self.behaviour_held is not False

    @property
    def scope(self) -> Scope | None:
        """Whether the whole model moved, as far as the canary can tell."""
        if self.canary is None:
            return None
        held = within(self.canary.after - self.canary.before, self.canary.tolerance)
        return Scope.SPECIFIC if held else Scope.WHOLE_MODEL
