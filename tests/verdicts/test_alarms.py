"""How many false alarms to expect: an exact upper bound of the rate that was seen."""

import mpmath
import pytest

from pytest_circuits.verdicts.alarms import expected_alarms, rate_bound
from pytest_circuits.verdicts.tolerances import BENIGN_ALARMS


@pytest.mark.parametrize("findings", [1, 10, 59, 400, 100_000])
def test_without_an_alarm_it_has_a_closed_form(findings):
    assert rate_bound(0, findings) == pytest.approx(1 - 0.05 ** (1 / findings), rel=1e-9)


@pytest.mark.parametrize(
    ("alarms", "findings", "bound"),
    [(0, 10, 0.2589), (1, 10, 0.3942), (2, 20, 0.2826), (5, 50, 0.1988), (9, 10, 0.9949)],
)
def test_it_is_the_one_of_the_tables(alarms, findings, bound):
    assert rate_bound(alarms, findings) == pytest.approx(bound, abs=5e-5)


@pytest.mark.parametrize(
    ("alarms", "findings"), [(1, 2), (3, 400), (40, 400), (399, 400), (200, 4_000)]
)
def test_it_is_the_quantile_of_the_beta_distribution(alarms, findings):
    bound = rate_bound(alarms, findings)
    reached = mpmath.betainc(alarms + 1, findings - alarms, 0, bound, regularized=True)
    assert float(reached) == pytest.approx(0.95, abs=1e-9)


@pytest.mark.parametrize("findings", [0, 1, 400])
def test_where_every_finding_was_one_nothing_is_ruled_out(findings):
    assert rate_bound(findings, findings) == 1


def test_the_expected_number_grows_with_the_findings():
    rate = rate_bound(*BENIGN_ALARMS)
    assert [expected_alarms(n) for n in (0, 1, 40)] == [0, rate, 40 * rate]


def test_the_rate_comes_from_enough_findings_to_say_something():
    alarms, findings = BENIGN_ALARMS
    assert 0 <= alarms < findings
    assert findings >= 100
