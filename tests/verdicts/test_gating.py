from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from verdicts.handmade import TOLERANCE, fractions, number, role

from pytest_circuits.findings import Behaviour, Direction
from pytest_circuits.verdicts import (
    SEVERITY,
    Gate,
    Kind,
    Outcome,
    Settlement,
    Verdict,
    default_tolerance,
    judge,
    passes,
)

PAGE = (Path(__file__).parents[2] / "docs/verdicts.md").read_text(encoding="utf-8")
HOLDS, FAILS, UNSETTLED = map(Settlement, Outcome)


def verdict(kind, settlement=None, *, held=True):
    made = Verdict(Kind(kind), (), "", behaviour_held=held)
    return made if settlement is None else made.settled(settlement)


#: By the rows of the table in docs/verdicts.md, the verdicts that a row is of.
ROWS = {
    "preserved": [verdict("preserved"), verdict("preserved", HOLDS)],
    "relocated, strengthened": [
        verdict(kind, settlement, held=held)
        for kind in ("relocated", "strengthened")
        for settlement, held in ((None, True), (HOLDS, True), (UNSETTLED, True), (None, None))
    ],
    "weakened or lost in a behaviour": [
        verdict(kind, settlement, held=False)
        for kind in ("weakened", "lost")
        for settlement in (None, HOLDS, UNSETTLED)
    ],
    "weakened or lost in the mechanism alone, holds on new prompts": [
        verdict("weakened", HOLDS),
        verdict("lost", HOLDS),
    ],
    "the same, not settled": [
        verdict(kind, settlement, held=held)
        for kind in ("weakened", "lost")
        for settlement, held in ((UNSETTLED, True), (None, None), (None, True))
    ],
    "any, fails on new prompts": [
        verdict(kind, FAILS, held=held)
        for kind in ("preserved", "relocated", "strengthened", "weakened", "lost")
        for held in (True, False, None)
    ],
    "incomparable": [verdict("incomparable", held=None)],
}


def table():
    """The rows of the gate's table: by its first cell, what each gate does."""
    start = PAGE.index("| what it is |")
    header, _, *rows = PAGE[start:].split("\n\n")[0].splitlines()
    cells = [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in [header, *rows]]
    names = [re.sub(r" \(default\)", "", name).strip("`") for name in cells[0][1:]]
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in cells[1:]}


def test_the_table_has_every_gate_and_every_row():
    assert set(table()) == {*ROWS, "new"}
    assert all(set(row) == set(Gate) for row in table().values())


@pytest.mark.parametrize("gate", Gate)
@pytest.mark.parametrize("row", ROWS)
def test_a_gate_lets_pass_what_the_table_says(row, gate):
    said = table()[row][gate].partition(",")[0]
    assert said in ("passes", "fails")
    for each in ROWS[row]:
        for in_ci in (True, False):
            assert passes(each, gate, in_ci=in_ci) is (said == "passes"), each


@pytest.mark.parametrize("gate", Gate)
def test_what_is_new_fails_in_ci(gate):
    new = verdict("new", held=None)
    said = table()["new"][gate]
    in_ci, locally = (passes(new, gate, in_ci=in_ci) for in_ci in (True, False))
    assert (
        said
        == {
            (False, True): "passes; fails in CI",
            (False, False): "fails",
            (True, True): "passes",
        }[in_ci, locally]
    )


def test_every_verdict_has_its_place_among_the_severities():
    assert set(SEVERITY) == set(Kind)
    assert len(SEVERITY) == len(Kind)
    assert SEVERITY[0] is Kind.LOST
    assert SEVERITY[-1] is Kind.PRESERVED


def test_what_fails_a_gate_stands_above_what_passes_it():
    passing = [passes(verdict(kind), Gate.REGRESSION, in_ci=True) for kind in SEVERITY]

    assert passing == sorted(passing)


# what asks for new prompts


def judged(found, approved):
    tolerance = TOLERANCE if approved.axes else default_tolerance(approved)
    return judge(found, approved, tolerance)


BEFORE = role({"L0H1": 0.9, "L1H2": 0.8})


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (role({"L0H1": 0.9, "L1H2": 0.6}), "weakened"),
        (role({"L0H1": 0.9}), "weakened"),
        (role({}), "lost"),
        (role({"L0H1": 0.9, "L1H2": 0.95}), "strengthened"),
        (role({"L0H1": 0.9, "L1H2": 0.6}, loss=0.2), "weakened"),
    ],
    ids=["weaker", "left", "none left", "stronger", "weaker, and the behaviour better"],
)
def test_a_mechanism_that_changed_while_its_behaviour_held_asks(found, kind):
    made = judged(found, BEFORE)
    assert (made.kind, made.asks, made.behaviour_held) == (kind, True, True)


def test_one_that_moved_asks():
    moved = {"L0H1": 0.9, "L2H0": (0.7, 0.7, 0.9, 0.9)}
    made = judged(role(moved), role({"L0H1": 0.9, "L1H2": moved["L2H0"]}))
    assert (made.kind, made.asks) == ("relocated", True)


@pytest.mark.parametrize(
    "found",
    [
        BEFORE,
        role({"L0H1": 0.9, "L1H2": 0.6}, loss=0.8),
        role({"L0H1": 0.9, "L1H2": 0.6}, gain=0.0),
    ],
    ids=["nothing changed", "the behaviour is worse", "the behaviour is gone"],
)
def test_what_needs_no_new_prompts_does_not_ask(found):
    assert not judged(found, BEFORE).asks


def test_a_mechanism_without_a_behaviour_can_not_ask():
    before, found = (replace(role({"L0H1": value}), companion=()) for value in (0.9, 0.5))
    made = judged(found, before)
    assert (made.kind, made.asks, made.behaviour_held) == ("weakened", False, None)
    assert made.mechanism_alone


@pytest.mark.parametrize("value", [2.0, 4.0])
def test_a_behaviour_is_its_own_answer(value):
    made = judged(number(value, error=0.1), number(3.0, error=0.1))
    assert (made.asks, made.behaviour_held) == (False, value > 3)
    assert not made.mechanism_alone


@pytest.mark.parametrize("key", ["circuit", "ablated"])
def test_a_number_of_a_circuit_is_a_mechanism_beside_its_behaviour(key):
    logits = Behaviour("logit_diff", 3.0, 0.1, 10, Direction.HIGHER, "logits", vital=True)
    before, found = (
        replace(
            number(value, error=0.01),
            convention={key: "L0H1"},
            companion=(logits,),
        )
        for value in (0.9, 0.5)
    )
    made = judged(found, before)
    assert (made.kind, made.asks, made.mechanism_alone) == ("weakened", True, True)


def test_fractions_of_what_is_gone_do_not_ask():
    made = judged(fractions({"L0H1": 0.5}, gap=0.01), fractions({"L0H1": 0.5}))
    assert (made.kind, made.asks, made.behaviour_held) == ("lost", False, False)
