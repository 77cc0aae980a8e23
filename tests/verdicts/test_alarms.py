"""How many false alarms to expect: an exact upper bound of the rate that was seen."""

from pytest_circuits.findings.statistics import share_bound
from pytest_circuits.verdicts import expected_alarms
from pytest_circuits.verdicts.tolerances import BENIGN_ALARMS


def test_the_expected_number_grows_with_the_findings():
    rate = share_bound(*BENIGN_ALARMS, upper=True)
    assert [expected_alarms(n) for n in (0, 1, 40)] == [0, rate, 40 * rate]


def test_the_rate_comes_from_enough_findings_to_say_something():
    alarms, findings = BENIGN_ALARMS
    assert 0 <= alarms < findings
    assert findings >= 100
