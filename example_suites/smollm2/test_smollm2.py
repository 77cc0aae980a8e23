"""Circuits of SmolLM2-135M-Instruct: induction, previous tokens, indirect object identification."""

import pytest

from pytest_circuits import (
    assert_head_ranking,
    assert_induction_score,
    assert_logit_diff_recovered,
    prompts,
)

pytestmark = pytest.mark.real

IOI = prompts.ioi(n=16, seed=0)
#: Patching runs the model once for every head and pair.
IOI_SMALL = prompts.ioi(n=8, seed=0)


def test_induction_heads(circuits, circuit_snapshot):
    scores = circuits.induction_scores()
    assert scores == circuit_snapshot
    assert_induction_score(scores, at_least=0.5, heads=5, sure=True)


def test_previous_token_heads(circuits, circuit_snapshot):
    assert circuits.previous_token_scores() == circuit_snapshot


def test_ioi_logit_difference(circuits, circuit_snapshot):
    assert circuits.logit_diff(IOI) == circuit_snapshot


def test_name_movers(circuits, circuit_snapshot):
    assert circuits.head_attribution(IOI) == circuit_snapshot


def test_top_name_movers_by_name(circuits):
    # Their order alone would stay where both shrink.
    assert_head_ranking(circuits.head_attribution(IOI), top=["L23H3", "L29H1"], at_least=0.7)


def test_heads_that_restore_the_name(circuits, circuit_snapshot):
    recovered = circuits.patch(IOI_SMALL)
    assert recovered == circuit_snapshot
    assert_logit_diff_recovered(recovered, at_least=0.3, heads=2)
