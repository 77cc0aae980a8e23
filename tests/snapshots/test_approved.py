"""``circuit_snapshot.approved``: what the last comparison was held against, to claim shares of."""

from circuit_suites import counts, edit_baseline

SHARE = """
from pytest_circuits import assert_induction_score


def test_heads(circuits, circuit_snapshot):
    scores = circuits.induction_scores()
    assert scores == circuit_snapshot
    assert_induction_score(scores, at_least=0.9, heads=4, of=circuit_snapshot.approved)
"""


def stronger(document):
    """What was approved has a head that the model has not."""
    document["values"][1][0] = 1.3


def test_a_new_finding_is_a_share_of_itself(suite):
    suite.write("test_heads.py", SHARE)
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 1})
    assert suite.approve()


def test_a_finding_is_a_share_of_what_was_approved(one_test):
    one_test.write("test_heads.py", SHARE)
    result = one_test.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 1})


def test_what_lies_below_its_share_fails_where_the_gate_lets_it_pass(one_test):
    one_test.write("test_heads.py", SHARE)
    edit_baseline(one_test.baseline, stronger)
    result = one_test.run("--circuits", "--circuits-gate=never")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "E  *AssertionError: induction score: 3 of 4 heads with a value of at least 0.9 of *",
            "E         L1H0 0.994 ± 0.001: 0.176 short of 1.170",
            "test_heads.py:8: AssertionError",
        ]
    )


def test_the_gate_comes_first(one_test):
    one_test.write("test_heads.py", SHARE)
    edit_baseline(one_test.baseline, stronger)
    result = one_test.run("--circuits")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["test_heads.py:7: AssertionError"])


def test_in_a_run_that_approves_it_is_what_is_approved(one_test):
    one_test.write("test_heads.py", SHARE)
    edit_baseline(one_test.baseline, stronger)
    before = one_test.age()
    result = one_test.run("--circuits", "--snapshot-update")
    assert result.ret == 0
    assert one_test.stamps() != before
    assert one_test.run("--circuits").ret == 0


def test_it_is_that_of_the_last_comparison(suite):
    suite.write(
        "test_heads.py",
        """
import pytest


def test_heads(circuits, circuit_snapshot):
    with pytest.raises(AttributeError, match="^compare a finding first: `assert finding == "):
        circuit_snapshot.approved
    assert circuits.induction_scores() == circuit_snapshot
    assert circuit_snapshot.approved.measure == "induction_scores"
    assert circuits.repeat_loss() == circuit_snapshot(name="loss")
    assert circuit_snapshot.approved.measure == "repeat_loss"
""",
    )
    suite.approve()
    assert suite.run("--circuits").ret == 0


def test_a_screen_is_refused_and_never_written(suite):
    suite.write(
        "test_heads.py",
        """
from pytest_circuits import prompts

PHRASES = prompts.repeated_phrases(n=2, length=3)


def test_heads(circuits, circuit_snapshot):
    assert circuits.attribution_patching(PHRASES) == circuit_snapshot
""",
    )
    result = suite.run("--circuits", "--snapshot-update")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["E  *TypeError: attribution_patching is a screen, which *"])
    assert not suite.baseline_files()
