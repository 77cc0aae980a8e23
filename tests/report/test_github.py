"""Annotations for GitHub Actions: what is said of which line."""

import re
from dataclasses import replace
from urllib.parse import unquote

import pytest
from handmade_rows import failed, left, row, run
from report.whole_findings import every_row, full_run

from pytest_circuits.report.github import annotate

LOST = row("lost", passes=False, headline="L1H0 1.00→0.00", line=12)
#: A workflow command as GitHub's runner reads it.
COMMAND = re.compile(r"::(error|warning|notice) ([^:\r\n]*)::([^\r\n]*)")


def read(command):
    """A command's level, properties and message, as GitHub's runner would have them."""
    level, properties, message = COMMAND.fullmatch(command).groups()
    pairs = dict(pair.split("=", 1) for pair in properties.split(","))
    return level, {name: unquote(value) for name, value in pairs.items()}, unquote(message)


def told(*rows, folder=".", **fields):
    return [read(each.command()) for each in annotate(run(*rows, **fields), folder)]


def test_a_finding_that_fails_is_an_error_at_its_tests_line():
    (made,) = annotate(run(LOST), ".")
    assert made.command() == (
        "::error file=test_a.py,line=12,title=lost%3A test_heads on recall::L1H0 1.00→0.00"
    )


@pytest.mark.parametrize(
    ("made", "level"),
    [
        (row("new", passes=False), "error"),
        (row("refused", passes=False), "error"),
        (row("relocated", passes=False), "error"),
        (row("lost"), "warning"),
        (row("weakened", waived=True, waiver="until x"), "warning"),
        (row("incomparable"), "warning"),
        (row("lost", passes=False, outcome="xfailed"), "warning"),
        (row("not judged"), "warning"),
        (row("relocated"), "notice"),
        (row("strengthened"), "notice"),
        (row("new"), "notice"),
    ],
)
def test_what_fails_is_an_error_what_was_let_pass_a_warning_and_news_a_notice(made, level):
    assert [each[0] for each in told(made)] == [level]


def test_nothing_is_said_of_what_is_preserved():
    assert told(row(), row(waiver="until x")) == []


def test_the_message_has_the_reasons_a_line_each():
    ((_, properties, message),) = told(every_row()["weakened"])
    assert properties["title"] == "weakened: test_it[1] on recall"
    assert message.splitlines() == [
        "L1H1 0.80→0.60; behaviour held",
        "L1H1 induction score 0.80 → 0.60 (tolerance 0.08)",
        "induction heads summed strength 1.70 → 1.50 (tolerance 0.17)",
    ]


def test_a_waiver_is_told():
    waived = row("lost", waived=True, waiver="until 2027-01-31: known")
    assert told(waived)[0][2].splitlines()[-1] == "waived until 2027-01-31: known"


def test_a_test_that_failed_for_another_reason_is_an_error_of_its_own():
    silent = failed("t.py::test_b")._replace(message="ValueError: 100% wrong", line=9)
    claim = row(outcome="failed", failure="assert 3 == 4", line=14)
    assert told(claim, failed=(silent,)) == [
        ("error", {"file": "t.py", "line": "9", "title": "failed: test_b on recall"},
         "ValueError: 100% wrong"),
        ("error", {"file": "test_a.py", "line": "14", "title": "failed: test_heads on recall"},
         "assert 3 == 4"),
    ]  # fmt: skip


def test_a_test_whose_finding_fails_is_told_of_once():
    assert len(told(replace(LOST, outcome="failed", failure="assert lost"))) == 1


def test_tests_that_never_ended_are_an_error_of_no_file():
    assert told(unfinished=left(1)) == [
        ("error", {"title": "pytest-circuits: incomplete"},
         "1 circuit test did not run to a verdict:\nt.py::test_left[0-recall]"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "test", "file"),
    [
        (".", "a/test_a.py", "a/test_a.py"),
        ("suite", "a/test_a.py", "suite/a/test_a.py"),
        ("suite/deep", "../test_a.py", "suite/test_a.py"),
        (".", "../test_a.py", None),
        (None, "test_a.py", None),
    ],
)
def test_files_are_named_from_the_root_of_the_repository(folder, test, file):
    ((_, properties, _),) = told(replace(LOST, test=f"{test}::test_heads[recall]"), folder=folder)
    assert properties.get("file") == file
    # A line of no file would be one of the workflow's own.
    assert ("line" in properties) == (file is not None)


def test_the_worst_come_first():
    rows = [
        row("new", "a.py::x"),
        row("weakened", "b.py::x"),
        replace(LOST, test="c.py::x[recall]"),
    ]
    silent = (failed("0.py::x"),)
    assert [(level, p["title"]) for level, p, _ in told(*rows, failed=silent)] == [
        ("error", "lost: x in c.py on recall"),
        ("error", "failed: x in 0.py on recall"),
        ("warning", "weakened: x in b.py on recall"),
        ("notice", "new: x in a.py on recall"),
    ]


def many(count, verdict="lost", **fields):
    return [row(verdict, f"t.py::test_{n:02}", **fields) for n in range(count)]


@pytest.mark.parametrize(("count", "said"), [(9, 9), (10, 10), (11, 10), (40, 10)])
def test_there_are_ten_of_a_level_at_most(count, said):
    made = told(*many(count, passes=False), *many(count, "new"))
    assert [level for level, *_ in made] == ["error"] * said + ["notice"] * said


def test_the_last_says_how_many_more_there_are_and_which():
    level, properties, message = told(*many(12, passes=False))[-1]
    assert (level, properties) == ("error", {"title": "pytest-circuits: 3 more errors"})
    assert message.splitlines() == [
        "GitHub shows ten of a step:",
        "lost: test_09 on recall",
        "lost: test_10 on recall",
        "lost: test_11 on recall",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a::error::b", "::stop-commands::x", "a\n::set-output name=a::b", "a\r\nb", "50% a%0Ab",
        "a,line=1", "a:b,c=d", "\x1b[31m", "a\u2028::error::b", "<b>", "a\x85b",
    ],
)  # fmt: skip
def test_hostile_names_stay_one_command(text):
    rows = [
        row("lost", f"{text}.py::test[{text}]", f"a{text}", headline=text, name=text, line=3,
            waived=True, waiver=text),
    ]  # fmt: skip
    silent = failed(f"{text}.py::test", "b")._replace(message=text)
    commands = [each.command() for each in annotate(run(*rows, failed=(silent,)), ".")]
    assert [read(command)[0] for command in commands] == ["error", "warning"]
    for command in commands:
        _, properties, _ = read(command)
        assert set(properties) <= {"file", "line", "title"}
        assert properties.get("line", "3") == "3"
        assert command.isprintable()


def test_long_texts_are_cut():
    made = told(replace(LOST, headline="x" * 9000, name="n" * 900))[0]
    assert len(made[1]["title"]) == 200
    assert len(made[2]) == 2000


def test_every_kind_of_row_can_be_told():
    assert {level for level, *_ in told(*full_run().rows)} == {"error", "warning", "notice"}
