"""Approving warns of a tolerance that is within what chance does to so few prompts."""

import pytest
from circuit_suites import CHILD, RECALL, counts, edit_baseline

WARNING = "pytest_circuits.session.snapshot.TooFewPromptsWarning"
#: In place of pytester's errors.
SHOW = ("-W", f"default::{WARNING}")


def waver(document):
    """Move a head, and make it differ from sequence to sequence from what it is."""
    document["values"][1][0] = 0.7
    document["profiles"]["L1H0"] = [0.3 + 0.8 * (i % 2) for i in range(document["samples"])]


@pytest.fixture
def wavering(one_test):
    edit_baseline(one_test.baseline, waver)
    return one_test


def test_an_update_warns_and_says_how_many_would_do(wavering):
    result = wavering.run("--circuits", "--snapshot-update", *SHOW)
    assert (result.ret, counts(result)) == (0, {"passed": 1})
    result.stdout.fnmatch_lines(
        "*TooFewPromptsWarning: induction_scores: the tolerance of L1H0, 0.099, is below twice "
        "the standard error 0.11 of its difference from what the baseline held, over 15 sequences. "
        "A change of that size may be chance: 109 sequences (60 to 269, from 15 clusters) "
        "would do."
    )
    assert wavering.run("--circuits").ret == 0


def test_who_makes_errors_of_warnings_approves_nothing(wavering):
    before = wavering.age()
    result = wavering.run("--circuits", "--snapshot-update")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    result.stdout.fnmatch_lines(["E  *TooFewPromptsWarning: induction_scores: *"])
    assert wavering.stamps() == before


def assert_no_warning(result):
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*TooFewPromptsWarning*")


def test_only_an_approval_warns(wavering):
    edit_baseline(wavering.baseline, lambda document: document["values"][1].__setitem__(0, 0.999))
    assert_no_warning(wavering.run("--circuits", "--circuits-gate=never"))
    # It is preserved, so nothing is approved:
    assert_no_warning(wavering.run("--circuits", "--snapshot-update"))


def test_what_has_no_baseline_is_held_against_nothing(wavering):
    wavering.baseline.unlink()
    assert_no_warning(wavering.run("--circuits", "--snapshot-update"))


def test_other_prompts_are_no_pairs(wavering):
    edit_baseline(wavering.baseline, lambda document: document["prompts"].update(tokens="0"))
    assert_no_warning(wavering.run("--circuits", "--snapshot-update"))


def test_a_change_that_is_alike_in_all_sequences_needs_no_more_of_them(one_test):
    def lower(document):
        document["values"][1][0] = 0.7
        document["profiles"]["L1H0"] = [0.7] * document["samples"]

    edit_baseline(one_test.baseline, lower)
    assert_no_warning(one_test.run("--circuits", "--snapshot-update"))


def test_a_childs_first_baseline_is_held_against_its_parents(wavering):
    wavering.ini(RECALL, CHILD)
    result = wavering.run("--circuits", "--circuits-model", "tuned", "--snapshot-update", *SHOW)
    result.stdout.fnmatch_lines(["*TooFewPromptsWarning*"])
