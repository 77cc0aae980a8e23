"""Repeated tokens of fewer sequences than the companion on a second seed has."""

from circuit_suites import counts

TESTS = """
import pytest
from pytest_circuits import prompts


@pytest.mark.parametrize(("batch", "block"), [(1, 12), (2, None), (4, 12), (2, (6, 12))])
def test_loss(circuits, circuit_snapshot, batch, block):
    assert circuits.repeat_loss(prompts.repeated_tokens(batch=batch, block=block)) == (
        circuit_snapshot
    )


def test_heads(circuits, circuit_snapshot):
    assert circuits.previous_token_scores(prompts.repeated_tokens(batch=4, block=12)) == (
        circuit_snapshot
    )
"""


def test_they_are_approved_and_preserved(suite):
    suite.write("test_few.py", TESTS)
    suite.approve("-W", "ignore::pytest_circuits.session.snapshot.TooFewPromptsWarning")
    result = suite.run("--circuits")
    assert counts(result) == {"passed": 5}
    result.stdout.fnmatch_lines(["5 findings: 5 preserved*"])
