"""The terminal section: one line a finding, never wider than the terminal, worst first."""

import pytest

from pytest_circuits.report import Row, terminal_lines

KINDS = [
    "refused",
    "lost",
    "incomparable",
    "weakened",
    "new",
    "strengthened",
    "preserved",
    "not judged",
]


def row(verdict="preserved", test="test_a.py::test_heads[recall]", **fields):
    fields = {"alias": "recall", "measure": "m", "headline": "4 heads, L1H0 1.00"} | fields
    return Row(verdict, test, **fields)


def texts(rows, width=80, **options):
    return [line.text for line in terminal_lines(rows, width, **options)]


def test_a_line_has_verdict_test_alias_and_the_number_that_matters():
    assert texts([row()]) == [
        "preserved test_heads recall 4 heads, L1H0 1.00",
        "1 finding: 1 preserved",
    ]


def test_columns_are_aligned():
    rows = [row(), row("lost", "t.py::test_b[tuned]", alias="tuned", passes=False)]
    assert texts(rows) == [
        "lost      test_b     tuned  4 heads, L1H0 1.00",
        "preserved test_heads recall 4 heads, L1H0 1.00",
        "2 findings: 1 lost, 1 preserved",
    ]


def test_the_worst_comes_first():
    rows = [row(kind, passes=kind not in KINDS[:4]) for kind in reversed(KINDS)]
    lines = texts(rows)
    assert [line[:12].strip() for line in lines[:-1]] == KINDS
    assert lines[-1] == (
        "8 findings: 1 refused, 1 lost, 1 incomparable, 1 weakened, 1 new, 1 strengthene…"
    )


def test_what_fails_comes_before_what_passes_whatever_its_verdict():
    rows = [row("lost", "t.py::test_a", passes=True), row("new", "t.py::test_b", passes=False)]
    assert [line.split()[0] for line in texts(rows)[:-1]] == ["new", "lost"]


def test_what_was_expected_to_fail_comes_after_what_fails():
    rows = [
        row("lost", "t.py::test_a", passes=False, outcome="xfailed"),
        row("weakened", "t.py::test_b", passes=False, outcome="failed"),
    ]
    assert texts(rows) == [
        "weakened test_b recall 4 heads, L1H0 1.00",
        "lost     test_a recall xfailed: 4 heads, L1H0 1.00",
        "2 findings: 1 weakened, 1 lost (xfailed)",
    ]


def test_the_same_verdicts_are_in_the_order_of_their_tests():
    rows = [row(test=f"t.py::test_{name}") for name in "cab"]
    assert [line.split()[1] for line in texts(rows)[:-1]] == ["test_a", "test_b", "test_c"]


def test_findings_that_were_never_compared_are_listed():
    assert texts([Row("not judged", "t.py::test_a[recall]", "recall", "m", "4 heads")]) == [
        "not judged test_a recall 4 heads",
        "1 finding: 1 not judged",
    ]


@pytest.mark.parametrize(
    ("test", "shown"),
    [
        ("a/test_a.py::TestB::test_c[recall]", "TestB.test_c"),
        ("test_a.py::test_c[a::b-recall]", "test_c[a::b]"),
        ("test_a.py::test_c[x-recall]", "test_c[x]"),
        ("test_a.py::test_c[recall-recall]", "test_c[recall]"),
        ("test_a.py::test_c[recall-other]", "test_c[recall-other]"),
        ("test_a.py::test_c", "test_c"),
    ],
)
def test_a_test_is_shown_with_its_class_and_without_its_file_and_alias(test, shown):
    assert texts([row(test=test)])[0] == f"preserved {shown} recall 4 heads, L1H0 1.00"


def test_a_further_finding_is_shown_with_its_name():
    assert texts([row(name="again")])[0] == "preserved test_heads (again) recall 4 heads, L1H0 1.00"


def test_what_was_written_is_said():
    assert "recall written: 4 heads" in texts([row("new", written=True)])[0]


def test_no_findings_are_said():
    assert texts([]) == ["no findings"]


def test_tests_that_never_came_to_measure_are_counted():
    assert texts([], unfinished=2) == [
        "no findings",
        "incomplete: 2 circuit test(s) did not run to a verdict",
    ]
    assert texts([row()], unfinished=1)[-1].startswith("incomplete: 1 ")


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    rows = [
        row(kind, f"t.py::test_{'x' * length}[{alias}]", alias=alias, headline="y" * length)
        for kind in KINDS
        for length in (3, 20, 200)
        for alias in ("r", "checkpoint-000500-of-a-long-run")
    ]
    for some in ([rows[0]], rows[:6], rows):
        assert max(map(len, texts(some, width, unfinished=3))) <= width


@pytest.mark.parametrize("width", [40, 80])
def test_verdict_test_alias_and_number_each_keep_some_room(width):
    line = texts(
        [row("incomparable", "t.py::" + "t" * 99, alias="a" * 99, headline="h" * 99)], width
    )[0]
    assert line.startswith("incomparable ttt")
    assert "aaa" in line
    assert "hhh" in line


def test_at_80_columns_the_number_is_not_cut_for_a_long_name():
    headline = "L1H0 1.00→0.00 +3; repeat loss 0.00→4.17"
    line = texts([row("lost", f"t.py::test_{'x' * 99}", headline=headline)])[0]
    assert line.endswith(headline)


@pytest.mark.parametrize(
    ("fields", "colour"),
    [
        ({"verdict": "preserved"}, ""),
        ({"verdict": "strengthened"}, "yellow"),
        ({"verdict": "lost", "passes": False}, "red"),
        ({"verdict": "lost", "passes": False, "outcome": "xfailed"}, "yellow"),
        ({"verdict": "not judged"}, "yellow"),
    ],
)
def test_what_fails_is_red_and_what_is_new_to_the_reader_yellow(fields, colour):
    assert terminal_lines([row(**fields)], 80)[0].colour == colour


def test_long_names_are_cut_in_the_middle_because_they_begin_alike():
    rows = [
        row("lost", f"t.py::test_heads_of_a_very_long_story_{n}", headline="h" * 45)
        for n in ("one", "two")
    ]
    names = [line.split()[1] for line in texts(rows)[:-1]]
    assert len(set(names)) == 2
    assert [name.endswith(end) for name, end in zip(names, ("one", "two"), strict=True)] == [
        True,
        True,
    ]
    assert all("…" in name for name in names)
