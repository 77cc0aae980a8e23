"""Whatever a name, a prompt or a message holds: no run shows what a terminal obeys."""

import json
import unicodedata
from pathlib import Path

import pytest
from circuit_suites import copy_of_recall, counts

#: It clears a terminal, sets its title, turns the direction of writing, and ends lines.
EVIL = "x\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u200b\x85\u2028y"
#: A line of a log that GitHub's runner would take for a command.
COMMAND = "\n::error::owned"
CONFTEST = f"""
def pytest_circuits_load_model(source):
    if source.startswith("registry:"):
        raise RuntimeError({EVIL + COMMAND!r})
"""
TESTS = f"""
import warnings

import numpy as np
import pytest

from pytest_circuits import PromptPairs, assert_head_ranking
from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import PromptWarning

EVIL = {EVIL + COMMAND!r}


@pytest.mark.parametrize("value", [EVIL])
def test_heads(circuits, circuit_snapshot, value):
    assert circuits.induction_scores() == circuit_snapshot(name="heads")


def test_name(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot(name=EVIL.replace("::", ""))


def test_prompts(circuits, circuit_snapshot):
    pairs = PromptPairs(
        clean=[EVIL + "dog", EVIL + "cat"], corrupted=[EVIL + "cat", EVIL + "dog"],
        answers=[EVIL, "dog"], wrong_answers=["dog", EVIL],
    )
    assert circuits.logit_diff(pairs) == circuit_snapshot


def test_circuit(circuits, circuit_snapshot):
    assert_head_ranking(circuits.induction_scores(), top=[EVIL])


def test_directly(circuit_source):
    load(parse_source(EVIL))


def test_warning(circuit_source):
    warnings.warn(EVIL, PromptWarning)


@pytest.mark.circuits(accept=EVIL, until=EVIL, reason=EVIL)
def test_waiver(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot
"""


def obeyed(text):
    """What of a text a terminal obeys, or GitHub's runner."""
    unseen = {each for each in text if unicodedata.category(each) in ("Cc", "Cf", "Cs")} - {"\n"}
    return unseen | {line for line in text.split("\n") if line.lstrip().startswith("::")}


@pytest.fixture
def hostile(suite):
    """A suite, and checkpoints in folders with hostile names, of which one can't be loaded."""
    copy_of_recall(suite.path / f"good{EVIL}")
    broken = copy_of_recall(suite.path / f"bad{EVIL}")
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, EVIL: 1}))
    odd = copy_of_recall(suite.path / f"odd{EVIL}")
    (odd / "config.json").write_text(
        json.dumps({**config, "architectures": [EVIL], "model_type": EVIL})
    )
    suite.ini()
    suite.write("conftest.py", CONFTEST)
    suite.write("test_heads.py", TESTS)
    return suite


def test_no_run_shows_what_a_terminal_obeys(hostile):
    models = [f"good=./good{EVIL}", f"bad=./bad{EVIL}", f"odd=./odd{EVIL}", "plugin=registry:x"]
    result = hostile.run(
        "--circuits",
        *(part for model in models for part in ("--circuits-model", model)),
        *("-rA", "--tb=short", "--circuits-verbose", f"--circuits-report=report{EVIL}"),
        *("-W", "default"),
    )
    out = result.stdout.str()
    assert counts(result)["failed"] == 18
    assert out.count("owned") > 50
    assert obeyed(out) == set()
    report = (hostile.path / f"report{EVIL}" / "report.md").read_text(encoding="utf-8")
    assert "owned" in report
    assert obeyed(report) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--circuits-device", EVIL],
        ["--circuits-model", f"{EVIL}={EVIL}"],
        ["--circuits-model", f"./{EVIL}"],
        ["--circuits-model", f"/{EVIL}=x"],
        ["--circuits-report", f"pytest.ini/{EVIL}"],
    ],
    ids=range(5),
)
def test_nor_does_a_usage_error(suite, arguments):
    result = suite.run("--circuits", *arguments)
    said = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "owned" in said
    assert obeyed(said) == set()


def test_nor_do_annotations(hostile, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(hostile.path / "summary.md"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(hostile.path))
    out = hostile.run("--circuits", "-q", "-k", "name or prompts or waiver").stdout.str()
    commands = [line for line in out.split("\n") if line.lstrip().startswith("::")]
    assert commands
    assert obeyed(out) == set(commands)
    assert all("title=" in line for line in commands)
    assert obeyed(Path(hostile.path / "summary.md").read_text(encoding="utf-8")) == set()
