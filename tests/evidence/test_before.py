"""What an older commit says of the cases, and how it is counted."""

import json
import subprocess
from types import SimpleNamespace

import pytest

from evidence import __main__ as command, before, hidden, recipes, table


def entry(truth, case, *, suite, kind="hidden: a", model="second"):
    return table.Entry(model, case, kind, truth, "", {"suite": suite}, {}, {}, [], {}, [], {})


@pytest.fixture
def results(monkeypatch, tmp_path):
    monkeypatch.setattr(before, "RESULTS", tmp_path / "before.json")
    return before.RESULTS


def test_only_cases_that_both_judged_are_counted(results):
    failed = {"second": {"one": False, "two": True, "three": True}, "smollm2": {}}
    results.write_text(json.dumps({"commit": "abc1234", "failed": failed}))
    lines = before.counts([
        entry("harmful", "one", suite=True), entry("harmful", "two", suite=True),
        entry("benign", "three", suite=False), entry("benign", "four", suite=True),
        entry("harmful", "one", suite=True, model="smollm2"),
    ])  # fmt: skip
    assert lines[0].startswith("| | harmful, and passed: at abc1234 | now |")
    (row,) = (line for line in lines if "damage and controls, the second model" in line)
    assert row.endswith(
        "| 1 of 2 (1.3 … 98.7 %) | 0 of 2 (0.0 … 84.2 %) "
        "| 1 of 1 (2.5 … 100.0 %) | 0 of 1 (0.0 … 97.5 %) |"
    )
    assert not [line for line in lines if "SmolLM2" in line]


def test_a_checkout_judges_every_case(results, monkeypatch, tmp_path):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    asked = []

    class Judge:
        def __init__(self, base, order="both", checkout=None):
            self.base, self.order = base, order
            assert checkout == tmp_path

        def fails(self, case):
            asked.append((self.base, self.order, case.name))
            return case.name == "bad"

    monkeypatch.setattr(before, "Judge", Judge)
    real, built = SimpleNamespace(name="bad"), SimpleNamespace(name="good", order="ABBA")
    monkeypatch.setattr(recipes, "all_cases", lambda _: [real])
    monkeypatch.setattr(hidden, "all_cases", lambda _: [built])
    monkeypatch.setattr("sys.argv", ["evidence", "before", "--checkout", str(tmp_path)])
    command.main()
    found, said = json.loads(results.read_text()), {"bad": True, "good": False}
    assert found["failed"] == {"smollm2": said, "second": said}
    assert len(found["commit"]) >= 7
    assert asked[:2] == [("smollm2", "both", "bad"), ("smollm2", "ABBA", "good")]


def test_a_checkout_is_for_the_older_commit_alone(monkeypatch, capsys):
    for arguments in (["before"], ["judge", "--checkout", "."]):
        monkeypatch.setattr("sys.argv", ["evidence", *arguments])
        with pytest.raises(SystemExit):
            command.main()
        assert "before and --checkout go together" in capsys.readouterr().err


def test_what_is_committed_is_of_cases_that_there_are():
    failed = json.loads(before.RESULTS.read_text())["failed"]
    for model, of_model in failed.items():
        known = {case.name for case in (*recipes.all_cases(model), *hidden.all_cases(model))}
        assert of_model.keys() <= known
