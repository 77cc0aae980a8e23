"""Circuits of SmolLM2-135M-Instruct: the default suite, and what its heads are known to do."""

import pytest

from pytest_circuits import (
    assert_head_ranking,
    assert_induction_score,
    assert_logit_diff_recovered,
    prompts,
    suites,
)

pytestmark = pytest.mark.real

IOI = prompts.ioi(n=16, seed=0)
#: Patching runs the model once for every head and pair.
IOI_SMALL = prompts.ioi(n=8, seed=0)

TestCircuits = suites.default()


def test_five_induction_heads(circuits):
    assert_induction_score(circuits.induction_scores(), at_least=0.5, heads=5, sure=True)


def test_top_name_movers_by_name(circuits):
    # Their order alone would stay where both shrink.
    assert_head_ranking(circuits.head_attribution(IOI), top=["L23H3", "L29H1"], at_least=0.7)


def test_heads_that_restore_the_name(circuits, circuit_snapshot):
    recovered = circuits.patch(IOI_SMALL)
    assert recovered == circuit_snapshot
    assert_logit_diff_recovered(recovered, at_least=0.3, heads=2)
