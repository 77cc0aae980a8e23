from __future__ import annotations

import copy
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

from pytest_circuits.findings import (
    Behaviour,
    Direction,
    Finding,
    Head,
    InvalidFindingError,
    Null,
    Role,
)
from pytest_circuits.findings.statistics import share_bound, t95


def behaviour(value: float, error: float = 0.1, **fields) -> Behaviour:
    fields = {"name": "repeat_gain", "clusters": 10, "vital": True, **fields}
    return Behaviour(value=value, error=error, direction=Direction.HIGHER, unit="nats", **fields)


def scores(values, **fields) -> Finding:
    values = np.array(values, dtype=np.float64)
    fields = {
        "unit": "attention probability",
        "direction": Direction.HIGHER,
        "axes": ("layer", "head"),
        "errors": np.full_like(values, 0.01),
        "role": Role("induction heads", 0.4),
        "companion": (behaviour(4.0),),
        **fields,
    }
    return Finding(
        measure="induction_scores",
        quantity="induction score",
        values=values,
        samples=10,
        clusters=10,
        convention={"block": 16},
        prompts={"kind": "repeated tokens"},
        **fields,
    )


def number(value: float, **fields) -> Finding:
    return scores(value, axes=(), role=None, errors=np.array(0.25), **fields)


GONE = {"companion": (behaviour(0.05, error=0.1),), "relative_to": "repeat_gain"}


def test_equality_is_left_to_snapshots():
    finding = scores([[0.1, 0.9]])

    assert finding != copy.copy(finding)
    assert finding == finding  # noqa: PLR0124 — identity is what is asked


def test_an_array_on_the_left_does_not_broadcast_over_a_finding():
    finding = scores([[0.1, 0.9]])

    assert (np.ones((1, 2)) == finding) is False
    assert (finding == np.ones((1, 2))) is False


def test_findings_are_hashable_by_identity():
    finding = scores([[0.1, 0.9]])

    assert {finding: "found"}[finding] == "found"
    assert len({finding, copy.copy(finding)}) == 2


def test_a_finding_converts_to_numpy_without_sharing_its_values():
    finding = scores([[0.1, 0.9]])

    array = np.asarray(finding)
    array[0, 0] = 7

    assert finding.values[0, 0] == 0.1
    assert np.asarray(finding, dtype=np.float32).dtype == np.float32


def test_a_finding_of_one_number_converts_to_float():
    assert float(number(3.5)) == 3.5


def test_a_finding_with_heads_is_no_single_number():
    with pytest.raises(TypeError, match="values for layer × head, not one number"):
        float(scores([[0.1]]))


def test_findings_of_the_same_quantity_and_values_are_equals():
    finding = scores([[0.1, 0.9]])

    assert finding.equals(scores([[0.1, 0.9]]))
    assert finding.equals(replace(finding, provenance={"device": "elsewhere"}))


@pytest.mark.parametrize(
    "change",
    [
        {"measure": "previous_token_scores"},
        {"convention": {"block": 15}},
        {"prompts": {"kind": "pairs"}},
        {"values": np.array([[0.1, 0.9001]])},
    ],
    ids=lambda change: next(iter(change)),
)
def test_findings_that_differ_are_not_equals(change):
    finding = scores([[0.1, 0.9]])

    assert not finding.equals(replace(finding, **change))


def test_findings_with_other_cells_are_not_equals():
    assert hybrid().equals(hybrid())
    assert not hybrid().equals(scores(np.nan_to_num(np.array(HYBRID))))


def test_undefined_findings_are_equals():
    assert scores([[math.nan]], **GONE).equals(scores([[math.nan]], **GONE))


def test_a_pickled_finding_comes_back_with_everything():
    finding = scores([[0.1, 0.9]], profiles={"L0H1": np.array([0.8, 1.0])})

    back = pickle.loads(pickle.dumps(finding))  # noqa: S301 — our own bytes

    assert back.equals(finding)
    assert back.companion[0].value == 4.0
    np.testing.assert_array_equal(back.profiles["L0H1"], [0.8, 1.0])


def test_values_that_are_not_finite_are_refused_with_the_heads_they_belong_to():
    values = np.full((3, 4), 0.5)
    values[1, 2] = math.nan
    values[2, 0] = math.inf

    with pytest.raises(InvalidFindingError) as error:
        scores(values)

    assert str(error.value) == (
        "induction_scores: the model gives numbers that are not finite (L1H2, L2H0). "
        "Look for NaN or overflow in its weights, or try another dtype."
    )


def test_one_number_that_is_not_finite_is_refused_by_its_quantity():
    with pytest.raises(InvalidFindingError, match=r"not finite \(induction score\)"):
        number(math.nan)


def test_a_behaviour_that_is_not_finite_is_refused_by_its_name():
    with pytest.raises(InvalidFindingError, match=r"not finite \(repeat_gain\)"):
        scores([[0.5]], companion=(behaviour(math.nan),))


def test_values_may_be_undefined_where_the_behaviour_is_gone():
    finding = scores([[math.nan, math.nan]], **GONE)

    assert [b.name for b in finding.gone] == ["repeat_gain"]
    assert finding.undefined
    assert finding.members() == {}


def test_values_are_defined_while_what_they_are_fractions_of_is_there():
    assert not scores([[0.5]], relative_to="repeat_gain").undefined
    with pytest.raises(InvalidFindingError, match=r"not finite \(L0H0\)"):
        scores([[math.nan]], relative_to="repeat_gain")


def test_values_that_are_no_fractions_are_defined_whatever_is_gone():
    alone = {**GONE, "relative_to": None}

    assert not scores([[0.5]], **alone).undefined
    with pytest.raises(InvalidFindingError, match=r"not finite \(L0H0\)"):
        scores([[math.nan]], **alone)


@pytest.mark.parametrize(
    "fields",
    [
        {"axes": ()},
        {"axes": ("layer", "head", "position")},
        {"errors": np.zeros((2, 1))},
    ],
    ids=["too few axes", "too many axes", "errors of another shape"],
)
def test_values_errors_and_axes_must_fit_each_other(fields):
    with pytest.raises(InvalidFindingError, match="do not fit the axes"):
        scores([[0.1, 0.9]], **fields)


NOWHERE = math.nan
#: Layer 0 has no heads, and the last one has one.
HYBRID = [[NOWHERE, NOWHERE], [0.9, -0.2], [0.5, NOWHERE]]


def hybrid(values=HYBRID, **fields) -> Finding:
    missing = np.isnan(np.array(values, dtype=np.float64))
    errors = np.where(missing, math.nan, 0.01)
    return scores(values, **{"errors": errors, "absent": missing, **fields})


def test_cells_that_the_model_does_not_have_are_left_out():
    finding = hybrid()
    assert finding.heads() == {Head(1, 0): 0.9, Head(2, 0): 0.5, Head(1, 1): -0.2}
    assert finding.cells() == {"L1H0": 0.9, "L2H0": 0.5, "L1H1": -0.2}
    assert finding.members(threshold=-1.0) == finding.heads()
    np.testing.assert_array_equal(finding.present, [[False, False], [True, True], [True, False]])


def test_a_finding_whose_cells_are_all_there_has_none_absent():
    finding = scores([[0.9, 0.5]], absent=np.zeros((1, 2), dtype=bool))
    assert finding.absent is None
    assert finding.present.all()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"absent": np.ones((1, 2), dtype=bool)}, "not bool (1, 2) for values (3, 2)"),
        ({"absent": np.zeros((3, 2))}, "absent is true or false for each value, not float64"),
        ({"errors": np.full((3, 2), 0.01)},
         "there are numbers of cells that the model does not have (L0H0, L0H1, L2H1)"),
        ({"values": np.zeros((3, 2))}, "there are numbers of cells that the model does not have"),
        ({"nulls": {"L2H1": Null(0.0, 0.5)}},
         "there are numbers of cells that the model does not have (L2H1)"),
        ({"profiles": {"L0H1": np.zeros(10)}},
         "there are numbers of cells that the model does not have (L0H1)"),
        ({"absent": np.ones((3, 2), dtype=bool), "values": np.full((3, 2), NOWHERE),
          "errors": np.full((3, 2), NOWHERE)}, "the model has none of the cells"),
        ({"absent": None}, "numbers that are not finite (L0H0, L0H1, L2H1)"),
    ],
)  # fmt: skip
def test_what_can_not_be_absent_is_refused(fields, said):
    missing = np.isnan(HYBRID)
    whole = {"values": HYBRID, "errors": np.where(missing, NOWHERE, 0.01), "absent": missing}
    with pytest.raises(InvalidFindingError) as error:
        scores(**whole | fields)
    assert said in str(error.value)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_refused_beside_cells_that_are_absent(wrong):
    values = np.array(HYBRID)
    values[1, 1] = wrong
    with pytest.raises(InvalidFindingError, match=r"not finite \(L1H1\)"):
        hybrid(values, absent=np.isnan(HYBRID))


def test_an_undefined_finding_has_no_values_at_all_and_may_know_its_cells():
    nothing = np.full((3, 2), NOWHERE)
    finding = scores(nothing, errors=nothing, absent=np.isnan(HYBRID), **GONE)
    assert finding.undefined
    assert list(finding.heads()) == [Head(1, 0), Head(1, 1), Head(2, 0)]


def test_heads_come_strongest_first_whatever_their_sign():
    finding = scores([[0.1, -0.9], [0.5, 0.0]])

    assert list(finding.heads().items()) == [
        (Head(0, 1), -0.9),
        (Head(1, 0), 0.5),
        (Head(0, 0), 0.1),
        (Head(1, 1), 0.0),
    ]


def test_heads_with_the_same_value_keep_their_order():
    assert list(scores([[0.5, 0.5], [0.5, 0.5]]).heads()) == [
        Head(0, 0),
        Head(0, 1),
        Head(1, 0),
        Head(1, 1),
    ]


def test_one_number_has_no_heads():
    with pytest.raises(TypeError, match="no values for heads"):
        number(1.0).heads()


def test_members_are_the_heads_at_or_above_the_threshold():
    finding = scores([[0.4, 0.39], [-0.9, 0.7]])

    assert list(finding.members()) == [Head(1, 1), Head(0, 0)]
    assert list(finding.members(threshold=0.5)) == [Head(1, 1)]


def test_members_of_a_two_sided_role_count_by_magnitude():
    finding = scores([[0.4, 0.39], [-0.9, 0.7]], direction=Direction.TWO_SIDED)

    assert list(finding.members()) == [Head(1, 0), Head(1, 1), Head(0, 0)]


@pytest.mark.parametrize(("p", "rejected"), [(0.001, True), (0.05, True), (0.0501, False)])
def test_a_null_is_rejected_at_the_five_per_cent_level(p, rejected):
    assert Null(0.02, p).rejected is rejected


def test_members_have_more_than_their_null_where_they_have_one():
    nulls = {"L0H0": Null(0.02, 0.001), "L0H1": Null(0.6, 0.2)}
    finding = scores([[0.9, 0.7, 0.5, 0.1]], nulls=nulls)

    assert list(finding.members()) == [Head(0, 0), Head(0, 2)]
    assert list(finding.members(threshold=0.05)) == [Head(0, 0), Head(0, 2), Head(0, 3)]


def test_a_null_makes_no_member_of_a_head_below_the_threshold():
    finding = scores([[0.9, 0.3]], nulls={"L0H1": Null(0.0, 0.001)})

    assert list(finding.members()) == [Head(0, 0)]


def cell_names(axes, **labels):
    values = np.arange(2.0 ** len(axes)).reshape([2] * len(axes))
    finding = scores(values, axes=axes, role=None, labels=labels)
    return [finding.cell_name(cell) for cell in ((0,) * len(axes), (1,) * len(axes))]


def test_a_cell_is_called_by_its_axes_and_labels():
    ends = ("S1", "END")
    assert cell_names(("layer", "head")) == ["L0H0", "L1H1"]
    assert cell_names(("layer",)) == ["layer 0", "layer 1"]
    assert cell_names(("component",), component=("embedding", "L0 mlp")) == ["embedding", "L0 mlp"]
    assert cell_names(("layer", "position")) == ["layer 0, position 0", "layer 1, position 1"]
    assert cell_names(("layer", "position"), position=ends)[1] == "layer 1, position END"
    assert cell_names(("layer", "head", "position"), position=ends)[1] == "L1H1, position END"


def test_a_finding_without_a_role_has_no_members():
    assert scores([[0.9]], role=None).members() == {}


def test_lower_bounds_are_one_sided_t_intervals_over_clusters():
    finding = scores([[0.5, 0.9]], errors=np.array([[0.1, 0.0]]))

    np.testing.assert_allclose(finding.lower_bounds(), [[0.5 - t95(10) * 0.1, 0.9]])
    np.testing.assert_allclose(finding.upper_bounds(), [[0.5 + t95(10) * 0.1, 0.9]])


def test_bounds_of_shares_are_exact_over_clusters():
    finding = replace(scores([[0.5, 0.96], [1.0, 0.0]], errors=np.zeros((2, 2))), unit="share of x")

    low, high = finding.lower_bounds(), finding.upper_bounds()

    assert low[1, 0] == pytest.approx(0.05**0.1)
    assert high[1, 1] == pytest.approx(1 - 0.05**0.1)
    assert (low[1, 1], high[1, 0]) == (0, 1)
    # What lies between two counts has the lower bound of the lower, the upper one of the higher.
    assert low[0, 1] == share_bound(9, 10, upper=False)
    assert high[0, 1] == 1
    assert low[0, 0] == share_bound(5, 10, upper=False)
    assert high[0, 0] == share_bound(5, 10, upper=True)


@pytest.mark.parametrize("count", range(61))
def test_a_count_is_not_lost_to_rounding(count):
    finding = replace(number(count / 60), unit="share of prompts", clusters=60)

    assert finding.lower_bounds() == share_bound(count, 60, upper=False)
    assert finding.upper_bounds() == share_bound(count, 60, upper=True)


def test_shares_of_what_is_gone_have_no_bounds():
    gone = scores([[np.nan, np.nan]], **GONE)
    assert np.isnan(replace(gone, unit="share of prompts").lower_bounds()).all()


@pytest.mark.parametrize("unit", ["attention probability", "share of tokens"])
def test_cells_that_the_model_does_not_have_have_no_bounds(unit):
    whole = scores([[0.0, 0.9], [0.5, 0.2]], unit=unit)
    sparse = hybrid([[NOWHERE, 0.9], [0.5, NOWHERE]], unit=unit)
    for made, expected in (
        (sparse.lower_bounds(), whole.lower_bounds()),
        (sparse.upper_bounds(), whole.upper_bounds()),
    ):
        np.testing.assert_array_equal(made[sparse.present], expected[sparse.present])
        assert np.isnan(made[~sparse.present]).all()


def test_one_cluster_has_no_lower_bound():
    assert np.isnan(replace(scores([[0.5]]), clusters=1).lower_bounds()).all()


@pytest.mark.parametrize(
    ("value", "error", "clusters", "indistinct"),
    [
        (4.0, 0.1, 10, False),
        (0.2, 0.1, 10, False),  # 0.2 − 1.833 × 0.1 is above 0
        (0.18, 0.1, 10, True),
        (0.0, 0.0, 10, True),
        (0.0, 0.1, 10, True),
        (-0.18, 0.1, 10, True),
        (-0.2, 0.1, 10, False),  # clearly less than nothing is not nothing
        (-1.0, 0.1, 10, False),
        (0.1, math.nan, 1, False),  # one cluster has no interval, so the estimate decides
        (-0.1, math.nan, 1, False),
        (0.0, math.nan, 1, True),
    ],
)
def test_a_vital_behaviour_is_indistinct_when_its_interval_contains_0(
    value, error, clusters, indistinct
):
    assert behaviour(value, error, clusters=clusters).indistinct is indistinct


def test_a_behaviour_that_is_not_vital_is_never_indistinct():
    assert not behaviour(0.0, vital=False).indistinct
    assert not behaviour(-1.0, vital=False).indistinct


def test_a_behaviour_is_judged_unless_told():
    assert behaviour(4.0).judged
    assert not behaviour(4.0, judged=False).judged
    # Whether it is there at all is asked of it either way.
    assert behaviour(0.0, judged=False).indistinct


def test_a_behaviour_is_found_by_its_name():
    finding = scores([[0.5]], companion=(behaviour(4.0), behaviour(0.5, name="repeat_loss")))

    assert finding.behaviour("repeat_loss").value == 0.5
    with pytest.raises(KeyError, match="accuracy"):
        finding.behaviour("accuracy")


def test_a_finding_is_one_line_in_a_debugger():
    assert repr(scores([[0.1, 0.9]])) == "<Finding induction_scores 1 layers × 2 heads>"
    assert repr(number(3.14159)) == "<Finding induction_scores 3.142>"
    assert repr(hybrid()) == "<Finding induction_scores 3 layers × 2 heads, 3 absent>"


def test_a_finding_prints_as_a_short_table():
    values = np.linspace(0, 0.9, 10).reshape(2, 5)

    lines = str(scores(values)).splitlines()

    assert lines[0] == "induction_scores (attention probability, 10 samples)"
    assert lines[1] == "  L1H4       0.900 ± 0.010"
    assert len(lines) == 1 + 8 + 1  # the strongest eight, then the behaviour
    assert lines[-1] == "  repeat_gain 4.000 ± 0.100 nats"
    assert str(number(3.5)).splitlines()[1] == "  3.500 ± 0.250"


def test_what_is_printed_names_no_cell_that_the_model_does_not_have():
    assert str(hybrid()).splitlines()[1:-1] == [
        "  L1H0       0.900 ± 0.010",
        "  L2H0       0.500 ± 0.010",
        "  L1H1      -0.200 ± 0.010",
    ]


def test_labels_that_are_not_one_for_each_cell_of_an_axis_are_refused():
    for labels in ({"layer": ("first", "second")}, {"position": ("END",)}):
        with pytest.raises(InvalidFindingError, match=r"labels of .* do not fit the axes"):
            scores([[0.1, 0.9]], labels=labels)


def test_a_role_of_what_gets_better_downwards_is_refused():
    with pytest.raises(InvalidFindingError, match="more must be better"):
        scores([[0.1, 0.9]], direction=Direction.LOWER)


def test_one_number_has_no_cells():
    with pytest.raises(TypeError, match="induction_scores is one number"):
        number(1.5).cells()
