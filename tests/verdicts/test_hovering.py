"""Heads that hover around a role's threshold: nothing happens there by less than a tolerance."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from verdicts.handmade import TOLERANCE, around, role

from pytest_circuits.findings import Direction, Null, Role
from pytest_circuits.verdicts import About, Change, Kind, headline, judge

#: Of the role; a head's tolerance is 0.05 there.
THRESHOLD = 0.4
TWO_SIDED = Direction.TWO_SIDED
#: Strong heads that stay as they are, so that the role as a whole has room.
STRONG = {"L0H0": 2.0, "L0H1": 1.6, "L0H2": 1.2}
SIDES = [(Direction.HIGHER, 1), (TWO_SIDED, 1), (TWO_SIDED, -1)]


def judged(before, now, direction=Direction.HIGHER, **fields):
    approved = role({**STRONG, **before}, direction=direction, threshold=THRESHOLD, **fields)
    found = role({**STRONG, **now}, direction=direction, threshold=THRESHOLD, **fields)
    return judge(found, approved, TOLERANCE)


def of_heads(verdict):
    return [(r.change, r.subject) for r in verdict.reasons if r.about is About.HEAD]


# ---- Jitter ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("direction", "sign"), SIDES)
@pytest.mark.parametrize("seed", range(30))
def test_a_model_that_wavers_around_the_threshold_by_less_than_a_tolerance_is_preserved(
    direction, sign, seed
):
    draw = random.Random(seed)
    heads = [f"L{layer}H{head}" for layer in (1, 2) for head in range(4)]
    before = {head: sign * draw.uniform(0.3, 0.5) for head in heads}
    # Tolerances are 0.05; what the role as a whole may move is not what this is about.
    now = {head: value + draw.choice((-1, 1)) * 0.0499 for head, value in before.items()}

    verdict = judged(before, now, direction)

    assert of_heads(verdict) == []
    assert abs(sum(now.values()) - sum(before.values())) > 0.4 or verdict.kind is Kind.PRESERVED


@pytest.mark.parametrize(("direction", "sign"), SIDES)
@pytest.mark.parametrize(("before", "now"), [(0.399, 0.401), (0.401, 0.399), (0.37, 0.42)])
def test_crossing_the_threshold_within_tolerance_is_no_event(direction, sign, before, now):
    verdict = judged({"L1H0": sign * before}, {"L1H0": sign * now}, direction)

    assert (verdict.kind, verdict.reasons) == (Kind.PRESERVED, ())


# ---- Judged by its own baseline ----------------------------------------------------------------


def test_a_head_just_under_the_threshold_that_already_worked_against_the_behaviour_only_grew():
    heads = {f"L0H{head}": 1.3 for head in range(4)}
    approved = replace(
        role({**heads, "L2H0": -0.35}, direction=TWO_SIDED, threshold=0.36, shape=(3, 4)),
        measure="head_attribution",
    )
    found = replace(
        role({**heads, "L2H0": -0.53}, direction=TWO_SIDED, threshold=0.36, loss=0.4),
        measure="head_attribution",
    )

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.STRENGTHENED
    assert of_heads(verdict) == [(Change.BETTER, "L2H0")]
    assert headline(verdict) == "L2H0 -0.35→-0.53"


@pytest.mark.parametrize(("direction", "sign"), SIDES)
def test_a_head_near_the_role_that_grows_is_stronger_and_counts_with_what_it_grew(direction, sign):
    approved = role({"L1H0": 0.9, "L1H1": sign * 0.38}, direction=direction)
    found = role({"L1H0": 0.9, "L1H1": sign * 0.47}, direction=direction)

    verdict = judge(found, approved, TOLERANCE)

    # It grew by 0.09, less than the role as a whole may move, not by the 0.47 that it has.
    assert [(r.change, r.subject) for r in verdict.reasons] == [(Change.BETTER, "L1H1")]


@pytest.mark.parametrize(("direction", "sign"), SIDES)
def test_a_head_of_the_role_that_falls_a_little_below_the_threshold_is_weaker_and_has_not_left(
    direction, sign
):
    verdict = judged({"L1H0": sign * 0.44}, {"L1H0": sign * 0.36}, direction)

    assert of_heads(verdict) == [(Change.WORSE, "L1H0")]
    assert (verdict.kind, verdict.intact) == (Kind.WEAKENED, (3, 4))


def test_a_head_near_the_role_that_falls_is_noise():
    assert judged({"L1H0": 0.38}, {"L1H0": 0.0}).kind is Kind.PRESERVED


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        (0.2, 0.44, []),
        (0.2, 0.45, [Change.JOINED]),
        (-0.2, -0.44, []),
        (-0.2, -0.45, [Change.OPPOSES]),
        # From one side to the other nothing was near where it is now.
        (0.38, -0.6, [Change.OPPOSES]),
        (-0.38, 0.6, [Change.JOINED]),
    ],
)
def test_joining_takes_a_tolerance_too(before, now, changes):
    verdict = judged({"L1H0": before}, {"L1H0": now}, TWO_SIDED)

    assert [change for change, _ in of_heads(verdict)] == changes


def test_the_last_head_a_little_below_the_threshold_is_a_role_that_is_left():
    approved, found = role({"L1H0": 0.44}), role({"L1H0": 0.36})

    assert judge(found, approved, TOLERANCE).kind is Kind.WEAKENED


def test_a_role_whose_only_head_is_now_another_that_barely_has_it_is_not_empty():
    approved, found = role({"L1H0": 0.9}), role({"L1H1": 0.41})

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.WEAKENED
    assert Change.EMPTY not in {reason.change for reason in verdict.reasons}


def test_a_head_near_the_role_that_had_no_more_than_its_null_joins():
    before = role({"L1H0": 0.9, "L1H1": 0.38}, nulls={"L1H0": (0.0, 0.01), "L1H1": (0.38, 0.9)})
    now = role({"L1H0": 0.9, "L1H1": 0.6}, nulls={"L1H0": (0.0, 0.01), "L1H1": (0.0, 0.01)})

    assert of_heads(judge(now, before, TOLERANCE)) == [(Change.JOINED, "L1H1")]


def test_a_head_a_little_below_the_threshold_that_met_its_null_has_left():
    before = role({"L1H0": 0.9, "L1H1": 0.44}, nulls={"L1H1": (0.0, 0.01)})
    now = role({"L1H0": 0.9, "L1H1": 0.38}, nulls={"L1H1": (0.36, 0.9)})

    assert of_heads(judge(now, before, TOLERANCE)) == [(Change.LEFT, "L1H1")]


# ---- Paths -------------------------------------------------------------------------------------


def kinds(start, end, direction, steps=120):
    path = np.linspace(start, end, steps)
    return [judged({"L1H0": start}, {"L1H0": float(now)}, direction).kind for now in path]


def changes_of(seen):
    return [(one, other) for one, other in pairwise(seen) if one is not other]


@pytest.mark.parametrize(("direction", "sign"), SIDES)
@pytest.mark.parametrize("start", [0.7, 0.46, 0.41])
def test_a_path_out_of_the_role_changes_the_verdict_once(direction, sign, start):
    assert changes_of(kinds(sign * start, 0.0, direction)) == [(Kind.PRESERVED, Kind.WEAKENED)]


@pytest.mark.parametrize(
    ("direction", "sign", "start", "kind"),
    [
        (Direction.HIGHER, 1, 0.0, Kind.STRENGTHENED),
        (Direction.HIGHER, 1, 0.37, Kind.STRENGTHENED),
        (TWO_SIDED, 1, 0.0, Kind.STRENGTHENED),
        (TWO_SIDED, 1, 0.37, Kind.STRENGTHENED),
        (TWO_SIDED, -1, 0.0, Kind.WEAKENED),
        (TWO_SIDED, -1, 0.37, Kind.STRENGTHENED),
    ],
)
def test_a_path_into_the_role_changes_the_verdict_once(direction, sign, start, kind):
    seen = kinds(sign * start, sign * 0.7, direction)

    assert changes_of(seen) == [(Kind.PRESERVED, kind)]


# ---- Where it went -----------------------------------------------------------------------------


def test_a_part_that_was_just_under_the_threshold_is_followed_by_its_profile():
    was = {"L1H0": around(0.9), "L1H1": around(0.38)}
    approved, found = role(was), role({"L2H0": around(0.9), "L2H1": around(0.43)})

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.RELOCATED
    assert [(r.subject, r.other) for r in verdict.reasons] == [("L1H0", "L2H0")]


def test_nulls_and_roles_of_other_names_change_nothing_of_it():
    approved = replace(role({**STRONG, "L1H0": 0.39}), role=Role("name movers", THRESHOLD))
    found = replace(approved, values=approved.values.copy(), nulls={"L1H0": Null(0.0, 0.01)})
    found.values[1, 0] = 0.43

    assert judge(found, approved, TOLERANCE).kind is Kind.PRESERVED
