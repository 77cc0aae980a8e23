"""What new prompts say of a mechanism that changed: the rule, by findings made by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pytest_circuits.findings import Allowance, Behaviour, Direction, Finding
from pytest_circuits.findings.statistics import mean_and_error
from pytest_circuits.verdicts import (
    Kind,
    NewPrompts,
    Outcome,
    Verdict,
    headline,
    lines,
    settle,
    unsettled,
)

SPREAD = np.random.default_rng(0).normal(size=64)
SPREAD = (SPREAD - SPREAD.mean()) / SPREAD.std(ddof=1)
#: Of each prompt.
BEFORE = 3.4 + SPREAD[::-1]


def logit_diff(samples, *, measure="logit_diff", direction=Direction.HIGHER, **fields):
    samples = np.asarray(samples, dtype=np.float64)
    clusters = tuple(range(len(samples)))
    mean, error = mean_and_error(samples, clusters)
    return Finding(
        **{
            "measure": measure, "quantity": measure, "unit": "logits", "direction": direction,
            "axes": (), "values": np.array(mean), "errors": np.array(error),
            "samples": len(samples), "clusters": len(samples), "clustering": clusters,
            "convention": {"metric": "some"}, "prompts": {"kind": "pairs", "texts": "ab"},
            "profiles": {measure: samples}, "allowance": Allowance(0.2, 0.05, 0.1), **fields,
        }
    )  # fmt: skip


def settled(*both):
    measured = [NewPrompts(before, after) for before, after in both]
    return settle(measured, prompts="64 pairs", seed="ab")


def moved(mean, spread=0.5):
    """The reference and a model that differs from it by so much, with so much spread."""
    return logit_diff(BEFORE), logit_diff(BEFORE + mean + spread * SPREAD)


@pytest.mark.parametrize(
    ("mean", "outcome"),
    [(0.0, "holds"), (0.9, "holds"), (-0.19, "holds"), (-0.21, "fails"), (-1.3, "fails")],
)
def test_a_loss_beyond_tolerance_and_beyond_chance_fails(mean, outcome):
    settlement = settled(moved(mean))
    assert settlement.outcome == outcome
    (new,) = settlement.behaviours
    assert (new.before, new.tolerance, new.prompts) == (3.4, pytest.approx(0.2), 64)
    assert new.difference == pytest.approx(mean, abs=1e-4)
    assert new.after == pytest.approx(3.4 + mean, abs=1e-4)


def test_the_interval_is_t_over_clusters():
    (new,) = settled(moved(-1.0, spread=0.8)).behaviours
    margin = 1.99834 * 0.8 / math.sqrt(64)  # t of 63 degrees of freedom, two-sided 95 %
    assert new.interval == pytest.approx((-1 - margin, -1 + margin), abs=1e-4)


def test_the_intervals_of_several_behaviours_hold_together():
    one, two = (settled(*[moved(-1.0)] * count).behaviours[0].interval for count in (1, 2))
    assert two[1] - two[0] > 1.1 * (one[1] - one[0])


def test_a_lower_loss_is_better():
    def loss(samples):
        return logit_diff(samples, measure="text_loss", direction=Direction.LOWER)

    better, worse = (settled((loss(BEFORE), loss(BEFORE + by))) for by in (-1.0, 1.0))
    assert (better.outcome, worse.outcome) == ("holds", "fails")


def test_one_behaviour_that_fails_is_enough_and_comes_first():
    good, bad, worse = moved(0.1), moved(-0.5), moved(-2.0)
    settlement = settled(good, bad, worse)
    assert settlement.outcome is Outcome.FAILS
    assert [round(new.difference, 1) for new in settlement.behaviours] == [-2.0, -0.5, 0.1]


@pytest.mark.parametrize("mean", [-0.3, 0.0, 0.3])
def test_prompts_that_vary_too_much_settle_nothing(mean):
    settlement = settled(moved(mean, spread=5.0))
    assert settlement.outcome is Outcome.UNSETTLED
    assert "moved by" in settlement.why


def test_a_loss_far_beyond_tolerance_that_chance_explains_settles_nothing():
    samples = BEFORE.copy()
    samples[0] -= 64 * 0.5  # all of it on one prompt
    settlement = settled((logit_diff(BEFORE), logit_diff(samples)))
    assert settlement.outcome is Outcome.UNSETTLED


@pytest.mark.parametrize(
    "reference",
    [BEFORE - 3.4, BEFORE - 7.0],
    ids=["indistinct from nothing", "against the answer"],
)
def test_a_behaviour_that_the_reference_does_not_have_settles_nothing(reference):
    settlement = settled((logit_diff(reference), logit_diff(reference - 0.01)))
    assert (settlement.outcome, settlement.behaviours) == (Outcome.UNSETTLED, ())
    assert settlement.why == (
        "on 64 new prompts the reference does not do this itself: "
        f"logit diff {reference.mean():.2f}"
    )


def test_a_reference_that_predicts_no_repeat_settles_nothing():
    right = Behaviour("repeat_accuracy", 0.0, 0.0, 64, Direction.HIGHER, "share of tokens")
    loss = logit_diff(
        12.6 + 0.1 * SPREAD, measure="repeat_loss", direction=Direction.LOWER, companion=(right,)
    )
    assert settled((loss, loss)).outcome is Outcome.UNSETTLED


def test_other_prompts_settle_nothing():
    other = replace(logit_diff(BEFORE), prompts={"kind": "pairs", "texts": "cd"})
    settlement = settled((logit_diff(BEFORE), other))
    assert settlement.outcome is Outcome.UNSETTLED
    assert settlement.why


def test_a_single_cluster_settles_nothing():
    one = logit_diff(BEFORE, clusters=1, clustering=(0,) * 64, errors=np.array(np.nan))
    assert settled((one, one)).outcome is Outcome.UNSETTLED


def test_no_difference_at_all_holds():
    same = logit_diff(BEFORE)
    assert settled((same, same)).behaviours[0].interval == (0.0, 0.0)
    assert settled((same, same)).outcome is Outcome.HOLDS


# the rule's false alarms and power, as docs/verdicts.md gives them


def share(mean, outcome, *, spread, clusters=32, runs=100):
    """How often a difference in the mean of such paired samples has an outcome."""
    stream = np.random.default_rng(1)
    found = 0
    for _ in range(runs):
        # Two pairs of a cluster are alike by half.
        common = np.repeat(stream.normal(size=clusters), 2)
        each = mean + spread * (common + stream.normal(size=2 * clusters)) / math.sqrt(2)
        clustering = tuple(np.repeat(np.arange(clusters), 2).tolist())

        def of(samples, clustering=clustering):
            error = mean_and_error(samples, clustering)[1]
            return logit_diff(
                samples, clusters=clusters, clustering=clustering, errors=np.array(error)
            )

        before = 3.4 + stream.normal(size=2 * clusters)
        found += (
            settled((of(before), of(before + each)), (of(before), of(before))).outcome == outcome
        )
    return found / runs


def test_harmless_changes_seldom_fail():
    assert share(0.0, "fails", spread=0.7) <= 0.05
    assert share(0.0, "holds", spread=0.7) >= 0.95


def test_a_loss_of_three_tolerances_seldom_passes():
    assert share(-0.6, "fails", spread=0.7) >= 0.95


# in words


def test_hidden_damage_is_weakened_and_said_first():
    verdict = Verdict(Kind.STRENGTHENED, (), "8 heads", behaviour_held=True, asks=True)
    verdict = verdict.settled(settled(moved(-1.31)))
    assert verdict.kind is Kind.WEAKENED
    assert headline(verdict) == (
        "hidden damage, fails on new prompts: logit diff 3.40 → 2.09; 8 heads"
    )
    assert lines(verdict)[1] == (
        "  on new prompts: logit diff 3.40 → 2.09 (tolerance 0.20, interval -1.43 … -1.19, "
        "64 prompts)"
    )


def test_damage_that_shows_is_not_hidden():
    verdict = Verdict(Kind.WEAKENED, (), "8 heads", behaviour_held=False)
    verdict = verdict.settled(settled(moved(-1.31)))
    assert headline(verdict) == "fails on new prompts: logit diff 3.40 → 2.09; 8 heads"


def test_what_is_lost_stays_lost():
    assert Verdict(Kind.LOST, (), "").settled(settled(moved(-1.31))).kind is Kind.LOST


def test_what_holds_is_re_routed():
    verdict = Verdict(Kind.WEAKENED, (), "8 heads", asks=True).settled(settled(moved(-0.02)))
    assert verdict.kind is Kind.WEAKENED
    assert headline(verdict) == "re-routed, holds on new prompts: logit diff 3.40 → 3.38; 8 heads"


def test_a_slip_that_new_prompts_do_not_show_says_so():
    verdict = Verdict(Kind.WEAKENED, (), "8 heads", behaviour_held=False)
    verdict = verdict.settled(settled(moved(-0.02)))
    assert headline(verdict) == "holds on new prompts: logit diff 3.40 → 3.38; 8 heads"
    held = Verdict(Kind.PRESERVED, (), "8 heads").settled(settled(moved(-0.02)))
    assert headline(held) == "8 heads"


def test_what_is_not_settled_says_why():
    verdict = Verdict(Kind.WEAKENED, (), "8 heads", asks=True).settled(unsettled("no\n reason"))
    assert headline(verdict) == "not settled: no reason; 8 heads"
    assert len(lines(verdict)) == 1


def test_where_nothing_asked_a_reason_is_a_line():
    verdict = Verdict(Kind.PRESERVED, (), "8 heads").settled(unsettled("no reason"))
    assert headline(verdict) == "8 heads"
    assert lines(verdict)[1] == "  not settled: no reason"


def test_a_long_reason_is_cut():
    assert len(unsettled("x" * 1000).why) == 200


def nothing():
    """A model without the behaviour."""
    return logit_diff(SPREAD)


@pytest.mark.parametrize(("extra", "outcome"), [(True, "holds"), (False, "not settled")])
def test_what_can_not_be_paired_does_not_hide_what_fails(extra, outcome):
    one, other = moved(-0.02)
    unlike = NewPrompts(one, replace(other, convention={"metric": "other"}), "longer", extra)
    alone = settle([NewPrompts(one, other), unlike], prompts="", seed="")
    assert alone.outcome == outcome
    failing = settle([unlike, NewPrompts(*moved(-1.3))], prompts="", seed="")
    assert failing.outcome == "fails"


def test_what_was_not_asked_for_before_is_left_out_where_the_reference_has_none():
    one, other = moved(-0.02)
    own, longer = NewPrompts(one, other), NewPrompts(nothing(), nothing(), "longer")
    without = settle([own, longer._replace(extra=True)], prompts="", seed="")
    assert (without.outcome, len(without.behaviours)) == ("holds", 1)
    nothing_left = settle([longer._replace(extra=True)], prompts="", seed="")
    assert nothing_left.outcome == "not settled"
    assert nothing_left.why == "the reference has none of these behaviours on the new prompts"
    asked = settle([own, longer], prompts="", seed="")
    assert (asked.outcome, asked.why) == (
        "not settled",
            "on 64 new prompts the reference does not do this itself: longer 0.00",
    )  # fmt: skip
