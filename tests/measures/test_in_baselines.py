"""What is measured on prompts and circuits comes back from a file, and is judged by what it was."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pytest_circuits import Circuit, measures
from pytest_circuits.findings.digits import DECIMALS
from pytest_circuits.findings.encoding import decode, encode, rounded
from pytest_circuits.forward import Runs
from pytest_circuits.prompts import PromptPairs, RepeatedTokens
from pytest_circuits.testing import perfect_induction_model
from pytest_circuits.verdicts import Kind, default_tolerance, judge

#: Few prompts, each alone with its length, so that what they are replaced with follows from it.
pytestmark = pytest.mark.filterwarnings("ignore:a prompt has one reference")


# What is right differs from cluster to cluster in nothing, and the model is sure of all of it.
PAIRS = PromptPairs(
    ["a b c a", "x y z u x", "d e f d"],
    ["k b c a", "l y z u x", "k e f d"],
    ["b", "y", "e"],
    ["c", "z", "f"],
    positions={"S1": ["a", "x", "d"], "IO": ["a b", "x y", "d e"]},
)
CIRCUIT = Circuit({"previous": ["L0H0"], "copies": ["L1H0"]})
REPEATED = RepeatedTokens(block=6)

#: Of the perfect model, and of one whose L1H0 writes nothing any more.
MEASURES = {
    "ablate": (lambda m: measures.ablate(m, PAIRS, heads=["L1H0"]), Kind.LOST),
    "ablate each": (lambda m: measures.ablate(m, PAIRS, heads="each", value="zero"), Kind.LOST),
    # A loss that is at chance can't be made worse: less harm, and the behaviour is gone.
    "ablate repeated": (
        lambda m: measures.ablate(m, REPEATED, heads=["L1H0"], value="resample"),
        Kind.LOST,
    ),
    "faithfulness": (lambda m: measures.faithfulness(m, PAIRS, CIRCUIT), Kind.LOST),
    "faithfulness with a null": (
        lambda m: measures.faithfulness(m, PAIRS, CIRCUIT, null=19),
        Kind.LOST,
    ),
    "left without the circuit": (
        lambda m: measures.faithfulness(m, PAIRS, CIRCUIT, ablated="circuit"),
        Kind.LOST,
    ),
    "completeness": (lambda m: measures.completeness(m, PAIRS, CIRCUIT, subsets=2), Kind.LOST),
    "minimality": (lambda m: measures.minimality(m, PAIRS, CIRCUIT, subsets=2), Kind.LOST),
    "attention_between": (lambda m: measures.attention_between(m, PAIRS, key="IO"), Kind.WEAKENED),
    "attention_scores": (
        lambda m: measures.attention_scores(
            m, PAIRS, mask=[np.eye(n, k=-1) for n in (5, 6, 5)], name="previous"
        ),
        Kind.WEAKENED,
    ),
    "copying_scores": (lambda m: measures.copying_scores(m, PAIRS), Kind.LOST),
    "accuracy": (lambda m: measures.accuracy(m, PAIRS), Kind.LOST),
    "top_k_accuracy": (lambda m: measures.top_k_accuracy(m, PAIRS, k=1), Kind.LOST),
    "answer_probability": (lambda m: measures.answer_probability(m, PAIRS), Kind.LOST),
    "text_loss": (lambda m: measures.text_loss(m, ["a b c a b c", "x y x y"]), Kind.LOST),
    "current_token_scores": (lambda m: measures.current_token_scores(m, REPEATED), Kind.WEAKENED),
    "first_token_scores": (lambda m: measures.first_token_scores(m, REPEATED), Kind.WEAKENED),
}


@pytest.fixture(scope="module")
def broken():
    """The perfect model whose induction head finds what it looks for, and writes nothing."""
    bridge = perfect_induction_model()
    bridge.original_model.get_submodule("layers")[1].attn.o.weight.zero_()
    return Runs(bridge)


@pytest.fixture(scope="module")
def whole(perfect):
    return Runs(perfect)


def filed(finding):
    """As it comes back from a file."""
    return decode(json.loads(json.dumps(encode(finding))))


@pytest.mark.parametrize("name", MEASURES)
def test_a_finding_comes_back_from_its_file(whole, name):
    found = MEASURES[name][0](whole)

    again = filed(found)

    np.testing.assert_allclose(again.values, found.values, atol=0.6 * 10**-DECIMALS)
    np.testing.assert_allclose(again.errors, found.errors, atol=0.6 * 10**-DECIMALS)
    assert again.equals(rounded(found))
    for field in ("measure", "quantity", "unit", "direction", "axes", "labels", "role"):
        assert getattr(again, field) == getattr(found, field), field
    for field in ("samples", "clusters", "relative_to", "convention", "prompts"):
        assert getattr(again, field) == getattr(found, field), field
    assert [b.name for b in again.companion] == [b.name for b in found.companion]
    assert set(again.nulls) == set(found.nulls)
    assert {str(head) for head in again.members()} == {str(head) for head in found.members()}
    assert encode(again) == encode(found)


@pytest.mark.parametrize("name", MEASURES)
def test_what_stayed_is_preserved_and_what_broke_is_not(whole, broken, name):
    measure, kind = MEASURES[name]
    approved = filed(measure(whole))
    tolerance = default_tolerance(approved)

    assert judge(rounded(measure(Runs(whole.bridge))), approved, tolerance).kind is Kind.PRESERVED
    assert judge(rounded(measure(broken)), approved, tolerance).kind is kind


def test_a_model_that_went_away_from_another_is_further_from_it(whole, broken):
    approved = filed(measures.kl_divergence(whole, PAIRS, to=whole))
    tolerance = default_tolerance(approved)
    same, other = (
        rounded(measures.kl_divergence(model, PAIRS, to=whole)) for model in (whole, broken)
    )

    assert judge(same, approved, tolerance).kind is Kind.PRESERVED
    verdict = judge(other, approved, tolerance)
    assert verdict.kind is Kind.LOST
    assert "KL divergence" in [reason.subject for reason in verdict.reasons]


@pytest.mark.parametrize(
    "measure",
    [
        lambda m: measures.faithfulness(m, PAIRS, CIRCUIT),
        lambda m: measures.completeness(m, PAIRS, CIRCUIT),
        lambda m: measures.minimality(m, PAIRS, CIRCUIT),
    ],
    ids=["faithfulness", "completeness", "minimality"],
)
def test_fractions_of_nothing_are_not_shown(whole, broken, measure):
    approved, found = filed(measure(whole)), rounded(measure(broken))

    verdict = judge(found, approved, default_tolerance(approved))

    assert found.undefined
    assert filed(found).undefined
    assert np.isnan(filed(found).values).all()
    assert "undefined" in verdict.summary
    assert "whole_model_gap" in [reason.subject for reason in verdict.reasons]
