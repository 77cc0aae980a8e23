"""Measures: (model, prompts) → finding. They work in a notebook as they do in a test.

The canary is no finding: it is measured beside them.

Example:
    >>> from pytest_circuits import measures
    >>> finding = measures.induction_scores(bridge)  # doctest: +SKIP
"""

from pytest_circuits.measures.activation_patching import attribution_patching, patch
from pytest_circuits.measures.attention import attention_between, attention_scores
from pytest_circuits.measures.attribution import component_attribution, head_attribution
from pytest_circuits.measures.behaviours import (
    accuracy,
    answer_probability,
    kl_divergence,
    logit_diff,
    text_loss,
    top_k_accuracy,
)
from pytest_circuits.measures.circuit_criteria import completeness, faithfulness, minimality
from pytest_circuits.measures.common import canary
from pytest_circuits.measures.knockout import ablate, ablated
from pytest_circuits.measures.ov_circuit import copying_scores
from pytest_circuits.measures.readout import logit_lens
from pytest_circuits.measures.repeated_scores import (
    current_token_scores,
    duplicate_token_scores,
    first_token_scores,
    induction_scores,
    previous_token_scores,
    repeat_loss,
)

__all__ = [
    "ablate",
    "ablated",
    "accuracy",
    "answer_probability",
    "attention_between",
    "attention_scores",
    "attribution_patching",
    "canary",
    "completeness",
    "component_attribution",
    "copying_scores",
    "current_token_scores",
    "duplicate_token_scores",
    "faithfulness",
    "first_token_scores",
    "head_attribution",
    "induction_scores",
    "kl_divergence",
    "logit_diff",
    "logit_lens",
    "minimality",
    "patch",
    "previous_token_scores",
    "repeat_loss",
    "text_loss",
    "top_k_accuracy",
]
