"""How many false alarms to expect of the default tolerances."""

from __future__ import annotations

import math

from pytest_circuits.verdicts.tolerances import BENIGN_ALARMS

_CONFIDENCE = 0.95


def rate_bound(alarms: int, findings: int) -> float:
    """The one-sided 95 % upper bound of a rate (Clopper & Pearson 1934).

    It is the rate p at which so few alarms would be seen in 5 % of all tries,

    Σ_{i ≤ alarms} C(findings, i) pⁱ (1 − p)^(findings − i) = 0.05,

    which for no alarms is 1 − 0.05^(1/findings), and 1 where every finding was one.

    Args:
        alarms: how many there were.
        findings: of how many.
    """
    if alarms == findings:
        return 1.0
    low, high = 0.0, 1.0
    # The sum falls as p grows, so halving finds it, to the last digit a float has.
    while low < (middle := (low + high) / 2) < high:
        if _at_most(alarms, findings, middle) > 1 - _CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _at_most(hits: int, tries: int, rate: float) -> float:
    """The binomial probability of so many hits or fewer, ``0 < rate < 1``."""
    hit, miss = math.log(rate), math.log1p(-rate)
    # The coefficient alone may be larger than any float.
    return math.fsum(
        math.exp(math.log(math.comb(tries, i)) + i * hit + (tries - i) * miss)
        for i in range(hits + 1)
    )


def expected_alarms(findings: int) -> float:
    """How many false alarms a run should have at most, by what is known of the tolerances.

    A false alarm is a finding that the gate ``regression`` fails though nothing that matters
    changed. Their rate was counted on models with constructed benign changes (another dtype,
    quantisation, a little noise, permuted heads, a light fine-tune); what is given here is its
    upper 95 % bound times the number of findings. It holds for changes like those and for the
    default tolerances, and it takes findings for independent, which those of one model are not:
    read it as an order of magnitude.

    Args:
        findings: how many were held against baselines with default tolerances.
    """
    return findings * rate_bound(*BENIGN_ALARMS)
