from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from verdicts.handmade import TOLERANCE, number, role

from pytest_circuits.findings import paired_differences
from pytest_circuits.findings.power import prompts_to_tell
from pytest_circuits.verdicts import Allowance, imprecision

#: Deviations of ten samples: mean 0, standard error a third of the size.
STEPS = np.tile([1.0, -1.0], 5)


def heads(**deviations: float):
    """Heads of 0.9 and less, with deviations of that size from sample to sample."""
    return role({head: 0.9 - 0.1 * i + d * STEPS for i, (head, d) in enumerate(deviations.items())})


STEADY = heads(L0H0=0.0, L0H1=0.0)


def test_a_tolerance_of_two_standard_errors_and_more_is_precise():
    # The error is 0.3333 of the deviation, the tolerance 0.05.
    assert imprecision(heads(L0H0=0.07, L0H1=0.0), STEADY, TOLERANCE) is None
    assert imprecision(heads(L0H0=0.08, L0H1=0.0), STEADY, TOLERANCE) is not None


def test_the_least_sure_head_is_named_with_what_it_takes():
    found = heads(L0H0=0.09, L0H1=0.12)

    unsure = imprecision(found, STEADY, TOLERANCE)

    assert (unsure.name, unsure.tolerance) == ("L0H1", 0.05)
    assert unsure.error == pytest.approx(paired_differences(found, STEADY)["L0H1"].error)
    assert unsure.prompts == prompts_to_tell(0.05, unsure.error, found)
    assert unsure.prompts > found.samples


def test_a_head_is_held_against_its_own_tolerance():
    tolerance = replace(TOLERANCE, value=Allowance(0.05, 0.1))

    # 0.09 for 0.9, 0.08 for 0.8.
    assert imprecision(heads(L0H0=0.12, L0H1=0.115), STEADY, tolerance) is None
    assert imprecision(heads(L0H0=0.12, L0H1=0.125), STEADY, tolerance).name == "L0H1"
    # Beside the strongest every head may move a share of what that one has.
    assert imprecision(heads(L0H0=0.12, L0H1=0.125), STEADY, replace(tolerance, top=0.1)) is None


def test_one_number_is_held_against_its_own():
    def logit_diff(deviation):
        return replace(number(3.0, error=0.1), profiles={"logit_diff": 3.0 + deviation * STEPS})

    unsure = imprecision(logit_diff(0.6), logit_diff(0.0), TOLERANCE)

    assert unsure.name == "logit_diff"
    assert imprecision(logit_diff(0.05), logit_diff(0.0), TOLERANCE) is None


@pytest.mark.parametrize(
    "change",
    [{"prompts": {"kind": "pairs"}}, {"profiles": {}}, {"clusters": 5}],
    ids=lambda change: next(iter(change)),
)
def test_what_is_no_pair_says_nothing(change):
    assert imprecision(heads(L0H0=0.5), replace(heads(L0H0=0.0), **change), TOLERANCE) is None


def test_a_tolerance_of_nothing_is_meant():
    exact = replace(TOLERANCE, value=Allowance(0.0, 0.0))

    assert imprecision(heads(L0H0=0.5), heads(L0H0=0.0), exact) is None
