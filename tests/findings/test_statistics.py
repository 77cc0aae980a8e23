from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from pytest_circuits.findings.statistics import mean_and_error, ratio_and_error, t95


def quantile_of_students_t(df: int, start: float) -> float:
    def surplus(t):
        tail = mpmath.betainc(df / 2, 0.5, 0, df / (df + t**2), regularized=True) / 2
        return 0.05 - tail

    return float(mpmath.findroot(surplus, start))


@pytest.mark.parametrize("clusters", range(2, 61))
def test_t95_is_the_quantile_of_students_t(clusters):
    ours = t95(clusters)

    assert ours == pytest.approx(quantile_of_students_t(clusters - 1, start=ours), abs=1e-4)


def test_t95_falls_towards_the_normal_quantile():
    quantiles = [t95(clusters) for clusters in range(2, 200)]

    assert quantiles == sorted(quantiles, reverse=True)
    assert t95(10**6) == pytest.approx(1.6448536, abs=1e-5)


@pytest.mark.parametrize("clusters", [0, 1])
def test_one_cluster_has_no_quantile(clusters):
    assert math.isnan(t95(clusters))


def test_the_error_of_singleton_clusters_is_the_textbook_standard_error():
    samples = np.random.default_rng(0).normal(size=(12, 3, 4))

    mean, error = mean_and_error(samples, range(12))

    np.testing.assert_allclose(mean, samples.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(error, samples.std(axis=0, ddof=1) / math.sqrt(12), rtol=1e-12)


def test_a_sample_given_twice_in_its_cluster_adds_no_certainty():
    samples = np.random.default_rng(1).normal(size=(8, 2))
    clusters = list("aabbbcde")

    once = mean_and_error(samples, clusters)
    twice = mean_and_error(np.repeat(samples, 2, axis=0), np.repeat(clusters, 2))

    np.testing.assert_allclose(twice[0], once[0], rtol=1e-12)
    np.testing.assert_allclose(twice[1], once[1], rtol=1e-12)


def test_the_error_of_uneven_clusters_equals_its_formula():
    samples = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 3.0])
    clusters = ["x", "x", "y", "z", "z", "z"]
    mean = samples.mean()
    residuals = {"x": 3 - 2 * mean, "y": 4 - mean, "z": 27 - 3 * mean}

    _, error = mean_and_error(samples, clusters)

    assert error == pytest.approx(math.sqrt(3 / 2 * sum(r**2 for r in residuals.values())) / 6)


def test_clusters_count_by_label_wherever_they_stand():
    samples = np.array([1.0, 5.0, 2.0, 7.0])

    together = mean_and_error(samples[[0, 2, 1, 3]], ["a", "a", "b", "b"])
    mixed = mean_and_error(samples, ["a", "b", "a", "b"])

    assert mixed == pytest.approx(together)


def test_one_cluster_has_a_mean_and_no_error():
    mean, error = mean_and_error(np.array([[1.0, 2.0], [3.0, 4.0]]), ["same", "same"])

    np.testing.assert_array_equal(mean, [2.0, 3.0])
    assert np.isnan(error).all()
    assert error.shape == (2,)


def bootstrap_by_hand(numerators, denominators, clusters, draws, seed):
    names = list(dict.fromkeys(clusters))
    weights = np.random.Generator(np.random.PCG64(seed)).multinomial(
        len(names), [1 / len(names)] * len(names), size=draws
    )
    ratios = []
    for draw in weights:
        times = dict(zip(names, draw, strict=True))
        top = sum(times[c] * n for c, n in zip(clusters, numerators, strict=True))
        bottom = sum(times[c] * d for c, d in zip(clusters, denominators, strict=True))
        ratios.append(top / bottom)
    return np.std(ratios, axis=0, ddof=1)


def test_a_ratio_is_that_of_means_and_its_error_that_of_a_bootstrap_over_clusters():
    rng = np.random.default_rng(2)
    numerators, denominators = rng.normal(size=(7, 2, 2)), rng.uniform(1, 2, size=7)
    clusters = list("aabbccd")

    ratio, error = ratio_and_error(numerators, denominators, clusters, draws=100, seed=5)

    np.testing.assert_allclose(ratio, numerators.mean(axis=0) / denominators.mean(), rtol=1e-12)
    by_hand = bootstrap_by_hand(numerators, denominators, clusters, draws=100, seed=5)
    np.testing.assert_allclose(error, by_hand, rtol=1e-9)


def test_a_ratio_of_means_is_no_mean_of_ratios():
    ratio, _ = ratio_and_error(np.array([1.0, 1.0]), np.array([1.0, 0.001]), range(2))

    assert ratio == pytest.approx(2 / 1.001)


def test_a_bootstrap_gives_the_same_error_every_time():
    rng = np.random.default_rng(3)
    numerators, denominators = rng.normal(size=(9, 3)), rng.uniform(1, 2, size=9)

    first = ratio_and_error(numerators, denominators, range(9))
    second = ratio_and_error(numerators, denominators, range(9))
    elsewhere = ratio_and_error(numerators, denominators, range(9), seed=1)

    np.testing.assert_array_equal(first[1], second[1])
    assert not np.array_equal(first[1], elsewhere[1])
    np.testing.assert_allclose(first[1], elsewhere[1], rtol=0.1)


def test_draws_whose_denominator_vanishes_are_left_out():
    # Twice the second prompt and once the third is a denominator of 0.
    ratio, error = ratio_and_error(np.array([1.0, 1.0, 1.0]), np.array([1.0, -1.0, 2.0]), range(3))

    assert ratio == pytest.approx(1.5)
    assert np.isfinite(error)


def test_a_ratio_over_one_cluster_has_no_error():
    ratio, error = ratio_and_error(np.array([[3.0, 1.0]]), np.array([2.0]), ["only"])

    np.testing.assert_array_equal(ratio, [1.5, 0.5])
    assert np.isnan(error).all()
