"""The terminal section of one model: a line a finding, never wider than the terminal."""

import pytest
from handmade_rows import VERDICTS, failed, left, row, run, texts

from pytest_circuits.report import terminal_lines


def test_a_line_has_verdict_test_alias_and_the_number_that_matters():
    assert texts(row()) == [
        "preserved test_heads recall 4 heads, L1H0 1.00",
        "1 finding: 1 preserved",
    ]


NOTHING_JUDGED = "nothing was judged: no finding was held against a baseline, or by an assertion"


def test_columns_are_aligned():
    assert texts(row(), row("lost", "t.py::test_b", passes=False)) == [
        "lost      test_b     recall 4 heads, L1H0 1.00",
        "preserved test_heads recall 4 heads, L1H0 1.00",
        "2 findings: 1 lost, 1 preserved",
    ]


def test_the_worst_comes_first():
    rows = [row(kind, passes=kind not in VERDICTS[:4]) for kind in reversed(VERDICTS)]
    lines = texts(*rows, width=160)
    assert [line[:12].strip() for line in lines[:-1]] == VERDICTS
    assert lines[-1] == (
        "10 findings: 1 refused, 1 lost, 1 weakened, 1 incomparable, 1 new, 1 relocated, "
        "1 strengthened, 1 preserved, 1 asserted, 1 not judged"
    )


def test_what_fails_comes_before_what_passes_whatever_its_verdict():
    rows = [row("lost", "t.py::test_a", passes=True), row("new", "t.py::test_b", passes=False)]
    assert [line.split()[0] for line in texts(*rows)[:-1]] == ["new", "lost"]


def test_what_was_expected_to_fail_comes_after_what_fails():
    rows = [
        row("lost", "t.py::test_a", passes=False, outcome="xfailed"),
        row("weakened", "t.py::test_b", passes=False, outcome="failed"),
    ]
    assert texts(*rows) == [
        "weakened test_b recall 4 heads, L1H0 1.00",
        "lost     test_a recall xfailed: 4 heads, L1H0 1.00",
        "2 findings: 1 weakened, 1 lost (xfailed)",
    ]


def test_the_same_verdicts_are_in_the_order_of_their_tests():
    rows = [row(test=f"t.py::test_{name}") for name in "cab"]
    assert [line.split()[1] for line in texts(*rows)[:-1]] == ["test_a", "test_b", "test_c"]


def test_findings_that_were_never_compared_are_listed():
    assert texts(row("not judged", "t.py::test_a", headline="4 heads")) == [
        "not judged test_a recall 4 heads",
        "1 finding: 1 not judged",
        NOTHING_JUDGED,
    ]


@pytest.mark.parametrize(
    ("test", "shown"),
    [
        ("a/test_a.py::TestB::test_c", "test_c"),
        ("test_a.py::test_c[a::b]", "test_c[a::b]"),
        ("test_a.py::test_c[x]", "test_c[x]"),
        ("test_a.py::test_c[recall]", "test_c[recall]"),
        ("test_a.py::test_c[recall-other]", "test_c[recall-other]"),
    ],
)
def test_a_test_is_shown_without_its_file_class_and_alias(test, shown):
    assert texts(row(test=test))[0] == f"preserved {shown} recall 4 heads, L1H0 1.00"


def test_tests_of_two_classes_that_are_called_alike_are_shown_with_their_classes():
    rows = [row(test=f"x.py::{owner}test_b") for owner in ("TestA::", "TestB::", "")]
    assert [line.partition(" recall")[0].strip() for line in texts(*rows)[:-1]] == [
        "preserved TestA.test_b",
        "preserved TestB.test_b",
        "preserved test_b",
    ]


def test_tests_of_two_files_that_are_called_alike_are_shown_with_their_files():
    rows = [row(test=f"{file}.py::test_b") for file in ("x", "a/y")]
    assert [line.partition(" recall")[0].strip() for line in texts(*rows)[:-1]] == [
        "preserved test_b in a/y.py",
        "preserved test_b in x.py",
    ]


def test_a_further_finding_is_shown_with_its_name():
    assert texts(row(name="again"))[0] == "preserved test_heads (again) recall 4 heads, L1H0 1.00"


def test_what_was_written_is_said():
    assert "recall written: 4 heads" in texts(row("new", written=True))[0]


def test_no_findings_are_said():
    assert texts(models=["recall"]) == ["no findings", NOTHING_JUDGED]


def test_a_run_that_held_nothing_does_not_look_green():
    def told(*rows, **fields):
        line = terminal_lines(run(*rows, models=["recall"], **fields), 80)[-1]
        return line.text == NOTHING_JUDGED and [part.colour for part in line.parts] == ["yellow"]

    assert told()
    assert told(row("not judged"))
    assert told(row("new"), row("not judged"))
    assert not told(row("new", written=True))
    assert not told(row("not judged"), row("asserted"))
    assert not told(row("preserved"))
    # Red, and why, is said in any case.
    assert not told(row("refused", passes=False))
    assert not told(failed=(failed(),))
    assert not told(unfinished=left(1))


def test_what_an_assertion_held_is_listed_and_no_news():
    (line, total) = terminal_lines(run(row("asserted")), 80)
    assert (line.text, line.parts[0].colour) == (
        "asserted test_heads recall 4 heads, L1H0 1.00",
        "",
    )
    assert total.text == "1 finding: 1 asserted"


def test_an_assertion_that_failed_held_nothing():
    why = "AssertionError: induction score: 1 of 4 heads"
    told = run(
        row("asserted", failure=why), row("preserved", test="test_a.py::test_more", failure=why)
    )
    lines = terminal_lines(told, 80)
    assert [(line.text, line.parts[-1].colour) for line in lines] == [
        ("preserved test_more recall 4 heads, L1H0 1.00", ""),
        (f"failed test_heads recall {why}", "red"),
        (f"failed test_more recall {why}", "red"),
        (
            "2 findings: 1 preserved, 1 asserted; 2 tests failed whose findings all pass",
            "red",
        ),
    ]


def test_tests_that_never_came_to_measure_are_counted():
    assert texts(models=["recall"], unfinished=left(2)) == [
        "no findings",
        "incomplete: 2 circuit test(s) did not run to a verdict",
        "  t.py::test_left[0-recall]",
        "  t.py::test_left[1-recall]",
    ]
    assert texts(row(), unfinished=left(1))[-2].startswith("incomplete: 1 ")
    assert texts(row(), unfinished=left(7))[-2:] == ["  t.py::test_left[4-recall]", "  and 2 more"]


def test_a_run_that_has_not_ended_says_so():
    assert texts(models=["recall"], exit_status=None) == [
        "no findings",
        "incomplete: the run has not come to its end",
    ]


def test_tests_that_failed_without_a_finding_are_counted_in_red():
    lines = terminal_lines(run(models=["nan"], failed=(failed(alias="nan"),)), 80)
    assert [line.text for line in lines] == [
        "no findings; 1 test failed without a finding",
    ]
    assert [part.colour for line in lines for part in line.parts] == ["", "", "red"]


def test_a_test_that_is_of_no_model_fails_without_a_finding_too():
    assert texts(row(), failed=(failed(alias=""),))[1:] == [
        "1 finding: 1 preserved; 1 test failed without a finding"
    ]


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120])
@pytest.mark.parametrize("alias", ["r", "checkpoint-000500-of-a-long-run"])
def test_no_line_is_wider_than_the_terminal(width, alias):
    rows = [
        row(
            kind, f"t.py::test_{'x' * length}", alias=alias, headline="y" * length, redundant=True,
            owner="recall", canary=(4.75, 4.77), scope="specific", passes=False,
            waiver=f"ended 2026-01-31: {'z' * length}", own_tolerance=length == 3,
        )
        for kind in VERDICTS
        for length in (3, 20, 200)
    ]  # fmt: skip
    for some in ([rows[0]], rows[:6], rows):
        silent = (failed("t.py::test_a", alias), failed("t.py::test_b", alias))
        lines = texts(*some, width=width, unfinished=left(3), gate="regression", failed=silent)
        assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [40, 80])
def test_verdict_test_alias_and_number_each_keep_some_room(width):
    line, *rest = texts(
        row("incomparable", "t.py::" + "t" * 99, alias="a" * 99, headline="h 1.00→0.00 " * 9),
        width=width,
    )
    assert line.startswith("incomparable ttt")
    assert "aaa" in line
    assert " h" in line
    assert "".join([line, *rest]).count("1.00→0.00") == 9


LONG = "L1H0 10.88→3.11 +3, across layers; clean logit diff 10.88→3.12; behaviour held"


def test_a_headline_that_does_not_fit_goes_on_below_clause_by_clause():
    rows = [row("weakened", "t.py::test_heads_that_restore_the_name", headline=LONG, passes=False)]
    assert texts(*rows, row())[:-1] == [
        "weakened  heads_th…he_name recall L1H0 10.88→3.11 +3, across layers;",
        "          clean logit diff 10.88→3.12; behaviour held",
        "preserved heads            recall 4 heads, L1H0 1.00",
    ]
    lines = terminal_lines(run(*rows), 80)
    assert [part.colour for line in lines[:2] for part in line.parts] == ["red", "red"]


@pytest.mark.parametrize("width", [40, 50, 60, 70, 80, 90, 100, 150])
@pytest.mark.parametrize("alias", ["r", "checkpoint-000500-of-a-long-run"])
def test_no_word_or_number_of_a_headline_is_cut_or_left_out(width, alias):
    *lines, _ = texts(
        row("incomparable", f"t.py::test_{'x' * 99}", alias=alias, headline=LONG), width=width
    )
    said = [word for line in lines for word in line.split()]
    assert said[-len(LONG.split()) :] == LONG.split()


def test_a_clause_that_is_longer_than_a_line_is_wrapped_at_spaces():
    headline = f"prompts differ: {' '.join(['1234567'] * 20)}"
    assert texts(row("incomparable", "t.py::test_a", headline=headline))[:-1] == [
        f"incomparable test_a recall prompts differ: {' '.join(['1234567'] * 4)}",
        f"             {' '.join(['1234567'] * 8)}",
        f"             {' '.join(['1234567'] * 8)}",
    ]


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80])
def test_the_count_is_wrapped_and_complete(width):
    rows = [row(kind, f"t.py::test_{n}") for n in range(12) for kind in VERDICTS]
    lines = texts(*rows, width=width)
    start = next(n for n, line in enumerate(lines) if line.startswith("120 findings:"))
    assert " ".join(line.strip() for line in lines[start:]) == (
        "120 findings: 12 refused, 12 lost, 12 weakened, 12 incomparable, 12 new, 12 relocated, "
        "12 strengthened, 12 preserved, 12 asserted, 12 not judged"
    )


def test_long_aliases_keep_their_ends():
    lines = texts(row("lost", alias="checkpoint-of-a-long-run-000500", passes=False))
    assert lines[0].split()[2].endswith("000500")


def test_at_80_columns_the_number_is_not_cut_for_a_long_name():
    headline = "L1H0 1.00→0.00 +3; repeat loss 0.00→4.17"
    line = texts(row("lost", f"t.py::test_{'x' * 99}", headline=headline))[0]
    assert line.endswith(headline)


@pytest.mark.parametrize(
    ("fields", "colour"),
    [
        ({"verdict": "preserved"}, ""),
        ({"verdict": "relocated"}, "yellow"),
        ({"verdict": "relocated", "passes": False}, "red"),
        ({"verdict": "strengthened"}, "yellow"),
        ({"verdict": "lost", "passes": False}, "red"),
        ({"verdict": "lost", "passes": False, "outcome": "xfailed"}, "yellow"),
        ({"verdict": "weakened", "waived": True, "waiver": "until 2027-01-31: x"}, "yellow"),
        ({"verdict": "asserted"}, ""),
        ({"verdict": "not judged"}, "yellow"),
    ],
)
def test_what_fails_is_red_and_what_is_new_to_the_reader_yellow(fields, colour):
    assert terminal_lines(run(row(**fields)), 80)[0].parts[0].colour == colour


def test_long_names_are_cut_in_the_middle_because_they_begin_alike():
    rows = [
        row("lost", f"t.py::test_heads_of_a_very_long_story_{n}", headline="h" * 45)
        for n in ("one", "two")
    ]
    names = [line.split()[1] for line in texts(*rows)[:-1]]
    assert len(set(names)) == 2
    assert [name.endswith(end) for name, end in zip(names, ("one", "two"), strict=True)] == [
        True,
        True,
    ]
    assert all("…" in name for name in names)


# Waivers

UNTIL = "until 2027-01-31: retrained on code"
ENDED = "ended 2026-01-31: retrained on code"


def test_what_is_waived_passes_and_says_until_when_and_why():
    rows = [
        row("weakened", waived=True, waiver=UNTIL, headline="L1H0 0.90→0.60"),
        row("lost", "t.py::test_b", passes=False),
    ]
    assert texts(*rows) == [
        "lost     test_b     recall 4 heads, L1H0 1.00",
        "weakened test_heads recall L1H0 0.90→0.60",
        "         waived until 2027-01-31: retrained on code",
        "2 findings: 1 lost, 1 weakened (waived)",
    ]


def test_a_failing_finding_says_that_its_waiver_ended():
    lines = terminal_lines(run(row("weakened", passes=False, waiver=ENDED)), 80)
    assert lines[1].text == "         waiver ended 2026-01-31: retrained on code"
    assert lines[1].parts[0].colour == "red"


def test_a_failing_finding_says_that_its_waiver_is_for_another_verdict():
    assert texts(row("lost", passes=False, waiver=UNTIL))[1] == "     waiver does not accept lost"


@pytest.mark.parametrize("waiver", [UNTIL, ENDED])
def test_a_waiver_that_is_not_needed_is_noted_in_one_quiet_line(waiver):
    lines = terminal_lines(run(row(waiver=waiver), row(waiver=waiver, name="again")), 80)
    (note,) = [line for line in lines if "waiver" in line.text]
    assert note.text == f"test_heads: waiver {waiver.partition(':')[0]} is not needed"
    assert note.parts[0].colour == ""


def test_a_waiver_that_one_finding_of_its_test_needs_is_needed():
    rows = [row(waiver=UNTIL), row("weakened", name="again", waiver=UNTIL, waived=True)]
    assert not [line for line in texts(*rows) if "not needed" in line]


# Of the model as a whole

SPECIFIC = {"canary": (4.75, 4.77), "scope": "specific"}
WHOLE = {"canary": (4.75, 6.8), "scope": "whole model"}


def about(*rows, **fields):
    """The lines between the findings and their count."""
    return texts(*rows, **{"width": 100, **fields})[len(rows) : -1]


def test_nothing_is_said_of_a_model_on_its_own_baselines_where_nothing_changed():
    assert about(row(owner="recall", **SPECIFIC), row("new", "t.py::test_b")) == []


@pytest.mark.parametrize(
    ("facts", "reach"),
    [
        (SPECIFIC, "changes are specific: the canary held 4.75 → 4.77"),
        (WHOLE, "the whole model moved: the canary rose 4.75 → 6.80"),
    ],
)
@pytest.mark.parametrize("verdict", ["lost", "weakened", "relocated", "strengthened"])
def test_where_something_changed_the_canary_says_how_far_that_reaches(verdict, facts, reach):
    rows = [row(verdict, alias="candidate", owner="recall", **facts), row(alias="candidate")]
    assert about(*rows) == [f"candidate: held against recall; {reach}"]
    rows = [row(verdict, owner="recall", **facts), row(owner="recall", **facts)]
    assert about(*rows) == [f"recall: {reach}"]


def test_where_nothing_changed_only_the_owner_of_the_baselines_is_named():
    assert about(row(alias="candidate", owner="recall", **SPECIFIC)) == [
        "candidate: held against recall"
    ]


def test_a_canary_that_moved_is_told_also_where_everything_is_preserved():
    moved = {**WHOLE, "canary_of": "loss on a fixed text", "canary": (3.94, 4.22)}
    assert about(row(owner="recall", **moved)) == [
        "recall: the whole model moved: the loss on a fixed text rose 3.94 → 4.22"
    ]
    fell = {**moved, "canary": (4.22, 3.94)}
    assert about(row(owner="recall", **fell))[0].endswith("fixed text fell 4.22 → 3.94")


def test_a_change_whose_canary_is_not_known_says_nothing_of_its_reach():
    assert about(row("lost", alias="candidate", owner="recall")) == [
        "candidate: held against recall"
    ]


@pytest.mark.parametrize(
    ("own", "parents", "said"),
    [
        (3, 1, "3 baselines of its own, 1 of recall"),
        (1, 2, "1 baseline of its own, 2 of recall"),
        (0, 2, "held against recall"),
    ],
)
def test_baselines_of_several_owners_are_counted(own, parents, said):
    owners = ["tuned"] * own + ["recall"] * parents
    rows = [row(test=f"t.py::test_{n}", alias="tuned", owner=o) for n, o in enumerate(owners)]
    assert about(*rows) == [f"tuned: {said}"]


def test_the_finding_that_changed_says_how_far_its_change_reaches():
    rows = [
        row(alias="tuned", owner="recall", **WHOLE),
        row("weakened", "t.py::test_b", alias="tuned", owner="tuned", **SPECIFIC),
    ]
    assert about(*rows, width=100) == [
        (
            "tuned: 1 baseline of its own, 1 of recall; "
            "changes are specific: the canary held 4.75 → 4.77"
        )
    ]


def test_what_does_not_fit_goes_on_below():
    alias = "candidate-of-november"
    changed = row("lost", alias=alias, owner="recall", **WHOLE)
    assert about(changed, width=80) == [
        f"{alias}: held against recall;",
        "  the whole model moved: the canary rose 4.75 → 6.80",
    ]
    assert about(changed, width=100)[0].endswith("moved: the canary rose 4.75 → 6.80")


NONE = {"no_canary": True, "owner": "recall"}


def test_where_something_changed_and_the_baselines_hold_no_canary_that_is_said_once():
    said = "its baselines hold no canary (approve anew to get one)"
    rows = [row("lost", f"t.py::test_{n}", alias="c", **NONE) for n in "ab"]
    assert about(*rows) == [f"c: held against recall; {said}"]
    assert about(row("weakened", **NONE)) == [f"recall: {said}"]


def test_where_nothing_changed_or_another_canary_is_known_no_baseline_needs_one():
    assert about(row(**NONE)) == []
    known = row("lost", "t.py::test_b", owner="recall", **SPECIFIC)
    assert about(row("lost", **NONE), known) == [
        "recall: changes are specific: the canary held 4.75 → 4.77"
    ]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "1 baseline equals its parent's"),
        (2, "2 baselines equal their parent's"),
    ],
)
def test_baselines_that_repeat_the_parents_are_offered_for_pruning(count, said):
    rows = [
        row(test=f"t.py::test_{n}", alias="tuned", owner="tuned", redundant=True)
        for n in range(count)
    ]
    assert about(*rows) == [f"tuned: {said}: pytest-circuits prune"]


# Hostile names

HOSTILE = "a\x1b[31mred\x07\r\nb\tc\u202ed\u200be\ud800"
SHOWN = "a?[31mred?  b c?d?e?"


@pytest.mark.parametrize("aliases", [["recall"], ["recall", "other"]])
def test_what_a_terminal_would_obey_is_shown_harmless_wherever_it_stands(aliases):
    rows = [
        row("lost", f"t.py::test_{HOSTILE}", alias=alias, name=HOSTILE, headline=HOSTILE,
            passes=False, waiver=f"ended 2026-01-31: {HOSTILE}")
        for alias in aliases
    ]  # fmt: skip
    lines = texts(*rows, width=200)
    assert all(line.isprintable() for line in lines)
    assert "\n".join(lines).count(SHOWN) >= 4 * len(aliases)
    assert [len(line) for line in lines if "waiver" in line]


def test_letters_of_every_language_stay_what_they_are():
    line = texts(row(test="t.py::test_größe_東京_é", headline="L1H0 1.00→0.00 ± 0.10"))[0]
    assert line == "preserved test_größe_東京_é recall L1H0 1.00→0.00 ± 0.10"
