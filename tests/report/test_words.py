"""How a run went, in the same words on the page and in markdown."""

from dataclasses import replace

import pytest
from handmade_rows import failed, left, row, run, texts
from report.figures.handmade_runs import BROKEN, INDUCTION, judged, undefined
from verdicts.handmade import cells

from pytest_circuits.report import FailedTest, Model, json_report, read_report, terminal_lines
from pytest_circuits.report.commands import approve, no_approval
from pytest_circuits.report.html import html_report
from pytest_circuits.report.markdown import markdown_report
from pytest_circuits.report.merging import merge
from pytest_circuits.report.page_view import page_view
from pytest_circuits.report.page_words import facts, tones, verdict_on
from pytest_circuits.report.text import Line, Part

REGRESSION = {"gate": "regression"}
MODULE = FailedTest("test_broken.py", "", "ModuleNotFoundError: No module named 'missing'")


def first_line(told):
    return markdown_report(told).splitlines()[0]


# What passes


@pytest.mark.parametrize(
    ("rows", "gate", "words", "let"),
    [
        (
            [row("lost"), row()],
            "never",
            "1 of 2 findings changed",
            "; the gate lets that pass",
        ),
        ([row("lost", waived=True), row()], "regression", "1 of 2 findings changed (waived)", ""),
        ([row("lost", passes=False, outcome="xfailed")], "regression",
         "1 finding changed (xfailed)", ""),
        ([row("incomparable")], "never", "1 finding could not be compared",
         "; the gate lets that pass"),
        ([row("incomparable", waived=True), row()], "regression",
         "1 of 2 findings could not be compared (waived)", ""),
        ([row("refused", passes=False, outcome="xfailed"), row()], "regression",
         "1 of 2 findings could not be compared (xfailed)", ""),
        ([row("not judged"), row()], "regression", "1 of 2 findings was not judged", ""),
        ([row("new"), row("new")], "regression", "2 findings are new", ""),
        (
            [row("relocated"), row("lost", waived=True), row("incomparable", waived=True),
             row("new"), row("not judged"), row("not judged")],
            "regression",
            (
                "2 of 6 findings changed (1 waived), 1 is new, 1 could not be compared (waived), "
                "2 were not judged"
            ),
            "; the gate lets the rest pass",
        ),
    ],
)  # fmt: skip
def test_what_passes_and_is_not_preserved_is_counted_and_says_what_let_it(rows, gate, words, let):
    told = run(*rows, gate=gate)
    verdict = verdict_on(told)
    nothing = ("new", "not judged", "refused")
    held = any(each.verdict not in nothing and each.outcome != "xfailed" for each in rows)
    word = "Passed" if held else "Nothing judged"
    assert (verdict.tone, verdict.word, verdict.sentence) == ("news", word, f"{words}{let}.")
    never = " (gate never)" if gate == "never" else ""
    how = f"nothing fails{never}" if held else "nothing was judged"
    assert first_line(told).startswith(f"**pytest-circuits: {how}, {words}** — ")


def test_only_what_is_preserved_is_green():
    assert verdict_on(run(row(), row("asserted"), **REGRESSION)).tone == "good"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row(), row("asserted"), row("incomparable")], ""),
        ([row(), row("not judged"), row("new")], "1 of 3 findings"),
        ([row("not judged")], "0 of 1 finding"),
    ],
)
def test_reports_say_how_many_findings_were_judged(rows, words):
    told = run(*rows, **REGRESSION)
    assert dict(facts(told)).get("Judged", "") == words
    assert (f"- judged: {words}\n" in markdown_report(told)) == bool(words)


# What failed elsewhere


@pytest.mark.parametrize(
    ("status", "why"), [(1, "outside the circuits"), (3, "not told here"), (2, "not told here")]
)
def test_a_red_run_of_which_nothing_tells_is_red_and_says_so(status, why):
    told = run(row(), exit_status=status, **REGRESSION)
    sentence = f"pytest ended with status {status}, for a reason {why}"
    verdict = verdict_on(told)
    assert (verdict.tone, verdict.further) == ("bad", (f"{sentence}.",))
    incomplete = "" if status == 1 else "incomplete, "
    line = f"**pytest-circuits: {incomplete}nothing fails but the run** — 1 preserved"
    assert first_line(told) == line
    assert verdict.word == ("Incomplete" if incomplete else "Failed")
    assert f"\n- {sentence}\n" in markdown_report(told)


@pytest.mark.parametrize(
    "fields",
    [{"failed": (failed(),)}, {"failed": (MODULE,)}, {"unfinished": left(1)}, {"rows": "lost"}],
    ids=["silent", "module", "unfinished", "lost"],
)
def test_a_red_run_that_is_accounted_for_needs_no_other_reason(fields):
    lost = fields.pop("rows", "")
    rows = [row("lost", passes=False)] if lost else [row()]
    told = run(*rows, exit_status=1, **REGRESSION, **fields)
    assert verdict_on(told).tone == "bad"
    for text in (str(verdict_on(told)), markdown_report(told)):
        assert "pytest ended" not in text


def test_a_run_that_stopped_says_how_it_ended_on_the_page_and_in_markdown():
    told = run(row(), unfinished=left(2), exit_status=2, **REGRESSION)
    assert verdict_on(told).further[-1] == "pytest ended with status 2."
    assert "\n- pytest ended with status 2\n" in markdown_report(told)


def test_a_run_that_has_not_ended_is_incomplete_whatever_it_found():
    told = run(models=["recall"], exit_status=None, **REGRESSION)
    verdict = verdict_on(told)
    assert (verdict.tone, verdict.word) == ("bad", "Incomplete")
    assert verdict.further == ("the run has not come to its end.",)
    line = "**pytest-circuits: incomplete, the run has not come to its end**"
    assert markdown_report(told) == f"{line}\n"
    lost = run(row("lost", passes=False), exit_status=None, **REGRESSION)
    assert verdict_on(lost).word == "Failed"
    assert first_line(lost).startswith("**pytest-circuits: incomplete, 1 finding fails, the run")


def test_tests_that_did_not_run_to_a_verdict_are_named():
    told = run(row(), unfinished=left(2), exit_status=1, **REGRESSION)
    assert "\n- `t.py::test_left[0-recall]`\n- `t.py::test_left[1-recall]`" in markdown_report(told)
    assert "<li><bdi>t.py::test_left[1-recall]</bdi></li>" in html_report(told)


def test_a_run_without_a_test_is_not_called_passed():
    assert verdict_on(run(exit_status=5, models=["recall"], **REGRESSION)).word == "Nothing ran"


def test_a_module_that_could_not_be_collected_is_told_and_is_no_test(tmp_path):
    told = run(row(), failed=(MODULE, failed()), exit_status=1, **REGRESSION)
    assert verdict_on(told).further == (
        "1 test failed without a finding.",
        "1 module could not be collected.",
    )
    assert first_line(told).startswith(
        "**pytest-circuits: incomplete, 1 test failed without a finding, "
        "1 module could not be collected**"
    )
    assert "| `test_broken.py` | – | `ModuleNotFoundError: No module" in markdown_report(told)
    assert "No module named" in html_report(told)
    assert texts(row(), failed=(MODULE,))[-1] == "incomplete: 1 module could not be collected"
    path = tmp_path / "report.json"
    path.write_text(json_report(told), encoding="utf-8")
    assert set(read_report(path).failed) == set(told.failed)


# Which of a test's findings is bad


def two_findings(**fields):
    test = {"failure": "assert lost", "outcome": "failed"} | fields
    return (
        replace(judged(INDUCTION, INDUCTION), **test),
        replace(judged(BROKEN, INDUCTION, name="b"), **test),
    )


def test_a_preserved_finding_is_not_bad_because_another_of_its_test_is_lost():
    preserved, lost = two_findings()
    told = run(preserved, lost, **REGRESSION)
    assert [tones(told)(each) for each in (preserved, lost)] == ["good", "bad"]
    view = page_view(told)
    assert ([each.finding.row for each in view.foremost], view.more) == ([lost], 0)
    assert "its test failed" not in html_report(told)


def test_a_preserved_finding_of_a_test_that_claims_more_is_bad():
    preserved, _ = two_findings()
    told = run(preserved, **REGRESSION)
    assert tones(told)(preserved) == "bad"
    assert "its test failed" in html_report(told)


# What can be approved


def test_no_approval_is_offered_that_would_be_refused():
    nothing, _ = undefined()
    each = judged(nothing, None)
    told = run(each, **REGRESSION)
    assert approve(told, each) == ""
    why = "nothing to approve: logit diff gap is 0.01"
    assert no_approval(told, each).startswith(why)
    for text in (markdown_report(told), html_report(told)):
        assert why in text
        assert "--snapshot-update" not in text


def test_what_can_be_approved_has_a_command_and_no_reason_why_not():
    each = judged(INDUCTION, None)
    told = run(each, **REGRESSION)
    assert approve(told, each).endswith("--snapshot-update")
    assert no_approval(told, each) == ""


def test_what_was_preserved_needs_no_reason():
    each = judged(INDUCTION, INDUCTION)
    assert no_approval(run(each, **REGRESSION), each) == ""


# What models of merged runs were measured with


def test_options_that_only_one_model_was_measured_with_are_told_at_the_model():
    both = "--circuits-device=cpu"
    runs = [
        (alias, replace(run(judged(INDUCTION, INDUCTION, alias=alias), **REGRESSION),
                        options=(both, f"--circuits-dtype={dtype}")))
        for alias, dtype in (("a", "float32"), ("b", "bfloat16"))
    ]  # fmt: skip
    told = merge(runs)
    words = "measured with --circuits-dtype=bfloat16"
    assert isinstance(told.models[1], Model)
    (view,) = [each for each in page_view(told).models if each.alias == "b"]
    assert words in view.words
    assert f"- `b: {words}" in markdown_report(told)
    assert any(line.text.startswith(f"b: {words}") for line in terminal_lines(told, 80))


# What GitHub would obey


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        (["::error title=x::pwned"], ":?error title=x::pwned"),
        (["  ", "\u00a0::stop-commands::x"], "  \u00a0:?stop-commands::x"),
        ([":", ":error::x"], ":?error::x"),
        (["a ##[error]x"], "a ##?error]x"),
        (["\t::error::x"], " :?error::x"),
        (["test_a.py::test_b"], "test_a.py::test_b"),
        (["# [x] ## a"], "# [x] ## a"),
    ],
)
def test_a_line_is_no_command_to_github(parts, shown):
    line = Line(tuple(Part(text, colour) for text, colour in zip(parts, ["red", ""], strict=False)))
    assert line.plain.text == shown
    assert [part.colour for part in line.plain.parts] == [part.colour for part in line.parts]
    assert [len(part.text) for part in line.plain.parts] == [len(text) for text in parts]


def test_a_label_is_no_command_in_the_tables_of_heads():
    labels = {"component": ("::error title=x::pwned", "##[group]")}
    before, now = (cells(values, ("component",), labels) for values in ([0.1, 0.9], [0.0, 0.1]))
    lines = [line.text for line in terminal_lines(run(judged(now, before)), 80, verbose=True)]
    assert any(line.startswith("  :?error title=x::pwned") for line in lines)
    assert not [line for line in lines if line.lstrip().startswith("::") or "##[" in line]
