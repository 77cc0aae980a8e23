"""A behaviour that is no better than chance is none."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from verdicts.handmade import TOLERANCE, number, role

from pytest_circuits.baselines.approving import nothing_to_approve
from pytest_circuits.findings import Behaviour, Direction
from pytest_circuits.verdicts import Change, Kind, judge, lines

CHANCE = 10.4


def with_loss(loss, error=0.05):
    """A role that serves a loss for which chance is 10.4."""
    finding = role({"L0H0": 0.9})
    own = replace(finding.companion[0], value=loss, error=error, chance=CHANCE)
    return replace(finding, companion=(own, *finding.companion[1:]))


def loss(value, error=0.05):
    return replace(number(value, error=error), direction=Direction.LOWER, chance=CHANCE)


@pytest.mark.parametrize(
    ("direction", "value", "error", "clusters", "at_chance"),
    [
        (Direction.LOWER, 12.6, 0.1, 10, True),
        (Direction.LOWER, 10.4, 0.0, 10, True),
        (Direction.LOWER, 10.3, 0.01, 10, False),
        (Direction.LOWER, 10.3, 0.1, 10, True),  # the interval is 1.83 errors each way
        (Direction.LOWER, 10.3, math.nan, 1, False),
        (Direction.HIGHER, 10.5, 0.01, 10, False),
        (Direction.HIGHER, 10.5, 0.1, 10, True),
        (Direction.HIGHER, 3.0, 0.01, 10, True),
    ],
)
def test_what_reaches_chance_within_its_interval_is_at_chance(
    direction, value, error, clusters, at_chance
):
    behaviour = Behaviour("b", value, error, clusters, direction, "nats", chance=CHANCE)

    assert behaviour.at_chance == at_chance
    assert behaviour.held != at_chance
    assert not replace(behaviour, chance=None).at_chance


@pytest.mark.parametrize("after", [8.0, 10.3, 10.9, 14.0])
def test_a_loss_that_was_at_chance_is_shown_and_not_judged(after):
    for found, approved in (
        (with_loss(after), with_loss(12.6)),
        (loss(after), loss(12.6)),
    ):
        verdict = judge(found, approved, TOLERANCE)

        assert (verdict.kind, verdict.reasons) == (Kind.PRESERVED, ())


def test_a_loss_that_rises_to_chance_is_gone():
    for found, approved in ((with_loss(10.39), with_loss(3.0)), (loss(10.39), loss(3.0))):
        verdict = judge(found, approved, TOLERANCE)

        (reason,) = verdict.reasons
        # A role with heads is not lost with the behaviour that it serves.
        assert verdict.kind is (Kind.WEAKENED if approved.axes else Kind.LOST)
        assert (reason.change, reason.before, reason.after) == (Change.GONE, 3.0, 10.39)
        assert reason.null == CHANCE


def test_a_loss_that_rises_and_stays_below_chance_is_worse():
    assert judge(with_loss(9.0), with_loss(3.0), TOLERANCE).kind is Kind.WEAKENED


def test_a_loss_near_chance_that_wavers_within_its_tolerance_is_not_gone():
    assert judge(with_loss(10.3, 0.2), with_loss(10.2), TOLERANCE).kind is Kind.PRESERVED


def test_that_it_is_at_chance_is_said():
    verdict = judge(with_loss(12.6), with_loss(12.6), TOLERANCE)

    assert lines(verdict)[0] == "preserved: 1 head, L0H0 0.90; repeat loss 12.60 at chance"
    assert "repeat_loss 12.600 ± 0.050 nats, at chance" in str(with_loss(12.6))
    assert "at chance" not in str(with_loss(3.0))


def test_a_loss_at_chance_is_nothing_to_approve():
    problem = nothing_to_approve(loss(12.6))

    assert problem is not None
    assert problem.splitlines()[0].endswith("no better than chance (10.40).")
    assert nothing_to_approve(loss(3.0)) is None
