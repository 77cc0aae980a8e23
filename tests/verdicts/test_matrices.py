from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from verdicts.handmade import TOLERANCE

from pytest_circuits.findings import Behaviour, Direction, Finding
from pytest_circuits.verdicts import (
    About,
    Allowance,
    Change,
    Kind,
    headline_number,
    judge,
    summarise,
)

HIGHER, LOWER, TWO_SIDED = Direction.HIGHER, Direction.LOWER, Direction.TWO_SIDED


def matrix(values, direction: Direction = TWO_SIDED) -> Finding:
    """Values by layer and position, for which no role is known."""
    values = np.array(values, dtype=np.float64)
    return Finding(
        "patch", "fraction recovered", "fraction", direction, ("layer", "position"),
        values, np.full_like(values, 0.01), 10, 10,
        convention={"site": "resid_pre"},
        prompts={"kind": "pairs"},
        companion=(
            Behaviour("logit_diff_gap", 4.0, 0.1, 10, HIGHER, "logits", vital=True),
        ),
        relative_to="logit_diff_gap",
    )  # fmt: skip


BASE = [[0.9, 0.1, 0.0], [0.2, 0.7, 0.0]]


def changed(row: int, column: int, value: float, values=BASE) -> list[list[float]]:
    now = np.array(values)
    now[row, column] = value
    return now.tolist()


@pytest.mark.parametrize(
    ("direction", "before", "now", "kind"),
    [
        pytest.param(TWO_SIDED, BASE, BASE, Kind.PRESERVED, id="the same"),
        pytest.param(
            TWO_SIDED, BASE, changed(0, 1, 0.15), Kind.PRESERVED, id="a cell at its tolerance"
        ),
        pytest.param(
            TWO_SIDED, BASE, changed(0, 1, 0.16), Kind.STRENGTHENED, id="a cell away from 0"
        ),
        pytest.param(TWO_SIDED, BASE, changed(0, 1, 0.04), Kind.WEAKENED, id="a cell towards 0"),
        pytest.param(TWO_SIDED, BASE, changed(0, 1, -0.1), Kind.WEAKENED, id="a cell through 0"),
        pytest.param(
            TWO_SIDED, changed(0, 1, -0.5), changed(0, 1, -0.6), Kind.STRENGTHENED,
            id="a negative cell away from 0",
        ),
        pytest.param(
            TWO_SIDED, changed(0, 1, -0.5), changed(0, 1, -0.55), Kind.PRESERVED,
            id="a negative cell at its tolerance",
        ),
        pytest.param(
            TWO_SIDED, BASE, changed(0, 2, 0.06), Kind.STRENGTHENED, id="a cell that was 0 rises"
        ),
        pytest.param(
            TWO_SIDED, BASE, changed(0, 2, -0.06), Kind.WEAKENED, id="a cell that was 0 falls"
        ),
        pytest.param(HIGHER, BASE, changed(0, 0, 0.8), Kind.WEAKENED, id="higher, falls"),
        pytest.param(HIGHER, BASE, changed(0, 0, 1.0), Kind.STRENGTHENED, id="higher, rises"),
        pytest.param(LOWER, BASE, changed(0, 0, 0.8), Kind.STRENGTHENED, id="lower, falls"),
        pytest.param(LOWER, BASE, changed(0, 0, 1.0), Kind.WEAKENED, id="lower, rises"),
        pytest.param(
            TWO_SIDED, BASE, [[0.8, 0.1, 0.0], [0.2, 0.8, 0.0]], Kind.WEAKENED,
            id="one cell weaker and another stronger",
        ),
    ],
)  # fmt: skip
def test_a_matrix_is_judged_by_its_cells(direction, before, now, kind):
    assert judge(matrix(now, direction), matrix(before, direction), TOLERANCE).kind is kind


def test_the_worst_and_the_best_cell_are_named_and_no_other():
    found = [[0.8, 0.2, 0.0], [0.0, 1.0, 0.0]]

    reasons = judge(matrix(found), matrix(BASE), TOLERANCE).reasons

    cells = [r for r in reasons if r.about is About.CELL]
    assert [(r.change, r.subject) for r in cells] == [
        (Change.WORSE, "layer 1, position 0"),
        (Change.BETTER, "layer 1, position 1"),
    ]
    assert (cells[0].before, cells[0].after, cells[0].tolerance) == (0.2, 0.0, 0.05)


def test_the_worst_cell_is_the_one_that_exceeds_its_own_tolerance_most():
    tolerance = replace(TOLERANCE, value=Allowance(0.05, 0.2))
    found = [[0.7, 0.1, 0.0], [0.05, 0.7, 0.0]]  # 0.2 of 0.18 allowed, 0.15 of 0.05

    reasons = judge(matrix(found), matrix(BASE), tolerance).reasons

    assert [r.subject for r in reasons if r.about is About.CELL] == ["layer 1, position 0"]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("direction", "share", "change"),
    [
        (TWO_SIDED, 0.89, Change.WORSE),
        (TWO_SIDED, 0.91, None),
        (TWO_SIDED, 1.09, None),
        (TWO_SIDED, 1.11, Change.BETTER),
        (TWO_SIDED, -1, Change.WORSE),
    ],
)
def test_small_changes_everywhere_add_up(direction, share, change, sign):
    # A tenth of the whole is allowed, and half of every cell.
    tolerance = replace(TOLERANCE, value=Allowance(3.0, 0.5, 3.0))
    before = sign * np.array([[0.5, 0.5], [0.4, -0.6]])

    reasons = judge(matrix(share * before), matrix(before), tolerance).reasons

    assert [(r.change, r.about, r.quantity) for r in reasons] == (
        [(change, About.MATRIX, "as a whole")] if change else []
    )


def test_the_whole_is_the_length_along_the_baseline():
    tolerance = replace(TOLERANCE, value=Allowance(9.0, 0.0, 9.0))

    (reason,) = judge(
        matrix([[1.5, 2.0], [9.0, 0.0]]), matrix([[3.0, 4.0], [0, 0]]), tolerance
    ).reasons

    assert (reason.before, reason.after) == (pytest.approx(5.0), pytest.approx(2.5))
    assert reason.tolerance == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("direction", "kind"), [(HIGHER, Kind.STRENGTHENED), (LOWER, Kind.WEAKENED)]
)
def test_where_one_way_is_better_negative_cells_that_rise_got_better_or_worse_as_a_whole(
    direction, kind
):
    tolerance = replace(TOLERANCE, value=Allowance(9.0, 0.0, 9.0))
    before, now = matrix([[1.0, -1.0]], direction), matrix([[1.0, -0.5]], direction)

    assert judge(now, before, tolerance).kind is kind


def test_noise_in_single_cells_cancels_in_the_whole():
    draw = np.random.default_rng(0)
    before, noise = draw.uniform(0.5, 1, (20, 20)), draw.uniform(-0.05, 0.05, (20, 20))

    verdict = judge(matrix(before + noise), matrix(before), TOLERANCE)

    assert verdict.kind is Kind.PRESERVED


def test_a_matrix_of_zeros_has_no_whole_to_be_a_part_of():
    zeros = np.zeros((2, 2))

    assert judge(matrix(zeros), matrix(zeros), TOLERANCE).reasons == ()
    (reason,) = judge(matrix([[0.3, 0], [0, 0]]), matrix(zeros), TOLERANCE).reasons
    assert (reason.about, reason.change) == (About.CELL, Change.BETTER)


def test_a_tolerance_of_nothing_lets_only_the_same_pass():
    exact = replace(TOLERANCE, value=Allowance(0.0, 0.0), role=Allowance(0.0, 0.0))

    assert judge(matrix(BASE), matrix(BASE), exact).kind is Kind.PRESERVED
    assert judge(matrix(changed(0, 0, 0.8999)), matrix(BASE), exact).kind is Kind.WEAKENED


def test_a_matrix_of_a_behaviour_that_is_gone_is_not_judged():
    gone = replace(matrix(BASE).companion[0], value=0.1)
    found = replace(matrix(changed(0, 0, 0.0)), companion=(gone,))

    verdict = judge(found, matrix(BASE), TOLERANCE)

    assert verdict.kind is Kind.LOST
    assert [reason.subject for reason in verdict.reasons] == ["logit_diff_gap"]


def test_a_matrix_is_summarised_by_its_largest_value():
    finding = matrix([[0.1, -0.9]])

    assert summarise(finding) == (
        "layer 0, position 1 fraction recovered -0.90; logit diff gap 4.00"
    )
    assert headline_number(finding) == 0.9


def test_where_less_is_better_it_is_summarised_by_its_least_value():
    finding = matrix([[40.0, 3.0]], LOWER)

    assert summarise(finding).startswith("layer 0, position 1 fraction recovered 3.00")
    assert headline_number(finding) == 3.0
