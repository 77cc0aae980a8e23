"""Whether there are prompts enough for a tolerance: a check made when a baseline is approved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits.findings import Head, PairingError, paired_differences
from pytest_circuits.findings.power import PromptCount, prompts_to_tell

if TYPE_CHECKING:
    from pytest_circuits.findings import Finding
    from pytest_circuits.verdicts.tolerances import Tolerance

#: A tolerance below so many standard errors is within what chance does to the prompts.
_ERRORS = 2


@dataclass(frozen=True)
class Imprecision:
    """A value whose tolerance is below twice the standard error of a paired difference.

    Attributes:
        name: the head's label, or the measure's name.
        tolerance: what its value may move.
        error: the standard error over clusters of the difference of two models.
        prompts: how many prompts tell a fall of the tolerance (see
            :func:`pytest_circuits.findings.power.enough_prompts`).
    """

    name: str
    tolerance: float
    error: float
    prompts: PromptCount


def imprecision(found: Finding, approved: Finding, tolerance: Tolerance) -> Imprecision | None:
    """The value that two models' paired difference leaves least sure, if any is too unsure.

    The baseline's finding is of another model than what was found, on the same prompts: how
    their difference varies from prompt to prompt says how sure such a difference is at all.

    Args:
        found: what is going to be approved.
        approved: what the baseline held until now.
        tolerance: what the new baseline is going to allow.

    Returns:
        None also where the two can't be compared prompt by prompt.
    """
    try:
        differences = paired_differences(found, approved)
    except PairingError:
        return None
    allowance = tolerance.among(found).value
    unsure = []
    for name, difference in differences.items():
        value = found.values[Head.parse(name)] if found.axes else found.values
        allowed = allowance.of(float(value))
        # Of a single cluster nothing is known; a tolerance of 0 is one that nothing meets.
        if 0 < allowed < _ERRORS * difference.error:
            unsure.append((difference.error / allowed, name, allowed, difference.error))
    if not unsure:
        return None
    _, name, allowed, error = max(unsure)
    return Imprecision(name, allowed, error, prompts_to_tell(allowed, error, found))
