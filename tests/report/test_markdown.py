"""The markdown report: what changed, in a comment's room."""

import re
from dataclasses import replace

import pytest
from handmade_rows import failed, left, row, run
from report.rendered import Page
from report.whole_findings import FULL, every_row, full_run, recorded, told
from verdicts.handmade import role

from pytest_circuits.report.markdown import markdown_report

LOST = row(
    "lost",
    passes=False,
    outcome="failed",
    headline="L1H0 1.00→0.00",
    line=12,
    failure="assert lost",
)


def page(*rows, **fields):
    return Page(markdown_report(run(*rows, **fields))).check()


def first_line(*rows, **fields):
    return markdown_report(run(*rows, **fields)).splitlines()[0]


# The first line


@pytest.mark.parametrize(
    ("rows", "fields", "line"),
    [
        ([row()] * 3, {}, "**pytest-circuits: no changes** — 3 preserved"),
        ([LOST, row()], {}, "**pytest-circuits: 1 of 2 findings fails** — 1 lost, 1 preserved"),
        ([LOST, LOST], {}, "**pytest-circuits: 2 findings fail** — 2 lost"),
        ([LOST], {}, "**pytest-circuits: 1 finding fails** — 1 lost"),
        (
            [row("relocated"), row("strengthened"), row()],
            {"gate": "regression"},
            (
                "**pytest-circuits: nothing fails, 2 of 3 findings changed** — "
                "1 relocated, 1 strengthened, 1 preserved"
            ),
        ),
        (
            [row("lost"), row("new"), row()],
            {},
            (
                "**pytest-circuits: nothing fails (gate never), 1 of 3 findings changed, 1 is "
                "new** — 1 lost, 1 new, 1 preserved"
            ),
        ),
        (
            [row("new"), row("new")],
            {"gate": "regression"},
            "**pytest-circuits: nothing was judged, 2 findings are new** — 2 new",
        ),
        (
            [row("weakened", waived=True, waiver="until x")],
            {"gate": "regression"},
            "**pytest-circuits: nothing fails, 1 finding changed (waived)** — 1 weakened (waived)",
        ),
        (
            [row("not judged")],
            {"gate": "regression"},
            "**pytest-circuits: nothing was judged, 1 finding was not judged** — 1 not judged",
        ),
        ([], {"models": ["recall"]}, "**pytest-circuits: nothing was judged**"),
        (
            [row()],
            {"failed": (failed(),), "unfinished": left(2)},
            (
                "**pytest-circuits: incomplete, 1 test failed without a finding, "
                "2 tests did not run to a verdict** — 1 preserved"
            ),
        ),
        (
            [row(outcome="failed", failure="assert 3 == 4")],
            {},
            "**pytest-circuits: 1 test failed whose findings all pass** — 1 preserved",
        ),
    ],
)
def test_the_first_line_says_how_it_went(rows, fields, line):
    assert first_line(*rows, **fields) == line


# The tables


def test_only_what_changed_is_listed_worst_first_with_its_place():
    shown = page(row(), row("strengthened", "t.py::C::test_b[x]", name="second"), LOST)
    assert shown.tables[0] == [
        ["verdict", "test", "model", "what changed"],
        ["lost", "test_headstest_a.py:12", "recall", "L1H0 1.00→0.00"],
        ["strengthened", "test_b[x] (second)t.py", "recall", "4 heads, L1H0 1.00"],
    ]
    assert shown.html.count("<strong>lost</strong>") == 1


def test_a_green_run_is_its_first_line_and_what_is_known_of_the_model():
    text = markdown_report(run(row(), row(test="t.py::test_b"), gate="regression"))
    assert text == ("**pytest-circuits: no changes** — 2 preserved\n")


def test_several_models_stand_side_by_side():
    rows = [
        row(number=3.9), row("lost", alias="b", number=0.5, passes=False),
        row(test="t.py::test_same"), row(test="t.py::test_same", alias="b"),
    ]  # fmt: skip
    silent = (failed("test_a.py::test_heads", "c"), failed("t.py::test_gone", "c"))
    shown = page(*rows, models=["recall", "b", "c"], failed=silent)
    assert shown.tables[1] == [
        ["test", "recall", "b", "c"],
        ["test_heads", "preserved 3.90", "lost 0.50", "failed"],
    ]
    assert [line[0] for line in shown.tables[2]] == [
        "test that failed", "test_gonet.py", "test_headstest_a.py",
    ]  # fmt: skip


def test_tests_that_failed_without_a_finding_say_why():
    silent = failed("t.py::test_b")._replace(message="ValueError: no such head", line=9)
    claim = row(outcome="failed", failure="assert 3 == 4", line=14)
    shown = page(claim, failed=(silent,))
    assert shown.tables[0] == [
        ["test that failed", "model", "why"],
        ["test_bt.py:9", "recall", "ValueError: no such head"],
        ["test_headstest_a.py:14", "recall", "assert 3 == 4"],
    ]


def test_a_test_of_which_a_finding_fails_is_no_other_failure():
    assert len(page(LOST, replace(LOST, verdict="preserved", passes=True, name="b")).tables) == 1


# What else there is to say


def test_how_far_changes_reach_and_whose_baselines_served():
    changed = row("lost", alias="tuned", owner="recall", scope="whole model", canary=(4.75, 5.2))
    assert (
        "tuned: held against recall; the whole model moved: the canary rose 4.75 → 5.20"
        in page(changed).codes
    )


def test_waivers_are_told_where_they_let_pass_and_where_they_are_not_needed():
    waived = row("weakened", "t.py::test_a", waived=True, waiver="until 2027-01-31: known")
    text = markdown_report(run(waived, row(test="t.py::test_b", waiver="until 2027-02-28: old")))
    assert "| weakened, waived | `test_a`<br>`t.py`" in text
    assert "<br>waived `until 2027-01-31: known` |" in text
    assert "- the waiver of `test_b` is not needed: `until 2027-02-28: old`" in text


def test_a_run_that_went_wrong_elsewhere_says_so():
    why = "pytest ended with status 3, for a reason not told here"
    assert why in markdown_report(run(row(), exit_status=3))
    assert "pytest ended" not in markdown_report(run(LOST, exit_status=1))
    assert "pytest ended" not in markdown_report(run(row(), exit_status=5))


# The folds


@pytest.mark.parametrize("kind", list(every_row()))
def test_every_kind_of_row_renders(kind):
    shown = page(every_row()[kind])
    folded = kind not in ("preserved", "not judged", "claims more")
    assert len(shown.summaries) == folded


def test_a_fold_tells_the_reasons_the_numbers_and_what_was_measured_with():
    before = recorded(role(FULL), weights="sha256:old", versions={"torch": "2.12.0"})
    now = recorded(
        role({"L1H0": 0.9, "L1H1": 0.5}, loss=1.5), weights="sha256:new", dtype="bfloat16"
    )
    shown = page(told(now, before))
    assert shown.summaries == ["weakened: test_heads on recall"]
    assert "L1H1 induction score 0.80 → 0.50 (tolerance 0.08)" in shown.codes
    assert shown.tables[1] == [
        ["", "baseline", "now", "tolerance"],
        ["L1H1", "0.80", "0.50", "0.08"],
        ["L1H0", "0.90", "0.90", "0.09"],
        ["summed strength", "1.70", "1.40", "0.17"],
        ["repeat loss", "0.50", "1.50", "0.10"],
        ["repeat gain", "4.00", "4.00", "0.60"],
    ]
    assert shown.tables[2] == [
        ["measured with", "baseline", "now"],
        ["weights", "sha256:old", "sha256:new"],
        ["dtype", "float32", "bfloat16"],
        ["torch", "2.12.0", "2.13.0"],
        ["transformers", "–", "5.23.0"],
    ]
    assert "Measured by induction_scores (attention probability, 10 samples), held against the" in (
        re.sub("</?code>", "", shown.html)
    )
    command = "pytest --circuits --circuits-model recall=bundled:recall"
    test = "'test_a.py::test_heads[recall]'"
    assert shown.blocks == [f"{command} {test}\n", f"{command} {test} --snapshot-update\n"]


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("new", [["", "now"], ["L1H0", "0.90"], ["L1H1", "0.80"], ["repeat loss", "0.50"],
                 ["repeat gain", "4.00"]]),
        ("undefined", [["", "baseline", "now", "tolerance"], ["L1H0", "0.90", "undefined", "0.09"],
                       ["L1H1", "0.80", "undefined", "0.08"],
                       ["logit diff gap", "4.00", "0.05", "0.20"]]),
        ("one number", [["", "baseline", "now", "tolerance"],
                        ["logit difference", "4.00", "1.00", "0.20"]]),
        ("components", [["", "baseline", "now", "tolerance"], ["L0 mlp", "0.50", "-0.50", "0.05"],
                        ["L0 attn", "0.10", "-0.10", "0.05"],
                        ["as a whole", "0.51", "-0.51", "0.10"],
                        ["repeat loss", "0.50", "0.50", "0.10"],
                        ["repeat gain", "4.00", "4.00", "0.60"]]),
    ],
)  # fmt: skip
def test_the_numbers_are_those_of_what_was_measured(kind, rows):
    assert page(every_row()[kind]).tables[1] == rows


@pytest.mark.parametrize("kind", ["another shape", "incomparable"])
def test_what_can_not_be_compared_says_which_field_differs(kind):
    shown = page(every_row()[kind])
    assert any("differs" in text for text in shown.codes)


def test_a_row_without_details_has_its_reasons_and_commands():
    assert len(page(LOST).blocks) == 2
    assert len(page(LOST).tables) == 1


def test_only_a_declared_model_can_be_approved():
    made = run(LOST)
    made = replace(made, models=(replace(made.models[0], declared=False),))
    assert "--snapshot-update" not in markdown_report(made)
    assert "Measure it again:" in markdown_report(made)


# Two states of the baselines


def compared(*rows):
    return run(*rows, models=["recall"], compared=("main", "working tree"), gate="regression")


def test_what_changed_between_two_states_is_told_with_their_names():
    rows = [every_row()["weakened"], row("deleted", "t.py::test_old"), row(test="t.py::test_same")]
    text = markdown_report(compared(*rows))
    assert text.splitlines()[0] == (
        "**pytest-circuits: 3 findings changed** between `main` and `working tree` "
        "— 1 deleted, 1 weakened, 1 preserved"
    )
    shown = Page(text).check()
    assert "The change of its file:" in text
    assert shown.tables[1][0] == ["", "main", "working tree", "tolerance"]
    assert [line[0] for line in shown.tables[0]] == ["verdict", "weakened", "deleted", "preserved"]
    assert "- the same in a terminal: `pytest-circuits diff main`" in text
    assert "Measure it again" not in text
    assert "held against" not in text
    assert len(shown.blocks) == 3
    assert all(block.startswith("git diff main -- ") for block in shown.blocks)


def test_two_states_alike_are_no_changes():
    assert markdown_report(compared()) == (
        "**pytest-circuits: no changes** between `main` and `working tree`\n"
    )


# Its room


def size(text):
    return len(text.encode())


def large(count=40):
    rows = [
        replace(each, test=f"tests/test_{n}.py::test_ünï_{n:02}[recall]")
        for n in range(count)
        for each in [every_row()["weakened"]]
    ]
    silent = tuple(failed(f"t.py::test_silent_{n}")._replace(message="→" * 50) for n in range(20))
    return run(*rows, failed=silent, gate="regression")


@pytest.mark.parametrize("budget", [0, 1, 20, 50, 100, 200, 500, 1000, 3000, 9000, 20_000, 60_000])
def test_a_report_keeps_to_its_budget_and_leaves_nothing_half(budget):
    text = markdown_report(large(), budget)
    assert size(text) <= budget
    if budget >= 200:
        shown = Page(text).check()
        assert text.startswith("**pytest-circuits: 40 findings fail, 20 tests failed without")
        assert text.endswith("\n")
        assert text.count("<details>") == text.count("</details>") == len(shown.summaries)


def test_details_go_first_then_lines_and_what_is_missing_is_counted():
    whole = markdown_report(large(), 10**6)
    assert "not shown here" not in whole
    assert Page(whole).summaries[0] == "weakened: test_ünï_00 on recall"
    some = markdown_report(large(), size(whole) // 2)
    details = Page(some).summaries
    assert 0 < len(details) < 40
    assert f"{40 - len(details)} more findings' details are not shown here." in some
    assert len(Page(some).tables[0]) == 41
    few = markdown_report(large(), 2500)
    assert Page(few).summaries == []
    assert "40 more findings' details are not shown here." in few
    assert "20 more failed tests are not shown here." in few
    (table,) = Page(few).tables
    assert f"{41 - len(table)} more findings are not shown here." in few
    assert table[1][1].startswith("test_ünï_00")


def test_as_much_is_shown_as_fits():
    whole = size(markdown_report(large(), 10**6))
    assert size(markdown_report(large(), whole)) == whole
    shorter = markdown_report(large(), whole - 1)
    assert "1 more finding's details are not shown here." in shorter
    one_fold = whole - size(shorter)
    assert whole / 2 - size(markdown_report(large(), whole // 2)) < 2 * one_fold


def test_the_default_is_what_a_comment_may_have():
    rows = large(400).rows
    text = markdown_report(run(*rows, gate="regression"))
    assert 60_000 < size(text) <= 65_536


def test_a_run_of_everything_renders():
    shown = Page(markdown_report(full_run())).check()
    assert len(shown.summaries) == len(
        [kind for kind in every_row() if kind not in ("preserved", "not judged", "claims more")]
    )
