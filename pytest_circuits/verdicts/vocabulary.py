"""Every word that an output has for what was found, and the rule it is used by.

The kinds of verdicts are data: JSON, waivers and exit statuses have them. The other words are
display, and nothing is decided by them. ``docs/verdicts.md`` shows this table.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pytest_circuits.verdicts.verdict import About, Change, Kind, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.verdicts.verdict import Reason

#: Up to so many tolerances a change for the worse is a slip.
SLIP = 2.0


class Term(StrEnum):
    """A word of the outputs that is no kind of verdict."""

    # A behaviour, or one number:
    SLIPPED = "slipped"
    FELL = "fell"
    ROSE = "rose"
    GONE = "gone"
    HELD = "held"
    IMPROVED = "improved"
    AT_CHANCE = "at chance"
    # A head, a role's sum, a cell:
    WEAKER = "weaker"
    STRONGER = "stronger"
    LEFT = "left the role"
    MET_ITS_NULL = "met its null"
    JOINED = "joined the role"
    OPPOSES = "now against the behaviour"
    MOVED = "moved"
    OVERTAKEN = "overtaken"
    WRITES_NOTHING = "writes nothing"
    LESS_LEFT = "less left without it"
    # A finding, or a model:
    BEHAVIOUR_GONE = "behaviour gone"
    BEHAVIOUR_HELD = "behaviour held"
    MECHANISM_INTACT = "mechanism intact"
    COMPENSATED = "compensated"
    TRADED = "traded"
    SAME_CAUSE = "same cause"
    ALSO_IN = "also in"
    TOKENIZER = "tokenizer differs"
    NARROWED = "narrowed"
    WHOLE_MODEL = "the whole model moved"
    SPECIFIC = "specific"
    # What new prompts say:
    REROUTED = "re-routed"
    HIDDEN_DAMAGE = "hidden damage"
    FAILS_THERE = "fails on new prompts"
    HOLDS_THERE = "holds on new prompts"
    NOT_SETTLED = "not settled"
    # No verdict:
    REFUSED = "refused"
    ASSERTED = "asserted"
    NOT_JUDGED = "not judged"
    FAILED = "failed"
    WAIVED = "waived"
    # Between two states of baselines:
    UNREADABLE = "unreadable"
    DELETED = "deleted"
    LOOSENED = "loosened"
    TIGHTENED = "tightened"
    RENAMED = "renamed"


#: When each word is used.
RULES: Mapping[str, str] = {
    Kind.PRESERVED: "within tolerance, the companion behaviour too",
    Kind.RELOCATED: "each lost head's part went to another head, one to one; nothing else changed",
    Kind.STRENGTHENED: "beyond tolerance in the good direction, and nothing in the bad one",
    Kind.WEAKENED: "beyond tolerance in the bad direction, and not lost",
    Kind.LOST: "the role has no heads left, or none that can be told from nothing; "
    "of a behaviour, or of fractions of one: it is gone, by any of the numbers for it",
    Kind.NEW: "there is no baseline yet",
    Kind.INCOMPARABLE: "convention, prompts, tokenizer or shape differ: not the same quantity",
    Term.SLIPPED: "a behaviour, or a number, is worse by up to twice its tolerance",
    Term.FELL: "it is worse by more than twice its tolerance; of the canary: beyond its tolerance",
    Term.ROSE: "the same of what rose, as a loss that is worse; of the canary too",
    Term.GONE: "what is vital is below a fifth of what it was, or can't be told from nothing",
    Term.HELD: "a behaviour, or the canary, is within its tolerance",
    Term.IMPROVED: "a behaviour, or a number, is better beyond its tolerance",
    Term.AT_CHANCE: "a behaviour is no better than guessing, in the baseline or without one",
    Term.WEAKER: "a head, a cell or a whole is worse beyond its tolerance, and is in the role",
    Term.STRONGER: "a head, a cell or a whole is better beyond its tolerance",
    Term.LEFT: "a head is below the role's threshold by more than its tolerance, or met its null",
    Term.MET_ITS_NULL: "a head scores more than half as much where there is nothing to find",
    Term.JOINED: "a head that was not near the role is above its threshold by its tolerance",
    Term.OPPOSES: "the same of a head that works against the behaviour",
    Term.MOVED: "a head's part in the role is another head's now",
    Term.OVERTAKEN: "a head fell behind another one in the role by more than both tolerances",
    Term.WRITES_NOTHING: "a head attends as it did, and what it writes does nothing any more",
    Term.LESS_LEFT: "what the behaviour is while the head is ablated is worse beyond tolerance",
    Term.BEHAVIOUR_GONE: "the role has heads left, and the behaviour that it serves is gone",
    Term.BEHAVIOUR_HELD: "heads lost strength, and the behaviour doesn't show it",
    Term.MECHANISM_INTACT: "the behaviour is worse, and no head or cell is",
    Term.COMPENSATED: "heads lost strength, other members took it over, the behaviour held",
    Term.TRADED: "something is worse and something else better, each beyond its tolerance",
    Term.SAME_CAUSE: "the behaviour named above changed the finding too, and so did what follows",
    Term.ALSO_IN: "findings that changed because of the behaviour named above, and in nothing else",
    Term.TOKENIZER: "the same text has other tokens, or the same ids are other tokens",
    Term.NARROWED: "attention has a window, or a shorter one, by the model's configuration",
    Term.WHOLE_MODEL: "the canary, a loss on a fixed text, moved beyond its tolerance",
    Term.SPECIFIC: "something changed, and the canary did not",
    Term.REROUTED: "a mechanism changed while its behaviour held, on new prompts too",
    Term.HIDDEN_DAMAGE: "a mechanism changed while its behaviour held, and fails on new prompts",
    Term.FAILS_THERE: "one there is worse beyond its tolerance and its interval, or no number",
    Term.HOLDS_THERE: "none is, and the intervals are narrow enough to say so",
    Term.NOT_SETTLED: "new prompts decide nothing, or there are none: the reason follows",
    Term.REFUSED: "the baseline can't be read, or there is nothing to approve",
    Term.ASSERTED: "not compared; an assertion held it, or held others against it",
    Term.NOT_JUDGED: "neither compared nor asserted",
    Term.FAILED: "the test failed, and not by a verdict: by an assertion, or an error",
    Term.WAIVED: "the gate fails the verdict, and a waiver lets it pass",
    Term.UNREADABLE: "between two states of baselines: the file can't be read",
    Term.DELETED: "between two states of baselines: there is none any more",
    Term.LOOSENED: "between two states of baselines: the tolerance allows more",
    Term.TIGHTENED: "between two states of baselines: the tolerance allows less",
    Term.RENAMED: "between two states of baselines: the same finding under another name",
}

#: What happened to a head, a role's sum, a matrix or a cell.
_OF_MECHANISM = {
    Change.MOVED: Term.MOVED,
    Change.LEFT: Term.LEFT,
    Change.JOINED: Term.JOINED,
    Change.OPPOSES: Term.OPPOSES,
    Change.OVERTAKEN: Term.OVERTAKEN,
    Change.SILENT: Term.WRITES_NOTHING,
    Change.LESS_LEFT: Term.LESS_LEFT,
    Change.WORSE: Term.WEAKER,
    Change.BETTER: Term.STRONGER,
    Change.GONE: Term.GONE,
    Change.NARROWED: Term.NARROWED,
}
#: What mechanism and behaviour say together.
OF_READINGS = {
    Reading.COMPENSATED: Term.COMPENSATED,
    Reading.BEHAVIOUR_HELD: Term.BEHAVIOUR_HELD,
    Reading.MECHANISM_INTACT: Term.MECHANISM_INTACT,
    Reading.BEHAVIOUR_GONE: Term.BEHAVIOUR_GONE,
}


def happened(reason: Reason) -> Term:
    """The word for what a reason tells of: what happened to a head, a whole or a behaviour."""
    if reason.about in (About.BEHAVIOUR, About.VALUE):
        return _of_a_number(reason)
    return _OF_MECHANISM[reason.change]


def _of_a_number(reason: Reason) -> Term:
    if reason.change is not Change.WORSE:
        return Term.GONE if reason.change is Change.GONE else Term.IMPROVED
    return Term.SLIPPED if reason.excess <= SLIP else went(reason.before, reason.after)


def went(before: object, after: object) -> Term:
    """Whether a number fell or rose."""
    up = isinstance(before, float) and isinstance(after, float) and after > before
    return Term.ROSE if up else Term.FELL
