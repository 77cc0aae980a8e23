"""The terminal section of several models: a table, and what is not preserved below it."""

import pytest
from handmade_rows import VERDICTS, failed, left, row, run, texts

from pytest_circuits.report import terminal_lines

THREE = [
    row(number=4.0),
    row(alias="fine", number=3.96, owner="recall"),
    row("lost", alias="regressed", number=0.0, passes=False, headline="L1H0 1.00→0.00 +3"),
    row(test="t.py::test_gap", number=22.05),
    row(test="t.py::test_gap", alias="regressed", number=22.05),
]

WAIVED = {"waived": True, "waiver": "until 2027-01-31: retrained on code"}


def table(*rows, **fields):
    """The lines of the table alone."""
    lines = texts(*rows, **fields)
    return lines[: lines.index("")]


def test_the_table_comes_first_then_what_is_not_preserved_then_the_models_and_the_count():
    assert texts(*THREE) == [
        "       recall           fine            regressed",
        "heads  preserved  4.00  preserved 3.96  lost       0.00",
        "gap    preserved 22.05  -               preserved 22.05",
        "",
        "lost heads regressed L1H0 1.00→0.00 +3",
        "",
        "fine: held against recall",
        "5 findings: 1 lost, 4 preserved",
    ]


def test_a_model_whose_tests_failed_without_a_finding_is_told_in_red():
    silent = (failed(alias="nan"), failed("t.py::test_gap", alias="nan"))
    made = run(*THREE, models=["recall", "fine", "regressed", "nan"], failed=silent)
    lines = terminal_lines(made, 90)
    assert [line.text for line in lines if "nan" in line.text or "fail" in line.text] == [
        "       recall           fine            regressed        nan",
        "heads  preserved  4.00  preserved 3.96  lost       0.00  failed",
        "gap    preserved 22.05  -               preserved 22.05  failed",
        "nan: 2 tests failed without a finding",
        "5 findings: 1 lost, 4 preserved; 2 tests failed without a finding",
    ]
    red = [part.text for line in lines for part in line.parts if part.colour == "red"]
    assert red == [
        "lost       0.00",
        "failed",
        "failed",
        "lost heads regressed L1H0 1.00→0.00 +3",
        "nan: 2 tests failed without a finding",
        "2 tests failed without a finding",
    ]


def test_where_all_is_preserved_nothing_is_listed():
    assert texts(row(number=4.0), row(alias="b", number=4.0)) == [
        "       recall          b",
        "heads  preserved 4.00  preserved 4.00",
        "",
        "2 findings: 2 preserved",
    ]


def test_models_stand_in_the_order_they_were_named_also_without_any_finding():
    head = table(*THREE, models=["regressed", "empty", "recall", "fine"])[0]
    assert head.split() == ["regressed", "empty", "recall", "fine"]


def test_the_test_with_the_worst_verdict_on_any_model_comes_first():
    kinds = VERDICTS[: VERDICTS.index("preserved") + 1]
    rows = [
        row(kind, f"t.py::test_{place}", alias=alias, passes=kind not in VERDICTS[:4])
        for place, bad in enumerate(reversed(kinds))
        for alias, kind in (("a", "preserved"), ("b", bad))
    ]
    assert [line.split()[-1] for line in table(*rows)[1:]] == kinds


def test_findings_of_one_test_stand_on_lines_of_their_own():
    rows = [row(alias=alias, name=name) for alias in "ab" for name in ("", "again")]
    rows += [row("not judged", alias="b", measure=m) for m in ("m", "m", "other")]
    assert [line[:13].strip() for line in table(*rows)[1:]] == [
        "heads",
        "heads (again)",
        "heads",
        "heads",
        "heads",
    ]


def test_tests_of_the_same_name_in_two_files_stay_apart():
    rows = [row(test=f"{file}.py::test_heads", alias=alias) for file in "xy" for alias in "ab"]
    rows.append(row("lost", "a/z.py::test_gap", alias="a", passes=False))
    assert [line.split("  ")[0] for line in table(*rows)[1:]] == [
        "gap",
        "heads in x.py",
        "heads in y.py",
    ]


@pytest.mark.parametrize(
    ("fields", "cell"),
    [
        ({"verdict": "weakened", **WAIVED}, "waived"),
        ({"verdict": "weakened", "passes": False, "outcome": "xfailed"}, "xfailed"),
        ({"verdict": "weakened", "outcome": "xpassed"}, "xpassed"),
        ({"verdict": "weakened", "written": True}, "written"),
    ],
)
def test_a_cell_says_what_a_verdict_does_not(fields, cell):
    line = table(row(number=0.53, **fields), row(alias="b", number=1.0))[1]
    assert line == f"heads  weakened 0.53 {cell}  preserved 1.00"


def test_a_finding_without_a_number_is_shown_by_its_verdict():
    line = table(row("lost", passes=False), row(alias="b", number=1.0))[1]
    assert line == "heads  lost    preserved 1.00"


def test_every_cell_has_its_own_colour():
    rows = [
        row(number=1.0),
        row("lost", alias="b", number=0.0, passes=False),
        row("relocated", alias="c", number=1.0),
    ]
    line = terminal_lines(run(*rows), 80)[1]
    assert [(part.text, part.colour) for part in line.parts if part.text.strip()] == [
        ("heads", ""),
        ("preserved 1.00", ""),
        ("lost 0.00", "red"),
        ("relocated 1.00", "yellow"),
    ]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [*((kind, {"number": 22.05}) for kind in VERDICTS), ("weakened", {"number": 2.05, **WAIVED})],
)
def test_three_models_stand_beside_each_other_at_80_columns(kind, fields):
    rows = [
        row(kind, "t.py::test_heads_that_restore_the_name", alias=alias, **fields)
        for alias in ("smollm2", "checkpoint-500", "checkpoint-1000")
    ]
    head, line = table(*rows)
    assert len(head.split()) == 3
    assert line.count(f"{kind} {fields['number']}") == 3


def test_models_that_do_not_fit_come_in_a_table_below():
    rows = [row(alias=f"checkpoint-{n}", number=4.0) for n in range(7)]
    lines = texts(*rows)
    assert lines[: lines.index("7 findings: 7 preserved")] == [
        "       checkpoint-0    checkpoint-1    checkpoint-2    checkpoint-3",
        "heads  preserved 4.00  preserved 4.00  preserved 4.00  preserved 4.00",
        "",
        "       checkpoint-4    checkpoint-5    checkpoint-6",
        "heads  preserved 4.00  preserved 4.00  preserved 4.00",
        "",
    ]


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    rows = [
        row(kind, f"t.py::test_{'x' * length}", alias=alias, headline="y" * length, number=1e9)
        for kind in VERDICTS
        for length in (3, 20, 200)
        for alias in ("r", "checkpoint-000500-of-a-long-run", "checkpoint-001000-of-a-long-run")
    ]
    lines = texts(*rows, width=width, unfinished=left(3), gate="regression")
    assert max(map(len, lines)) <= width


def test_blocks_of_a_wide_table_name_a_test_alike():
    rows = [
        row(test=f"t.py::test_{'x' * 20}_{n}", alias=alias, number=10.0**size)
        for n in "ab"
        for size, alias in enumerate(("one", "two", "three", "four", "five"))
    ]
    called = [line.split()[0] for line in texts(*rows, width=55) if "preserved 1" in line]
    assert called == ["xxxxxxxxx…xxxxxx_a", "xxxxxxxxx…xxxxxx_b"] * 3


def test_a_cell_without_room_leaves_its_number_out_and_never_cuts_it():
    rows = [row("lost", alias=alias, number=1234.56, passes=False) for alias in "ab"]
    lines = texts(*rows, width=25)
    assert [line for line in lines if "lost" in line][:2] == ["heads  lost 1234.56"] * 2
    lines = texts(*rows, width=20)
    assert [line for line in lines if "lost" in line][:2] == ["heads  lost"] * 2


def test_long_aliases_stay_apart_below_the_table_too():
    aliases = [f"checkpoint-of-a-long-run-{n:06}" for n in (500, 1000)]
    rows = [row("lost", alias=alias, passes=False) for alias in aliases]
    details = [line for line in texts(*rows) if line.startswith("lost ")]
    assert [line.split()[2][-6:] for line in details] == ["000500", "001000"]


def test_long_aliases_stay_apart_in_the_head():
    aliases = [f"checkpoint-{n:06}-of-a-long-run-{n}" for n in (500, 1000)]
    head = table(*(row(alias=alias, number=1.0) for alias in aliases))[0].split()
    assert len(set(head)) == 2
    assert all("…" in alias for alias in head)


def test_a_waiver_that_one_model_needs_is_needed():
    rows = [row(waiver=WAIVED["waiver"]), row("weakened", alias="b", **WAIVED)]
    assert not [line for line in texts(*rows) if "not needed" in line]
    assert "         waived until 2027-01-31: retrained on code" in texts(*rows)
