from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from measured import allowance_of, allowance_of_harm

from pytest_circuits import measures
from pytest_circuits.findings import Behaviour, Canary, Direction, Finding
from pytest_circuits.measures import behaviours
from pytest_circuits.testing import perfect_induction_model
from pytest_circuits.verdicts import (
    Allowance,
    Kind,
    Tolerance,
    decode_tolerance,
    default_tolerance,
    encode_tolerance,
    judge,
    tolerances,
)


def finding(measure: str, *companion: str) -> Finding:
    return Finding(
        measure, "value", "logits", Direction.HIGHER, (), np.array(1.0), np.array(0.1), 5, 5,
        convention={},
        prompts={},
        companion=tuple(
            Behaviour(name, 1.0, 0.1, 5, Direction.HIGHER, "logits") for name in companion
        ),
        allowance=allowance_of(measure),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("strength", "allowed"), [(0.5, 0.1), (1.0, 0.1), (2.0, 0.1), (4.0, 0.2), (-4.0, 0.2)]
)
def test_an_allowance_is_a_floor_or_a_share_whichever_is_larger(strength, allowed):
    assert Allowance(floor=0.1, share=0.05).of(strength) == pytest.approx(allowed)


@pytest.mark.parametrize(
    ("strength", "allowed"), [(0.4, 0.08), (-0.1, 0.02), (0.05, 0.01), (0.01, 0.01), (0.0, 0.01)]
)
def test_a_floor_is_a_fifth_of_the_strength_at_most_and_the_least_is_allowed_of_any(
    strength, allowed
):
    assert Allowance(floor=0.1, share=0.05, least=0.01).of(strength) == pytest.approx(allowed)


def test_a_tolerance_comes_back_from_its_document():
    tolerance = Tolerance(
        Allowance(0.05, 0.02, 0.001),
        Allowance(0.1, 0.1),
        {"repeat_loss": Allowance(0.15, 0.075, 0.01)},
        canary=Allowance(0.04, 0.01),
        top=0.05,
        origin="calibrated",
    )

    document = json.loads(json.dumps(encode_tolerance(tolerance)))

    assert document == {
        "value": [0.05, 0.02, 0.001],
        "role": [0.1, 0.1, 0.0],
        "behaviours": {"repeat_loss": [0.15, 0.075, 0.01]},
        "canary": [0.04, 0.01, 0.0],
        "top": 0.05,
        "origin": "calibrated",
    }
    assert decode_tolerance(document) == tolerance


def test_beside_a_strong_head_every_head_may_move_a_share_of_what_that_one_has():
    tolerance = Tolerance(Allowance(0.05, 0.1), Allowance(0.1, 0.1), top=0.05)

    assert tolerance.beside(0.9).value.of(0.3) == pytest.approx(0.05)  # the floor is more
    assert tolerance.beside(2.0).value.of(0.3) == pytest.approx(0.1)
    assert tolerance.beside(-2.0).value.of(0.3) == pytest.approx(0.1)
    assert tolerance.beside(2.0).value.of(2.0) == pytest.approx(0.2)  # a tenth of its own


def test_however_strong_the_strongest_is_half_the_threshold_is_a_change():
    tolerance = Tolerance(Allowance(0.05, 0.1), Allowance(0.1, 0.1), top=0.05)

    assert tolerance.beside(20.0, threshold=0.4).value.floor == pytest.approx(0.2)
    assert tolerance.beside(2.0, threshold=0.4).value.floor == pytest.approx(0.1)
    assert tolerance.beside(20.0, threshold=0.06).value.floor == pytest.approx(0.03)


def test_among_small_values_the_strongest_sets_the_scale_of_all():
    tolerance = Tolerance(Allowance(0.05, 0.1, 0.005), Allowance(0.1, 0.1), top=0.05)

    assert tolerance.beside(0.1).value.of(0.001) == pytest.approx(0.02)
    assert tolerance.beside(0.1).value.of(0.1) == pytest.approx(0.02)
    assert tolerance.beside(0.001).value.of(0.0) == pytest.approx(0.005)


@pytest.mark.parametrize(("kind", "floor"), [("text", 0.05), ("drawn tokens", 0.11)])
def test_a_canary_has_the_tolerance_of_its_kind(kind, floor):
    measured = replace(finding("induction_scores"), canary=Canary(4.0, kind, "aa11"))
    assert default_tolerance(measured).canary.floor == floor


def test_only_values_with_axes_stand_beside_a_strongest_one():
    assert default_tolerance(finding("logit_diff")).top == 0.0
    with_heads = replace(
        finding("induction_scores"), axes=("head",), values=np.zeros(2), errors=np.zeros(2)
    )
    assert default_tolerance(with_heads).top == 0.05


def test_default_tolerances_follow_the_measure():
    assert default_tolerance(finding("logit_diff")).value == Allowance(0.2, 0.05, 0.1)
    assert default_tolerance(finding("induction_scores")).value == Allowance(0.05, 0.1, 0.005)
    assert default_tolerance(finding("my_own_measure")).value == Allowance(0.05, 0.1, 0.005)


@pytest.mark.parametrize(
    ("measure", "parts"),
    [
        ("attention_between", (0.05, 0.1, 0.005)),
        ("attention_scores", (0.05, 0.1, 0.005)),
        ("copying_scores", (0.1, 0.1, 0.02)),
        ("patch", (0.05, 0.1, 0.005)),
        ("head_attribution", (0.05, 0.1, 0.03)),
        ("component_attribution", (0.1, 0.1, 0.03)),
        ("logit_lens", (0.2, 0.05, 0.1)),
        ("faithfulness", (0.05, 0.0, 0.005)),
        ("completeness", (0.05, 0.0, 0.005)),
        ("minimality", (0.05, 0.0, 0.005)),
        ("accuracy", (0.1, 0.0, 0.1)),
        ("top_k_accuracy", (0.1, 0.0, 0.1)),
        ("answer_probability", (0.05, 0.0, 1e-8)),
        ("text_loss", (0.05, 0.0125, 0.01)),
        ("kl_divergence", (0.05, 0.1, 0.01)),
    ],
)
def test_every_measure_has_a_tolerance_of_its_scale(measure, parts):
    assert default_tolerance(finding(measure)).value == Allowance(*parts)


def test_a_rank_has_the_tolerance_of_ranks_whatever_the_measure():
    ranks = replace(
        finding("mine"), unit="rank", axes=("layer",), values=np.ones(2), errors=np.ones(2)
    )
    tolerance = default_tolerance(ranks)
    assert (tolerance.value, tolerance.role.floor, tolerance.top) == (
        Allowance(1.0, 0.1, 1.0),
        1.0,
        0.0,
    )


def test_a_matrix_as_a_whole_may_move_as_far_as_one_of_its_values():
    values = {"axes": ("layer",), "values": np.ones(2), "errors": np.ones(2)}
    assert default_tolerance(replace(finding("logit_lens"), **values)).role.floor == 0.2
    assert default_tolerance(replace(finding("mine"), **values)).role.floor == 0.1
    assert default_tolerance(finding("logit_lens")).role.floor == 0.1


@pytest.mark.parametrize(
    ("name", "unit", "allowed"),
    [
        ("clean_probability", "probability", Allowance(0.05, 0.0, 1e-8)),
        ("probability_gap", "probability", Allowance(0.05, 0.0, 1e-8)),
        ("politeness", "share of tokens", Allowance(0.05, 0.0, 0.02)),
        ("accuracy", "share of prompts", Allowance(0.1, 0.0, 0.1)),
        ("in_top_k", "share of prompts", Allowance(0.1, 0.0, 0.1)),
        ("politeness", "share of prompts", Allowance(0.1, 0.0, 0.1)),
        ("kl_gap", "nats", Allowance(0.05, 0.1, 0.01)),
        ("whole_kl", "nats", Allowance(0.05, 0.1, 0.01)),
        *(
            (name, "logits", Allowance(0.2, 0.05, 0.1))
            for name in (
                "logit_diff",
                "whole_logit_diff",
                "circuit_logit_diff",
                "ablated_logit_diff",
                "whole_model_gap",
            )
        ),
    ],
)
def test_a_behaviour_has_the_tolerance_of_its_unit(name, unit, allowed):
    behaviour = Behaviour(name, 0.5, 0.1, 5, Direction.HIGHER, unit)
    measured = replace(finding("mine"), companion=(behaviour,))
    assert default_tolerance(measured).behaviours[name] == allowed


@pytest.mark.parametrize(
    ("name", "unit", "allowed"),
    [
        ("repeat_loss", "nats", Allowance(0.15, 0.075, 0.01)),
        ("repeat_loss_second_seed", "nats", Allowance(0.15, 0.075, 0.01)),
        ("repeat_gain", "nats", Allowance(0.15, 0.15, 0.01)),
    ],
)
def test_a_behaviour_whose_name_says_more_has_the_tolerance_of_its_name(name, unit, allowed):
    behaviour = Behaviour(name, 0.5, 0.1, 5, Direction.HIGHER, unit)
    measured = replace(finding("mine"), companion=(behaviour,))
    assert default_tolerance(measured).behaviours[name] == allowed


def test_every_name_with_a_tolerance_of_its_own_is_a_companion_of_some_measure():
    found = measures.induction_scores(perfect_induction_model())
    companions = {b.name for b in found.companion}
    assert set(tolerances._BEHAVIOURS) <= companions


def test_one_prompt_of_sixteen_is_no_change_of_an_accuracy_or_of_a_top_k_accuracy():
    for name in ("accuracy", "in_top_k"):
        behaviour = Behaviour(name, 1.0, 0.0, 16, Direction.HIGHER, "share of prompts")
        measured = replace(finding("mine"), companion=(behaviour,))
        assert default_tolerance(measured).behaviours[name].of(1.0) > 1 / 16


def of_own_metric(clean: float, corrupted: float) -> Finding:
    """Fractions of a metric whose scale nobody knows."""

    def side(name: str, value: float) -> Behaviour:
        return Behaviour(name, value, 0.001, 5, Direction.HIGHER, "units")

    return replace(
        finding("patch"),
        companion=(
            side("clean_mine", clean),
            side("corrupted_mine", corrupted),
            side("mine_gap", clean - corrupted),
        ),
        relative_to="mine_gap",
    )


@pytest.mark.parametrize("scale", [0.15, 40.0])
def test_a_metric_of_the_callers_own_may_move_a_share_of_itself_or_of_the_gap(scale):
    allowed = default_tolerance(of_own_metric(scale, 0.0)).behaviours
    assert allowed["clean_mine"].of(scale) == pytest.approx(0.1 * scale)
    assert allowed["mine_gap"].of(scale) == pytest.approx(0.1 * scale)
    # Near nothing it has no tenth worth having.
    allowed = default_tolerance(of_own_metric(0.0, -scale)).behaviours
    assert allowed["clean_mine"].of(0.0) == pytest.approx(0.025 * scale)


def harm(value: float, unit: str, intact: float, name: str = "mine") -> Finding:
    """What an ablation did to a behaviour."""
    return replace(
        finding("ablate"),
        unit=unit,
        direction=Direction.TWO_SIDED,
        values=np.array(value),
        companion=(Behaviour(name, intact, 0.001, 5, Direction.HIGHER, unit, vital=True),),
        allowance=allowance_of_harm(unit, intact),
    )


@pytest.mark.parametrize(
    ("unit", "allowed"),
    [
        ("logits", Allowance(0.2, 0.1, 0.1)),
        ("nats", Allowance(0.2, 0.1, 0.02)),
        ("probability", Allowance(0.03, 0.1, 0.015)),
        ("units", Allowance(0.03, 0.1, 0.015)),
    ],
)
def test_harm_has_the_tolerance_of_its_unit(unit, allowed):
    assert default_tolerance(harm(0.5, unit, intact=0.6)).value == allowed


@pytest.mark.parametrize(
    ("before", "after", "unit", "intact"),
    [(0.965, 0.775, "probability", 0.97), (0.145, 0.0, "units", 0.15)],
)
def test_harm_that_is_much_less_than_it_was_is_a_change(before, after, unit, intact):
    approved, found = harm(before, unit, intact), harm(after, unit, intact)
    assert judge(found, approved, default_tolerance(approved)).kind is Kind.WEAKENED


@pytest.mark.parametrize(
    ("predicted", "floor", "least"),
    [(20, 0.177, 0.0355), (63, 0.1, 0.02), (252, 0.05, 0.01), (2520, 0.05, 0.01)],
)
def test_the_loss_on_few_tokens_may_move_further(predicted, floor, least):
    allowance = behaviours._text_allowance(predicted)
    measured = replace(finding("text_loss"), allowance=allowance)
    assert default_tolerance(measured).value == Allowance(floor, 0.0125, least)
    assert default_tolerance(measured).canary.floor == 0.05


def test_every_behaviour_gets_a_default_tolerance_known_or_not():
    tolerance = default_tolerance(finding("mine", "repeat_loss", "politeness"))

    assert tolerance.behaviours["repeat_loss"] == Allowance(0.15, 0.075, 0.01)
    assert tolerance.behaviours["politeness"].of(10.0) == pytest.approx(0.5)
    assert tolerance.canary.of(1.0) == pytest.approx(0.05)
    assert tolerance.canary.of(8.0) == pytest.approx(0.1)
    assert tolerance.origin == "default"


def test_a_default_tolerance_does_not_depend_on_the_values():
    small = finding("induction_scores", "repeat_loss")
    large = replace(small, values=np.array(100.0))

    assert default_tolerance(small) == default_tolerance(large)
