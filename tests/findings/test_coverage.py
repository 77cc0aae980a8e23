"""How often intervals hold what they are intervals of, and how large errors of ratios are."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_circuits.findings.statistics import (
    interval,
    mean_and_error,
    ratio_and_error,
    share_bounds,
    t95,
)


def normal(rng, clusters, datasets):
    return rng.normal(2, 3, (clusters, datasets)), range(clusters), 2


def skewed(rng, clusters, datasets):
    return rng.exponential(1, (clusters, datasets)), range(clusters), 1


def unequal(rng, clusters, datasets):
    """One to six samples a cluster, which have half of their variance in common."""
    labels = np.repeat(np.arange(clusters), 1 + np.arange(clusters) % 6)
    shared = rng.normal(0, 1, (clusters, datasets))[labels]
    return shared + rng.normal(0, 1, (len(labels), datasets)), labels.tolist(), 0


def shares(rng, clusters, datasets):
    return (rng.random((clusters, datasets)) < 0.5).astype(float), range(clusters), 0.5


def coverage(draw, clusters, datasets):
    """How often 95 % intervals of as many datasets, all at once as if each were a head, hold."""
    samples, labels, truth = draw(np.random.default_rng(11), clusters, datasets)
    low, high = interval(samples, labels)
    return float(np.mean((low <= truth) & (truth <= high)))


#: Coverage at 5, 10, 20 and 100 clusters, to ± 0.02. Intervals of skewed samples are short of it.
TABLE = {
    normal: (0.95, 0.95, 0.95, 0.95),
    skewed: (0.88, 0.90, 0.92, 0.94),
    unequal: (0.93, 0.94, 0.945, 0.95),
    shares: (0.94, 0.975, 0.955, 0.94),
}
CLUSTERS = (5, 10, 20, 100)


@pytest.mark.parametrize("draw", TABLE)
@pytest.mark.parametrize("at", range(4), ids=lambda at: f"{CLUSTERS[at]} clusters")
def test_an_interval_holds_the_mean_as_often_as_it_says(draw, at):
    found = coverage(draw, CLUSTERS[at], 2000)

    assert found == pytest.approx(TABLE[draw][at], abs=0.02)


@pytest.mark.nightly
@pytest.mark.parametrize("clusters", [3, 5, 10, 19, 20, 21, 50, 100, 200])
def test_no_number_of_clusters_makes_an_interval_short(clusters):
    assert coverage(normal, clusters, 40_000) == pytest.approx(0.95, abs=0.005)
    assert coverage(unequal, clusters, 10_000) >= 0.91
    # The tail of a skewed distribution is seen by many samples alone.
    assert coverage(skewed, clusters, 40_000) >= 0.88 + 0.05 * (clusters >= 50)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("clusters", CLUSTERS)
def test_an_exact_interval_holds_the_share_of_prompts_that_come_in_clusters(clusters, share):
    rng = np.random.default_rng(13)
    # Four prompts a cluster, which correlate by a half.
    right = rng.random((4, clusters, 2000)) < rng.beta(share, 1 - share, (clusters, 2000))
    found = right.mean(axis=(0, 1))

    low, high = (share_bounds(found, clusters, upper=upper, tail=0.025) for upper in (False, True))

    assert np.mean((low <= share) & (share <= high)) >= 0.95


def ratios(clusters, distance, datasets, *, tied):
    """Numerators and denominators of datasets whose gap is told from 0, ``[cluster, dataset]``.

    Args:
        clusters: how many pairs.
        distance: how many standard errors the gap is from 0.
        datasets: how many are drawn.
        tied: whether numerators vary with the gap, or on their own.
    """
    rng = np.random.default_rng(12)
    noise = rng.normal(size=(2, clusters, datasets))
    gap = distance / np.sqrt(clusters)
    wholes = gap + noise[0]
    parts = 0.6 * (gap + tied * noise[0]) + 0.3 * noise[1]
    mean, error = mean_and_error(wholes, range(clusters))
    there = mean > t95(clusters) * error
    return parts[:, there], wholes[:, there]


def spread_and_error(parts, wholes):
    """The spread of the ratios, without their far tails, and the median of their errors."""
    clusters = range(len(parts))
    pairs = zip(parts.T, wholes.T, strict=True)
    found = np.array([ratio_and_error(part, whole, clusters) for part, whole in pairs])
    low, high = np.quantile(found[:, 0], [0.1587, 0.8413])
    return (high - low) / 2, np.median(found[:, 1])


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "on its own"])
@pytest.mark.parametrize("distance", [2, 3, 5, 20])
def test_the_error_of_a_ratio_is_its_spread_however_near_the_gap_is_to_0(distance, tied):
    spread, error = spread_and_error(*ratios(16, distance, 1200, tied=tied))

    # A bootstrap's is three times the spread at 2 standard errors, and nine times on its own.
    assert error == pytest.approx(spread, rel=0.3 if distance == 2 and not tied else 0.15)


@pytest.mark.nightly
@pytest.mark.parametrize("clusters", CLUSTERS)
@pytest.mark.parametrize("distance", [3, 5, 20])
def test_a_ratios_lower_bound_holds(clusters, distance):
    parts, wholes = ratios(clusters, distance, 10_000, tied=True)
    pairs = zip(parts.T, wholes.T, strict=True)
    found = [ratio_and_error(part, whole, range(clusters)) for part, whole in pairs]
    held = [value - t95(clusters) * error <= 0.6 for value, error in found]
    assert np.mean(held) >= 0.94
