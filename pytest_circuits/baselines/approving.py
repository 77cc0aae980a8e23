"""What becomes of a finding that is approved: what can be, and which digits change.

Approving what hardly moved changes no digits, so that a diff shows changes and nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_circuits.baselines.codec import Baseline
from pytest_circuits.findings.digits import DECIMALS, decimals, estimate, places, shown
from pytest_circuits.findings.encoding import decode_measured, rounded
from pytest_circuits.verdicts import default_tolerance, readable

if TYPE_CHECKING:
    from pytest_circuits.findings import Behaviour, Finding
    from pytest_circuits.verdicts import Tolerance


def says_the_same(own: Baseline, inherited: Baseline) -> bool:
    """Whether a baseline equals its parent's, so that it could be pruned.

    It does where every measured number is within one unit of its last stored place, and all else
    is the same, but for what it was measured with. *Preserved* would be too little: a finding that
    is within tolerance of the one may not be within tolerance of the other.
    """
    kept, old = keep_digits(own, inherited).document(), inherited.document()
    return {**kept, "recorded_with": None} == {**old, "recorded_with": None}


def nothing_to_approve(finding: Finding) -> str | None:
    """Why a finding can't be a baseline, or None: there must be something that can get lost."""
    problem = _no_behaviour(finding) or _no_more_than_nothing(finding)
    if not problem:
        return None
    advice = "A baseline needs a model and prompts on which the behaviour shows."
    return f"nothing to approve: {problem}\n{advice}"


def _no_behaviour(finding: Finding) -> str:
    """Which behaviour is not there, the finding's own among them; empty if all are."""
    if not finding.axes and finding.as_behaviour().at_chance:
        return (
            f"{finding.quantity} is {_said(finding.as_behaviour())}, no better "
            f"than chance ({shown(finding.chance or 0.0, 2)})."
        )
    if nothing := [*finding.gone, *_below_nothing(finding)]:
        gone = nothing[0]
        how = "not distinct from 0" if gone.indistinct else "below 0"
        return f"{readable(gone.name)} is {_said(gone)}, {how}."
    if finding.relative_to is None:
        return ""
    return _of_reference(finding.behaviour(finding.relative_to), finding)


def _no_more_than_nothing(finding: Finding) -> str:
    """What is no more than where there is nothing to find; empty if it is more."""
    null = finding.nulls.get(finding.measure)
    if not finding.axes and null is not None and not null.rejected:
        return (
            f"{finding.quantity} is {shown(float(finding.values), 2)}, and "
            f"{shown(null.mean, 2)} where there is nothing to find (p {null.p:.2f})."
        )
    if finding.role is None or finding.members():
        return ""
    head, value = next(iter(finding.heads().items()))
    null = finding.nulls.get(str(head))
    but = "" if null is None else f", and {shown(null.mean, 2)} where there is nothing to find"
    return (
        f"there are no {finding.role.name} ({finding.quantity} of "
        f"{finding.role.threshold:g} or more); {head} has {shown(value, 2)}{but}."
    )


def _below_nothing(finding: Finding) -> list[Behaviour]:
    """Vital behaviours below 0 beside one at chance: a gain that is below 0 is none."""
    if not any(each.at_chance for each in finding.companion):
        return []
    return [each for each in finding.companion if each.vital and each.value < 0]


def _of_reference(whole: Behaviour, finding: Finding) -> str:
    """Why values that are fractions of a behaviour can't be held; empty if they can."""
    name = readable(whole.name)
    if whole.value < 0:
        return (
            f"{name} is {shown(whole.value, 2)} {whole.unit}: the clean prompts favour the wrong\n"
            f"answer more than the corrupted ones do, and there is nothing to restore."
        )
    allowed = default_tolerance(finding).behaviours[whole.name].of(whole.value)
    if whole.value - allowed <= whole.margin:
        return (
            f"{name} is {_said(whole)}: one that is smaller\n"
            f"by no more than the tolerance of {shown(allowed, 2)} would not be distinct from 0."
        )
    return ""


def _said(behaviour: Behaviour) -> str:
    digits = decimals(behaviour.value, least=2)
    return f"{estimate(behaviour.value, behaviour.error, digits=digits)} {behaviour.unit}"


def approval(name: str, finding: Finding, approved: Baseline | None) -> Baseline:
    """The baseline that approving a finding makes.

    Args:
        name: the finding's name within its test.
        finding: what was measured, as its file would hold it.
        approved: the baseline it was held against, if any. A tolerance that somebody set outlives
            the approval, and so do the digits of numbers that moved by one unit of their last
            place, so that a diff shows changes and nothing else.
    """
    if approved is None:
        return Baseline(name, finding, default_tolerance(finding))
    return keep_digits(Baseline(name, finding, _tolerance(finding, approved)), approved)


def _tolerance(finding: Finding, old: Baseline) -> Tolerance:
    """The tolerance of a finding that is approved in another's place."""
    tolerance = default_tolerance(finding)
    if old.tolerance.origin == tolerance.origin or old.finding.measure != finding.measure:
        return tolerance
    # The measure may have companions now that it had not then.
    behaviours = {**tolerance.behaviours, **old.tolerance.behaviours}
    return replace(old.tolerance, behaviours=behaviours)


def too_few_prompts(finding: Finding, old: Baseline) -> str | None:
    """What to be warned of when a finding is approved, or None: a tolerance that chance exceeds.

    Args:
        finding: what was measured.
        old: the baseline whose place it takes: another model's on the same prompts.
    """
    # What pairs samples is needed only here.
    from pytest_circuits.verdicts import imprecision

    finding = rounded(finding)
    unsure = imprecision(finding, old.finding, _tolerance(finding, old))
    if unsure is None:
        return None
    what = "prompts" if finding.prompts.get("kind") == "pairs" else "sequences"
    whose = readable(unsure.name) if unsure.name == finding.measure else unsure.name
    return (
        f"{finding.measure}: the tolerance of {whose}, {unsure.tolerance:.2g}, is below twice the "
        f"standard error {unsure.error:.2g} of its difference from what the baseline held, over "
        f"{finding.samples} {what}. A change of that size may be chance: {unsure.prompts!s} "
        f"would do."
    )


def keep_digits(new: Baseline, old: Baseline) -> Baseline:
    """A baseline with the stored digits of every number that hardly moved.

    A measured number keeps them where it lies no further from them than one unit of the last
    place that is stored. They are held against what is stored, never against an earlier
    measurement: however often a finding is approved, its file is at most one unit off. What was
    chosen and not measured is the new one's.

    Where the stored digits would say something else of who is in the role, a unit is a change:
    then all numbers are the new ones.

    Args:
        new: the baseline to store.
        old: the baseline that is stored, of any finding.
    """
    document: dict[str, Any] = new.document()
    stored: dict[str, Any] = old.document()
    digits = places(new.finding.values, new.finding.unit)
    kept = {name: _kept(value, stored.get(name), digits) for name, value in document.items()}
    kept["canary"] = _kept(document.get("canary"), stored.get("canary"), DECIMALS)
    for behaviour in new.finding.companion:
        name, digits = behaviour.name, places(behaviour.value, behaviour.unit)
        was = stored["companion"].get(name)
        kept["companion"][name] = _kept(document["companion"][name], was, digits)
    finding = new.finding.derived(**decode_measured(kept))
    if finding.members().keys() != new.finding.members().keys():
        return new
    return replace(new, finding=finding)


def _kept(new: Any, old: Any, digits: int) -> Any:  # noqa: ANN401 — JSON
    """A part of a document that is stored with so many decimals."""
    if isinstance(new, float) and isinstance(old, float):
        # In units of the last place: decimals differ exactly, fractions don't.
        units = [round(number * 10.0**digits) for number in (new, old)]
        return old if abs(units[0] - units[1]) <= 1 else new
    if isinstance(new, dict) and isinstance(old, dict):
        return {name: _kept(value, old.get(name), digits) for name, value in new.items()}
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [_kept(*pair, digits) for pair in zip(new, old, strict=True)]
    return new
