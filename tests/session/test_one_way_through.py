"""A finding goes through a run as one object: read once, judged once, built once, handed on."""

import json
import sys
from collections import Counter
from operator import attrgetter

import pytest
from circuit_suites import counts, edit_baseline

from pytest_circuits.findings import Finding
from pytest_circuits.verdicts import judge

EVERYTHING = ("--circuits-report=reports", "--circuits-verbose", "--circuits-pending")
#: More modules than this are hard to follow when something goes wrong.
MODULES = 110
WRITES_MODULES = """
import pathlib
import sys


def pytest_unconfigure():
    ours = [name for name in sys.modules if name.partition(".")[0] == "pytest_circuits"]
    pathlib.Path("modules.txt").write_text("\\n".join(sorted(ours)))
"""


@pytest.fixture
def strict(quickstart):
    """The suite, with baselines that allow next to nothing."""

    def allow_nothing(finding):
        finding["tolerance"] |= {"value": [0.0005, 0.0, 0.0005], "top": 0.0, "origin": "by hand"}

    for file in quickstart.baseline_files().values():
        edit_baseline(file, allow_nothing)
    return quickstart


@pytest.fixture
def counted(quickstart, monkeypatch):
    """How often each baseline is parsed, how many verdicts are given and findings built."""
    counter = Counter()
    names = {file.read_text(): name for name, file in quickstart.baseline_files().items()}
    whole, loads = attrgetter("__post_init__")(Finding), json.loads

    def loading(text, *arguments, **options):
        if text in names:
            counter[names[text]] += 1
        return loads(text, *arguments, **options)

    def judging(*arguments):
        counter["judged"] += 1
        return judge(*arguments)

    def building(finding):
        counter["built"] += 1
        whole(finding)

    monkeypatch.setattr(json, "loads", loading)
    monkeypatch.setattr(Finding, "__post_init__", building)
    ours = [module for name, module in sys.modules.items() if name.startswith("pytest_circuits.")]
    for module in ours:
        if vars(module).get("judge") is judge:
            monkeypatch.setattr(module, "judge", judging)
    return counter, sorted(names.values())


@pytest.mark.parametrize("fresh", [pytest.param(True, id="fresh"), pytest.param(False, id="asked")])
def test_baselines_are_parsed_findings_judged_and_built_once(quickstart, counted, fresh):
    counter, files = counted
    arguments = ["--circuits", *EVERYTHING, *(["--circuits-fresh"] if fresh else [])]
    result = quickstart.run(*arguments)
    assert counts(result) == {"passed": 5, "skipped": 6}
    assert len(files) == 5
    # Of the five measurements, and of the five baselines.
    assert counter == {**dict.fromkeys(files, 1), "judged": 5, "built": 10}


def test_so_they_are_where_a_tuned_model_fails(quickstart, counted):
    counter, files = counted
    result = quickstart.run(
        "--circuits", *EVERYTHING, "--circuits-model", "recall=bundled:recall-regressed"
    )
    assert result.ret == 1
    assert (quickstart.path / "reports/report.html").is_file()
    assert counter == {**dict.fromkeys(files, 1), "judged": 5, "built": 10}


@pytest.mark.parametrize(
    ("decided", "said"),
    [("--circuits-pending", "4 findings pending*"), ("--snapshot-update", "*4 snapshots updated*")],
)
def test_so_they_are_where_findings_are_left_pending_or_approved(strict, counted, decided, said):
    counter, files = counted
    tuned = "--circuits-model=recall=bundled:recall-finetuned"
    result = strict.run("--circuits", decided, EVERYTHING[0], tuned, "-W", "ignore")
    result.stdout.fnmatch_lines([said])
    assert counter == {**dict.fromkeys(files, 1), "judged": 5, "built": 10}


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--circuits-fresh"], id="measured"),
        pytest.param([], id="remembered", marks=pytest.mark.nightly),
    ],
)
def test_one_comparison_imports_few_of_our_modules(quickstart, arguments):
    conftest = quickstart.path / "conftest.py"
    conftest.write_text(conftest.read_text() + WRITES_MODULES)
    one = ("--circuits", "-n0", "-k", "test_induction_heads")
    if not arguments:
        assert quickstart.run(*one).ret == 0
    result = quickstart.run_apart(*one, *arguments)
    assert counts(result) == {"passed": 1, "deselected": 10}
    modules = (quickstart.path / "modules.txt").read_text().split()
    assert "pytest_circuits.baselines.comparing" in modules
    assert len(modules) <= MODULES
