"""An ablation that hurts more while less is left: backup that is lost, no strength."""

from __future__ import annotations

from dataclasses import replace

import pytest
from verdicts.handmade import fractions, number, role

from pytest_circuits.findings import Behaviour, Direction
from pytest_circuits.verdicts import Change, Kind, default_tolerance, judge, lines


def behaviour(name, value, direction=Direction.HIGHER, unit="logits"):
    return Behaviour(name, value, 0.1, 10, direction, unit)


def harm(intact, left):
    """The drop of a logit difference when heads are ablated together."""
    companion = (behaviour("logit_diff", intact), behaviour("ablated_logit_diff", left))
    return replace(number(intact - left, error=0.1), measure="ablate", companion=companion)


def each(intact, left, **fields):
    """The drop, or the rise of a loss, without each head."""
    rises = fields.get("direction") is Direction.LOWER
    values = {head: (value - intact) if rises else (intact - value) for head, value in left.items()}
    name = "repeat_loss" if rises else "logit_diff"
    made = role(values, direction=Direction.TWO_SIDED, threshold=0.3)
    companion = (behaviour(name, intact, **fields),)
    return replace(made, measure="ablate", unit="logits", companion=companion)


def verdict(found, approved):
    return judge(found, approved, default_tolerance(approved))


def test_a_drop_that_grew_because_less_is_left_is_weakened():
    judged = verdict(harm(3.6, 0.6), harm(3.6, 1.8))

    assert judged.kind is Kind.WEAKENED
    assert lines(judged)[:2] == [
        "weakened: ablated logit diff fell 1.80 → 0.60",
        "  ablated logit diff fell 1.80 → 0.60 (tolerance 0.20)",
    ]
    assert "improved" not in "".join(lines(judged))


def test_a_smaller_drop_is_not_traded_for_what_is_left():
    judged = verdict(harm(3.6, 2.4), harm(3.6, 1.0))

    assert judged.kind is Kind.WEAKENED
    assert "traded" not in lines(judged)[0]


def test_a_drop_that_grew_with_the_behaviour_is_strengthened():
    assert verdict(harm(5.0, 1.8), harm(3.6, 1.8)).kind is Kind.STRENGTHENED


def test_what_is_left_may_move_by_its_tolerance():
    assert verdict(harm(3.6, 1.62), harm(3.6, 1.8)).kind is Kind.PRESERVED


def test_a_head_without_which_less_is_left_is_no_stronger_one():
    approved = each(3.6, {"L0H0": 2.6, "L0H1": 3.1})
    found = each(3.6, {"L0H0": 1.0, "L0H1": 3.1})

    judged = verdict(found, approved)

    (reason,) = (r for r in judged.reasons if r.change is Change.LESS_LEFT)
    assert judged.kind is Kind.WEAKENED
    assert (reason.subject, reason.before, reason.after) == ("L0H0", 2.6, 1.0)
    assert reason.tolerance == pytest.approx(0.2)
    line = "  less left without it: L0H0 logit diff without it 2.60→1.00 (tolerance 0.20)"
    assert line in lines(judged)


def test_a_newcomer_without_which_less_is_left_is_bad_too():
    judged = verdict(each(3.6, {"L0H0": 2.6, "L0H1": 2.0}), each(3.6, {"L0H0": 2.6, "L0H1": 3.5}))

    assert judged.kind is Kind.WEAKENED
    assert {r.subject for r in judged.reasons if r.change is Change.LESS_LEFT} == {"L0H1"}


def test_a_head_that_carries_more_of_a_behaviour_that_grew_is_stronger():
    judged = verdict(each(5.2, {"L0H0": 2.6}), each(3.6, {"L0H0": 2.6}))

    assert judged.kind is Kind.STRENGTHENED
    assert not [r for r in judged.reasons if r.change is Change.LESS_LEFT]


def test_of_a_loss_more_is_less():
    options = {"direction": Direction.LOWER, "unit": "nats"}

    worse = verdict(each(2.0, {"L0H0": 5.0}, **options), each(2.0, {"L0H0": 3.0}, **options))
    better = verdict(each(1.0, {"L0H0": 3.0}, **options), each(2.0, {"L0H0": 3.0}, **options))

    assert worse.kind is Kind.WEAKENED
    assert better.kind is Kind.STRENGTHENED


def test_other_values_that_grow_are_strength():
    assert (
        judge(
            fractions({"L0H0": (2.0,) * 4}), fractions({"L0H0": (1.0,) * 4}), _of_fractions()
        ).kind
        is Kind.STRENGTHENED
    )


def _of_fractions():
    return default_tolerance(fractions({"L0H0": (1.0,) * 4}))
