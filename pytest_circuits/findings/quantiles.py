"""Quantiles of Student's t, and exact bounds of shares."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

#: Above so many degrees of freedom the expansion about the normal quantile is exact to 1e-9.
_EXACT_UP_TO = 200


@lru_cache(maxsize=4096)
def t_quantile(p: float, df: int) -> float:
    """The p-quantile of Student's t with ``df`` degrees of freedom.

    Up to 200 degrees of freedom it inverts the finite sums of Abramowitz & Stegun 26.7.3 and
    26.7.4; above, it is the expansion about the normal quantile (26.7.5).

    Args:
        p: between 0 and 1.
        df: degrees of freedom.

    Returns:
        the quantile; NaN below one degree of freedom.
    """
    if df < 1:
        return math.nan
    if p < 0.5:  # noqa: PLR2004 — it is symmetric about 0
        return -t_quantile(1 - p, df)
    z = NormalDist().inv_cdf(p)
    if df > _EXACT_UP_TO:
        return (
            z
            + (z**3 + z) / (4 * df)
            + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
            + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * df**3)
        )
    low, high = 0.0, math.pi / 2
    # The share within ± t grows with θ = arctan(t / √df), and halving finds it.
    while low < (middle := (low + high) / 2) < high:
        if _within(middle, df) < 2 * p - 1:
            low = middle
        else:
            high = middle
    return math.sqrt(df) * math.tan(middle)


#: Halvings of 0 … 1 after which a bound is exact to 1e-15.
_HALVINGS = 50


@lru_cache(maxsize=4096)
def share_bound(successes: int, trials: int, *, upper: bool, tail: float = 0.05) -> float:
    """One-sided exact bound of a share (Clopper & Pearson 1934, Biometrika 26).

    The lower bound is the share p with P(X ≥ k | n, p) = tail for a binomial X, 0 where k = 0; the
    upper one has P(X ≤ k | n, p) = tail, 1 where k = n.

    Args:
        successes: k.
        trials: n.
        upper: which of the two.
        tail: how often the share lies beyond the bound, at most.
    """
    if upper:
        return 1 - share_bound(trials - successes, trials, upper=False, tail=tail)
    if successes == 0:
        return 0.0
    counts = np.arange(successes, trials + 1)
    ways = math.lgamma(trials + 1) - np.array(
        [math.lgamma(k + 1) + math.lgamma(trials - k + 1) for k in counts.tolist()]
    )
    low, high = 0.0, 1.0
    # The more p is, the likelier are so many or more, and halving finds it.
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        logs = ways + counts * math.log(middle) + (trials - counts) * math.log1p(-middle)
        if np.exp(logs).sum() < tail:
            low = middle
        else:
            high = middle
    return low


def _within(theta: float, df: int) -> float:
    """The probability of −t … t, with t = √df · tan θ."""
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = df % 2
    term, total = (sine * cosine, 0.0) if odd else (sine, 0.0)
    for k in range(1 + odd, df, 2):
        total += term
        term *= cosine**2 * (k / (k + 1))
    return 2 / math.pi * (theta + total) if odd else total
