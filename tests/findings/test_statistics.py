from __future__ import annotations

import math
import time
from itertools import product

import mpmath
import numpy as np
import pytest
import torch
from transformer_lens.utilities.statistics import sign_flip_permutation_pvalue, success_rate_ci

from pytest_circuits.findings.statistics import (
    interval,
    max_t_p,
    mean_and_error,
    ratio_and_error,
    sign_flip_p,
    stratified,
    t95,
)


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


def test_a_ratio_is_that_of_means_and_its_error_that_of_its_deviations_over_clusters():
    rng = np.random.default_rng(2)
    numerators, denominators = rng.normal(size=(7, 2, 2)), rng.uniform(1, 2, size=7)
    clusters = list("aabbccd")

    ratio, error = ratio_and_error(numerators, denominators, clusters)

    expected = numerators.sum(axis=0) / denominators.sum()
    np.testing.assert_allclose(ratio, expected, rtol=1e-12)
    # Cochran 1977, (6.13), by cluster: Σ_g (Σ_{i in g} n_i − R d_i)², with G / (G − 1).
    left = numerators - expected * denominators[:, None, None]
    squares = sum(left[[c == name for c in clusters]].sum(axis=0) ** 2 for name in "abcd")
    np.testing.assert_allclose(error, np.sqrt(4 / 3 * squares) / denominators.sum(), rtol=1e-9)


def jackknife_by_hand(numerators, denominators):
    """The error of a ratio from the ratios without one sample each (Efron 1982, §3)."""
    count = len(numerators)
    without = [
        np.delete(numerators, i, axis=0).sum(axis=0) / np.delete(denominators, i).sum()
        for i in range(count)
    ]
    return np.sqrt((count - 1) * np.var(without, axis=0))


def test_a_ratios_error_is_nearly_a_jackknifes():
    rng = np.random.default_rng(3)
    denominators = rng.uniform(1, 2, size=20)
    numerators = 0.6 * denominators[:, None] + rng.normal(0, 0.3, size=(20, 5))

    _, error = ratio_and_error(numerators, denominators, range(20))

    by_hand = jackknife_by_hand(numerators, denominators)
    np.testing.assert_allclose(error, by_hand, rtol=0.02)
    assert np.abs(error / by_hand - 1).max() > 1e-6  # not one by another name


def test_a_ratio_of_means_is_no_mean_of_ratios():
    ratio, _ = ratio_and_error(np.array([1.0, 1.0]), np.array([1.0, 0.001]), range(2))

    assert ratio == pytest.approx(2 / 1.001)


def test_a_ratio_over_one_cluster_has_no_error():
    ratio, error = ratio_and_error(np.array([[3.0, 1.0]]), np.array([2.0]), ["only"])

    np.testing.assert_array_equal(ratio, [1.5, 0.5])
    assert np.isnan(error).all()


def column(*differences):
    """The differences of one head, ``[sample, head]``."""
    return np.array(differences, dtype=float)[:, None]


def test_three_alike_differences_are_matched_by_one_flip_in_eight():
    assert max_t_p(column(1, 1, 1)) == 1 / 8
    assert max_t_p(column(-1, -1, -1)) == 1


def test_p_counts_the_flips_that_do_as_well():
    # Sums of ±1 ±2 ±3 ±4: of 16, those that reach 1 − 2 + 3 + 4 = 6 are 10, 8, 6.
    assert max_t_p(column(1, -2, 3, 4)) == 3 / 16
    # Those that reach 0: 10, 8, 6, 4, 4, 2, 2 and two ways to 0.
    assert max_t_p(column(1, -2, -3, 4)) == 9 / 16


def test_a_head_has_to_do_better_than_the_best_head_of_a_flip():
    # Differences of 1 and 2: t is 3 as they are, 1/3 with the 1 flipped, −1/3 with the 2, then −3.
    alone = np.array([[1.0], [2.0]])
    # Of 1 and −1: t is 0, and infinite once they have the same sign.
    rival = np.array([[1.0], [-1.0]])

    assert max_t_p(alone).tolist() == [1 / 4]
    # The largest of both are 3, 1/3, ∞ and 0.
    assert max_t_p(np.hstack([alone, rival])).tolist() == [2 / 4, 4 / 4]


def max_t_by_hand(differences):
    def t(values):
        error = values.std(ddof=1) / math.sqrt(len(values))
        return values.mean() / error

    count, heads = differences.shape
    largest = [
        max(t(np.array(signs) * differences[:, head]) for head in range(heads))
        for signs in product([1, -1], repeat=count)
    ]
    return [
        np.mean([other >= t(differences[:, head]) - 1e-9 for other in largest])
        for head in range(heads)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_p_is_that_of_the_definition_by_hand(seed):
    differences = np.random.default_rng(seed).normal(0.4, 1, size=(7, 3))

    np.testing.assert_allclose(max_t_p(differences), max_t_by_hand(differences), rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_p_of_a_single_head_is_that_of_an_ordinary_sign_flip_test(seed):
    # The squares don't change under flips, so t and the mean put them in the same order.
    differences = np.random.default_rng(seed).normal(0.3, 1, size=10)

    theirs = sign_flip_permutation_pvalue(torch.tensor(differences), alternative="greater")

    assert max_t_p(differences[:, None]) == pytest.approx(float(theirs), abs=1e-6)


def test_drawn_flips_come_close_to_all_of_them():
    # Thirteen samples are too many for all flips; a thirteenth of 0 changes nothing but that.
    differences = np.random.default_rng(4).normal(0.5, 1, size=(12, 6))

    exact = max_t_p(differences)
    drawn = max_t_p(np.vstack([differences, np.zeros(6)]))

    assert exact.min() < 0.1 < exact.max()
    np.testing.assert_allclose(drawn, exact, atol=0.03)


def test_drawn_flips_count_the_samples_as_they_are_among_them():
    (p,) = max_t_p(np.ones((40, 1)))

    assert p == 1 / 4097


def test_drawn_flips_are_the_same_every_time():
    differences = np.random.default_rng(5).normal(0.2, 1, size=(20, 9))

    np.testing.assert_array_equal(max_t_p(differences), max_t_p(differences))
    # The raw stream of PCG64, which numpy never changes.
    assert max_t_p(differences[:, :1]) == pytest.approx(566 / 4097, abs=1e-12)


@pytest.mark.parametrize("count", [3, 5, 10, 12])
def test_a_perfect_head_has_the_least_p_there_is(count):
    others = np.random.default_rng(count).normal(size=(count, 200))
    # As float32 attention leaves it.
    perfect = 1 + 1e-7 * np.random.default_rng(0).uniform(-1, 1, size=(count, 1))

    p = max_t_p(np.hstack([others, perfect]))

    assert p[-1] == 2.0**-count
    assert np.isfinite(p).all()


def test_no_difference_at_all_is_no_evidence():
    p = max_t_p(np.hstack([np.zeros((6, 2)), np.ones((6, 1))]))

    assert p.tolist() == [1, 1, 1 / 64]


def test_the_unit_of_a_head_does_not_count():
    differences = np.random.default_rng(6).normal(0.3, 1, size=(8, 5))

    scaled = differences * [1e-6, 1, 1e6, 3, 0.25]

    np.testing.assert_array_equal(max_t_p(scaled), max_t_p(differences))


def least_p(samples, heads, datasets):
    """The least p of all heads in each of many datasets without any effect."""
    rng = np.random.default_rng(7)
    least = []
    for _ in range(datasets):
        # Heads that resemble each other, of unlike spread, some of them with heavy tails.
        shared = rng.normal(size=(samples, 1))
        noise = rng.standard_t(2, size=(samples, heads))
        least.append(max_t_p((shared + noise) * np.logspace(-3, 1, heads)).min())
    return np.array(least)


@pytest.mark.parametrize(("samples", "heads"), [(6, 4), (10, 40), (14, 8)])
def test_without_an_effect_the_least_p_of_all_heads_is_uniform(samples, heads):
    datasets = 400

    least = least_p(samples, heads, datasets)

    for level in (0.05, 0.2, 0.5):
        hits = [bool(p <= level) for p in least]
        interval = success_rate_ci(hits)
        assert interval.ci_low <= level
        # p comes in steps, so it may be a little larger than it need be.
        assert interval.ci_high >= level - 2.0**-samples


def test_the_heads_of_a_model_are_tested_in_no_time():
    differences = np.random.default_rng(8).normal(size=(10, 270))
    max_t_p(differences)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        max_t_p(differences)
        times.append(time.perf_counter() - start)

    assert min(times) < 0.05


def test_one_sample_says_nothing():
    assert max_t_p(np.ones((1, 3))).tolist() == [1 / 2, 1 / 2, 1 / 2]


def test_an_interval_of_few_clusters_is_that_of_students_t():
    samples = np.array([[1.0, 0.0], [2.0, 0.0], [4.0, 3.0], [8.0, 0.0], [16.0, 0.0]])
    clusters = list("aabcd")
    mean, error = mean_and_error(samples, clusters)

    low, high = interval(samples, clusters)

    t = 3.182446  # 97.5 %, 3 degrees of freedom
    np.testing.assert_allclose(low, mean - t * error, rtol=1e-6)
    np.testing.assert_allclose(high, mean + t * error, rtol=1e-6)
    narrow = interval(samples, clusters, level=0.9)
    np.testing.assert_allclose(narrow[1], mean + t95(4) * error, rtol=1e-12)


def test_an_interval_of_many_clusters_is_that_of_students_t_too():
    samples = np.random.default_rng(9).exponential(size=(45, 2))
    clusters = [index // 2 for index in range(45)]  # the last has one sample
    mean, error = mean_and_error(samples, clusters)

    low, high = interval(samples, clusters)

    t = 2.073873  # 97.5 %, 22 degrees of freedom
    np.testing.assert_allclose([low, high], [mean - t * error, mean + t * error], rtol=1e-6)


def test_an_interval_of_one_cluster_is_unknown():
    low, high = interval(np.array([1.0, 2.0]), ["a", "a"])

    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize("seed", range(3))
def test_flips_of_whole_clusters_give_the_two_sided_p_of_their_sums(seed):
    differences = np.random.default_rng(seed).normal(0.3, 1, size=12)
    clusters = [index // 2 for index in range(12)]

    theirs = sign_flip_permutation_pvalue(
        torch.tensor(differences.reshape(6, 2).sum(axis=1)), alternative="two-sided"
    )

    assert sign_flip_p(differences, clusters) == pytest.approx(float(theirs), abs=1e-6)
    assert sign_flip_p(-differences, clusters) == pytest.approx(float(theirs), abs=1e-6)


def test_two_sided_flips_are_over_all_values_at_once():
    alike = np.ones(5)
    alone = sign_flip_p(np.stack([alike, -alike], axis=1), range(5))
    beside = sign_flip_p(np.stack([alike, [1.0, -1, 1, 1, 1]], axis=1), range(5))

    # All alike, one way or the other: 2 of 32. The second rises to that in two flips more.
    assert alone.tolist() == [2 / 32, 2 / 32]
    assert beside[0] == 4 / 32
    assert sign_flip_p(np.zeros(4), range(4)) == 1


@pytest.mark.parametrize("clusters", [6, 10, 14])
def test_symmetric_differences_without_an_effect_are_as_rarely_one(clusters):
    rng = np.random.default_rng(14)
    labels = np.repeat(range(clusters), 2)
    least = []
    for _ in range(400):
        shared = rng.standard_t(3, size=(clusters, 8)) + rng.normal(size=(clusters, 1))
        differences = shared[labels] + rng.normal(size=(2 * clusters, 8))
        least.append(sign_flip_p(differences, labels.tolist()).min())

    found = success_rate_ci([bool(p <= 0.05) for p in least])
    assert found.ci_low <= 0.05
    assert found.ci_high >= 0.05 - 2.0 ** (1 - clusters)


def some_absent(draw, *, samples=8):
    """Samples of four heads, of which the model does not have the second and the last."""
    whole = draw.normal(0.3, 1.0, (samples, 2, 2))
    sparse = whole.copy()
    sparse[:, :, 1] = np.nan
    return sparse, whole[:, :, :1]


CLUSTERS = [0, 0, 1, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "statistic",
    [
        lambda samples: mean_and_error(samples, CLUSTERS),
        lambda samples: interval(samples, CLUSTERS),
        lambda samples: ratio_and_error(samples, np.arange(1.0, 9.0), CLUSTERS),
        lambda samples: [max_t_p(samples)],
        lambda samples: [max_t_p(np.repeat(samples, 2, axis=0))],
        lambda samples: [sign_flip_p(samples, CLUSTERS)],
    ],
    ids=["mean", "t-interval", "ratio", "max-T", "drawn flips", "sign flips"],
)
def test_heads_that_the_model_does_not_have_leave_the_others_as_they_are(statistic):
    """A NaN stays where it is: the largest T of a flip is that of the heads that are there."""
    sparse, others = some_absent(np.random.default_rng(4))
    for made, expected in zip(statistic(sparse), statistic(others), strict=True):
        assert np.isnan(made[:, 1]).all()
        np.testing.assert_allclose(made[:, :1], expected, rtol=1e-12)


def test_stratified_samples_have_the_mean_and_the_error_of_a_stratified_mean():
    rng = np.random.default_rng(0)
    short, long = rng.normal(1, 1, (10, 3)), rng.normal(-2, 3, (5, 3))

    samples = stratified(np.concatenate([short, long]), ["short"] * 10 + ["long"] * 5)

    mean, error = mean_and_error(samples, range(15))
    np.testing.assert_allclose(mean, (short.mean(0) + long.mean(0)) / 2)
    by_hand = np.sqrt(short.var(0, ddof=1) / 10 + long.var(0, ddof=1) / 5) / 2
    np.testing.assert_allclose(error, by_hand)


def test_samples_of_one_stratum_are_as_they_are():
    samples = np.array([1.0, 2.0, 4.0])

    assert stratified(samples, ["all"] * 3) is samples


def test_differences_of_stratified_samples_are_stratified_differences():
    rng = np.random.default_rng(1)
    one, other = rng.normal(0, 1, 8), rng.normal(0, 1, 8)
    strata = [0, 0, 0, 1, 1, 1, 1, 1]

    np.testing.assert_allclose(
        stratified(one - other, strata), stratified(one, strata) - stratified(other, strata)
    )


def test_an_interval_of_stratified_samples_holds_the_mean_nearly_as_often_as_it_says():
    rng = np.random.default_rng(2)
    strata, tries = [0] * 10 + [1] * 5, 2000
    holds = 0
    for _ in range(tries):
        samples = np.concatenate([rng.normal(3, 1, 10), rng.normal(-3, 1, 5)])
        low, high = interval(stratified(samples, strata), range(15))
        holds += bool(low <= 0 <= high)
    assert 0.92 <= holds / tries <= 0.96
