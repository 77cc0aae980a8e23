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

    def key(self):
        return "0"

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
    said = judge.said(damaged)
    assert {name: run.exit for name, run in said.items()} == dict.fromkeys(judging.RUNS, 1)
    heads, loss = sorted(said["regression"].findings, key=lambda found: found.test)
    assert (heads.test, heads.behaviour, heads.mechanism) == ("test_induction_heads", True, True)
    assert (loss.test, loss.behaviour, loss.mechanism) == ("test_repeat_loss", True, False)
    assert not heads.passes
    assert "lost" in said["regression"].lines[0]
    assert judge.said(damaged) == said
    assert damaged.made == 1
    assert 0 < said["regression"].seconds < 600
    assert said["behaviour"].seconds is None  # all of it was remembered


@pytest.mark.nightly
def test_a_healthy_case_is_green_with_new_prompts_too(judge):
    healthy = Case("recall-finetuned")
    assert {run.exit for name, run in judge.said(healthy).items() if name != "change"} == {0}
    always = judge.said_always(healthy)
    assert (always.exit, {found.new_prompts for found in always.findings}) == (0, {"holds"})


@pytest.mark.nightly
def test_another_checkout_judges_with_its_own_code(judge, tmp_path):
    checkout = tmp_path / "older"
    shutil.copytree(Path(models.__file__).parents[1], checkout / "pytest_circuits")
    (checkout / "pytest_circuits" / "plugin.py").write_text(
        (checkout / "pytest_circuits" / "plugin.py").read_text() + "print('the older one')\n"
    )
    older = judging.Judge("second", "ABBA", checkout)
    damaged, healthy = Case("recall-regressed"), Case("recall-finetuned")
    assert [older.fails(one) for one in (damaged, healthy, damaged)] == [True, False, True]
    assert damaged.made == 1
    assert "the older one" in older._pytest(older._suite(), "--collect-only")[2]


@pytest.mark.nightly
def test_a_run_that_measures_nothing_is_no_verdict(judge, tmp_path):
    class Broken(Case):
        @contextmanager
        def checkpoint(self):
            folder = tmp_path / "broken"
            shutil.copytree(bundled("recall"), folder)
            (folder / "config.json").write_text("{")
            yield folder

    with pytest.raises(RuntimeError, match="broken: tests broke off"):
        judge.said(Broken("broken"))


def found(measure, *reasons, verdict="weakened"):
    """What is read from a report of one finding, of reasons by change, about and subject."""
    document = {
        "test": "suite/test_suite.py::test_it[case]", "measure": measure,
        "verdicts": {"case": {
            "verdict": verdict, "passes": False, "settlement": None,
            "reasons": [
                {"change": change, "about": about, "subject": subject, "before": 2.0, "after": 1.0}
                for change, about, subject in reasons
            ],
        }},
    }  # fmt: skip
    (one,) = judging._findings({"tests": [document]})
    return one.behaviour, one.mechanism


@pytest.mark.parametrize(
    ("measure", "reason", "behaviour", "mechanism"),
    [
        ("text_loss", ("worse", "value", "loss"), True, False),
        ("ablate", ("worse", "value", "drop"), False, True),
        ("head_attribution", ("worse", "behaviour", "logit_diff"), True, False),
        ("head_attribution", ("worse", "head", "L1H0"), False, True),
        # What is left without a head is no behaviour of the model.
        ("ablate", ("worse", "behaviour", "ablated_logit_diff"), False, True),
        # What can't be compared is red for who holds it.
        ("text_loss", ("differs", "field", "prompts"), True, False),
        ("head_attribution", ("differs", "field", "prompts"), False, True),
        ("head_attribution", ("better", "head", "L1H0"), False, False),
    ],
)
def test_a_reason_is_of_a_behaviour_or_of_a_mechanism(measure, reason, behaviour, mechanism):
    assert found(measure, reason) == (behaviour, mechanism)
