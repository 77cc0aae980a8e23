"""How many prompts it takes to see a change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings.paired import paired_differences
from pytest_circuits.findings.statistics import t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_circuits.findings.finding import Finding

#: One-sided: a fall is looked for.
_LEVEL = 0.05
_LEAST_POWER = 0.5
#: What rounding leaves of an error of 0, as a share of the values.
_NO_SPREAD = 1e-12


def enough_prompts(
    finding: Finding, drop: float, *, power: float = 0.8, against: Finding | None = None
) -> int:
    """How many prompts like these it takes to tell that a value fell by ``drop``.

    The least number n ≥ 2 of clusters with

    (t₀.₉₅ + t_power) · sd / √n ≤ drop,

    both t with n − 1 degrees of freedom: the minimum detectable effect of a one-sided 5 % test
    (Bloom 1995, Evaluation Review 19(5)). sd = error · √clusters is the spread of what a cluster
    gives; n clusters are as many prompts as n times those of a cluster here.

    Args:
        finding: where the spread comes from: of the one number, of the role's member with the
            largest error, or of the value with the largest error where there is no role.
        drop: what has to be seen, in the finding's unit; above 0.
        power: how often it is to be seen, from 0.5 to below 1.
        against: another finding on the same prompts. The spread is then that of the paired
            differences, which is less: two models find the same prompts hard.

    Returns:
        the number of prompts (or sequences).

    Raises:
        ValueError: if the drop or the power makes no sense, or if the finding has no error: it has
            a single cluster, or no head in its role, or its values are undefined; or if all
            prompts gave the same.
        PairingError: if the two findings can't be compared prompt by prompt.
    """
    if not (drop > 0 and math.isfinite(drop)):
        raise ValueError(f"drop is what has to be seen, a number above 0, not {drop!r}")
    if not _LEAST_POWER <= power < 1:
        raise ValueError(f"power is a share from 0.5 to below 1, such as 0.8, not {power!r}")
    error = _largest_error(finding) if against is None else _largest_paired(finding, against)
    if not math.isfinite(error):
        raise ValueError(
            f"{finding.measure} has no error to reckon with: that takes two clusters of prompts "
            f"or more, and a behaviour that is there"
        )
    if error <= _NO_SPREAD * max(1.0, float(np.abs(finding.values[finding.present]).max())):
        raise ValueError(
            f"{finding.measure}: all prompts gave the same, which says nothing about the spread of "
            f"others"
        )
    return prompts_to_tell(drop, error, finding, power=power)


def prompts_to_tell(drop: float, error: float, finding: Finding, *, power: float = 0.8) -> int:
    """How many prompts tell a fall of a value whose standard error here is known.

    Args:
        drop: what has to be seen, in the finding's unit; above 0.
        error: the standard error on the finding's own prompts, over its clusters.
        finding: the prompts and clusters that error is of.
        power: how often the fall is to be seen.
    """
    spread = error * math.sqrt(finding.clusters)
    clusters = _least(lambda n: _detectable(spread, n, power) <= drop)
    return math.ceil(clusters * finding.samples / finding.clusters)


def _largest_error(finding: Finding) -> float:
    if finding.undefined:
        return math.nan
    if finding.role is None:
        return float(finding.errors[finding.present].max())
    errors = [float(finding.errors[head]) for head in finding.members()]
    if not errors:
        raise ValueError(f"{finding.measure} has no {finding.role.name} to reckon with")
    return float(np.max(errors))


def _largest_paired(finding: Finding, against: Finding) -> float:
    differences = paired_differences(finding, against).values()
    return float(np.max([difference.error for difference in differences]))


def _detectable(spread: float, clusters: int, power: float) -> float:
    """The least fall that so many clusters tell."""
    quantiles = t_quantile(1 - _LEVEL, clusters - 1) + t_quantile(power, clusters - 1)
    return quantiles * spread / math.sqrt(clusters)


def _least(enough: Callable[[int], bool]) -> int:
    """The least number from 2 on that is enough, where all larger ones are."""
    high = 2
    while not enough(high):
        high *= 2
    low = high // 2  # is not enough, or 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
