"""Judging a checkpoint through pytest, on the bundled model in the second one's place."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from evidence import judging, models as bases, storage
from pytest_circuits import models

SUITE = """
import json
from pathlib import Path

CHOICES = json.loads((Path(__file__).parent / "choices.json").read_text())


def test_induction_heads(circuits, circuit_snapshot):
    assert CHOICES == {"order": "ABBA", "movers": ["L1H0"]}
    assert circuits.induction_scores() == circuit_snapshot


def test_repeat_loss(circuits, circuit_snapshot):
    assert circuits.repeat_loss() == circuit_snapshot
"""


class Case:
    base = "second"

    def __init__(self, name):
        self.name = name
        self.made = 0

    @contextmanager
    def checkpoint(self):
        self.made += 1
        yield bundled(self.name)


def bundled(name):
    return Path(models.__file__).parent / "bundled" / name


@pytest.fixture
def judge(monkeypatch, tmp_path):
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "test_suite.py").write_text(SUITE)
    monkeypatch.setattr(judging, "_SUITE", tmp_path / "suite")
    monkeypatch.setattr(judging, "_movers", lambda _: ["L1H0"])
    base = bases.Base("second", lambda: bundled("recall"), lambda _: None)
    monkeypatch.setitem(bases.BASES, "second", base)
    return judging.Judge("second", "ABBA")


@pytest.mark.nightly
def test_a_case_is_judged_at_every_gate_once(judge):
    damaged = Case("recall-regressed")
    assert not judge.knows(damaged)
    said = judge.said(damaged)
    assert {name: run.exit for name, run in said.items()} == dict.fromkeys(judging.RUNS, 1)
    heads, loss = sorted(said["regression"].findings, key=lambda found: found.test)
    assert (heads.test, heads.behaviour, heads.mechanism) == ("test_induction_heads", True, True)
    assert (loss.test, loss.behaviour, loss.mechanism) == ("test_repeat_loss", True, False)
    assert not heads.passes
    assert "lost" in said["regression"].lines[0]
    assert judge.knows(damaged)
    assert judge.said(damaged) == said
    assert damaged.made == 1
    assert 0 < judge.seconds(damaged) < 600


@pytest.mark.nightly
def test_a_healthy_case_is_green_with_new_prompts_too(judge):
    healthy = Case("recall-finetuned")
    assert {run.exit for name, run in judge.said(healthy).items() if name != "change"} == {0}
    always = judge.said_always(healthy)
    assert (always.exit, {found.new_prompts for found in always.findings}) == (0, {"holds"})


@pytest.mark.nightly
def test_a_run_that_measures_nothing_is_no_verdict(judge, tmp_path):
    class Broken(Case):
        @contextmanager
        def checkpoint(self):
            folder = tmp_path / "broken"
            shutil.copytree(bundled("recall"), folder)
            (folder / "config.json").write_text("{")
            yield folder

    with pytest.raises(RuntimeError, match="broken: pytest measured nothing"):
        judge.said(Broken("broken"))
