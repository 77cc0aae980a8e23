"""Every example in the README is run, and every command is one that CI runs."""

import re
import shlex
from pathlib import Path

import pytest
from circuit_suites import copy_of_recall, copy_quickstart

from pytest_circuits import testing

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(language, containing):
    (found,) = [text for text in blocks(language) if containing in text]
    return found


@pytest.fixture
def quiet(pytester):
    return lambda *args: pytester.runpytest_inprocess(
        "-p", "no:jaxtyping", "-p", "no:typeguard", *args
    )


def test_the_first_example_is_approved_and_then_preserved(pytester, quiet):
    pytester.makepyfile(test_recall=block("python", "# test_recall.py"))
    (pytester.path / "pytest.ini").write_text(block("ini", "bundled:recall"))
    approved = quiet("--circuits", "--snapshot-update")
    approved.assert_outcomes(passed=2)
    assert len(list(pytester.path.glob("__circuits__/recall/test_recall/*.json"))) == 2
    again = quiet("--circuits")
    again.assert_outcomes(passed=2)
    again.stdout.fnmatch_lines(["2 findings: 2 preserved;*"])


def test_the_red_run_looks_as_shown(pytester, quiet, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    copy_quickstart(pytester.path / "quickstart")
    shown = block("console", "= circuits =").splitlines()
    command = shown[0].removeprefix("$ pytest ").split()[:-1]
    result = quiet(*command, "quickstart")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    section = shown[2:]
    start = result.outlines.index(section[0])
    assert result.outlines[start : start + len(section)] == section


def test_several_versions_look_as_shown(pytester, quiet, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    copy_quickstart(pytester.path / "quickstart")
    command, *shown = block("console", "--circuits-report=out").splitlines()
    result = quiet(*command.removeprefix("$ pytest ").split()[:-1], "quickstart")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    section = [line for line in shown if line != "…"]
    below = result.outlines[result.outlines.index(section[0]) :]
    assert [line for line in below if line in section] == section
    assert (pytester.path / "out/report.json").exists()


def test_the_commands_on_baselines_run(pytester, monkeypatch, capsys):
    from pytest_circuits.cli import main

    copy_quickstart(pytester.path)
    pytester.run("git", "init", "-q")
    pytester.run("git", "add", ".")
    identity = ("-c", "user.name=me", "-c", "user.email=me@localhost")
    pytester.run("git", *identity, "commit", "-q", "-m", "Approve what was measured")
    commands = [
        line.partition("#")[0].split()[2:]
        for line in block("console", "pytest-circuits show").splitlines()
    ]
    assert [command[0] for command in commands] == ["show", "history", "prune"]
    for command in commands:
        assert main(command) == 0
    assert "Approve what was measured" in capsys.readouterr().out


def writes_less(tensors):
    """Take two fifths of what L1H0 writes; the others make up for most of it."""
    tensors["layers.1.attn.o.weight"][:, :16] *= 0.6


def test_a_change_is_reviewed_as_shown(pytester, quiet, monkeypatch, capsys):
    from pytest_circuits.cli import main

    copy_quickstart(pytester.path)
    pytester.run("git", "init", "-q", "-b", "main")
    pytester.run("git", "add", ".")
    identity = ("-c", "user.name=me", "-c", "user.email=me@localhost")
    pytester.run("git", *identity, "commit", "-q", "-m", "Approve what was measured")
    copy_of_recall(pytester.path / "tuned", writes_less)
    monkeypatch.setenv("PYTEST_CIRCUITS_MODEL", "recall=./tuned")
    # It has no stdin to answer on.
    monkeypatch.setattr("sys.stdin", None)
    typed = [
        shlex.split(line.partition("#")[0])[1:]
        for line in block("console", "pytest-circuits review").splitlines()
    ]
    first, review, accept, diff = typed
    assert quiet(*first[1:]).ret == pytest.ExitCode.TESTS_FAILED
    assert main(review[1:]) == 1
    assert "pending" in capsys.readouterr().out
    assert main(accept[1:]) == 0
    assert quiet("--circuits", "-k", "restored or previous").ret == 0
    assert main(diff[1:]) == 1
    assert "changed:" in capsys.readouterr().out


def test_the_notebook_example_runs(tmp_path, capsys):
    testing.tiny_checkpoint(tmp_path / "checkpoint")
    code = block("python", "boot_transformers")
    assert "path/to/checkpoint" in code
    exec(code.replace("path/to/checkpoint", str(tmp_path / "checkpoint")), {})  # noqa: S102
    assert capsys.readouterr().out.startswith("induction_scores (attention probability")


def test_the_ini_with_a_parent_is_understood(pytester, quiet):
    (pytester.path / "pytest.ini").write_text(block("ini", "< smollm2"))
    pytester.makepyfile("def test_one(circuits): assert circuits")
    listed = quiet("--collect-only", "-q", "--circuits")
    listed.stdout.fnmatch_lines(["*::test_one[[]smollm2[]]"])


def test_the_two_set_up_commands_are_the_ones_that_ci_runs():
    commands = [text.strip() for text in blocks("sh")]
    assert len(commands) == 2
    script = (ROOT / "check").read_text(encoding="utf-8")
    assert [command for command in commands if command not in script] == []


def test_every_option_and_key_is_documented(pytester, quiet):
    result = quiet("--help")
    options = set(re.findall(r"--circuits(?:-[a-z]+)*", result.stdout.str()))
    keys = set(re.findall(r"^  (circuits_[a-z_]+)", result.stdout.str(), re.MULTILINE))
    assert len(options) == 16
    assert len(keys) == 16
    assert [name for name in options | keys if f"`{name}" not in README] == []


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)", README))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


def test_every_measure_is_listed():
    from pytest_circuits import measures

    assert [name for name in measures.__all__ if f"`{name}`" not in README] == ["canary"]


def test_every_public_name_exists_and_is_listed():
    import pytest_circuits

    for name in pytest_circuits.__all__:
        assert getattr(pytest_circuits, name) is not None
        assert name in README or name in {"Finding", "Head"}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        pytest_circuits.nonsense  # noqa: B018
