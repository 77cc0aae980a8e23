"""What a run with --circuits-pending leaves, and that accepting it is what an update would do."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from circuit_suites import (
    CHILD,
    ONE_TEST,
    OTHER,
    QUIET,
    RECALL,
    WITHOUT_MODELS,
    counts,
    edit_baseline,
    few,
)

from pytest_circuits.cli import main
from pytest_circuits.report import read_report

PENDING = ".pending/recall/test_heads/test_heads.json"
ALL_KINDS = """
import pytest

class TestHeads:
    @pytest.mark.parametrize("kind", ["induction", "previous token"])
    def test_scores(self, circuits, circuit_snapshot, kind):
        score = getattr(circuits, f"{kind.replace(' ', '_')}_scores")
        assert score() == circuit_snapshot

def test_two(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot
    assert circuits.repeat_loss() == circuit_snapshot(name="loss")
"""


def strengthen(document):
    document["values"][1] = [value - 0.3 for value in document["values"][1]]


def relocate(document):
    for cells in (document["values"], document["errors"]):
        cells[0][0], cells[1][3] = cells[1][3], cells[0][0]
    for by_head in (document["profiles"], document["nulls"]):
        by_head["L0H0"] = by_head.pop("L1H3")


def weaken(document):
    document["values"][1][0] += 0.3


def weaken_previous(document):
    document["values"][0] = [value + 0.3 for value in document["values"][0]]


def lose(document):
    document["companion"]["repeat_gain"]["value"] = 50.0


def measure_otherwise(document):
    document["convention"]["block"] = 25


CHANGES = {
    "relocated": relocate,
    "strengthened": strengthen,
    "weakened": weaken,
    "lost": lose,
    "incomparable": measure_otherwise,
}
FAILS = ("weakened", "lost", "incomparable")


def pend(suite, *arguments):
    return suite.run("--circuits", "--circuits-pending", *arguments)


def pending_files(suite):
    """Every file below ``.pending``, by its path from ``__circuits__``."""
    return {
        name: path for name, path in suite.baseline_files().items() if name.startswith(".pending/")
    }


def baselines(suite):
    return {
        name: path.read_bytes()
        for name, path in suite.baseline_files().items()
        if not name.startswith(".pending/")
    }


def findings(suite, name=PENDING):
    return json.loads(pending_files(suite)[name].read_text())["findings"]


@pytest.fixture
def decide(monkeypatch, capsys):
    """Run a command of the command line in the suite's folder."""

    def run(*arguments):
        monkeypatch.setenv("COLUMNS", "80")
        capsys.readouterr()
        status = main(list(arguments))
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err.splitlines()

    return run


# What is left


@pytest.mark.parametrize("verdict", few(["new", *CHANGES], 3))
def test_what_differs_is_left_and_accepting_it_writes_what_an_update_would(
    one_test, decide, verdict
):
    if verdict == "new":
        one_test.baseline.unlink()
    else:
        edit_baseline(one_test.baseline, CHANGES[verdict])
    before = baselines(one_test)
    result = pend(one_test)
    assert result.ret == int(verdict in FAILS)
    result.stdout.fnmatch_lines(["1 finding: 1 *", "1 finding pending: pytest-circuits review"])
    assert baselines(one_test) == before
    assert list(pending_files(one_test)) == [".pending/.gitignore", PENDING]
    (finding,) = findings(one_test)
    assert (finding["verdict"], finding["failure"]) == (verdict, "")

    assert decide("accept", "--all") == (
        0,
        ["accepted recall/test_heads/test_heads", "nothing pending"],
        [],
    )
    accepted = baselines(one_test)
    assert not pending_files(one_test)
    for name in accepted:
        path = one_test.path / "__circuits__" / name
        path.unlink() if name not in before else path.write_bytes(before[name])
    assert one_test.run("--circuits", "--snapshot-update").ret == 0
    assert accepted == baselines(one_test)
    assert one_test.run("--circuits").ret == 0


def test_classes_parameters_and_further_findings_are_accepted_as_an_update_writes_them(
    suite, decide
):
    suite.write("sub/test_kinds.py", ALL_KINDS)
    assert pend(suite).ret == 0
    keys = [line.split(maxsplit=1)[1] for line in decide("review", "--list")[1][:-1:2]]
    assert keys[1:] == [
        "sub/recall/test_kinds/TestHeads.test_scores[previous token]",
        "sub/recall/test_kinds/test_two",
        "sub/recall/test_kinds/test_two:loss",
    ]
    assert decide("accept", *keys)[0] == 0
    accepted = baselines(suite)
    shutil.rmtree(suite.path / "sub/__circuits__")
    suite.approve()
    assert accepted == baselines(suite)


@pytest.mark.parametrize(
    "chosen", [["--all"], ["*:previous", "*_heads"], ["*_heads", "*:previous"]]
)
def test_a_new_file_has_the_tests_order_however_its_findings_are_accepted(suite, decide, chosen):
    suite.ini(RECALL, CHILD)
    suite.write("test_heads.py", TWO)
    baseline = suite.approve()["recall/test_heads/test_heads.json"]
    edit_baseline(baseline, strengthen)
    edit_baseline(baseline, weaken_previous, index=1)
    child = ("--circuits-model", "tuned=bundled:recall")
    pend(suite, *child)
    name = PENDING.replace("/recall/", "/tuned/")
    assert [f["verdict"] for f in findings(suite, name)] == ["strengthened", "weakened"]
    for each in chosen:
        assert decide("accept", each)[2] == []
    accepted = baselines(suite)["tuned/test_heads/test_heads.json"]
    (suite.path / "__circuits__/tuned/test_heads/test_heads.json").unlink()
    suite.approve(*child)
    assert baselines(suite)["tuned/test_heads/test_heads.json"] == accepted


def test_a_preserved_finding_is_not_left_and_leaves_no_folder(one_test):
    before = one_test.age()
    result = pend(one_test)
    assert result.ret == 0
    assert "pending: pytest-circuits" not in result.stdout.str()
    assert one_test.stamps() == before


def test_what_cannot_be_approved_is_not_offered_and_said(one_test):
    result = pend(one_test, "--circuits-model", "recall=bundled:recall-regressed")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["1 finding that differs can't be approved: there would be nothing to hold"]
    )
    assert pending_files(one_test) == {}


def test_without_the_option_pending_files_stay_as_they_are(one_test):
    edit_baseline(one_test.baseline, weaken)
    pend(one_test)
    edit_baseline(one_test.baseline, strengthen)
    before = one_test.age()
    result = one_test.run("--circuits")
    assert "pending: pytest-circuits" not in result.stdout.str()
    assert one_test.stamps() == before


def test_a_test_that_fails_for_another_reason_says_so(suite, decide):
    suite.write(
        "test_heads.py",
        """
def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot
    assert 1 == 2, "the claim"
""",
    )
    assert pend(suite).ret == 1
    (finding,) = findings(suite)
    assert finding["failure"] == "AssertionError: the claim"
    assert decide("accept", "--all")[1] == [
        "accepted recall/test_heads/test_heads",
        "  something else kept its test from passing, which accepting it does not change:",
        "    AssertionError: the claim",
        "nothing pending",
    ]


@pytest.mark.parametrize(
    ("mark", "statement", "why"),
    [
        ("", "pytest.skip('not now')", "skipped: not now"),
        ("", "pytest.xfail('some day')", "xfailed: some day"),
        ("@pytest.mark.xfail", "assert 1 == 2, 'the claim'", "xfailed: AssertionError: the claim"),
        ("@pytest.mark.xfail(reason='some day')", "assert 1 == 2", "xfailed: some day"),
    ],
    ids=["skipped", "xfailed within", "xfailed", "xfailed for a reason"],
)
def test_a_test_that_neither_passes_nor_fails_says_so(suite, decide, mark, statement, why):
    """Such a test has nothing approved by an update."""
    suite.write(
        "test_heads.py",
        f"""
import pytest

{mark}
def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot
    {statement}
""",
    )
    assert suite.approve() == {}
    assert pend(suite).ret == 0
    assert [finding["failure"] for finding in findings(suite)] == [why]
    assert decide("accept", "--all")[1] == [
        "accepted recall/test_heads/test_heads",
        "  something else kept its test from passing, which accepting it does not change:",
        f"    {why}",
        "nothing pending",
    ]


def test_an_expected_failure_that_is_the_gates_has_no_other_reason(one_test):
    one_test.write("test_heads.py", f"import pytest\n\n@pytest.mark.xfail{ONE_TEST}")
    edit_baseline(one_test.baseline, weaken)
    assert counts(pend(one_test)) == {"xfailed": 1}
    assert [finding["failure"] for finding in findings(one_test)] == [""]


def test_a_failed_subtest_is_another_reason(suite):
    suite.write(
        "test_heads.py",
        """
def test_heads(circuits, circuit_snapshot, subtests):
    assert circuits.induction_scores() == circuit_snapshot
    with subtests.test("claim"):
        assert False
""",
    )
    assert pend(suite).ret == 1
    assert [finding["failure"] for finding in findings(suite)] == ["a subtest failed"]


# What a later run makes of it


def test_a_run_that_finds_it_preserved_takes_it_away(one_test):
    stored = one_test.baseline.read_bytes()
    edit_baseline(one_test.baseline, weaken)
    pend(one_test)
    one_test.baseline.write_bytes(stored)
    assert pend(one_test).ret == 0
    assert [path.name for path in (one_test.path / "__circuits__").iterdir()] == ["recall"]


TWO = """
def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot
    assert circuits.previous_token_scores() == circuit_snapshot(name="previous")
"""


def test_a_finding_that_was_not_reached_keeps_its_entry_until_the_test_passes(suite):
    suite.write("test_heads.py", TWO)
    assert pend(suite).ret == 0
    assert [f["baseline"]["name"] for f in findings(suite)] == ["", "previous"]
    suite.approve()
    edit_baseline(suite.baseline_files()["recall/test_heads/test_heads.json"], weaken)
    assert pend(suite).ret == 1
    assert [f["verdict"] for f in findings(suite)] == ["weakened", "new"]
    assert pend(suite, "--circuits-gate=never").ret == 0
    assert [f["verdict"] for f in findings(suite)] == ["weakened"]


def test_a_finding_that_its_test_no_longer_compares_goes_when_the_test_passes(suite):
    suite.write("test_heads.py", TWO)
    pend(suite)
    suite.write("test_heads.py", "\n".join(TWO.splitlines()[:-1]))
    pend(suite)
    assert [f["baseline"]["name"] for f in findings(suite)] == [""]


def test_of_another_model_nothing_stays(suite, decide):
    """One file holds the findings of one model, whatever was measured as it before."""
    suite.ini(RECALL, CHILD)
    suite.write("test_heads.py", TWO)
    tuned = "--circuits-model", "tuned=bundled:recall"
    pend(suite, *tuned)
    first, second = TWO.rstrip().rsplit("\n", 1)
    suite.write("test_heads.py", f"{first}\n    assert 0\n{second}")
    name = PENDING.replace("/recall/", "/tuned/")
    pend(suite, *tuned)
    assert [f["baseline"]["name"] for f in findings(suite, name)] == ["", "previous"]
    assert pend(suite, "--circuits-model", "tuned").ret == 1
    (finding,) = findings(suite, name)
    assert finding["baseline"]["name"] == ""
    assert finding["baseline"]["recorded_with"]["source"] == "bundled:recall-finetuned"


def test_a_test_that_fails_before_it_compares_or_is_skipped_leaves_it_as_it_was(one_test):
    edit_baseline(one_test.baseline, weaken)
    pend(one_test)
    for body in ("assert 0", "import pytest; pytest.skip('now')"):
        one_test.write("test_heads.py", f"def test_heads(circuits, circuit_snapshot):\n    {body}")
        before = one_test.age()
        pend(one_test)
        assert one_test.stamps() == before


@pytest.mark.parametrize("gate", ["regression", "never"])
def test_a_damaged_pending_file_is_measured_anew(one_test, gate):
    edit_baseline(one_test.baseline, weaken)
    pend(one_test)
    good = pending_files(one_test)[PENDING].read_bytes()
    pending_files(one_test)[PENDING].write_text("{")
    pend(one_test, f"--circuits-gate={gate}")
    assert pending_files(one_test)[PENDING].read_bytes() == good


# Several models, several workers


def test_a_child_gets_a_file_of_its_own_and_its_parents_baseline_stays(one_test, decide):
    one_test.ini(RECALL, CHILD)
    edit_baseline(one_test.baseline, weaken)
    pend(one_test, "--circuits-model", "tuned")
    (finding,) = findings(one_test, ".pending/tuned/test_heads/test_heads.json")
    assert finding["held_against"]["owner"] == "recall"
    before = one_test.baseline.read_bytes()
    assert decide("accept", "tuned/test_heads/test_heads")[0] == 0
    assert one_test.baseline.read_bytes() == before
    accepted = baselines(one_test)["tuned/test_heads/test_heads.json"]
    (one_test.path / "__circuits__/tuned/test_heads/test_heads.json").unlink()
    one_test.approve("--circuits-model", "tuned")
    assert baselines(one_test)["tuned/test_heads/test_heads.json"] == accepted


def test_a_parent_and_its_child_can_be_accepted_at_once(one_test, decide):
    one_test.ini(RECALL, CHILD)
    edit_baseline(one_test.baseline, weaken)
    pend(one_test, "--circuits-model", "recall", "--circuits-model", "tuned")
    assert decide("accept", "*/test_heads/*") == (
        0,
        [
            "accepted tuned/test_heads/test_heads",
            "accepted recall/test_heads/test_heads",
            "nothing pending",
        ],
        [],
    )
    models = ("--circuits-model", "recall", "--circuits-model", "tuned")
    assert one_test.run("--circuits", *models).ret == 0


def test_a_child_is_refused_once_its_parent_was_accepted(one_test, decide):
    one_test.ini(RECALL, CHILD)
    edit_baseline(one_test.baseline, weaken)
    pend(one_test, "--circuits-model", "recall", "--circuits-model", "tuned")
    assert decide("accept", "recall/*")[0] == 1
    status, _, errors = decide("accept", "tuned/*")
    assert (status, errors) == (
        1,
        [
            (
                "tuned/test_heads/test_heads: recall's baseline has changed since: measure again "
                "(`pytest --circuits --circuits-pending`)"
            )
        ],
    )
    assert pend(one_test, "--circuits-model", "tuned").ret == 0
    assert pending_files(one_test) == {}


TWO_FOUND = """
def test_heads(found, circuit_snapshot):
    assert found(0.9) == circuit_snapshot
    assert found(0.5) == circuit_snapshot(name="less")
"""


def test_two_workers_leave_what_one_process_does(suite):
    suite.ini(RECALL, OTHER)
    suite.write("conftest.py", WITHOUT_MODELS)
    for module in ("test_a.py", "test_b.py"):
        suite.write(module, TWO_FOUND)
    models = ("--circuits-model", "recall", "--circuits-model", "tuned")
    pend(suite, *models)
    alone = {name: path.read_bytes() for name, path in pending_files(suite).items()}
    shutil.rmtree(suite.path / "__circuits__")
    result = pend(suite, "-n", "2", *models)
    assert (result.ret, counts(result)) == (0, {"passed": 4})
    result.stdout.fnmatch_lines(["8 findings pending: pytest-circuits review"])
    assert {name: path.read_bytes() for name, path in pending_files(suite).items()} == alone
    assert len(alone) == 5


# What else looks at the folder


@pytest.mark.parametrize("ignores", ["", "!*\n", "!.pending\n!*.json\n"])
def test_git_does_not_see_pending_files(one_test, ignores):
    def git(*arguments):
        done = subprocess.run(
            ["git", *arguments], cwd=one_test.path, check=True, capture_output=True, text=True
        )
        return done.stdout

    git("init", "--quiet")
    (one_test.path / ".gitignore").write_text(f"{ignores}.pytest_cache\n__pycache__\n")
    edit_baseline(one_test.baseline, weaken)
    git("add", "--all")
    git("-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "--message=all")
    pend(one_test)
    assert len(pending_files(one_test)) == 2
    assert git("status", "--porcelain", "--untracked-files=all") == ""
    git("add", "--all")
    assert git("status", "--porcelain") == ""


def test_no_command_takes_pending_files_for_baselines(one_test, decide):
    one_test.ini(addopts=" ".join(QUIET))
    edit_baseline(one_test.baseline, weaken)
    pend(one_test)
    before = one_test.age()
    assert decide("prune", "--yes") == (0, ["nothing to prune among 1 file"], [])
    status, out, errors = decide("show")
    assert (status, errors) == (0, [])
    assert [line for line in out if not line.startswith(" ")] == [
        "__circuits__/recall/test_heads/test_heads.json"
    ]
    assert decide("show", "__circuits__/.pending")[1] == ["no baselines"]
    one_test.baseline.unlink()
    assert decide("show")[1] == ["no baselines"]
    assert decide("prune", "--yes")[1] == ["nothing to prune among 0 files"]
    assert one_test.stamps().keys() == before.keys() - {"recall/test_heads/test_heads.json"}


def test_a_report_says_what_is_pending(one_test):
    edit_baseline(one_test.baseline, weaken)
    pend(one_test, "--circuits-json=report.json")
    (row,) = read_report(one_test.path / "report.json").rows
    assert row.pending
    one_test.run("--circuits", "--circuits-json=report.json")
    (row,) = read_report(one_test.path / "report.json").rows
    assert not row.pending


def test_from_another_folder_the_suites_is_named(one_test, monkeypatch):
    edit_baseline(one_test.baseline, weaken)
    elsewhere = one_test.path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    result = pend(one_test, "-c", one_test.path / "pytest.ini", one_test.path)
    result.stdout.fnmatch_lines([f"1 finding pending: pytest-circuits review {os.pardir}"])
    monkeypatch.chdir(one_test.path.parent)
    result = pend(one_test, "-c", one_test.path / "pytest.ini", one_test.path)
    result.stdout.fnmatch_lines(["1 finding pending: pytest-circuits review"])


# What is refused


def test_a_model_that_owns_no_baselines_is_a_usage_error(one_test):
    result = pend(one_test, "--circuits-model", "candidate=bundled:recall-finetuned")
    assert result.ret == 4
    assert [line for line in result.stderr.lines if line] == [
        "ERROR: 'candidate' owns no baselines, so nothing of it can be approved.",
        (
            "Declare it in circuits_models (pytest.ini): "
            "candidate = bundled:recall-finetuned < recall"
        ),
        "or update the reference: --circuits-model recall=bundled:recall-finetuned",
    ]


@pytest.mark.parametrize("option", ["--snapshot-update", "--snapshot-update-new-only"])
def test_leaving_and_approving_at_once_is_a_usage_error(one_test, option):
    result = pend(one_test, option)
    assert result.ret == 4
    assert [line for line in result.stderr.lines if line] == [
        (
            "ERROR: --circuits-pending leaves what differs to be decided on, and --snapshot-update "
            "approves it: use one of them"
        )
    ]


@pytest.mark.parametrize("alias", [".pending", ".Pending"])
@pytest.mark.parametrize("where", ["ini", "command line"])
def test_no_model_can_be_called_as_the_folder_of_pending_files(one_test, alias, where):
    arguments = []
    if where == "ini":
        one_test.ini(f"{alias} = bundled:recall")
    else:
        arguments = ["--circuits-model", f"{alias}=bundled:recall"]
    result = one_test.run("--circuits", *arguments)
    assert result.ret == 4
    origin = "pytest.ini" if where == "ini" else where
    assert [line for line in result.stderr.lines if line] == [
        (
            f"ERROR: {alias!r} ({origin}) can't be an alias: the folder of that name holds pending "
            f"files"
        )
    ]


@pytest.mark.nightly  # it is tried for ten seconds
def test_a_pending_file_that_cannot_be_written_is_an_error_and_not_counted(one_test):
    edit_baseline(one_test.baseline, strengthen)
    (one_test.path / "__circuits__/.pending").write_text("in the way")
    result = pend(one_test)
    assert counts(result) == {"passed": 1, "errors": 1}
    assert "pending: pytest-circuits" not in result.stdout.str()


def test_the_finding_is_left_as_it_would_be_written(one_test):
    """Rounded as files are, with its origin, under the tolerance that somebody set."""

    def change(document):
        weaken(document)
        document["tolerance"]["origin"] = "mine"

    edit_baseline(one_test.baseline, change)
    pend(one_test)
    (finding,) = findings(one_test)
    assert finding["baseline"]["tolerance"]["origin"] == "mine"
    assert finding["baseline"]["recorded_with"]["source"] == "bundled:recall"
    assert Path(pending_files(one_test)[PENDING]).read_text().endswith("}\n")
