"""pytest-circuits diff: what it writes, and how a terminal shows it."""

import json
import os
import re
import subprocess
import sys

import pytest
from handmade_rows import DIFF_VERDICTS, row, texts

from pytest_circuits.cli import main
from pytest_circuits.report import json_report, read_report


@pytest.fixture
def changed(repository, store, baseline):
    """A repository in whose working tree a finding is weakened, one drifted and one is gone."""
    store("recall", baseline(0.9))
    store("recall", baseline(0.9), test="test_late")
    gone = store("tuned", baseline(0.9), test="test_gone[L0H1]")
    repository.commit("Approve the heads")
    store("recall", baseline(0.6))
    store("recall", baseline(0.88), test="test_late")
    gone.unlink()
    return repository


# Files


def test_every_report_can_be_written_at_once(changed, command):
    status, out, errors = command(
        "diff", "--markdown", "a.md", "--html", "b/c.html", "--json", "d.json"
    )
    assert (status, errors) == (1, [])
    assert out == ["report: a.md", "report: b/c.html", "report: d.json"]
    markdown = (changed.path / "a.md").read_text(encoding="utf-8")
    assert "3 findings changed" in markdown
    assert "L0H1 0.90→0.60" in markdown
    assert "L0H1 0.90→0.88, 22 % of its tolerance" in markdown
    page = (changed.path / "b/c.html").read_text(encoding="utf-8")
    assert "HEAD → working tree" in page


def test_a_report_goes_to_the_standard_output_alone(changed, command, capsys):
    status, out, _ = command("diff", "--markdown", "-")
    assert (status, out[0].partition(" between ")[0]) == (
        1,
        "**pytest-circuits: 3 findings changed**",
    )
    _, out, _ = command("diff", "--json", "-", "--markdown", "a.md")
    assert json.loads("\n".join(out))["compared"] == ["HEAD", "working tree"]


def test_the_report_can_be_read_back_and_has_both_findings_whole(changed, command):
    command("diff", "--json", "d.json")
    path = changed.path / "d.json"
    run = read_report(path)
    assert json_report(run) == path.read_text(encoding="utf-8")
    assert [model.alias for model in run.models] == ["recall", "tuned"]
    told = {row.verdict: row for row in run.rows}
    assert told.keys() == {"weakened", "preserved", "deleted"}
    details = told["weakened"].details
    assert details.found.finding.values[0, 1] == 0.6
    assert details.approved.finding.values[0, 1] == 0.9
    assert told["deleted"].details is None
    assert [row.passes for row in told.values()].count(False) == 2
    assert told["deleted"].test == "test_heads.py::test_gone[L0H1-tuned]"


def test_a_report_of_no_changes_says_so_too(repository, command, store):
    store("recall")
    repository.commit("Approve the heads")
    status, out, _ = command("diff", "--markdown", "-")
    assert (status, "no changes" in out[0]) == (0, True)
    assert command("diff", "--html", "a.html", "--json", "a.json")[0] == 0


def test_what_cannot_be_read_is_in_the_reports_too(changed, command):
    (changed.path / "__circuits__/recall/test_heads/test_heads.json").write_text("{")
    status, out, errors = command("diff", "--markdown", "-")
    assert status == 3
    assert "unreadable" in "\n".join(out)
    assert "is not JSON" in errors[0]
    assert command("diff", "--html", "a.html")[0] == 3


def test_two_reports_do_not_go_to_the_standard_output(changed, command):
    assert command("diff", "--markdown", "-", "--json", "-") == (
        2,
        [],
        ["pytest-circuits: only one of markdown, json fits on standard output"],
    )


def test_a_report_that_cannot_be_written_is_said(changed, command):
    (changed.path / "file").write_text("")
    status, out, errors = command("diff", "--markdown", "file/a.md")
    assert (status, out) == (2, [])
    assert errors[0].startswith("pytest-circuits: file/a.md could not be written: ")


def test_the_page_names_the_command_that_shows_a_file(changed, command):
    command("diff", "--html", "a.html")
    page = (changed.path / "a.html").read_text(encoding="utf-8")
    commands = set(re.findall(r"git diff HEAD -- [^<\n]+", page))
    files = changed.git("diff", "--name-only", "HEAD").splitlines()
    assert {line.partition(" -- ")[2].strip("&#39;\"'") for line in commands} == set(files)


# The terminal


def test_the_worst_comes_first_among_all_that_can_become_of_a_baseline():
    fine = DIFF_VERDICTS[DIFF_VERDICTS.index("loosened") :]
    rows = [row(kind, passes=kind in fine) for kind in reversed(DIFF_VERDICTS)]
    lines = texts(*rows, width=300, compared=("main", "working tree"))
    assert [line.split()[0] for line in lines[1:-1]] == DIFF_VERDICTS
    assert lines[-1].startswith("12 findings changed: 1 unreadable, 1 deleted, 1 lost, ")


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_no_line_is_longer_than_the_terminal(changed, command, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = command("diff")
    assert max(map(len, out)) <= columns
    assert " ".join(" ".join(out).split()).endswith("1 deleted, 1 weakened, 1 preserved")


def test_a_terminal_is_shown_colours_and_others_are_not(changed, monkeypatch, capsys):
    def text():
        main(["diff"])
        return capsys.readouterr().out

    monkeypatch.delenv("NO_COLOR", raising=False)
    bare = text()
    assert "\x1b" not in bare
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    coloured = text()
    assert "\x1b[31m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == bare
    monkeypatch.setenv("NO_COLOR", "1")
    assert text() == bare


def test_a_terminal_without_arrows_is_no_trouble(changed):
    done = subprocess.run(
        [sys.executable, "-m", "pytest_circuits.cli", "diff"],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"L0H1 0.90?0.60" in done.stdout


def test_whatever_stands_between_is_an_argument(changed, command):
    assert command("diff", "HEAD", "--json", "a.json", "--", "__circuits__/tuned")[0] == 1
    made = json.loads((changed.path / "a.json").read_text(encoding="utf-8"))
    assert made["summary"]["verdicts"] == {"deleted": 1}
