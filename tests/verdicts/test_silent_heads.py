"""Heads that look where they did and write nothing any more."""

from __future__ import annotations

import pytest
from verdicts.handmade import DOWN, TOLERANCE, around, role

from pytest_circuits.verdicts import About, Change, Kind, headline, judge, lines

HEADS = {"L0H0": 0.9, "L0H1": 0.7}
WRITING = {"L0H0": 1.0, "L0H1": 0.5}


def of(found, approved):
    return {(reason.change, reason.subject) for reason in judge(found, approved, TOLERANCE).reasons}


def test_a_head_that_looks_where_it_did_and_writes_nothing_weakens_the_role():
    approved = role(HEADS, outputs=WRITING)
    found = role(HEADS, outputs=WRITING | {"L0H0": 0.01})

    verdict = judge(found, approved, TOLERANCE)

    (silent,) = (reason for reason in verdict.reasons if reason.change is Change.SILENT)
    assert verdict.kind is Kind.WEAKENED
    assert (silent.about, silent.subject, silent.quantity) == (About.HEAD, "L0H0", "output")
    assert (silent.before, silent.after, silent.tolerance) == (1.0, 0.01, pytest.approx(0.8))
    # It does not hold the role up any more.
    assert verdict.number == pytest.approx(0.7)
    assert headline(verdict).startswith("L0H0 output 1.00→0.01; behaviour held")
    assert lines(verdict)[1] == "  writes nothing: L0H0 output 1.00→0.01 (tolerance 0.80)"


def test_a_role_whose_writers_are_all_silent_is_lost_though_they_look_stronger():
    approved = role(HEADS | {"L1H0": 0.8}, outputs=WRITING | {"L1H0": 0.02})
    found = role({"L0H0": 0.99, "L0H1": 0.95, "L1H0": 0.95}, outputs=dict.fromkeys(WRITING, 0.0))

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.LOST
    assert verdict.reasons[0].change is Change.EMPTY
    assert {(Change.SILENT, "L0H0"), (Change.SILENT, "L0H1")} <= of(found, approved)
    # What got stronger is told of the head that still says what it said.
    assert {subject for change, subject in of(found, approved) if change is Change.BETTER} == {
        "L1H0"
    }


def test_a_role_that_got_stronger_by_heads_that_write_nothing_is_weakened():
    approved = role(HEADS, outputs=WRITING)
    found = role({"L0H0": 0.99, "L0H1": 0.99}, outputs={"L0H0": 2.0, "L0H1": -0.1})

    assert judge(found, approved, TOLERANCE).kind is Kind.WEAKENED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (0.09, 0.0),  # too little to lose
        ((0.5, 0.3), 0.0),  # not told from nothing: the interval is 1.83 errors each way
        (0.5, 0.1),  # a fifth is left
        (-0.5, 0.0),  # wrote against the next token
        (0.5, 5.0),
    ],
)
def test_what_wrote_little_or_still_writes_is_not_silent(before, after):
    approved = role(HEADS, outputs=WRITING | {"L0H0": before})
    found = role(HEADS, outputs=WRITING | {"L0H0": after})

    verdict = judge(found, approved, TOLERANCE)

    assert (verdict.kind, verdict.reasons) == (Kind.PRESERVED, ())


def test_where_one_side_has_no_outputs_nothing_is_said_of_them():
    with_outputs, without = role(HEADS, outputs=WRITING), role(HEADS)

    assert judge(without, with_outputs, TOLERANCE).kind is Kind.PRESERVED
    assert judge(with_outputs, without, TOLERANCE).kind is Kind.PRESERVED


def test_a_part_that_moved_to_a_head_that_writes_nothing_is_lost():
    approved = role({"L0H0": around(0.9)}, outputs={"L0H0": 1.0})
    speaking = role({"L1H2": around(0.9)}, outputs={"L1H2": 1.0})
    silent = role({"L1H2": around(0.9)}, outputs={"L1H2": 0.0})

    assert judge(speaking, approved, TOLERANCE).kind is Kind.RELOCATED
    assert judge(silent, approved, TOLERANCE).kind is Kind.LOST
    assert (Change.SILENT, "L1H2") in of(silent, approved)


def test_a_newcomer_that_writes_keeps_the_role_from_being_lost():
    approved = role({"L0H0": around(0.9)}, outputs={"L0H0": 1.0})
    found = role(
        {"L0H0": around(0.9), "L1H2": around(0.8, DOWN)}, outputs={"L0H0": 0.0, "L1H2": 1.2}
    )

    assert judge(found, approved, TOLERANCE).kind is Kind.WEAKENED


def test_a_silent_head_that_left_the_role_is_told_once():
    approved = role(HEADS, outputs=WRITING)
    found = role({"L0H0": 0.25, "L0H1": 0.7}, outputs={"L0H0": 0.0, "L0H1": 0.5})

    assert of(found, approved) >= {(Change.LEFT, "L0H0")}
    assert (Change.SILENT, "L0H0") not in of(found, approved)
