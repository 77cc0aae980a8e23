"""How many prompts it takes to see a change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pytest_circuits.findings.paired import paired_differences
from pytest_circuits.findings.statistics import chi_square_quantile, t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_circuits.findings.finding import Finding

#: One-sided: a fall is looked for.
_LEVEL = 0.05
_LEAST_POWER = 0.5
#: What rounding leaves of an error of 0, as a share of the values.
_NO_SPREAD = 1e-12
#: How often the interval of a spread holds it.
_SURE = 0.95
#: A range whose ends are further apart is wide, as one from fewer than 28 clusters is.
_WIDE = 3


class PromptCount(int):
    """A number of prompts, and how sure it is.

    Attributes:
        low: how many it is if the spread is at the lower end of its 95 % interval.
        high: how many at the upper end.
        clusters: how many clusters the spread is known from.
        unit: what is counted, ``prompts`` or ``sequences``.
        paired: whether the spread is that of paired differences.
    """

    low: int
    high: int
    clusters: int
    unit: str
    paired: bool

    def __new__(
        cls, count: int, low: int, high: int, clusters: int, unit: str, *, paired: bool
    ) -> Self:
        """So many, with all that is known of the number."""
        made = super().__new__(cls, count)
        made.low, made.high, made.clusters = low, high, clusters
        made.unit, made.paired = unit, paired
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What a copy is made from."""
        args = int(self), self.low, self.high, self.clusters, self.unit
        return args, {"paired": self.paired}

    def __repr__(self) -> str:
        said = f"{int(self)} {self.unit} ({self.low} to {self.high}, from {self.clusters} clusters)"
        if self.paired or self.high <= _WIDE * self.low:
            return said
        return f"{said}; compared with another model's finding (against=) it takes fewer"

    def __format__(self, form: str) -> str:
        # In a text of one's own it is the number; printed by itself, it says how sure that is.
        return format(int(self), form)


def enough_prompts(
    finding: Finding, drop: float, *, power: float = 0.8, against: Finding | None = None
) -> PromptCount:
    """How many prompts like these it takes to tell that a value fell by ``drop``.

    The least number n ≥ 2 of clusters with

    (t₀.₉₅ + t_power) · sd / √n ≤ drop,

    both t with n − 1 degrees of freedom: the minimum detectable effect of a one-sided 5 % test
    (Bloom 1995, Evaluation Review 19(5)). sd = error · √clusters is the spread of what a cluster
    gives; n clusters are as many prompts as n times those of a cluster here.

    From few clusters the spread is hardly known, and n grows with its square. The range is that of
    the spread's 95 % interval, sd · √((G − 1) / χ²) with the quantiles χ² of G − 1 degrees of
    freedom: from 16 clusters, about half of n to two and a half times n. It holds what the true
    spread takes in 95 % of all cases where samples are normal, and in 70 to 85 % where they are
    exponential.

    Args:
        finding: where the spread comes from: of the one number, of the role's member with the
            largest error, or of the value with the largest error where there is no role.
        drop: what has to be seen, in the finding's unit; above 0.
        power: how often it is to be seen, from 0.5 to below 1.
        against: another finding on the same prompts. The spread is then that of the paired
            differences, which is less: two models find the same prompts hard. Where there is such
            a finding, take it.

    Returns:
        the number of prompts (or sequences), an int with its range.

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
    return prompts_to_tell(drop, error, finding, power=power, paired=against is not None)


def prompts_to_tell(
    drop: float, error: float, finding: Finding, *, power: float = 0.8, paired: bool = True
) -> PromptCount:
    """How many prompts tell a fall of a value whose standard error here is known.

    Args:
        drop: what has to be seen, in the finding's unit; above 0.
        error: the standard error on the finding's own prompts, over its clusters.
        finding: the prompts and clusters that error is of.
        power: how often the fall is to be seen.
        paired: whether the error is that of paired differences.
    """
    clusters = finding.clusters

    def to_tell(spread: float) -> int:
        enough = _least(lambda n: _detectable(spread, n, power) <= drop)
        return math.ceil(enough * finding.samples / clusters)

    spread = error * math.sqrt(clusters)
    low, high = (
        spread * math.sqrt((clusters - 1) / chi_square_quantile(p, clusters - 1))
        for p in ((1 + _SURE) / 2, (1 - _SURE) / 2)
    )
    unit = "prompts" if finding.prompts.get("kind") == "pairs" else "sequences"
    return PromptCount(to_tell(spread), to_tell(low), to_tell(high), clusters, unit, paired=paired)


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
