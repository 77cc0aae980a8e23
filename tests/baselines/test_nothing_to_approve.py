"""What can't be a baseline, because nothing of it could get lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from verdicts.handmade import fractions, number, role

from pytest_circuits.baselines import Baseline
from pytest_circuits.baselines.approving import approval, nothing_to_approve
from pytest_circuits.findings import Null
from pytest_circuits.verdicts import Allowance, default_tolerance


def test_what_can_get_lost_can_be_approved():
    assert nothing_to_approve(role({"L0H0": 0.9})) is None
    assert nothing_to_approve(fractions({"L0H0": 0.9})) is None


def test_a_gap_on_the_wrong_side_leaves_nothing_to_restore():
    told = nothing_to_approve(fractions({"L0H0": 0.9}, gap=-4.0))

    assert told is not None
    assert told.splitlines() == [
        "nothing to approve: logit diff gap is -4.00 logits: the clean prompts favour the wrong",
        "answer more than the corrupted ones do, and there is nothing to restore.",
        "A baseline needs a model and prompts on which the behaviour shows.",
    ]


def test_a_role_without_heads_cannot_be_approved():
    told = nothing_to_approve(role({"L0H0": 0.3}))

    assert told is not None
    assert told.startswith(
        "nothing to approve: there are no induction heads (induction score of 0.4 or more); "
        "L0H0 has 0.30."
    )


def test_a_gain_below_0_beside_a_loss_at_chance_cannot_be_approved():
    found = role({"L0H0": 0.9})
    loss, gain = found.companion

    def approving(loss, gain):
        return nothing_to_approve(replace(found, companion=(loss, gain)))

    at_chance = replace(loss, value=12.6, chance=10.4)
    below = replace(gain, value=-0.5)
    assert approving(at_chance, gain) is None
    assert approving(replace(loss, chance=10.4), below) is None
    assert approving(at_chance, below).splitlines()[0] == (
        "nothing to approve: repeat gain is -0.50 ± 0.10 nats, below 0."
    )


@pytest.mark.parametrize(
    ("error", "told"), [(1.0, None), (3.0, "4.00 ± 3.00 logits, not distinct")]
)
def test_a_number_that_is_not_distinct_from_0_cannot_be_approved(error, told):
    said = nothing_to_approve(number(4.0, error=error))

    assert (said is None) if told is None else (told in said)


def test_a_number_that_is_not_more_than_its_null_cannot_be_approved():
    nulls = {"logit_diff": Null(2.8, 0.21)}
    told = nothing_to_approve(replace(number(3.0, error=0.1), nulls=nulls))

    assert told.splitlines()[0] == (
        "nothing to approve: logit difference is 3.00, and 2.80 where there is nothing to find "
        "(p 0.21)."
    )
    better = replace(number(3.0, error=0.1), nulls={"logit_diff": Null(0.1, 0.005)})
    assert nothing_to_approve(better) is None


def test_a_gap_that_a_wobble_within_tolerance_would_hide_cannot_be_approved():
    found = fractions({"L0H0": 0.9}, gap=1.0)
    near = replace(found, companion=(replace(found.companion[0], error=0.5),))

    told = nothing_to_approve(near)

    assert told is not None
    assert told.splitlines()[:2] == [
        "nothing to approve: logit diff gap is 1.00 ± 0.50 logits: one that is smaller",
        "by no more than the tolerance of 0.20 would not be distinct from 0.",
    ]


def test_a_tolerance_that_somebody_set_gets_those_of_behaviours_that_are_new():
    before = role({"L0H0": 0.9})
    now = replace(
        before, companion=(*before.companion, replace(before.companion[0], name="accuracy"))
    )
    set_by_hand = replace(default_tolerance(before), value=Allowance(0.07, 0.0), origin="by hand")

    again = approval("", now, Baseline("", before, set_by_hand)).tolerance

    assert again.value == Allowance(0.07, 0.0)
    assert again.behaviours["accuracy"] == default_tolerance(now).behaviours["accuracy"]
