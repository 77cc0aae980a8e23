"""What every measure's finding may differ by from its baseline, unless the baseline says more."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pytest_circuits import Circuit, measures
from pytest_circuits.findings.encoding import decode, encode, rounded
from pytest_circuits.forward import Runs
from pytest_circuits.prompts import PromptPairs, RepeatedTokens
from pytest_circuits.verdicts import default_tolerance

pytestmark = pytest.mark.filterwarnings("ignore:a prompt has one reference")

PAIRS = PromptPairs(
    ["a b c a", "x y z x", "d e f d"],
    ["k b c a", "l y z x", "k e f d"],
    ["b", "y", "e"],
    ["c", "z", "f"],
    positions={"S1": ["a", "x", "d"], "IO": ["a b", "x y", "d e"]},
)
CIRCUIT = Circuit({"previous": ["L0H0"], "copies": ["L1H0"]})
REPEATED = RepeatedTokens(block=6)
STRIPE = np.eye(5, k=-1)


def seventh(logits, answers, wrong_answers):
    """A metric whose scale is its own."""
    right, wrong = (logits.gather(1, one[:, None])[:, 0] for one in (answers, wrong_answers))
    return (right - wrong) / 7


CASES = {
    "ablate": lambda m: measures.ablate(m, PAIRS, heads=["L1H0"]),
    "ablate, each head": lambda m: measures.ablate(m, PAIRS, heads="each"),
    "ablate, probability": lambda m: measures.ablate(
        m, PAIRS, heads=["L1H0"], metric="probability"
    ),
    "ablate, kl": lambda m: measures.ablate(m, PAIRS, heads=["L1H0"], metric="kl"),
    "ablate, own metric": lambda m: measures.ablate(m, PAIRS, heads=["L1H0"], metric=seventh),
    "ablate, repeated": lambda m: measures.ablate(m, REPEATED, heads=["L1H0"]),
    "accuracy": lambda m: measures.accuracy(m, PAIRS),
    "answer_probability": lambda m: measures.answer_probability(m, PAIRS),
    "attention_between": lambda m: measures.attention_between(m, PAIRS, key="IO"),
    "attention_scores": lambda m: measures.attention_scores(m, PAIRS, mask=STRIPE, name="last"),
    "attribution_patching": lambda m: measures.attribution_patching(m, PAIRS),
    "completeness": lambda m: measures.completeness(m, PAIRS, CIRCUIT, subsets=2),
    "component_attribution": lambda m: measures.component_attribution(m, PAIRS),
    "copying_scores": lambda m: measures.copying_scores(m, PAIRS),
    "current_token_scores": lambda m: measures.current_token_scores(m, REPEATED),
    "duplicate_token_scores": lambda m: measures.duplicate_token_scores(m, REPEATED),
    "faithfulness": lambda m: measures.faithfulness(m, PAIRS, CIRCUIT),
    "first_token_scores": lambda m: measures.first_token_scores(m, REPEATED),
    "head_attribution": lambda m: measures.head_attribution(m, PAIRS),
    "induction_scores": lambda m: measures.induction_scores(m, REPEATED),
    "kl_divergence": lambda m: measures.kl_divergence(m, PAIRS, to=m),
    "logit_diff": lambda m: measures.logit_diff(m, PAIRS),
    "logit_lens": lambda m: measures.logit_lens(m, PAIRS),
    "logit_lens, logit": lambda m: measures.logit_lens(m, PAIRS, read="logit"),
    "logit_lens, rank": lambda m: measures.logit_lens(m, PAIRS, read="rank"),
    "minimality": lambda m: measures.minimality(m, PAIRS, CIRCUIT, subsets=2),
    "patch": lambda m: measures.patch(m, PAIRS),
    "patch, own metric": lambda m: measures.patch(m, PAIRS, metric=seventh),
    "patch, resid_pre": lambda m: measures.patch(m, PAIRS, site="resid_pre"),
    "previous_token_scores": lambda m: measures.previous_token_scores(m, REPEATED),
    "repeat_loss": lambda m: measures.repeat_loss(m, REPEATED),
    "text_loss": lambda m: measures.text_loss(m, ["a b c a b c", "x y x y"]),
    "text_loss, long": lambda m: measures.text_loss(m, ["a b c d e f g h " * 4] * 9),
    "top_k_accuracy": lambda m: measures.top_k_accuracy(m, PAIRS),
}

#: Of one value, of the whole, and as a share of the strongest.
TOLERANCES = {
    "ablate": ((0.2, 0.1), (0.1, 0.1), 0.0),
    "ablate, each head": ((0.2, 0.1), (0.1, 0.1), 0.05),
    "ablate, probability": ((0.05, 0.1), (0.1, 0.1), 0.0),
    "ablate, kl": ((0.2, 0.1), (0.1, 0.1), 0.0),
    "ablate, own metric": ((0.143, 0.1), (0.1, 0.1), 0.0),
    "ablate, repeated": ((0.2, 0.1), (0.1, 0.1), 0.0),
    "accuracy": ((0.1, 0.0), (0.1, 0.1), 0.0),
    "answer_probability": ((0.05, 0.0), (0.1, 0.1), 0.0),
    "attention_between": ((0.05, 0.1), (0.1, 0.1), 0.05),
    "attention_scores": ((0.05, 0.1), (0.1, 0.1), 0.05),
    "attribution_patching": ((0.05, 0.1), (0.1, 0.1), 0.05),
    "completeness": ((0.05, 0.0), (0.1, 0.1), 0.05),
    "component_attribution": ((0.1, 0.1), (0.1, 0.1), 0.05),
    "copying_scores": ((0.1, 0.1), (0.1, 0.1), 0.05),
    "current_token_scores": ((0.05, 0.1), (0.1, 0.1), 0.05),
    "duplicate_token_scores": ((0.05, 0.1), (0.1, 0.1), 0.05),
    "faithfulness": ((0.05, 0.0), (0.1, 0.1), 0.0),
    "first_token_scores": ((0.05, 0.1), (0.1, 0.1), 0.05),
    "head_attribution": ((0.05, 0.1), (0.1, 0.1), 0.05),
    "induction_scores": ((0.05, 0.1), (0.1, 0.1), 0.05),
    "kl_divergence": ((0.05, 0.1), (0.1, 0.1), 0.0),
    "logit_diff": ((0.2, 0.05), (0.1, 0.1), 0.0),
    "logit_lens": ((0.2, 0.05), (0.2, 0.1), 0.05),
    "logit_lens, logit": ((0.2, 0.05), (0.2, 0.1), 0.05),
    "logit_lens, rank": ((1.0, 0.1), (1.0, 0.1), 0.0),
    "minimality": ((0.05, 0.0), (0.1, 0.1), 0.05),
    "patch": ((0.05, 0.1), (0.1, 0.1), 0.05),
    "patch, own metric": ((0.05, 0.1), (0.1, 0.1), 0.05),
    "patch, resid_pre": ((0.05, 0.1), (0.1, 0.1), 0.05),
    "previous_token_scores": ((0.05, 0.1), (0.1, 0.1), 0.05),
    "repeat_loss": ((0.15, 0.05), (0.1, 0.1), 0.0),
    "text_loss": ((0.251, 0.0125), (0.1, 0.1), 0.0),
    "text_loss, long": ((0.05, 0.0125), (0.1, 0.1), 0.0),
    "top_k_accuracy": ((0.1, 0.0), (0.1, 0.1), 0.0),
}
BEHAVIOURS = {
    "ablated_kl": (0.05, 0.1),
    "ablated_logit_diff": (0.2, 0.05),
    "ablated_probability": (0.05, 0.0),
    "ablated_repeat_loss": (0.05, 0.1),
    "ablated_seventh": (0.0, 0.1),
    "accuracy": (0.1, 0.0),
    "circuit_logit_diff": (0.2, 0.05),
    "clean_logit_diff": (0.2, 0.05),
    "clean_seventh": (0.143, 0.1),
    "corrupted_logit_diff": (0.2, 0.05),
    "corrupted_seventh": (0.143, 0.1),
    "empty_logit_diff": (0.2, 0.05),
    "in_top_k": (0.1, 0.0),
    "kl": (0.05, 0.1),
    "logit_diff": (0.2, 0.05),
    "logit_diff_gap": (0.2, 0.05),
    "probability": (0.05, 0.0),
    "repeat_accuracy": (0.05, 0.0),
    "repeat_gain": (0.15, 0.05),
    "repeat_loss": (0.15, 0.05),
    "seventh": (0.0, 0.1),
    "seventh_gap": (0.143, 0.1),
    "whole_logit_diff": (0.2, 0.05),
    "whole_model_gap": (0.2, 0.05),
}


@pytest.fixture(scope="module")
def found(perfect):
    runs = Runs(perfect)
    return {name: case(runs) for name, case in CASES.items()}


def pair(allowance):
    return (allowance.floor, allowance.share)


@pytest.mark.parametrize("name", CASES)
def test_a_finding_has_the_tolerance_of_its_measure(found, name):
    tolerance = default_tolerance(rounded(found[name]))

    assert (pair(tolerance.value), pair(tolerance.role), tolerance.top) == TOLERANCES[name]
    behaviours = {name: pair(allowed) for name, allowed in tolerance.behaviours.items()}
    assert behaviours == {name: BEHAVIOURS[name] for name in behaviours}
    assert (pair(tolerance.canary), tolerance.origin) == ((0.05, 0.0125), "default")


@pytest.mark.parametrize("name", CASES)
def test_a_finding_that_was_read_from_a_file_has_the_same(found, name):
    read = decode(json.loads(json.dumps(encode(found[name]))))

    assert default_tolerance(read) == default_tolerance(rounded(found[name]))


def test_every_measure_is_here():
    named = {name.partition(",")[0] for name in CASES}
    assert named == set(measures.__all__) - {"ablated", "canary"}
