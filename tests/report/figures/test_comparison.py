"""A finding beside its baseline: the numbers behind figures and tables."""

from dataclasses import replace

import numpy as np
import pytest
from report.figures.handmade_runs import BROKEN, INDUCTION, WOBBLES, by_positions, undefined
from verdicts.handmade import TOLERANCE, around, cells, fractions, number, role

from pytest_circuits.findings import Head
from pytest_circuits.report.figures import SideBySide, paired_samples, ranking
from pytest_circuits.verdicts import Allowance, Kind, judge


def test_differences_are_held_to_the_tolerance_that_the_verdict_has():
    tolerance = replace(TOLERANCE, value=Allowance(floor=0.05, share=0.1), top=0.0)
    comparison = SideBySide.of(BROKEN, INDUCTION, tolerance)
    assert comparison.differences[1, 0] == pytest.approx(-0.7)
    assert comparison.allowed[1, 0] == pytest.approx(0.09)
    assert comparison.allowed[0, 0] == pytest.approx(0.05)
    assert {tuple(map(int, cell)) for cell in np.argwhere(comparison.beyond)} == {(1, 0), (2, 2)}


def test_a_difference_of_exactly_the_tolerance_is_within_it():
    comparison = SideBySide.of(
        role({"L0H0": 0.85}), role({"L0H0": 0.9}), replace(TOLERANCE, top=0.0)
    )
    assert not comparison.beyond.any()


def test_a_cell_in_words():
    cell = SideBySide.of(BROKEN, INDUCTION, TOLERANCE).cell((1, 0))
    assert cell[:9] == ("L1H0", "0.200", "0.020", "0.900", "-0.700", "0.050", "-14.0", "left", "▼")


@pytest.mark.parametrize(
    ("head", "part"),
    [((1, 0), "left"), ((1, 1), "in the role"), ((2, 2), "joined"), ((0, 0), "")],
)
def test_what_part_a_head_has_in_the_role(head, part):
    assert SideBySide.of(BROKEN, INDUCTION, TOLERANCE).part(Head(*head)) == part


@pytest.mark.parametrize(("found", "approved", "heads"), WOBBLES.values(), ids=WOBBLES)
def test_the_heads_of_a_role_are_those_that_the_verdict_counts(found, approved, heads):
    verdict = judge(found, approved, TOLERANCE)
    assert verdict.kind is Kind.PRESERVED
    assert verdict.summary.startswith(f"{heads} head")
    comparison = SideBySide.of(found, approved, TOLERANCE)
    assert len(comparison.members) == heads
    assert {cell.role for cell in comparison.cells()} == {"in the role", ""}


def test_a_newcomer_that_works_against_the_behaviour_has_not_joined():
    found = fractions({"L1H0": around(0.5), "L2H2": around(-0.4)})
    comparison = SideBySide.of(found, fractions({"L1H0": around(0.5)}), TOLERANCE)
    assert comparison.part(Head(2, 2)) == "against it"
    assert comparison.cell((2, 2)).beyond == "▼"
    assert list(comparison.members) == [Head(1, 0)]


def test_heads_outside_the_role_before_and_after_are_not_judged():
    found, approved = role({"L1H0": 0.9, "L2H2": 0.3}), role({"L1H0": 0.9})
    assert judge(found, approved, TOLERANCE).kind is Kind.PRESERVED
    comparison = SideBySide.of(found, approved, TOLERANCE)
    assert not comparison.beyond.any()
    cell = comparison.cell((2, 2))
    assert (cell.difference, cell.tolerance, cell.excess, cell.beyond) == ("+0.300", "", "", "")


def test_fractions_of_what_is_gone_mean_nothing_though_they_are_numbers():
    approved = fractions({"L1H0": around(0.5)})
    gone = replace(approved.companion[0], value=0.5)
    comparison = SideBySide.of(replace(approved, companion=(gone,)), approved, TOLERANCE)
    assert "mean nothing: logit diff gap gone: 4.00 → 0.50" in comparison.obstacle
    assert comparison.cell((1, 0))[1:5] == ("", "", "0.500", "")
    assert comparison.members == {}
    assert ranking(comparison) is None
    assert paired_samples(comparison) is None


def test_cells_of_positions_name_the_token():
    names = [cell.name for cell in SideBySide.of(by_positions()).cells()]
    assert names[2] == "layer 0, position 2 (␣John)"
    assert names[5] == "layer 0, position 5 (⏎)"


def test_without_a_baseline_there_is_nothing_to_compare():
    comparison = SideBySide.of(INDUCTION)
    assert comparison.differences is None
    cell = comparison.cell((1, 0))
    assert cell[:9] == ("L1H0", "0.900", "0.010", "", "", "", "", "in the role", "")


def test_other_quantities_are_not_compared_and_the_fields_are_named():
    other = replace(INDUCTION, convention={"block": 32, "seed": 0})
    comparison = SideBySide.of(other, INDUCTION)
    assert comparison.differences is None
    assert "convention.block" in comparison.obstacle
    # The cells are the same ones, so both numbers can stand side by side.
    assert comparison.cell((1, 0)).before == "0.900"
    assert comparison.cell((1, 0)).difference == ""


def test_fractions_of_what_is_gone_are_not_compared():
    found, approved = undefined()
    comparison = SideBySide.of(found, approved)
    assert comparison.differences is None
    assert "logit diff gap gone: 4.00 → 0.01" in comparison.obstacle
    assert comparison.cell((1, 0)).value == ""


def test_one_number_has_one_cell():
    comparison = SideBySide.of(number(3.1, error=0.2), number(3.6, error=0.2), TOLERANCE)
    (cell,) = comparison.cells()
    assert cell[:9] == (
        "logit difference", "3.100", "0.200", "3.600", "-0.500", "0.050", "-10.0", "", "▼",
    )  # fmt: skip


def test_a_single_cluster_has_no_error():
    finding = replace(
        cells([1.0, 2.0], ("layer",)), clusters=1, errors=np.full(2, np.nan), samples=1
    )
    assert [cell.error for cell in SideBySide.of(finding).cells()] == ["", ""]


def test_numbers_are_those_that_a_file_holds():
    finding = role({"L0H0": around(0.123456)})
    assert SideBySide.of(finding).values[0, 0] == 0.1235
