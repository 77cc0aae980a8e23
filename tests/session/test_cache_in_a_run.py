"""Runs that an earlier run did the measuring for."""

import json

import pytest
from circuit_suites import CHANGES, ONE_TEST, QUIET, RECALL, counts, edit_baseline, few
from session.cache_suites import remembered

WRITES_MODULES = """
import pathlib
import sys


def pytest_unconfigure():
    pathlib.Path("modules.txt").write_text("\\n".join(sorted(sys.modules)))
"""
TORCH = {"torch", "transformers", "transformer_lens", "pytest_circuits.forward"}
TWO = """
from pytest_circuits import assert_induction_score


def test_heads(circuits, circuit_snapshot):
    scores = circuits.induction_scores()
    assert scores == circuit_snapshot
    assert_induction_score(scores, at_least=0.9, of=circuit_snapshot.approved)


def test_loss(circuits):
    circuits.repeat_loss()
"""


def facts(suite, *arguments, status=0):
    """What a run reports, but for where it was measured, and how long it took."""
    path = suite.path / "report.json"
    result = suite.run("--circuits", f"--circuits-json={path}", *arguments)
    assert result.ret == status, result.stdout.str()
    report = json.loads(path.read_text(encoding="utf-8"))
    del report["summary"]["remembered"]
    for test in report["tests"]:
        for verdict in test["verdicts"].values():
            del verdict["remembered"]
    return report


# No torch


def apart(suite, *arguments):
    """Run a suite in a process of its own: its result, and what of torch it imported."""
    (suite.path / "modules.txt").unlink(missing_ok=True)
    result = suite.run_apart("--circuits", *arguments)
    return result, TORCH & set((suite.path / "modules.txt").read_text().split())


def test_when_nothing_changed_no_model_is_loaded_and_torch_is_not_imported(suite):
    suite.write("conftest.py", WRITES_MODULES)
    suite.write("test_heads.py", TWO)
    # In this process, where torch is there already.
    suite.approve()
    everything = ("--circuits-report=out", "--circuits-verbose", "--junitxml=junit.xml")
    result, imported = apart(suite, *everything)
    assert (result.ret, imported) == (0, set())
    result.stdout.fnmatch_lines(["2 findings: 1 preserved, 1 not judged; 2 remembered"])
    page = (suite.path / "out/report.html").read_text(encoding="utf-8")
    assert page.count('<span class="tag news">remembered</span>') >= 2
    assert "2 of 2 findings, measured by an earlier run" in page
    text = (suite.path / "out/report.md").read_text(encoding="utf-8")
    assert "- remembered: 2 of 2 findings, measured by an earlier run" in text
    assert (suite.path / "junit.xml").read_text().count("remembered&quot;: true") == 2


def test_approving_and_leaving_pending_need_no_torch_either(suite):
    suite.write("conftest.py", WRITES_MODULES)
    suite.write("test_heads.py", ONE_TEST)
    (path,) = suite.approve().values()
    written = path.read_bytes()
    path.unlink()
    result, imported = apart(suite, "--snapshot-update")
    assert (result.ret, imported) == (0, set())
    assert path.read_bytes() == written
    edit_baseline(path, lambda finding: finding["values"][1].__setitem__(0, 0.5))
    result, imported = apart(suite, "--circuits-pending")
    assert imported == set()
    result.stdout.fnmatch_lines(["1 finding pending: *"])
    (pending,) = suite.path.glob("__circuits__/.pending/**/*.json")
    assert json.loads(written)["findings"][0]["recorded_with"]["weights"] in pending.read_text()


def test_a_damaged_baseline_is_red_without_torch_also_where_nothing_is_remembered(one_test):
    one_test.write("conftest.py", WRITES_MODULES)
    one_test.baseline.write_text("{")
    result, imported = apart(one_test)
    assert (result.ret, counts(result), imported) == (1, {"failed": 1}, set())
    result.stdout.fnmatch_lines(
        ["__circuits__/recall/test_heads/test_heads.json:1: is not JSON *", "refused test_heads *"]
    )


# The same findings


def test_a_remembered_finding_is_judged_as_it_was(one_test):
    edit_baseline(one_test.baseline, lambda finding: finding["values"][1].__setitem__(0, 0.5))
    before = facts(one_test, "--circuits-gate=never", "--circuits-verbose")
    assert facts(one_test, "--circuits-gate=never", "--circuits-verbose") == before
    assert remembered(one_test, "--circuits-gate=never") == [True]


def test_what_prompts_warned_of_is_said_again(suite):
    suite.write(
        "test_loss.py",
        "from pytest_circuits import PromptPairs, prompts\n"
        "from pytest_circuits.prompts.drawn import DrawnPairs\n"
        "def pairs(without):\n"
        "    return PromptPairs(['dog star dog'], ['dog cat dog'], ['star'], ['cat'])\n"
        "pairs.__module__ = 'pytest_circuits.prompts.mine'\n"
        "def test_loss(circuits):\n"
        "    circuits.logit_diff(DrawnPairs(pairs, ['dog', 'unicorn']))\n",
    )
    arguments = ("--circuits", "-W", "default::pytest_circuits.prompts.PromptWarning")
    for number in range(2):
        result = suite.run(*arguments)
        assert result.ret == 0
        assert ("1 remembered" in result.stdout.str()) == bool(number)
        result.stdout.fnmatch_lines(["*PromptWarning: pairs: dropped 1 words that are *: unicorn"])
    assert suite.run("--circuits").ret == 1  # where a warning is an error


def test_a_warning_that_one_run_does_not_want_to_hear_is_said_in_the_next(suite):
    suite.write(
        "test_loss.py",
        "from pytest_circuits import PromptPairs\n"
        "PAIRS = PromptPairs(['dog star dog'], ['dog cat dog'], ['star'], ['cat'])\n"
        "def test_loss(circuits):\n"
        "    circuits.ablate(PAIRS, heads=['L1H0'])\n",
    )
    category = "pytest_circuits.prompts.PromptWarning"
    quiet = suite.run("--circuits", "-W", f"ignore::{category}")
    assert (quiet.ret, "PromptWarning" in quiet.stdout.str()) == (0, False)
    loud = suite.run("--circuits", "-W", f"default::{category}")
    assert "1 remembered" in loud.stdout.str()
    loud.stdout.fnmatch_lines(["*PromptWarning: a prompt has one reference of its template*"])


def test_the_second_of_two_equal_measurements_of_a_run_is_no_memory(suite):
    suite.write(
        "test_twice.py",
        "def test_twice(circuits):\n"
        "    one, two = circuits.repeat_loss(), circuits.repeat_loss()\n"
        "    assert one is not two and one.values == two.values\n",
    )
    assert remembered(suite) == [False, False]
    assert remembered(suite) == [True, True]


def test_two_models_are_told_apart(one_test):
    models = ("--circuits-model=recall", "--circuits-model=c=bundled:recall-finetuned")
    assert remembered(one_test) == [False]
    assert remembered(one_test, *models) == [True, False]
    assert remembered(one_test, *models) == [True, True]


# Measured all the same


@pytest.mark.parametrize("how", few(["option", "variable", "ini"], 1))
def test_fresh_ignores_what_is_remembered_and_remembers_anew(one_test, monkeypatch, how):
    assert remembered(one_test) == [False]
    (entry,) = one_test.path.glob(".pytest_cache/d/circuits/findings/*")
    entry.write_bytes(b"")
    with monkeypatch.context() as patch:
        arguments = ["--circuits-fresh"] if how == "option" else []
        if how == "variable":
            patch.setenv("PYTEST_CIRCUITS_FRESH", "1")
        if how == "ini":
            one_test.ini(RECALL, circuits_fresh="true")
        assert remembered(one_test, *arguments) == [False]
        assert remembered(one_test, *arguments) == [False]
        origin = {"option": "command line", "variable": "PYTEST_CIRCUITS_FRESH"}.get(
            how, "pytest.ini"
        )
        result = one_test.run("--circuits", *arguments)
        result.stdout.fnmatch_lines([f"circuits: all findings measured afresh ({origin})"])
    one_test.ini()
    assert remembered(one_test) == [True]


def test_fresh_is_on_or_off(one_test, monkeypatch):
    monkeypatch.setenv("PYTEST_CIRCUITS_FRESH", "perhaps")
    result = one_test.run("--circuits")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "circuits: fresh 'perhaps' (PYTEST_CIRCUITS_FRESH) is not one of" in result.stderr.str()


def test_without_pytests_cache_nothing_is_remembered_and_nothing_else_changes(one_test):
    before = facts(one_test, "-p", "no:cacheprovider")
    assert remembered(one_test, "-p", "no:cacheprovider") == [False]
    assert not (one_test.path / ".pytest_cache").exists()
    assert facts(one_test) == before


def test_a_cleared_cache_is_empty(one_test):
    assert remembered(one_test) == [False]
    assert remembered(one_test, "--cache-clear") == [False]
    assert remembered(one_test) == [True]


def test_a_damaged_entry_is_measured_again(one_test):
    assert remembered(one_test) == [False]
    (entry,) = one_test.path.glob(".pytest_cache/d/circuits/findings/*")
    entry.write_bytes(entry.read_bytes()[:-8])
    assert remembered(one_test) == [False]
    assert remembered(one_test) == [True]


def test_a_run_leaves_no_more_than_its_budget(one_test, monkeypatch):
    from pytest_circuits.session.cache import Store

    shrink = Store.shrink
    monkeypatch.setattr(Store, "shrink", lambda store: shrink(store, 10))
    assert remembered(one_test) == [False]
    assert list(one_test.path.glob(".pytest_cache/d/circuits/findings/*")) == []
    assert remembered(one_test) == [False]


@pytest.fixture
def two_files(suite):
    """A suite that two workers share."""
    for name in "ab":
        suite.write(f"test_{name}.py", ONE_TEST.replace("test_heads", f"test_{name}"))
    suite.approve()
    return suite


def test_workers_are_told_what_is_remembered(two_files):
    assert remembered(two_files, "-n", "2", "--dist=load") == [True, True]


@pytest.mark.nightly  # two workers import torch
def test_workers_remember(two_files):
    arguments = ("-n", "2", "--dist=load")
    assert remembered(two_files, *arguments, "--circuits-fresh", "--cache-clear") == [False] * 2
    assert remembered(two_files, *arguments) == [True, True]
    assert remembered(two_files) == [True, True]


# A model that is not its source's, or may not be

HOOK = 'circuit_model.add_hook("blocks.1.attn.hook_z", lambda z, hook: z * 0)'
OVERRIDE = f"""
import pytest

@pytest.fixture
def circuit_model(circuit_model):
    {HOOK}
    return circuit_model
"""
LOSS = (
    "def test_loss(circuits{more}):\n    {before}\n    loss = circuits.repeat_loss()\n    {after}\n"
)


def loss(before="pass", after="pass", more=""):
    return LOSS.format(before=before, after=after, more=more)


UNKNOWN = {
    "it asks for the model": loss("", HOOK, ", circuit_model"),
    "it asks for the model later": loss(
        "circuit_model = request.getfixturevalue('circuit_model')", more=", request"
    ),
    "it has hooks": loss(HOOK, "assert float(loss) > 3", ", circuit_model"),
    "it has the runs": loss("circuits.runs"),
    "a fixture has the model": "import pytest\n"
    "@pytest.fixture(autouse=True)\n"
    "def hooked(circuit_model):\n"
    f"    {HOOK}\n{loss(after='assert float(loss) > 3')}",
    "a part is silenced": "def test_loss(circuits):\n"
    "    with circuits.ablated(heads=['L1H0']):\n"
    "        circuits.repeat_loss()\n",
    "a function of the test": "def mine(logits, right, wrong):\n"
    "    return logits.gather(1, right[:, None])[:, 0]\n"
    "def test_loss(circuits):\n"
    "    from pytest_circuits import PromptPairs\n"
    "    pairs = PromptPairs(['dog star dog'], ['dog cat dog'], ['star'], ['cat'])\n"
    "    circuits.ablate(pairs, heads=['L1H0'], value='zero', metric=mine)\n",
    "the test's own model": "def test_loss(circuits):\n"
    "    from pytest_circuits import PromptPairs\n"
    "    from pytest_circuits.models import load, parse_source\n"
    "    pairs = PromptPairs(['dog star dog'], ['dog cat dog'], ['star'], ['cat'])\n"
    "    circuits.kl_divergence(pairs, to=load(parse_source('bundled:recall')).bridge)\n",
}


@pytest.mark.parametrize("what", few(UNKNOWN, 4))
def test_what_nobody_can_know_is_neither_stored_nor_answered(suite, what):
    suite.write("test_loss.py", UNKNOWN[what].replace("\n    \n", "\n"))
    assert remembered(suite) == [False]
    assert list(suite.path.glob(".pytest_cache/d/circuits/findings/*")) == []
    assert remembered(suite) == [False]


@pytest.mark.parametrize("where", ["conftest.py", "test_loss.py"])
def test_an_overridden_model_is_neither_stored_nor_answered(suite, where):
    suite.write("test_loss.py", loss())
    assert remembered(suite) == [False]
    suite.write("conftest.py", OVERRIDE if where == "conftest.py" else "")
    override = OVERRIDE if where == "test_loss.py" else ""
    suite.write("test_loss.py", override + loss(after="assert float(loss) > 3"))
    assert remembered(suite) == [False]
    assert remembered(suite) == [False]
    assert len(list(suite.path.glob(".pytest_cache/d/circuits/findings/*"))) == 1


LEFT = {
    "weights": "model.blocks[1].attn.o.weight.data.zero_()",
    "tokenizer": "import copy; model.tokenizer = copy.copy(model.tokenizer)",
}


@pytest.mark.parametrize("what", LEFT)
def test_what_is_measured_on_a_model_that_another_test_changed_is_not_remembered(suite, what):
    suite.write(
        "test_a.py",
        "import pytest\n"
        "@pytest.mark.circuits\n"
        "def test_a(request):\n"
        "    model = request.getfixturevalue('circuit_model')\n"
        f"    {LEFT[what]}\n",
    )
    suite.write("test_b.py", loss())
    assert remembered(suite, *CHANGES) == [False]
    assert list(suite.path.glob(".pytest_cache/d/circuits/findings/*")) == []
    assert remembered(suite, "test_b.py") == [False]
    # Known by now, and answered for a model that is what it was.
    assert remembered(suite, *CHANGES) == [True]
    assert remembered(suite, "test_b.py") == [True]


def test_nothing_is_remembered_of_a_model_once_a_test_has_held_it(suite):
    suite.write(
        "test_a.py",
        "def test_a(circuit_model):\n"
        "    norm = circuit_model.ln_final\n"
        "    forward = norm.forward\n"
        "    vars(norm)['forward'] = lambda stream: 2 * forward(stream)\n",
    )
    suite.write("test_b.py", loss())
    suite.write("test_c.py", "def test_c(circuits):\n    circuits.induction_scores()\n")
    assert remembered(suite, *CHANGES) == [False, False]
    assert list(suite.path.glob(".pytest_cache/d/circuits/findings/*")) == []
    assert remembered(suite, "test_b.py") == [False]
    assert remembered(suite, "test_b.py") == [True]


def test_a_session_long_override_in_one_folder_spoils_nothing_for_the_others(suite):
    suite.write(
        "ablated/conftest.py",
        OVERRIDE.replace("fixture", "fixture(scope='session')").replace(
            "add_hook", "add_perma_hook"
        ),
    )
    suite.write("ablated/test_one.py", loss(after="assert float(loss) > 3"))
    suite.write("plain/test_two.py", loss())
    assert remembered(suite) == [False, False]
    assert list(suite.path.glob(".pytest_cache/d/circuits/findings/*")) == []
    assert remembered(suite, "plain") == [False]
    assert remembered(suite, "plain") == [True]


# Reports


def test_reports_of_shards_keep_what_is_remembered(one_test, capsys):
    from pytest_circuits.cli import main

    assert remembered(one_test) == [False]
    (one_test.path / "report.json").rename(one_test.path / "one.json")
    assert remembered(one_test) == [True]
    (one_test.path / "report.json").rename(one_test.path / "two.json")
    for first, second, flag in (("one", "two", False), ("two", "one", True)):
        files = [str(one_test.path / f"{name}.json") for name in (first, second)]
        merged = one_test.path / "merged.json"
        assert main(["report", *files, "--json", str(merged)]) == 0, capsys.readouterr()
        (test,) = json.loads(merged.read_text())["tests"]
        assert test["verdicts"]["recall"]["remembered"] is flag


def test_a_plain_run_remembers_nothing_and_imports_nothing(suite):
    suite.write("test_heads.py", ONE_TEST)
    result = suite.pytester.runpytest_inprocess(*QUIET)
    assert counts(result) == {"skipped": 1}
    assert not list(suite.path.glob(".pytest_cache/d/circuits"))
