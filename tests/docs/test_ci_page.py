"""docs/ci.md runs as it stands, from the suite to the merged reports, and names what there is."""

import re

import pytest
import yaml
from circuit_suites import copy_of_recall
from docs.pages import ROOT, WIDTH, Terminal, blocks, page, too_wide

PAGE = page("ci.md")
BLOCKS = blocks(PAGE)


def action(name):
    return yaml.safe_load((ROOT / f".github/actions/{name}/action.yml").read_text("utf-8"))


def first_column(title):
    """The names in the first column of the table whose header begins with that."""
    table = PAGE[PAGE.index(f"\n| {title} |") + 1 :].split("\n\n")[0].splitlines()[2:]
    return [row.split("|")[1].strip().strip("`") for row in table]


def _writes_less(tensors):
    """Take two fifths of what L1H0 writes; the final normalisation makes up for most of it."""
    tensors["layers.1.attn.o.weight"][:, :16] *= 0.6


@pytest.fixture
def terminal(pytester, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "me")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "me@localhost")
    # An empty repository, where a training run has left a checkpoint.
    pytester.run("git", "init", "-q", "-b", "main")
    copy_of_recall(pytester.path / "checkpoint", _writes_less)
    return Terminal(pytester, capsys)


def test_the_page_runs_from_top_to_bottom(terminal):
    ran = 0
    for language, text in BLOCKS:
        if language in {"ini", "python"}:
            terminal.save(text)
        elif language == "console":
            ran += terminal.type_all(text)
    assert ran == 14
    assert (terminal.pytester.path / "circuits-report/report.html").exists()


def test_the_workflow_is_the_one_that_is_linted():
    (shown,) = [text for language, text in BLOCKS if language == "yaml"]
    assert shown == (ROOT / "docs/examples/circuits-gate.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["circuits-gate", "circuits-comment"])
def test_every_input_is_in_its_table(name):
    assert first_column(f"input of `{name}`") == list(action(name)["inputs"])


def test_every_output_is_in_its_table():
    assert first_column("output") == list(action("circuits-gate")["outputs"])


def test_what_turns_a_gate_red_is_in_its_table():
    script = (ROOT / ".github/actions/circuits-gate/verdict.py").read_text(encoding="utf-8")
    tuples = re.findall(r"^_(?:FOUND|UNKNOWN) = \((.+)\)$", script, re.MULTILINE)
    assert first_column("in `counts`") == re.findall(r'"(\w+)"', " ".join(tuples))


def test_defaults_are_those_of_the_action():
    for name in ("python-version", "install", "report", "artifact"):
        default = action("circuits-gate")["inputs"][name]["default"]
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")][:1]
        assert f"`{default}`" in row


def test_the_exit_statuses_are_those_that_there_are():
    from pytest_circuits.commands import console

    statuses = {int(value) for name, value in vars(console).items() if name.startswith("EXIT_")}
    table = PAGE[PAGE.index("\n| `pytest --circuits` |") :].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()[2:]]
    assert {int(row[3]) for row in rows if row[3].isdigit()} == statuses
    pytests = {int(number) for row in rows for number in re.findall(r"\d", row[1])}
    assert pytests == {int(code) for code in pytest.ExitCode}


def test_no_command_is_too_wide_for_the_output_shown():
    assert too_wide(PAGE) == []


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)", PAGE) or [""])
def test_links_lead_somewhere(target):
    assert (ROOT / "docs" / target).exists()
