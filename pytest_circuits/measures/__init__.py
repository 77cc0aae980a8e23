"""Measures: (model, prompts) → finding. They work in a notebook as they do in a test.

The canary is no finding: it is measured beside them.

Example:
    >>> from pytest_circuits import measures
    >>> finding = measures.induction_scores(bridge)  # doctest: +SKIP
"""

from pytest_circuits.measures.attribution import component_attribution, head_attribution
from pytest_circuits.measures.canary import canary
from pytest_circuits.measures.logit_difference import logit_diff
from pytest_circuits.measures.logit_lens import logit_lens
from pytest_circuits.measures.patching import attribution_patching, patch
from pytest_circuits.measures.repeated import (
    duplicate_token_scores,
    induction_scores,
    previous_token_scores,
    repeat_loss,
)

__all__ = [
    "attribution_patching",
    "canary",
    "component_attribution",
    "duplicate_token_scores",
    "head_attribution",
    "induction_scores",
    "logit_diff",
    "logit_lens",
    "patch",
    "previous_token_scores",
    "repeat_loss",
]
