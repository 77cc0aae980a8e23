"""What becomes of a finding that is approved, and how two baselines compare."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_circuits.baselines.canonical import dumps
from pytest_circuits.baselines.digits import keep_digits
from pytest_circuits.baselines.envelope import Baseline, loads
from pytest_circuits.findings.encoding import rounded
from pytest_circuits.verdicts import default_tolerance, judge, readable

if TYPE_CHECKING:
    from pytest_circuits.findings import Behaviour, Finding
    from pytest_circuits.verdicts import Tolerance, Verdict


def verdict_on(found: str, approved: str) -> Verdict:
    """The verdict on two baselines as text."""
    baseline = loads(approved, "the baseline")
    return judge(loads(found, "the finding").finding, baseline.finding, baseline.tolerance)


def says_the_same(own: str, inherited: str) -> bool:
    """Whether a baseline equals its parent's, so that it could be pruned.

    It does where every measured number is within one unit of its last stored place, and all else
    is the same, but for what it was measured with. *Preserved* would be too little: a finding that
    is within tolerance of the one may not be within tolerance of the other.
    """
    new, old = (loads(text, "the baseline").document() for text in (own, inherited))
    kept = keep_digits(new, old)
    return {**kept, "recorded_with": None} == {**old, "recorded_with": None}


def nothing_to_approve(finding: Finding) -> str | None:
    """Why a finding can't be a baseline, or None: there must be something that can get lost."""
    advice = "A baseline needs a model and prompts on which the behaviour shows."
    if finding.gone:
        gone = finding.gone[0]
        return (
            f"nothing to approve: {readable(gone.name)} is {gone.value:.2f} ± "
            f"{gone.error:.2f} {gone.unit}, not distinct from 0.\n{advice}"
        )
    if finding.relative_to is not None:
        problem = _of_reference(finding.behaviour(finding.relative_to), finding)
        if problem:
            return f"nothing to approve: {problem}\n{advice}"
    null = finding.nulls.get(finding.measure)
    if not finding.axes and null is not None and not null.rejected:
        return (
            f"nothing to approve: {finding.quantity} is {float(finding.values):.2f}, and "
            f"{null.mean:.2f} where there is nothing to find (p {null.p:.2f}).\n{advice}"
        )
    if finding.role is None or finding.members():
        return None
    head, value = next(iter(finding.heads().items()))
    null = finding.nulls.get(str(head))
    but = "" if null is None else f", and {null.mean:.2f} where there is nothing to find"
    return (
        f"nothing to approve: there are no {finding.role.name} ({finding.quantity} of "
        f"{finding.role.threshold:g} or more); {head} has {value:.2f}{but}.\n{advice}"
    )


def _of_reference(whole: Behaviour, finding: Finding) -> str:
    """Why values that are fractions of a behaviour can't be held; empty if they can."""
    name = readable(whole.name)
    if whole.value < 0:
        return (
            f"{name} is {whole.value:.2f} {whole.unit}: the clean prompts favour the wrong\n"
            f"answer more than the corrupted ones do, and there is nothing to restore."
        )
    allowed = default_tolerance(finding).behaviours[whole.name].of(whole.value)
    if whole.value - allowed <= whole.margin:
        return (
            f"{name} is {whole.value:.2f} ± {whole.error:.2f} {whole.unit}: one that is smaller\n"
            f"by no more than the tolerance of {allowed:.2f} would not be distinct from 0."
        )
    return ""


def approval(finding: Finding, approved: str | None) -> str:
    """The baseline that approving a finding makes, as text.

    Args:
        finding: what was measured.
        approved: the baseline it was held against, if any. A tolerance that somebody set outlives
            the approval, and so do the digits of numbers that moved by one unit of their last
            place, so that a diff shows changes and nothing else.
    """
    finding = rounded(finding)
    if approved is None:
        return Baseline("", finding, default_tolerance(finding)).dumps()
    old = loads(approved, "the baseline")
    new = Baseline("", finding, _tolerance(finding, old))
    return dumps(keep_digits(new.document(), old.document()))


def _tolerance(finding: Finding, old: Baseline) -> Tolerance:
    """The tolerance of a finding that is approved in another's place."""
    tolerance = default_tolerance(finding)
    if old.tolerance.origin == tolerance.origin or old.finding.measure != finding.measure:
        return tolerance
    # The measure may have companions now that it had not then.
    behaviours = {**tolerance.behaviours, **old.tolerance.behaviours}
    return replace(old.tolerance, behaviours=behaviours)


def too_few_prompts(finding: Finding, approved: str) -> str | None:
    """What to be warned of when a finding is approved, or None: a tolerance that chance exceeds.

    Args:
        finding: what was measured.
        approved: the baseline whose place it takes: another model's on the same prompts.
    """
    from pytest_circuits.verdicts import imprecision

    finding, old = rounded(finding), loads(approved, "the baseline")
    unsure = imprecision(finding, old.finding, _tolerance(finding, old))
    if unsure is None:
        return None
    what = "prompts" if finding.prompts.get("kind") == "pairs" else "sequences"
    whose = readable(unsure.name) if unsure.name == finding.measure else unsure.name
    return (
        f"{finding.measure}: the tolerance of {whose}, {unsure.tolerance:.2g}, is below twice the "
        f"standard error {unsure.error:.2g} of its difference from what the baseline held, over "
        f"{finding.samples} {what}. A change of that size may be chance: {unsure.prompts} {what} "
        f"would do."
    )
