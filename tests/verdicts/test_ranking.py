from __future__ import annotations

import pytest
from verdicts.handmade import TOLERANCE, around, role

from pytest_circuits.findings import Direction
from pytest_circuits.verdicts import Change, Kind, judge


def overtaken(found, approved, **fields) -> list[tuple[str, str]]:
    verdict = judge(role(found, **fields), role(approved, **fields), TOLERANCE)
    return [(r.subject, r.other) for r in verdict.reasons if r.change is Change.OVERTAKEN]


def test_heads_closer_than_the_margin_may_swap():
    approved, found = role({"L0H0": 0.74, "L0H1": 0.70}), role({"L0H0": 0.70, "L0H1": 0.74})

    verdict = judge(found, approved, TOLERANCE)

    assert (verdict.kind, verdict.reasons) == (Kind.PRESERVED, ())


def test_a_head_that_fell_behind_by_more_than_the_margin_is_named_with_the_other():
    verdict = judge(
        role({"L0H0": 0.70, "L0H1": 0.80}), role({"L0H0": 0.80, "L0H1": 0.70}), TOLERANCE
    )

    (reason,) = (r for r in verdict.reasons if r.change is Change.OVERTAKEN)
    assert (reason.subject, reason.other) == ("L0H0", "L0H1")
    assert (reason.before, reason.after) == (0.8, 0.7)
    assert reason.tolerance == pytest.approx(0.05)
    assert not reason.bad
    assert not reason.good


@pytest.mark.parametrize(
    ("approved", "found"),
    [
        pytest.param((0.75, 0.70), (0.60, 0.90), id="it led by no more than the margin"),
        pytest.param((0.90, 0.60), (0.80, 0.85), id="it is behind by no more than the margin"),
        pytest.param((0.90, 0.60), (0.90, 0.80), id="it still leads"),
        pytest.param((0.60, 0.90), (0.70, 0.80), id="it was behind before"),
        pytest.param((0.90, 0.60), (0.20, 0.60), id="it left the role"),
    ],
)
def test_heads_that_have_no_new_order_are_not_overtaken(approved, found):
    before, now = ({"L0H0": pair[0], "L0H1": pair[1]} for pair in (approved, found))

    assert overtaken(now, before) == []


def test_only_the_one_that_fell_furthest_is_named():
    approved = {"L0H0": 0.9, "L0H1": 0.8, "L0H2": 0.5}
    found = {"L0H0": 0.6, "L0H1": 0.7, "L0H2": 0.95}

    assert overtaken(found, approved) == [("L0H0", "L0H2")]


def test_order_is_by_magnitude_where_values_have_signs():
    approved, found = {"L0H0": -0.9, "L0H1": 0.6}, {"L0H0": -0.6, "L0H1": 0.9}

    assert overtaken(found, approved, direction=Direction.TWO_SIDED) == [("L0H0", "L0H1")]


def test_heads_that_moved_have_no_place_in_the_order():
    approved = {"L0H0": around(0.9), "L0H1": around(0.6)}
    found = {"L0H1": around(0.9), "L0H0": around(0.6)}

    assert overtaken(found, approved) == []


def test_an_overtaken_head_makes_no_verdict_by_itself():
    approved, found = role({"L0H0": 0.7, "L0H1": 0.6}), role({"L0H0": 0.7, "L0H1": 0.8})

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.STRENGTHENED
    assert [reason.change for reason in verdict.reasons] == [Change.BETTER, Change.OVERTAKEN]
