"""Assertions on findings, and what they are held against."""

from pytest_circuits.assertions.claims import (
    assert_ablation_hurts,
    assert_attends,
    assert_behaviour,
    assert_complete,
    assert_copies,
    assert_faithful,
    assert_induction_score,
    assert_logit_diff_recovered,
    assert_logit_lens,
    assert_minimal,
)
from pytest_circuits.assertions.rankings import assert_component_ranking, assert_head_ranking

__all__ = [
    "assert_ablation_hurts",
    "assert_attends",
    "assert_behaviour",
    "assert_complete",
    "assert_component_ranking",
    "assert_copies",
    "assert_faithful",
    "assert_head_ranking",
    "assert_induction_score",
    "assert_logit_diff_recovered",
    "assert_logit_lens",
    "assert_minimal",
]
