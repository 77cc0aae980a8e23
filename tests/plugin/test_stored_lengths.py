"""Repeated tokens whose lengths are open are as long as those of the baseline."""

import json

import pytest

CANDIDATE = "--circuits-model=tuned=bundled:recall-finetuned"
TEST = """
from pytest_circuits import prompts


def test_heads(circuits, circuit_snapshot):
    found = circuits.induction_scores({})
    assert found == circuit_snapshot
    print("block", found.convention["block"])
"""


@pytest.mark.parametrize("open_lengths", ["", "prompts=None", "prompts.repeated_tokens()"])
def test_a_candidate_is_measured_at_the_lengths_of_the_baseline(suite, open_lengths):
    suite.write("test_heads.py", TEST.format("prompts.repeated_tokens(block=(5, 9))"))
    (file,) = suite.approve()
    (stored,) = json.loads((suite.path / "__circuits__" / file).read_text())["findings"]
    assert stored["convention"]["block"] == [5, 9]

    suite.write("test_heads.py", TEST.format(open_lengths))
    result = suite.run("--circuits", "-s", CANDIDATE)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*block [[]5, 9]*"])


def test_lengths_that_a_test_names_are_its_own(suite):
    suite.write("test_heads.py", TEST.format("prompts.repeated_tokens(block=(5, 9))"))
    suite.approve()

    suite.write("test_heads.py", TEST.format("prompts.repeated_tokens(block=(5, 8))"))
    result = suite.run("--circuits", CANDIDATE)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["incomparable*", "*block differs: [[]5, 9] → [[]5, 8]*"])


def test_another_draw_is_measured_at_its_own_lengths(suite):
    suite.write("test_heads.py", TEST.format("prompts.repeated_tokens(block=(5, 9), seed=1)"))
    suite.approve()

    suite.write("test_heads.py", TEST.format(""))
    result = suite.run("--circuits", CANDIDATE)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["incomparable*"])
