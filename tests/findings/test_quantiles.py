from __future__ import annotations

import math
from statistics import NormalDist

import mpmath
import pytest
from transformer_lens.utilities.statistics import success_rate_ci

from pytest_circuits.findings.statistics import chi_square_quantile, share_bound, t_quantile


def share_below(t: float, df: int) -> float:
    tail = mpmath.betainc(df / 2, 0.5, 0, df / (df + t**2), regularized=True) / 2
    return float(1 - tail if t > 0 else tail)


@pytest.mark.parametrize("p", [0.001, 0.2, 0.6, 0.8, 0.95, 0.975, 0.9999])
@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 19, 30, 199, 200, 201, 1000])
def test_a_quantile_has_its_share_below_it(p, df):
    assert share_below(t_quantile(p, df), df) == pytest.approx(p, abs=1e-9)


def test_quantiles_known_in_closed_form():
    assert t_quantile(0.75, 1) == pytest.approx(1)  # Cauchy: tan(π (p − ½))
    assert t_quantile(0.975, 1) == pytest.approx(math.tan(0.475 * math.pi))
    assert t_quantile(0.975, 2) == pytest.approx(0.95 * math.sqrt(2 / (1 - 0.95**2)))
    assert t_quantile(0.5, 7) == pytest.approx(0, abs=1e-12)
    assert t_quantile(0.1, 7) == -t_quantile(0.9, 7)


@pytest.mark.parametrize("df", [0, -1])
def test_there_is_none_without_a_degree_of_freedom(df):
    assert math.isnan(t_quantile(0.95, df))


@pytest.mark.parametrize("p", [0.0001, 0.025, 0.5, 0.975, 0.9999])
@pytest.mark.parametrize("df", [1, 2, 3, 15, 99, 1000, 20_000])
def test_a_quantile_of_chi_square_has_its_share_below_it(p, df):
    below = mpmath.gammainc(df / 2, 0, chi_square_quantile(p, df) / 2, regularized=True)
    assert float(below) == pytest.approx(p, rel=1e-9)


def test_quantiles_of_chi_square_known_in_closed_form():
    assert chi_square_quantile(0.975, 1) == pytest.approx(NormalDist().inv_cdf(0.9875) ** 2)
    assert chi_square_quantile(0.025, 2) == pytest.approx(-2 * math.log(0.975))


@pytest.mark.parametrize("n", [1, 2, 10, 59, 1000])
def test_bounds_of_all_and_of_none_are_known_in_closed_form(n):
    assert share_bound(n, n, upper=False) == pytest.approx(0.05 ** (1 / n), abs=1e-12)
    assert share_bound(n, n, upper=True) == 1
    assert share_bound(0, n, upper=True) == pytest.approx(1 - 0.05 ** (1 / n), abs=1e-12)
    assert share_bound(0, n, upper=False) == 0


@pytest.mark.parametrize(("k", "n"), [(1, 2), (3, 10), (9, 10), (17, 40), (499, 500)])
def test_a_bound_leaves_its_tail(k, n):
    low, high = share_bound(k, n, upper=False), share_bound(k, n, upper=True)
    # Binomial tails are incomplete beta functions (Clopper & Pearson 1934).
    at_least_k = mpmath.betainc(k, n - k + 1, 0, low, regularized=True)
    at_most_k = mpmath.betainc(k + 1, n - k, high, 1, regularized=True)
    assert float(at_least_k) == pytest.approx(0.05, abs=1e-9)
    assert float(at_most_k) == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize("tail", [0.05, 0.025])
@pytest.mark.parametrize(
    ("k", "n"), [(0, 6), (1, 2), (7, 12), (30, 30), (5, 40), (120, 500), (2, 1408), (9, 4000)]
)
def test_both_bounds_are_those_of_transformer_lens_interval(k, n, tail):
    theirs = success_rate_ci([True] * k + [False] * (n - k), confidence=1 - 2 * tail)
    assert share_bound(k, n, upper=False, tail=tail) == pytest.approx(theirs.ci_low, abs=1e-12)
    assert share_bound(k, n, upper=True, tail=tail) == pytest.approx(theirs.ci_high, abs=1e-12)


@pytest.mark.parametrize("tail", [0.05, 0.025])
@pytest.mark.parametrize(("k", "n"), [(1, 2), (3, 10), (17, 40), (499, 500), (2, 1408)])
def test_a_bound_is_the_quantile_of_a_beta_distribution(k, n, tail):
    low = share_bound(k, n, upper=False, tail=tail)
    high = share_bound(k, n, upper=True, tail=tail)
    with mpmath.workdps(30):
        lowest = mpmath.findroot(
            lambda p: mpmath.betainc(k, n - k + 1, 0, p, regularized=True) - tail,
            (low - 1e-9, low + 1e-9),
        )
        highest = mpmath.findroot(
            lambda p: mpmath.betainc(k + 1, n - k, p, 1, regularized=True) - tail,
            (high - 1e-9, high + 1e-9),
        )
    assert low == pytest.approx(float(lowest), abs=1e-13)
    assert high == pytest.approx(float(highest), abs=1e-13)


@pytest.mark.parametrize("trials", [1, 10, 59, 400, 100_000])
def test_without_a_success_the_upper_bound_has_a_closed_form(trials):
    assert share_bound(0, trials, upper=True) == pytest.approx(1 - 0.05 ** (1 / trials), rel=1e-9)


@pytest.mark.parametrize(
    ("successes", "trials", "bound"),
    [(0, 10, 0.2589), (1, 10, 0.3942), (2, 20, 0.2826), (5, 50, 0.1988), (9, 10, 0.9949)],
)
def test_an_upper_bound_is_the_one_of_the_tables(successes, trials, bound):
    assert share_bound(successes, trials, upper=True) == pytest.approx(bound, abs=5e-5)


@pytest.mark.parametrize(
    ("successes", "trials"), [(1, 2), (3, 400), (40, 400), (399, 400), (200, 4_000)]
)
def test_an_upper_bound_has_95_percent_of_the_beta_distribution_below_it(successes, trials):
    bound = share_bound(successes, trials, upper=True)
    reached = mpmath.betainc(successes + 1, trials - successes, 0, bound, regularized=True)
    assert float(reached) == pytest.approx(0.95, abs=1e-9)


@pytest.mark.parametrize("trials", [0, 1, 400])
def test_where_every_trial_was_a_success_nothing_is_ruled_out(trials):
    assert share_bound(trials, trials, upper=True) == 1
