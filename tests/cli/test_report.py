"""pytest-circuits report: any report from report.json, of one run or of several."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from handmade_rows import left, row, run, texts
from report.whole_findings import every_row, full_run

from pytest_circuits.baselines.writing import write_text
from pytest_circuits.commands.report import FILES
from pytest_circuits.report import json_report, render
from pytest_circuits.session.settings import REPORTS

LOST = row("lost", passes=False, number=0.5, headline="L1H0 1.00→0.00")


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Store reports in the working directory."""
    monkeypatch.chdir(tmp_path)

    def put(made, name="report.json"):
        write_text(Path(name), json_report(made))
        return name

    return put


def test_without_an_option_the_terminal_gets_what_the_end_of_a_run_shows(command, stored):
    status, out, errors = command("report", stored(run(LOST, row(test="t.py::test_b"))))
    assert (status, errors) == (0, [])
    assert out == texts(LOST, row(test="t.py::test_b"))


def test_a_narrow_terminal_is_kept_to(command, stored, monkeypatch):
    name = stored(full_run())
    command("report", name)
    monkeypatch.setenv("COLUMNS", "50")
    _, out, _ = command("report", name)
    assert max(map(len, out)) <= 50


@pytest.mark.parametrize("kind", ["markdown", "json", "html"])
def test_a_report_of_each_kind_is_the_one_that_the_run_would_have_written(kind, command, stored):
    made = run(*every_row().values(), exit_status=1)
    status, out, errors = command("report", stored(made), f"--{kind}", f"deep/er/a.{kind}")
    assert (status, out, errors) == (0, [f"report: deep/er/a.{kind}"], [])
    assert Path(f"deep/er/a.{kind}").read_text(encoding="utf-8") == render(kind, made)


@pytest.mark.parametrize("kind", ["markdown", "json"])
def test_a_dash_is_standard_output(kind, command, stored):
    made = run(LOST)
    status, out, _ = command("report", stored(made), f"--{kind}", "-")
    assert (status, out) == (0, render(kind, made).splitlines())


def test_a_folder_gets_all_of_them_but_those_with_a_place_of_their_own(command, stored):
    made = run(LOST)
    assert command("report", stored(made), "--dir", "out", "--markdown", "mine.md")[0] == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["report.html", "report.json"]
    assert Path("mine.md").read_text(encoding="utf-8") == render("markdown", made)
    assert FILES == REPORTS


def test_markdown_keeps_to_a_budget(command, stored):
    name = stored(full_run())
    command("report", name, "--markdown", "all.md", "--budget", "1000000")
    command("report", name, "--markdown", "some.md", "--budget", "2000")
    assert Path("all.md").stat().st_size > 2000 >= Path("some.md").stat().st_size


# Several


def test_shards_are_put_together(command, stored):
    one, two = stored(run(LOST), "1.json"), stored(run(row(test="t.py::test_b")), "2.json")
    assert command("report", one, two)[1] == texts(LOST, row(test="t.py::test_b"))


def test_models_that_are_called_alike_get_other_names(command, stored):
    names = [
        stored(run(row(alias="candidate", number=float(n))), f"{n}/report.json") for n in range(3)
    ]
    arguments = [f"ckpt-{n}={name}" for n, name in enumerate(names)]
    status, _, errors = command("report", *arguments, "--json", "all.json")
    assert (status, errors) == (0, [])
    (test,) = json.loads(Path("all.json").read_text(encoding="utf-8"))["tests"]
    assert {alias: cell["number"] for alias, cell in test["verdicts"].items()} == {
        "ckpt-0": 0.0,
        "ckpt-1": 1.0,
        "ckpt-2": 2.0,
    }


def test_a_file_with_an_equals_sign_in_its_name_is_a_file(command, stored):
    name = stored(run(row(alias="mine")), "a=b.json")
    _, out, _ = command("report", name)
    assert " mine " in out[0]
    _, out, _ = command("report", f"c={name}")
    assert " c " in out[0]


def test_the_same_file_twice_is_one(command, stored):
    name = stored(run(LOST))
    assert command("report", name, name)[1] == command("report", name)[1]


def test_a_merged_report_can_be_read_again(command, stored):
    one, two = stored(run(LOST), "1.json"), stored(full_run(gate="never", options=()), "2.json")
    assert command("report", one, two, "--json", "both.json")[0] == 1
    assert command("report", "both.json", "--json", "again.json")[0] == 1
    assert Path("both.json").read_bytes() == Path("again.json").read_bytes()


@pytest.mark.parametrize(
    "left_off",
    [{"exit_status": None}, {"exit_status": 2}, {"exit_status": 1, "unfinished": left(1)}],
)
def test_of_several_reports_an_incomplete_one_makes_them_incomplete(command, stored, left_off):
    whole = stored(run(row(test="t.py::test_b")), "1.json")
    part = stored(run(row(), **left_off), "2.json")
    status, out, errors = command("report", whole, part)
    assert status == 1
    assert any(line.startswith("incomplete: ") for line in out)
    said = "incomplete: 2.json: a run, or a circuit test of one, did not come to its end"
    assert errors == [said]
    status, _, errors = command("report", whole, part, "--dir", "out")
    assert (status, errors) == (1, [said])
    written = {path.suffix: path.read_text(encoding="utf-8") for path in Path("out").iterdir()}
    assert json.loads(written[".json"])["status"] == "incomplete"
    assert written[".md"].startswith("**pytest-circuits: incomplete")
    assert "</span> Incomplete</h1>" in written[".html"]


# What goes wrong


def test_a_contradiction_is_a_usage_error_that_names_both_files(command, stored):
    one, two = stored(run(LOST), "1.json"), stored(run(row()), "2.json")
    status, out, errors = command("report", one, two)
    assert (status, out) == (2, [])
    what = "test_a.py::test_heads on recall is one thing in 1.json and another in 2.json."
    assert errors == [
        f"pytest-circuits: {what}",
        "If they measured different models, give one of them another name: ALIAS=2.json",
    ]
    assert command("report", one, "other=2.json")[0] == 0


def test_two_sources_of_one_alias_are_a_usage_error(command, stored):
    other = run(row(test="t.py::test_b"))
    other = replace(other, models=(replace(other.models[0], source="./b"),))
    _, _, errors = command("report", stored(run(LOST), "1.json"), stored(other, "2.json"))
    assert errors == [
        "pytest-circuits: 'recall' is 'bundled:recall' in 1.json and './b' in 2.json.",
        "Give it another name in one of them: ALIAS=2.json",
    ]


def test_a_report_of_several_models_can_not_be_renamed(command, stored):
    status, _, errors = command("report", f"x={stored(run(LOST, row(alias='b')))}")
    assert status == 2
    assert " ".join(errors) == (
        "pytest-circuits: report.json: x=FILE renames a report's only model, and this one has 2 "
        "(recall, b)"
    )


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema_version": 2}', "\x00", "null"])
def test_a_report_that_can_not_be_read_is_said(text, command, stored):
    Path("bad.json").write_text(text, encoding="utf-8")
    status, out, errors = command("report", stored(run(LOST)), "bad.json", "--dir", "out")
    assert (status, out) == (3, [])
    assert errors[0].startswith("bad.json: ")
    assert not any("Traceback" in line for line in errors)
    assert not Path("out").exists()


def test_a_report_that_is_not_there_is_said(command, stored):
    assert command("report", "no.json")[::2] == (
        3, ["no.json: can't be read (No such file or directory)."]
    )  # fmt: skip
    assert command("report", "a=no.json")[0] == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--budget", "50"], "--budget 50 has no room for a verdict: 200 at least"),
        (["--markdown", "-", "--json", "-"], "only one of markdown, json fits on standard output"),
        (
            ["--json", "report.json/a.json"],
            "report.json/a.json could not be written: ",
        ),
        (["--json", "."], ". could not be written: Is a directory"),
    ],
)
def test_what_can_not_be_done_is_a_usage_error(arguments, words, command, stored):
    name = stored(run(LOST))
    status, out, errors = command("report", name, *arguments)
    assert (status, out) == (2, [])
    (error,) = errors
    assert error.startswith("pytest-circuits: ")
    assert words in error


def test_what_was_written_before_stays_whole_where_the_next_can_not_be(command, stored):
    name = stored(run(LOST))
    Path("out.json").mkdir()
    assert command("report", name, "--markdown", "a.md", "--json", "out.json")[0] == 2
    assert Path("a.md").read_text(encoding="utf-8") == render("markdown", run(LOST))


def test_a_terminal_obeys_no_name_of_a_report(command, stored):
    made = run(replace(LOST, headline="\x1b[2J\u202e", test="t.py::\x1b]0;x\x07[recall]"))
    stored(made, "1.json"), stored(run(replace(made.rows[0], headline="x")), "2.json")
    for arguments in (["1.json"], ["1.json", "2.json"]):
        _, out, errors = command("report", *arguments)
        assert all(line.isprintable() for line in [*out, *errors])
