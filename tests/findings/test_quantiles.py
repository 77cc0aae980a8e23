from __future__ import annotations

import math

import mpmath
import pytest

from pytest_circuits.findings.quantiles import t_quantile


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
