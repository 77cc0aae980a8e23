"""One finding of every measure, on the model whose circuit is known."""

from __future__ import annotations

import warnings
from functools import cache
from types import SimpleNamespace

import numpy as np

from pytest_circuits import Circuit, measures
from pytest_circuits.forward import Runs
from pytest_circuits.measures import knockout
from pytest_circuits.prompts import PromptPairs, PromptWarning, RepeatedTokens
from pytest_circuits.testing import perfect_induction_model

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
    "text_loss": lambda m: measures.text_loss(m, ["a b c d e f g h " * 4] * 9),
    "text_loss, short": lambda m: measures.text_loss(m, ["a b c a b c", "x y x y"]),
    "top_k_accuracy": lambda m: measures.top_k_accuracy(m, PAIRS),
}


@cache
def _perfect():
    return Runs(perfect_induction_model())


@cache
def finding_of(case):
    """The finding of that case."""
    with warnings.catch_warnings():
        # Few prompts, each alone with its length.
        warnings.simplefilter("ignore", PromptWarning)
        return CASES[case](_perfect())


def allowance_of(measure):
    """The allowance that a measure declares; None if it declares none, or if there is no such."""
    return finding_of(measure).allowance if measure in CASES else None


def allowance_of_harm(unit, intact):
    """The allowance of an ablation, by the behaviour's unit and its intact value."""
    metric = SimpleNamespace(unit=unit, own=unit == "units")
    return knockout._allowance(SimpleNamespace(metric=metric, intact=np.array([intact])))
