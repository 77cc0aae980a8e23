"""What a measure's finding may differ by from its baseline, unless the baseline says more."""

from __future__ import annotations

import json

import pytest
from measured import CASES, finding_of

from pytest_circuits.findings.encoding import decode, encode, rounded
from pytest_circuits.verdicts import default_tolerance

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
    "repeat_loss": ((0.15, 0.075), (0.1, 0.1), 0.0),
    "text_loss, short": ((0.251, 0.0125), (0.1, 0.1), 0.0),
    "text_loss": ((0.05, 0.0125), (0.1, 0.1), 0.0),
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
    "repeat_gain": (0.15, 0.15),
    "repeat_loss": (0.15, 0.075),
    "repeat_loss_second_seed": (0.15, 0.075),
    "seventh": (0.0, 0.1),
    "seventh_gap": (0.143, 0.1),
    "whole_logit_diff": (0.2, 0.05),
    "whole_model_gap": (0.2, 0.05),
}


def pair(allowance):
    return (allowance.floor, allowance.share)


@pytest.mark.parametrize("name", CASES)
def test_a_finding_has_the_tolerance_of_its_measure(name):
    tolerance = default_tolerance(rounded(finding_of(name)))

    assert (pair(tolerance.value), pair(tolerance.role), tolerance.top) == TOLERANCES[name]
    behaviours = {name: pair(allowed) for name, allowed in tolerance.behaviours.items()}
    assert behaviours == {name: BEHAVIOURS[name] for name in behaviours}
    assert (pair(tolerance.canary), tolerance.origin) == ((0.05, 0.0125), "default")


@pytest.mark.parametrize("name", CASES)
def test_a_finding_that_was_read_from_a_file_has_the_same(name):
    read = decode(json.loads(json.dumps(encode(finding_of(name)))))

    assert default_tolerance(read) == default_tolerance(rounded(finding_of(name)))
