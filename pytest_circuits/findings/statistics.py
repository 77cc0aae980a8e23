"""Standard errors over clusters, the intervals built on them, and family-wise p-values.

Prompts that share a template and an answer pair are not independent, so every error here
counts clusters, not prompts.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: One-sided 95 % quantiles of Student's t for 1 … 30 degrees of freedom.
_T95 = (
    6.3138, 2.9200, 2.3534, 2.1318, 2.0150, 1.9432, 1.8946, 1.8595, 1.8331, 1.8125,
    1.7959, 1.7823, 1.7709, 1.7613, 1.7531, 1.7459, 1.7396, 1.7341, 1.7291, 1.7247,
    1.7207, 1.7171, 1.7139, 1.7109, 1.7081, 1.7056, 1.7033, 1.7011, 1.6991, 1.6973,
)  # fmt: skip


def t95(clusters: int) -> float:
    """The one-sided 95 % quantile of Student's t with ``clusters − 1`` degrees of freedom.

    Above 31 clusters the first terms of its expansion about the normal quantile
    (Abramowitz & Stegun 26.7.5) are exact to four digits. NaN below two clusters.
    """
    df = clusters - 1
    if df < 1:
        return float("nan")
    if df <= len(_T95):
        return _T95[df - 1]
    z = NormalDist().inv_cdf(0.95)
    return z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)


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


def ratio_and_error(
    numerators: NDArray[np.float64],
    denominators: NDArray[np.float64],
    clusters: Sequence[object],
    *,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ratio of means, and its bootstrap standard error over clusters.

    Clusters are drawn with replacement ``draws`` times; the error is the standard deviation of
    the ratio over the draws. Deterministic: the stream of ``numpy.random.PCG64(seed)`` is fixed.

    Args:
        numerators: ``[sample, …]``.
        denominators: ``[sample]``.
        clusters: one label for each sample.
        draws: number of bootstrap draws.
        seed: seed of the draws.

    Returns:
        ratio and error, both ``[…]``; the error is NaN with a single cluster.
    """
    ratio: NDArray[np.float64] = numerators.mean(axis=0) / denominators.mean()
    tops, _ = _cluster_sums(numerators, clusters)
    bottoms, _ = _cluster_sums(denominators, clusters)
    count = len(bottoms)
    if count < 2:  # noqa: PLR2004
        return ratio, np.full_like(ratio, np.nan)
    rng = np.random.Generator(np.random.PCG64(seed))
    weights = rng.multinomial(count, [1 / count] * count, size=draws).astype(np.float64)
    drawn_bottoms = weights @ bottoms
    # A draw whose denominator vanishes says nothing about the ratio.
    usable = np.abs(drawn_bottoms) > 1e-6 * np.abs(bottoms).sum()
    drawn = (weights @ tops.reshape(count, -1))[usable] / drawn_bottoms[usable, None]
    return ratio, drawn.std(axis=0, ddof=1).reshape(ratio.shape)


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

    Differences that are all alike have the largest T there is, or 0 if all are 0.

    Args:
        differences: ``[sample, …]``, finite.
        seed: seed of the draws.

    Returns:
        p-values ``[…]``; the family is all that was given.
    """
    count = len(differences)
    flat = differences.reshape(count, -1)
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
    p: NDArray[np.float64] = (reached + (not exact)) / (len(largest) + (not exact))
    return p.reshape(differences.shape[1:])


def _all_signs(count: int) -> NDArray[np.float64]:
    """Every pattern of signs, ``[2 ** count, count]``."""
    return np.where(np.arange(1 << count)[:, None] >> np.arange(count) & 1, -1.0, 1.0)


def _drawn_signs(count: int, seed: int) -> NDArray[np.float64]:
    """Random patterns of signs, ``[2 ** 12, count]``."""
    raw = np.random.PCG64(seed).random_raw(count << _EXACT_UP_TO)
    return np.where(raw >> np.uint64(63), -1.0, 1.0).reshape(-1, count)
