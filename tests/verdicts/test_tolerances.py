from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pytest_circuits.findings import Behaviour, Canary, Direction, Finding
from pytest_circuits.verdicts import (
    Allowance,
    Tolerance,
    decode_tolerance,
    default_tolerance,
    encode_tolerance,
)


def finding(measure: str, *companion: str) -> Finding:
    return Finding(
        measure, "value", "logits", Direction.HIGHER, (), np.array(1.0), np.array(0.1), 5, 5,
        convention={},
        prompts={},
        companion=tuple(
            Behaviour(name, 1.0, 0.1, 5, Direction.HIGHER, "logits") for name in companion
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("strength", "allowed"), [(0.0, 0.1), (1.0, 0.1), (2.0, 0.1), (4.0, 0.2), (-4.0, 0.2)]
)
def test_an_allowance_is_a_floor_or_a_share_whichever_is_larger(strength, allowed):
    assert Allowance(floor=0.1, share=0.05).of(strength) == pytest.approx(allowed)


def test_a_tolerance_comes_back_from_its_document():
    tolerance = Tolerance(
        Allowance(0.05, 0.02),
        Allowance(0.1, 0.1),
        {"repeat_loss": Allowance(0.15, 0.05)},
        canary=Allowance(0.04, 0.01),
        top=0.05,
        origin="calibrated",
    )

    document = json.loads(json.dumps(encode_tolerance(tolerance)))

    assert document == {
        "value": [0.05, 0.02],
        "role": [0.1, 0.1],
        "behaviours": {"repeat_loss": [0.15, 0.05]},
        "canary": [0.04, 0.01],
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
    assert tolerance.beside(20.0, threshold=0.06).value.floor == pytest.approx(0.05)


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
    assert default_tolerance(finding("logit_diff")).value == Allowance(0.2, 0.05)
    assert default_tolerance(finding("induction_scores")).value == Allowance(0.05, 0.1)
    assert default_tolerance(finding("my_own_measure")).value == Allowance(0.05, 0.1)


@pytest.mark.parametrize(
    ("measure", "floor", "share"),
    [
        ("attention_between", 0.05, 0.1),
        ("attention_scores", 0.05, 0.1),
        ("copying_scores", 0.1, 0.1),
        ("patch", 0.05, 0.1),
        ("component_attribution", 0.1, 0.1),
        ("logit_lens", 0.2, 0.05),
        ("ablate", 0.2, 0.1),
        ("faithfulness", 0.05, 0.0),
        ("completeness", 0.05, 0.0),
        ("minimality", 0.05, 0.0),
        ("accuracy", 0.1, 0.0),
        ("top_k_accuracy", 0.1, 0.0),
        ("answer_probability", 0.05, 0.0),
        ("text_loss", 0.05, 0.0125),
        ("kl_divergence", 0.05, 0.1),
    ],
)
def test_every_measure_has_a_tolerance_of_its_scale(measure, floor, share):
    assert default_tolerance(finding(measure)).value == Allowance(floor, share)


def test_a_rank_has_the_tolerance_of_ranks_whatever_the_measure():
    ranks = replace(
        finding("logit_lens"), unit="rank", axes=("layer",), values=np.ones(2), errors=np.ones(2)
    )
    tolerance = default_tolerance(ranks)
    assert (tolerance.value, tolerance.role.floor, tolerance.top) == (Allowance(1.0, 0.1), 1.0, 0.0)


def test_a_matrix_as_a_whole_may_move_as_far_as_one_of_its_values():
    values = {"axes": ("layer",), "values": np.ones(2), "errors": np.ones(2)}
    assert default_tolerance(replace(finding("logit_lens"), **values)).role.floor == 0.2
    assert default_tolerance(replace(finding("mine"), **values)).role.floor == 0.1
    assert default_tolerance(finding("logit_lens")).role.floor == 0.1


@pytest.mark.parametrize(
    ("name", "unit", "allowed"),
    [
        ("clean_probability", "probability", Allowance(0.05, 0.0)),
        ("probability_gap", "probability", Allowance(0.05, 0.0)),
        ("politeness", "share of prompts", Allowance(0.05, 0.0)),
        ("accuracy", "share of prompts", Allowance(0.1, 0.0)),
        ("clean_kl", "nats", Allowance(0.05, 0.1)),
        ("kl_gap", "nats", Allowance(0.05, 0.1)),
        ("politeness", "nats", Allowance(0.1, 0.05)),
    ],
)
def test_a_behaviour_nobody_knows_has_the_tolerance_of_its_unit(name, unit, allowed):
    behaviour = Behaviour(name, 0.5, 0.1, 5, Direction.HIGHER, unit)
    measured = replace(finding("mine"), companion=(behaviour,))
    assert default_tolerance(measured).behaviours[name] == allowed


def test_every_behaviour_gets_a_default_tolerance_known_or_not():
    tolerance = default_tolerance(finding("mine", "repeat_accuracy", "politeness"))

    assert tolerance.behaviours["repeat_accuracy"] == Allowance(0.05, 0.0)
    assert tolerance.behaviours["politeness"].of(10) == pytest.approx(0.5)
    assert tolerance.canary.of(1.0) == pytest.approx(0.05)
    assert tolerance.canary.of(8.0) == pytest.approx(0.1)
    assert tolerance.origin == "default"


def test_a_default_tolerance_does_not_depend_on_the_values():
    small = finding("induction_scores", "repeat_loss")
    large = replace(small, values=np.array(100.0))

    assert default_tolerance(small) == default_tolerance(large)
