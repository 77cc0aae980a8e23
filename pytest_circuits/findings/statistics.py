"""Quantiles and exact bounds; errors over clusters, their intervals, and family-wise p-values.

Prompts that share a template and an answer pair are not independent, so every error here
counts clusters, not prompts.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

#: Above so many degrees of freedom the expansion about the normal quantile is exact to 1e-9.
_SUMS_UP_TO = 200


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
    if df > _SUMS_UP_TO:
        return (
            z
            + (z**3 + z) / (4 * df)
            + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
            + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * df**3)
        )
    # The share within ± t grows with θ = arctan(t / √df).
    theta = _bisect(lambda theta: _within(theta, df) < 2 * p - 1, math.pi / 2)
    return math.sqrt(df) * math.tan(theta)


def _bisect(too_low: Callable[[float], bool], high: float) -> float:
    """The least number from 0 to ``high`` that is not too low, to the last digit of a float."""
    low = 0.0
    while low < (middle := (low + high) / 2) < high:
        if too_low(middle):
            low = middle
        else:
            high = middle
    return middle


def _within(theta: float, df: int) -> float:
    """The probability of −t … t, with t = √df · tan θ."""
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = df % 2
    term, total = (sine * cosine, 0.0) if odd else (sine, 0.0)
    for k in range(1 + odd, df, 2):
        total += term
        term *= cosine**2 * (k / (k + 1))
    return 2 / math.pi * (theta + total) if odd else total


@lru_cache(maxsize=4096)
def chi_square_quantile(p: float, df: int) -> float:
    """The p-quantile of the chi-square distribution with ``df`` degrees of freedom.

    It inverts the regularised incomplete gamma function P(df/2, x/2) (Abramowitz & Stegun 26.4.19).

    Args:
        p: above 0, below 1.
        df: degrees of freedom, at least 1.
    """
    # As good as nothing lies above: eight standard deviations of Wilson & Hilferty's cube root.
    high = df * (1 + 8 * math.sqrt(2 / (9 * df))) ** 3
    return _bisect(lambda x: _chi_square_below(x, df) < p, high)


def _chi_square_below(x: float, df: int) -> float:
    """The probability of less than x, by the series of Abramowitz & Stegun 6.5.29."""
    half = df / 2
    term = math.exp(half * math.log(x / 2) - x / 2 - math.lgamma(half + 1))
    total, k = term, half
    # Terms grow up to k = x / 2, and fall from there on.
    while k < x / 2 or term > total * 1e-17:
        k += 1
        term *= x / 2 / k
        total += term
    return total


def t95(clusters: int) -> float:
    """The one-sided 95 % quantile of Student's t with ``clusters − 1`` degrees of freedom.

    NaN below two clusters.
    """
    return t_quantile(0.95, clusters - 1)


@lru_cache(maxsize=4096)
def share_bound(successes: int, trials: int, *, upper: bool, tail: float = 0.05) -> float:
    """One-sided exact bound of a share (Clopper & Pearson 1934, Biometrika 26).

    The lower bound is the share p with P(X ≥ k | n, p) = tail for a binomial X, 0 where k = 0; the
    upper one has P(X ≤ k | n, p) = tail, 1 where k = n. Both with half a tail are the two-sided
    interval.

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
    # Logarithms of n over k, which alone may be larger than any float.
    ways = math.lgamma(trials + 1) - np.array(
        [math.lgamma(k + 1) + math.lgamma(trials - k + 1) for k in counts.tolist()]
    )

    def rarer(p: float) -> bool:
        logs = ways + counts * math.log(p) + (trials - counts) * math.log1p(-p)
        return bool(np.exp(logs).sum() < tail)

    # The more p is, the likelier are so many or more.
    return _bisect(rarer, 1.0)


def share_bounds(
    shares: NDArray[np.float64], clusters: int, *, upper: bool, tail: float = 0.05
) -> NDArray[np.float64]:
    """One-sided bounds of shares, by :func:`share_bound` with clusters as trials.

    Prompts of a cluster are no trials of their own. A count between two is taken as the one that
    leaves more room.

    Args:
        shares: of samples, ``[…]``; NaN where there is none.
        clusters: how many clusters the samples make.
        upper: which of the two bounds.
        tail: how often a share lies beyond its bound, at most.

    Returns:
        bounds ``[…]``, NaN where there is no share.
    """
    # 3 / 60 · 60 may be a little more or less than 3.
    counts = np.round(shares * clusters, 6)
    counts = np.clip(np.ceil(counts) if upper else np.floor(counts), 0, clusters)
    bounds = [
        share_bound(int(k), clusters, upper=upper, tail=tail) if np.isfinite(k) else np.nan
        for k in counts.flat
    ]
    return np.array(bounds).reshape(shares.shape)


def _cluster_sums(
    samples: NDArray[np.float64], clusters: Sequence[object]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums ``[cluster, …]`` and sizes ``[cluster]`` of samples ``[sample, …]``."""
    ids: dict[object, int] = {}
    index = np.array([ids.setdefault(cluster, len(ids)) for cluster in clusters])
    sums = np.zeros((len(ids), *samples.shape[1:]))
    np.add.at(sums, index, samples)
    return sums, np.bincount(index, minlength=len(ids)).astype(np.float64)


def mean_and_error(
    samples: NDArray[np.float64], clusters: Sequence[object]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over samples and its standard error over clusters.

    With cluster sums y_g, cluster sizes m_g, N = Σ m_g and mean ȳ = Σ y_g / N, the error is
    sqrt(G / (G − 1) · Σ_g (y_g − m_g ȳ)²) / N, the usual linearised cluster-robust error; for
    clusters of one sample it is the ordinary standard error of the mean.

    Args:
        samples: ``[sample, …]``.
        clusters: one label for each sample.

    Returns:
        mean and error, both ``[…]``; the error is NaN with a single cluster.
    """
    mean: NDArray[np.float64] = samples.mean(axis=0)
    sums, sizes = _cluster_sums(samples, clusters)
    count = len(sizes)
    if count < 2:  # noqa: PLR2004 — one cluster has no spread
        return mean, np.full_like(mean, np.nan)
    residuals = sums - sizes.reshape(-1, *([1] * mean.ndim)) * mean
    error = np.sqrt(count / (count - 1) * (residuals**2).sum(axis=0)) / sizes.sum()
    return mean, error


def stratified(samples: NDArray[np.float64], strata: Sequence[object]) -> NDArray[np.float64]:
    """Samples of a mean in which each stratum counts alike, however many samples it has.

    With L strata of n_ℓ samples x_i and mean x̄_ℓ, N samples in all, and x̄ = Σ_ℓ x̄_ℓ / L,

    y_i = x̄ + c_ℓ (x_i − x̄_ℓ),  c_ℓ = √(N (N − 1) / (n_ℓ (n_ℓ − 1))) / L.

    The mean of y is x̄, and the ordinary error of that mean, √(Σ (y_i − x̄)² / (N (N − 1))), is the
    stratified one, √(Σ_ℓ s_ℓ² / n_ℓ) / L with s_ℓ² the variance within a stratum (Cochran 1977,
    §5.3). Samples of a difference are the differences of samples, so that what is computed from
    them, pair by pair, is stratified too. What lies between the strata is no error. Intervals by
    Student's t with N − 1 degrees of freedom are a little short: of 10 and 5 normal samples, a 95 %
    one holds the mean in 93 %, and in 92 % where the 5 vary twice as much.

    Args:
        samples: ``[sample, …]``.
        strata: the stratum of each sample. One that has a single sample adds nothing to the error,
            as its variance can't be estimated: count all samples as one cluster then.

    Returns:
        ``[sample, …]``; the samples themselves where all are of one stratum.
    """
    groups = [np.array([one == each for one in strata]) for each in dict.fromkeys(strata)]
    if len(groups) == 1:
        return samples
    means = [samples[group].mean(axis=0) for group in groups]
    whole = sum(means) / len(groups)
    found = np.empty_like(samples, dtype=np.float64)
    count = len(samples)
    for group, mean in zip(groups, means, strict=True):
        size = int(group.sum())
        scale = np.sqrt(count * (count - 1) / max(size * (size - 1), 1)) / len(groups)
        found[group] = whole + scale * (samples[group] - mean)
    return found


def interval(
    samples: NDArray[np.float64], clusters: Sequence[object], *, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two-sided confidence interval of the mean over samples, by clusters.

    mean ± t · error, with the error of :func:`mean_and_error` and the quantile t of Student's t
    with G − 1 degrees of freedom. In simulations it holds the mean of normal samples in 95 % of all
    cases from 5 clusters on, and of exponential ones in 88 % at 5 clusters, 92 % at 20 and 94 % at
    100; percentile bootstraps have less of either up to 20.

    Args:
        samples: ``[sample, …]``.
        clusters: one label for each sample.
        level: how often such an interval holds the mean.

    Returns:
        lower and upper bounds, both ``[…]``, in the samples' unit; NaN with a single cluster.
    """
    mean, error = mean_and_error(samples, clusters)
    margin = t_quantile((1 + level) / 2, len(set(clusters)) - 1) * error
    return mean - margin, mean + margin


def linearised(
    numerators: NDArray[np.float64], denominators: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Linearised samples of a ratio of means, which has no samples of its own.

    R + (n_i − R d_i) / d̄ with R = n̄ / d̄: its mean is R, and the error of its mean the ratio's to
    first order (the delta method; Cochran 1977, Sampling Techniques, §6.4).

    Args:
        numerators: n, ``[sample, …]``.
        denominators: d, ``[sample]``.

    Returns:
        ``[sample, …]``.
    """
    mean = denominators.mean()
    ratio = numerators.mean(axis=0) / mean
    wholes = denominators.reshape(-1, *([1] * ratio.ndim))
    samples: NDArray[np.float64] = ratio + (numerators - ratio * wholes) / mean
    return samples


def ratio_and_error(
    numerators: NDArray[np.float64],
    denominators: NDArray[np.float64],
    clusters: Sequence[object],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ratio of means, and its standard error over clusters.

    The error is that of the mean of the :func:`linearised` samples. The denominator must be told
    from 0, which measures of fractions make sure of. Over 16 normal pairs whose denominator is 3
    standard errors from 0, the ratio's spread in simulations is 0.104 and the median error 0.098; a
    jackknife (Efron 1982) gives 0.099, and a bootstrap, which draws denominators near 0, 0.150.

    So near to 0 an interval of ratio ± t · error is symmetric where the exact one is not (Fieller
    1954): where numerator and denominator vary on their own, its one-sided 95 % bound away from 0
    holds in 80 to 90 % of all cases, and the one towards 0 in 99 %. From 20 standard errors on both
    hold in 94 to 96 %.

    Args:
        numerators: ``[sample, …]``.
        denominators: ``[sample]``.
        clusters: one label for each sample.

    Returns:
        ratio and error, both ``[…]``; the error is NaN with a single cluster.
    """
    return mean_and_error(linearised(numerators, denominators), clusters)


def sign_flip_p(
    differences: NDArray[np.float64], clusters: Sequence[object], *, seed: int = 0
) -> NDArray[np.float64]:
    """Two-sided family-wise p-values that paired differences have another mean than 0.

    As :func:`max_t_p`, with the sums of whole clusters flipped instead of samples, and largest |T|
    in place of largest T. Sums that are exponential about a mean of 0 have p ≤ 0.05 in 8 % of all
    cases alone, and one of twelve has in 13 %.

    Args:
        differences: ``[sample, …]``, finite; NaN for heads that the model does not have.
        clusters: one label for each sample.
        seed: seed of the draws.

    Returns:
        p-values ``[…]``, NaN for heads that the model does not have; the family is all others.
    """
    sums, _ = _cluster_sums(differences, clusters)
    # A difference and its negative are a family of two, the larger T of which is |T|.
    p: NDArray[np.float64] = max_t_p(np.stack([sums, -sums], axis=1), seed=seed).min(axis=0)
    return p


#: Up to so many samples all sign flips are tried; above, as many as these have are drawn.
_EXACT_UP_TO = 12
#: Cosines that differ by no more than this are ties: the same sum in another order does.
_TIE = 1e-12
#: Flips times heads that are looked at in one go.
_AT_ONCE = 1 << 21


def max_t_p(differences: NDArray[np.float64], *, seed: int = 0) -> NDArray[np.float64]:
    """One-sided family-wise p-values that paired differences have a mean above 0.

    Max-T sign flips (Westfall & Young 1993). Each head has T = mean / standard error of its
    differences. Under the null the differences of a sample are as likely as their negatives, all
    heads' together; every flip of whole samples has a largest T of all heads, max T*, and

    p = share of flips with max T* ≥ T.

    Up to 12 samples all 2ⁿ flips are tried and p is exact. It is never less than 2⁻ⁿ: fewer than
    five samples can't reach 0.05. Above, 4,096 flips are drawn from the raw stream of
    ``numpy.random.PCG64(seed)``, which is fixed, and p = (1 + number of them) / (1 + 4,096).

    The null takes differences that are symmetric about 0, as those of exchangeable pairs are.
    Skewed ones with a mean of 0 have p ≤ 0.05 more often: exponential ones with their tail below in
    10 % of all cases alone, and one of 12 or more heads in 20 to 25 %.

    Differences that are all alike have the largest T there is, or 0 if all are 0.

    Args:
        differences: ``[sample, …]``, finite; NaN for heads that the model does not have.
        seed: seed of the draws.

    Returns:
        p-values ``[…]``, NaN for heads that the model does not have; the family is all others.
    """
    count = len(differences)
    every = differences.reshape(count, -1)
    there = ~np.isnan(every).any(axis=0)
    flat = every[:, there]
    norms = np.linalg.norm(flat, axis=0)
    # A flip leaves the norm as it is, so T = r √((n − 1) / (n − r²)) grows with r, the sum of the
    # differences divided by their norm, in the same way for every head. r is never infinite.
    units = flat / np.where(norms > 0, norms, 1)
    exact = count <= _EXACT_UP_TO
    signs = _all_signs(count) if exact else _drawn_signs(count, seed)
    parts = np.array_split(signs, 1 + signs.shape[0] * units.shape[1] // _AT_ONCE)
    largest = np.sort(np.concatenate([(part @ units).max(axis=1) for part in parts]))
    reached = len(largest) - np.searchsorted(largest, units.sum(axis=0) - _TIE)
    # The samples as they are count as one of the flips that were drawn.
    p = np.full(every.shape[1], np.nan)
    p[there] = (reached + (not exact)) / (len(largest) + (not exact))
    return p.reshape(differences.shape[1:])


def _all_signs(count: int) -> NDArray[np.float64]:
    """Every pattern of signs, ``[2 ** count, count]``."""
    return np.where(np.arange(1 << count)[:, None] >> np.arange(count) & 1, -1.0, 1.0)


def _drawn_signs(count: int, seed: int) -> NDArray[np.float64]:
    """Random patterns of signs, ``[2 ** 12, count]``."""
    raw = np.random.PCG64(seed).random_raw(count << _EXACT_UP_TO)
    return np.where(raw >> np.uint64(63), -1.0, 1.0).reshape(-1, count)
