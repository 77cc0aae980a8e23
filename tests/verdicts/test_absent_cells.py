"""Cells that a model does not have change no verdict, and never make one pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from verdicts.handmade import (
    TOLERANCE,
    UP,
    around,
    cells,
    fractions,
    relabelled,
    role,
    widened,
    without,
)

from pytest_circuits.baselines import Baseline
from pytest_circuits.findings import Direction, Head
from pytest_circuits.findings.encoding import rounded
from pytest_circuits.verdicts import (
    Kind,
    default_tolerance,
    headline_number,
    imprecision,
    judge,
    lines,
    summarise,
    without_baseline,
)

#: Layers of a model, and those that have what the finding is of.
LAYERS, THERE = 6, (1, 2, 5)


def draw(rng, direction, *, nulls):
    """A role of a random model: three layers of four heads, of which some have it."""
    values = rng.choice([0.0, 0.1, 0.38, 0.41, 0.6, 0.9], size=(3, 4)) + rng.normal(0, 0.01, (3, 4))
    if direction is Direction.TWO_SIDED:
        values *= rng.choice([-1, 1], size=(3, 4))
    shapes = [UP, tuple(-part for part in UP), (0.1, -0.1, 0.1, -0.1)]
    heads = {
        str(Head(*map(int, cell))): around(float(value), shapes[rng.integers(3)])
        for cell, value in np.ndenumerate(values)
    }
    given = {head: (0.0, float(rng.choice([0.001, 0.3]))) for head in heads} if nulls else {}
    return role(heads, direction=direction, nulls=given, error=0.05)


def changed(rng, finding):
    """The finding after something happened to the model: heads moved, weakened, or changed."""
    order = [int(place) for place in rng.permutation(12)] if rng.random() < 0.5 else range(12)
    places = {Head(*divmod(old, 4)): Head(*divmod(new, 4)) for old, new in enumerate(order)}
    values = np.empty((3, 4))
    for old, new in places.items():
        values[new] = finding.values[old]
    moved = replace(
        finding,
        values=values * rng.choice([1.0, 1.0, 0.9, 0.5]) + rng.normal(0, 0.02, (3, 4)),
        profiles={str(places[Head.parse(h)]): p for h, p in finding.profiles.items()},
        nulls={str(places[Head.parse(h)]): null for h, null in finding.nulls.items()},
    )
    loss = replace(moved.companion[0], value=float(rng.choice([0.5, 0.6, 2.0])))
    return replace(moved, companion=(loss, *moved.companion[1:]))


def check_alike(found, approved, tolerance=TOLERANCE):
    """Hold the two against each other, and again with layers between that have nothing."""
    whole = judge(found, approved, tolerance)
    sparse = judge(widened(found, LAYERS, THERE), widened(approved, LAYERS, THERE), tolerance)
    assert lines(sparse) == relabelled(lines(whole), THERE)
    assert (sparse.kind, sparse.number, sparse.reading) == (whole.kind, whole.number, whole.reading)
    assert sparse.companion == whole.companion
    for one, other in zip(sparse.reasons, whole.reasons, strict=True):
        subject, taker = relabelled((other.subject, other.other), THERE)
        said = replace(
            other, subject=subject, other=taker,
            before=one.before, after=one.after, tolerance=one.tolerance,
        )  # fmt: skip
        assert one == said
        numbers = (other.before, other.after, other.tolerance)
        assert (one.before, one.after, one.tolerance) == pytest.approx(numbers)
    return whole.kind


@pytest.mark.parametrize("nulls", [False, True], ids=["no nulls", "nulls"])
@pytest.mark.parametrize("direction", [Direction.HIGHER, Direction.TWO_SIDED])
def test_layers_without_heads_change_no_verdict_on_a_role(direction, nulls):
    rng = np.random.default_rng(7)
    kinds = set()
    for _ in range(150):
        approved = rounded(draw(rng, direction, nulls=nulls))
        kinds.add(check_alike(rounded(changed(rng, approved)), approved))
    assert kinds >= {Kind.PRESERVED, Kind.WEAKENED, Kind.RELOCATED}


@pytest.mark.parametrize("gap", [4.0, 3.0, 0.5, 0.05])
def test_layers_without_heads_change_no_verdict_on_fractions(gap):
    rng = np.random.default_rng(3)
    for _ in range(40):
        heads = {str(Head(*divmod(n, 4))): around(float(rng.normal(0, 0.3))) for n in range(12)}
        now = {head: around(p[0] + float(rng.normal(0, 0.05))) for head, p in heads.items()}
        check_alike(rounded(fractions(now, gap=gap)), rounded(fractions(heads)))


AXES = {
    "layers": (("layer",), (3,)),
    "positions": (("layer", "position"), (3, 4)),
    "heads and positions": (("layer", "head", "position"), (3, 2, 4)),
}


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("of", AXES)
def test_layers_without_values_change_no_verdict_on_a_matrix(of, direction):
    axes, shape = AXES[of]
    rng = np.random.default_rng(11)
    kinds = set()
    for _ in range(100):
        values = rng.normal(0.5, 0.4, shape)
        approved = rounded(cells(values, axes, direction=direction))
        noise = rng.choice([0, 0.02, 0.1]) * rng.normal(size=shape)
        moved = values * rng.choice([1, 0.95, 0.5, 1.3]) + noise
        kinds.add(check_alike(rounded(cells(moved, axes, direction=direction)), approved))
    assert kinds == {Kind.PRESERVED, Kind.WEAKENED, Kind.STRENGTHENED}


def test_components_that_the_model_does_not_have_change_no_verdict():
    names = ("L0 attn", "L0 mlp", "L1 attn", "L1 mlp")
    every = cells([0.0, 0.5, 1.0, -0.5], ("component",), {"component": names})
    others = cells([0.5, 1.0, -0.5], ("component",), {"component": names[1:]})
    sparse, whole = (
        judge(replace(before, values=before.values * 0.5), before, TOLERANCE)
        for before in (without(every, (0,)), others)
    )
    assert lines(sparse) == lines(whole)
    assert sparse.kind is Kind.WEAKENED


def test_tolerances_defaults_and_numbers_are_those_of_the_cells_that_are_there():
    rng = np.random.default_rng(5)
    for whole in (
        draw(rng, Direction.HIGHER, nulls=False),
        cells(rng.normal(size=(3, 4)), ("layer", "position")),
        cells(rng.normal(size=3), ("layer",), direction=Direction.LOWER),
    ):
        sparse = widened(whole, LAYERS, THERE)
        assert default_tolerance(sparse) == default_tolerance(whole)
        assert TOLERANCE.among(sparse) == TOLERANCE.among(whole)
        assert headline_number(sparse) == pytest.approx(headline_number(whole))
        assert [summarise(sparse)] == relabelled([summarise(whole)], THERE)
        assert without_baseline(sparse).kind is Kind.NEW


WHOLE = role({"L1H0": around(0.9), "L1H1": around(0.7), "L2H0": around(0.6)}, shape=(3, 2))
HYBRID = without(WHOLE, (0,))
POSITIONS = {"position": ("S1", "END")}
BY_POSITION = cells([[0.1, 0.5], [0.7, 0.2]], ("layer", "position"), POSITIONS)
PARTS = cells([0.1, 0.5, 0.2], ("component",), {"component": ("embed", "L0 attn", "L0 mlp")})
DEEP = cells(np.arange(8.0).reshape(2, 2, 2), ("layer", "head", "position"), POSITIONS)
LENS = cells([3.0, 2.0, 1.0], ("layer",), direction=Direction.LOWER)
OTHER_CELLS = {
    "a layer": (HYBRID, WHOLE, "layer 0 has 2 heads → layer 0 has no heads"),
    "a layer more": (WHOLE, HYBRID, "layer 0 has no heads → layer 0 has 2 heads"),
    "two layers": (
        without(WHOLE, (0,), (2,)), WHOLE,
        "layer 0 has 2 heads, … → layer 0 has no heads, …",
    ),
    "other layers": (
        without(WHOLE, (2,)), HYBRID,
        "layer 0 has no heads, … → layer 0 has 2 heads, …",
    ),
    "one head": (without(WHOLE, (2, 1)), WHOLE, "layer 2 has 2 heads → layer 2 has 1 head"),
    "another head": (
        without(WHOLE, (0, 0)), without(WHOLE, (0, 1)),
        "layer 0 has 1 head → layer 0 has only head 1",
    ),
    "a layer's positions": (
        without(BY_POSITION, (0,)), BY_POSITION,
        "layer 0 has values → layer 0 has no values",
    ),
    "a position": (
        without(BY_POSITION, (0, 1)), BY_POSITION,
        "layer 0 has values → layer 0, position END has no value",
    ),
    "a component": (without(PARTS, (1,)), PARTS, "L0 attn has a value → L0 attn has no value"),
    "a layer of a lens": (LENS, without(LENS, (0,)), "layer 0 has no values → layer 0 has values"),
    "heads by position": (
        without(DEEP, (1,)), DEEP, "layer 1 has 2 heads → layer 1 has no heads",
    ),
    "one head's position": (
        without(DEEP, (1, 1, 0)), DEEP,
        "layer 1 has 2 heads → L1H1, position S1 has no value",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("found", "approved", "said"), OTHER_CELLS.values(), ids=list(OTHER_CELLS))
def test_other_cells_are_another_quantity(found, approved, said):
    verdict = judge(found, approved, default_tolerance(approved))
    assert verdict.kind is Kind.INCOMPARABLE
    assert lines(verdict) == [
        f"incomparable: shape differs: {said}",
        f"  shape differs: {said}",
    ]


def test_values_that_agree_where_both_have_some_are_still_not_compared():
    """A layer that lost its attention would else be held against nothing, and pass."""
    for cell in [(0,), (1,), (2,), (1, 1)]:
        for found, approved in [(without(WHOLE, cell), WHOLE), (WHOLE, without(WHOLE, cell))]:
            assert judge(found, approved, TOLERANCE).kind is Kind.INCOMPARABLE


def test_another_shape_is_told_as_before():
    verdict = judge(without(role({}, shape=(3, 4)), (0,)), HYBRID, TOLERANCE)
    assert lines(verdict)[1:] == ["  shape differs: 3 × 2 → 3 × 4"]


GONE = fractions({"L1H0": around(0.9)}, gap=0.05, shape=(3, 2))
THERE_STILL = fractions({"L1H0": around(0.9)}, shape=(3, 2))


def stored(finding):
    """The finding as its file gives it back."""
    document = Baseline("", finding, default_tolerance(finding)).document()
    return Baseline.from_document(document, "f.json").finding


def undefined():
    """Fractions of what is gone, on a model without heads in layer 0."""
    nothing = np.full((3, 2), np.nan)
    return replace(without(GONE, (0,)), values=nothing, errors=nothing, profiles={})


def test_what_is_undefined_is_lost_though_its_file_does_not_say_which_heads_there_are():
    approved = without(THERE_STILL, (0,))
    for found in (undefined(), stored(undefined())):
        assert found.undefined
        verdict = judge(found, approved, default_tolerance(approved))
        assert verdict.kind is Kind.LOST
        assert lines(verdict)[0] == "lost: logit diff gap gone: 4.00 → 0.05"
        assert judge(found, THERE_STILL, default_tolerance(approved)).kind is Kind.LOST


def test_an_undefined_baseline_is_compared_by_its_behaviour_alone():
    approved = stored(undefined())
    found = without(THERE_STILL, (0,))
    verdict = judge(found, approved, default_tolerance(approved))
    assert [reason.subject for reason in verdict.reasons] == ["logit_diff_gap"]
    assert verdict.kind is Kind.STRENGTHENED
    assert judge(approved, approved, default_tolerance(approved)).kind is Kind.PRESERVED


def test_no_head_moves_to_a_place_that_the_model_does_not_have():
    """What the lost head did is done by no other, and places without a head are no candidates."""
    approved = without(role({"L1H0": around(0.9)}, shape=(3, 2)), (0,), (2, 1))
    found = without(role({"L2H0": around(0.9)}, shape=(3, 2)), (0,), (2, 1))
    verdict = judge(found, approved, TOLERANCE)
    assert lines(verdict)[0] == "relocated: L1H0→L2H0 0.90, across layers"
    lost = judge(without(role({}, shape=(3, 2)), (0,), (2, 1)), approved, TOLERANCE)
    assert (lost.kind, lost.reasons[0].subject) == (Kind.LOST, "induction heads")


def test_precision_is_that_of_the_heads_that_are_there():
    rng = np.random.default_rng(0)
    approved = replace(HYBRID, samples=4, clusters=4)
    noise = {head: p + rng.normal(0, 0.2, 4) for head, p in approved.profiles.items()}
    found = replace(approved, profiles=noise)
    whole = replace(WHOLE, samples=4, clusters=4)
    assert imprecision(found, approved, TOLERANCE) == imprecision(
        replace(whole, profiles=noise), whole, TOLERANCE
    )
