"""What new prompts say of a mechanism that changed while its behaviour held.

Two models are measured on the same prompts, which neither can have been trained or tuned on:
the reference, and the model that the verdict is on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.findings import Direction
from pytest_circuits.findings.digits import short, shown
from pytest_circuits.findings.paired import PairingError, paired_differences
from pytest_circuits.findings.statistics import t_quantile
from pytest_circuits.verdicts.judging import readable
from pytest_circuits.verdicts.tolerances import default_tolerance
from pytest_circuits.verdicts.verdict import NewBehaviour, Outcome, Settlement, movement, within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.findings import Finding
    from pytest_circuits.findings.paired import PairedDifference

#: How often all intervals of a settlement together hold what they are of.
LEVEL = 0.95
#: An interval that reaches further than so many tolerances to the bad side excludes nothing.
FAR = 4.0
#: A spread takes so many clusters.
_FEWEST = 2
#: Characters of a reason that are kept.
_MOST = 200


class NewPrompts(NamedTuple):
    """One behaviour of two models on the same new prompts.

    Attributes:
        reference: what it is of the reference.
        found: what it is of the model that the verdict is on; None if it gives no numbers there.
        name: what it is called; empty for the measure's name.
        extra: whether it is left out where the reference does not have it: what was not asked for
            before need not be there.
        broken: why that model gives no numbers; empty where it does.
    """

    reference: Finding
    found: Finding | None
    name: str = ""
    extra: bool = False
    broken: str = ""


def unsettled(why: str, *, prompts: str = "", seed: str = "") -> Settlement:
    """A settlement that says nothing, and why."""
    return Settlement(Outcome.UNSETTLED, (), prompts, seed, _short(why))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"


def settle(measured: Sequence[NewPrompts], *, prompts: str, seed: str) -> Settlement:
    """Whether a model does on new prompts what the reference does there.

    Of each of K behaviours let d be the mean paired difference in the bad direction, and t·s the
    margin of its two-sided interval of level 1 − 0.05 / K over clusters (Bonferroni: all intervals
    together hold in 95 % of all cases). Tolerances are the defaults at the reference's value.

    ============ ================================================================================
    outcome      when
    ============ ================================================================================
    fails        of any behaviour d is beyond its tolerance, and d − t·s above 0; or the model gives
                 no numbers on prompts on which the reference has the behaviour
    not settled  else, if of any behaviour d is beyond its tolerance, d + t·s beyond four
                 tolerances, or the reference does not have the behaviour on these prompts
                 (unless it is an extra one)
    holds        else
    ============ ================================================================================

    Args:
        measured: the behaviours.
        prompts: how the prompts were drawn, in words.
        seed: the seed of the draw.
    """
    prompts = _short(prompts)
    failing: list[NewBehaviour] = []
    others: list[NewBehaviour] = []
    unsure = broken = ""
    level = 1 - (1 - LEVEL) / len(measured)
    for one in measured:
        reference, found = one.reference, one.found
        difference = _difference(reference, found, one.name)
        if isinstance(difference, str):
            unsure = unsure or ("" if one.extra else difference)
            continue
        if found is None or difference is None:
            broken = broken or one.broken
            continue
        name = one.name or reference.measure
        margin = t_quantile((1 + level) / 2, difference.clusters - 1) * difference.error
        new = _new(name, reference, found, difference.mean, margin)
        loss = -movement(reference.direction, new.before, new.before + difference.mean)
        beyond = loss > 0 and not within(loss, new.tolerance)
        if beyond and loss > margin:
            failing.append(new)
            continue
        others.append(new)
        if beyond or loss + margin > FAR * new.tolerance:
            unsure = unsure or (
                f"{readable(name)} moved by {difference.mean:.2g} ± {margin:.2g} on the new prompts"
            )
    if not (failing or others or unsure or broken):
        unsure = "the reference has none of these behaviours on the new prompts"
    failing.sort(key=lambda new: -abs(new.difference) / new.tolerance)
    if broken:
        return Settlement(Outcome.FAILS, (*failing, *others), prompts, seed, _short(broken))
    outcome = Outcome.FAILS if failing else Outcome.UNSETTLED if unsure else Outcome.HOLDS
    why = unsure if outcome is Outcome.UNSETTLED else ""
    return Settlement(outcome, (*failing, *others), prompts, seed, why)


def _difference(
    reference: Finding, found: Finding | None, name: str
) -> PairedDifference | str | None:
    """The paired difference, or why it says nothing; None where the model gives no numbers."""
    if not _is_there(reference):
        many, called = f"{reference.samples} new prompts", readable(name or reference.measure)
        value = shown(float(reference.values), digits=2)
        return f"on {many} the reference does not do this itself: {called} {value}"
    if found is None:
        return None
    try:
        difference = paired_differences(found, reference)[reference.measure]
    except (PairingError, KeyError) as error:
        return str(error)
    if difference.clusters < _FEWEST:
        return f"new prompts in one cluster ({reference.samples} of them) have no spread"
    return difference


def _new(
    name: str, reference: Finding, found: Finding, difference: float, margin: float
) -> NewBehaviour:
    before = float(reference.values)
    return NewBehaviour(
        name,
        reference.unit,
        short(before),
        short(float(found.values)),
        short(difference),
        (short(difference - margin), short(difference + margin)),
        default_tolerance(reference).value.of(before),
        reference.samples,
    )


def _is_there(reference: Finding) -> bool:
    """Whether a model has a behaviour at all: it is told from nothing, and on the right side."""
    right = [b for b in reference.companion if b.name == "repeat_accuracy"]
    if reference.gone or reference.as_behaviour().at_chance:
        return False
    if any(b.indistinct or not b.vital for b in right):
        return False
    return reference.direction is Direction.LOWER or float(reference.values) > 0
