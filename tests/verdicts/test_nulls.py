from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from verdicts.handmade import DOWN, TOLERANCE, around, number, role

from pytest_circuits.findings import Direction, Finding, Null
from pytest_circuits.verdicts import Change, Kind, judge, lines

REJECTED, MET = (0.02, 0.001), (0.88, 0.4)
TWO_SIDED = {"direction": Direction.TWO_SIDED}


def test_a_head_that_keeps_its_value_leaves_the_role_where_its_null_rose_to_it():
    approved = role({"L0H0": 0.9, "L0H1": 0.7}, nulls={"L0H0": REJECTED, "L0H1": REJECTED})
    found = role({"L0H0": 0.9, "L0H1": 0.7}, nulls={"L0H0": MET, "L0H1": REJECTED})

    verdict = judge(found, approved, TOLERANCE)

    left = next(reason for reason in verdict.reasons if reason.change is Change.LEFT)
    assert verdict.kind is Kind.WEAKENED
    assert (left.subject, left.before, left.after, left.null) == ("L0H0", 0.9, 0.9, 0.88)


def test_the_last_head_whose_null_rose_to_its_value_is_a_role_that_is_lost():
    approved = role({"L0H0": 0.9}, nulls={"L0H0": REJECTED})
    found = role({"L0H0": 0.9}, nulls={"L0H0": MET})

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.LOST
    assert [reason.change for reason in verdict.reasons[:2]] == [Change.EMPTY, Change.LEFT]


def test_a_p_value_that_wavers_while_value_and_null_stay_is_no_change():
    approved = role({"L0H0": 0.9}, nulls={"L0H0": (0.02, 0.049)})
    found = role({"L0H0": 0.9}, nulls={"L0H0": (0.03, 0.051)})

    verdict = judge(found, approved, TOLERANCE)

    assert (verdict.kind, verdict.reasons) == (Kind.PRESERVED, ())


def test_a_head_above_the_threshold_joins_only_with_more_than_its_null():
    approved = role({"L0H0": 0.9}, nulls={"L0H0": REJECTED})
    nothing = role({"L0H0": 0.9, "L0H1": 0.9}, nulls={"L0H0": REJECTED, "L0H1": MET})
    something = role({"L0H0": 0.9, "L0H1": 0.9}, nulls={"L0H0": REJECTED, "L0H1": REJECTED})

    assert judge(nothing, approved, TOLERANCE).kind is Kind.PRESERVED
    assert judge(something, approved, TOLERANCE).kind is Kind.STRENGTHENED


def test_where_the_baseline_has_no_nulls_the_threshold_alone_decides():
    approved = role({"L0H0": 0.9})
    found = role({"L0H0": 0.9, "L0H1": 0.9}, nulls={"L0H0": REJECTED, "L0H1": MET})

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.STRENGTHENED
    assert [reason.null for reason in verdict.reasons] == [None]


def test_a_head_that_does_not_beat_its_null_takes_nothing_over():
    approved = role({"L0H0": around(0.9)}, nulls={"L0H0": REJECTED})
    found = role({"L0H1": around(0.9)}, nulls={"L0H1": MET})

    assert judge(found, approved, TOLERANCE).kind is Kind.LOST


def test_a_head_that_beats_its_null_takes_over():
    approved = role({"L0H0": around(0.9)}, nulls={"L0H0": REJECTED})
    found = role({"L0H1": around(0.9)}, nulls={"L0H1": REJECTED})

    assert judge(found, approved, TOLERANCE).kind is Kind.RELOCATED


def test_a_head_that_changed_says_what_its_null_is():
    approved = role({"L0H0": 0.9, "L0H1": 0.6}, nulls={"L0H0": REJECTED, "L0H1": REJECTED})
    found = role({"L0H0": 0.8, "L0H1": 0.7}, nulls={"L0H0": (0.05, 0.001), "L0H1": (0.03, 0.001)})

    nulls = {r.subject: r.null for r in judge(found, approved, TOLERANCE).reasons}

    assert nulls == {"L0H0": 0.05, "L0H1": 0.03}


def test_a_head_whose_null_was_not_measured_says_none():
    (reason, *_) = judge(role({"L0H0": 0.7}), role({"L0H0": 0.9}), TOLERANCE).reasons

    assert reason.null is None


def test_a_baseline_without_nulls_is_judged_by_the_threshold_alone():
    approved = role({"L0H0": 0.9, "L0H1": 0.7})
    found = role({"L0H0": 0.9, "L0H1": 0.7}, nulls={"L0H0": MET, "L0H1": REJECTED})

    assert judge(found, approved, TOLERANCE).kind is Kind.PRESERVED


def test_a_finding_without_nulls_is_judged_by_the_threshold_alone():
    approved = role({"L0H0": 0.9}, nulls={"L0H0": REJECTED})

    assert judge(role({"L0H0": 0.9}), approved, TOLERANCE).kind is Kind.PRESERVED
    assert judge(role({"L0H0": 0.2}), approved, TOLERANCE).kind is Kind.LOST


# ---- Roles that are empty, and roles that can't be told from nothing ---------------------------


def test_a_role_without_a_head_is_empty():
    reason, *_ = judge(role({}), role({"L0H0": 0.9, "L0H1": 0.5}), TOLERANCE).reasons

    assert (reason.change, reason.subject, reason.quantity) == (
        Change.EMPTY, "induction heads", "heads",
    )  # fmt: skip
    assert (reason.before, reason.after, reason.null) == (2.0, 0.0, None)


@pytest.mark.parametrize(("error", "kind"), [(0.2, Kind.WEAKENED), (0.4, Kind.LOST)])
def test_a_two_sided_role_that_fell_is_lost_where_no_head_is_distinct_from_0(error, kind):
    # t95 of 10 clusters is 1.83: 0.6 ± 0.37 excludes 0, 0.6 ± 0.73 does not.
    approved = role({"L0H0": 0.9}, **TWO_SIDED)
    found = role({"L0H0": 0.6}, error=error, **TWO_SIDED)

    assert judge(found, approved, TOLERANCE).kind is kind


def test_a_role_that_is_not_distinct_from_0_says_so_with_its_null():
    approved = role({"L0H0": 0.9}, **TWO_SIDED)
    found = role({"L0H0": 0.6}, error=0.4, **TWO_SIDED)

    reason, *_ = judge(found, approved, TOLERANCE).reasons

    assert (reason.change, reason.quantity, reason.null) == (
        Change.EMPTY, "heads distinct from 0", 0.0,
    )  # fmt: skip


def test_one_distinct_head_is_enough():
    approved = role({"L0H0": 0.9, "L0H1": 0.5}, **TWO_SIDED)
    found = role({"L0H0": 0.6, "L0H1": 0.5}, error=0.4, **TWO_SIDED)
    errors = found.errors.copy()
    errors[0, 1] = 0.1

    assert judge(found, approved, TOLERANCE).kind is Kind.LOST
    assert judge(replace(found, errors=errors), approved, TOLERANCE).kind is Kind.WEAKENED


def test_errors_alone_do_not_make_a_role_that_held_a_lost_one():
    approved = role({"L0H0": 0.9}, **TWO_SIDED)
    uncertain = role({"L0H0": 0.9}, error=2.0, **TWO_SIDED)

    assert judge(uncertain, approved, TOLERANCE).kind is Kind.PRESERVED


def test_a_role_that_never_was_distinct_does_not_get_lost_by_it():
    approved = role({"L0H0": 0.9}, error=2.0, **TWO_SIDED)
    found = role({"L0H0": 0.6}, error=2.0, **TWO_SIDED)

    assert judge(found, approved, TOLERANCE).kind is Kind.WEAKENED


def test_scores_that_are_no_differences_are_not_held_against_0():
    approved, found = role({"L0H0": 0.9}), role({"L0H0": 0.6}, error=2.0)

    assert judge(found, approved, TOLERANCE).kind is Kind.WEAKENED


def test_one_cluster_has_no_interval_and_loses_no_role():
    alone = {"clusters": 1, "errors": np.full((3, 4), np.nan)}
    approved = replace(role({"L0H0": 0.9}, **TWO_SIDED), **alone)
    found = replace(role({"L0H0": 0.6}, **TWO_SIDED), **alone)

    assert judge(found, approved, TOLERANCE).kind is Kind.WEAKENED


def test_a_role_that_was_empty_stays_preserved_and_grows():
    assert judge(role({}), role({}), TOLERANCE).kind is Kind.PRESERVED
    assert judge(role({"L0H0": 0.9}), role({}), TOLERANCE).kind is Kind.STRENGTHENED


def test_a_relocated_role_is_not_empty():
    approved = role({"L0H0": around(0.9), "L0H1": around(0.5, DOWN)}, **TWO_SIDED)
    found = role({"L1H0": around(0.9), "L1H1": around(0.5, DOWN)}, **TWO_SIDED)

    assert judge(found, approved, TOLERANCE).kind is Kind.RELOCATED


def test_a_head_most_of_whose_value_is_its_null_now_has_left_though_it_still_has_more():
    approved = role({"L0H0": 0.9, "L0H1": 0.7}, nulls={"L0H0": REJECTED, "L0H1": REJECTED})
    found = role({"L0H0": 0.9, "L0H1": 0.7}, nulls={"L0H0": (0.46, 0.001), "L0H1": REJECTED})

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.WEAKENED
    assert [(r.change, r.subject) for r in verdict.reasons[:1]] == [(Change.LEFT, "L0H0")]
    assert verdict.number == pytest.approx(0.7)


def test_a_null_that_rose_to_less_than_half_of_the_value_is_no_change():
    approved = role({"L0H0": 0.9}, nulls={"L0H0": REJECTED})
    found = role({"L0H0": 0.9}, nulls={"L0H0": (0.44, 0.001)})

    assert judge(found, approved, TOLERANCE).kind is Kind.PRESERVED


def test_a_null_that_was_as_large_when_approved_is_no_change():
    approved = role({"L0H0": 0.9}, nulls={"L0H0": (0.6, 0.001)})
    found = role({"L0H0": 0.9}, nulls={"L0H0": (0.62, 0.001)})

    assert judge(found, approved, TOLERANCE).kind is Kind.PRESERVED


def faithfulness(value: float, *null: float) -> Finding:
    """A number, and the mean and p of its null, if it has one."""
    return replace(
        number(value, error=0.02),
        measure="faithfulness",
        quantity="faithfulness",
        unit="fraction",
        direction=Direction.TWO_SIDED,
        nulls={"faithfulness": Null(*null)} if null else {},
    )


def test_a_number_that_met_its_null_is_lost_though_it_stays_what_it_was():
    verdict = judge(faithfulness(0.9, 0.85, 0.3), faithfulness(0.9, 0.2, 0.005), TOLERANCE)

    assert verdict.kind is Kind.LOST
    (reason,) = verdict.reasons
    assert (reason.change, reason.null) == (Change.GONE, 0.85)
    assert lines(verdict) == [
        "lost: faithfulness gone: 0.90 → 0.90 (not distinct from its null 0.85)",
        "  faithfulness gone: 0.90 → 0.90 (not distinct from its null 0.85)",
    ]


def test_a_number_that_fell_to_its_null_is_lost():
    verdict = judge(faithfulness(0.3, 0.2, 0.2), faithfulness(0.9, 0.2, 0.005), TOLERANCE)

    assert verdict.kind is Kind.LOST


@pytest.mark.parametrize(
    ("found", "approved", "kind"),
    [
        pytest.param((0.9, 0.5, 0.005), (0.9, 0.2, 0.005), Kind.PRESERVED, id="still more"),
        pytest.param((0.6, 0.2, 0.04), (0.9, 0.2, 0.005), Kind.WEAKENED, id="less, still more"),
        pytest.param((0.88, 0.23, 0.06), (0.9, 0.2, 0.04), Kind.PRESERVED, id="a p that wavers"),
        pytest.param((0.9, 0.85, 0.3), (0.9, 0.5, 0.3), Kind.PRESERVED, id="never more"),
        pytest.param((0.9, 0.85, 0.3), (0.9,), Kind.PRESERVED, id="a baseline without null"),
        pytest.param((0.9,), (0.9, 0.2, 0.005), Kind.PRESERVED, id="found without null"),
    ],
)
def test_a_number_is_lost_only_if_it_was_told_from_its_null_and_is_not_any_more(
    found, approved, kind
):
    assert judge(faithfulness(*found), faithfulness(*approved), TOLERANCE).kind is kind
