"""No baseline is ever deleted or rewritten by a run that did not measure it."""

import shutil
from dataclasses import dataclass

import pytest
from circuit_suites import OTHER, RECALL, WITHOUT_MODELS, counts, edit_baseline, few

TEST_PREVIOUS = """
@pytest.mark.slow
def test_previous(circuits, circuit_snapshot):
    assert circuits.previous_token_scores() == circuit_snapshot
"""

MODULES = {
    "test_one.py": f"""
import os

import pytest


def test_plain():
    assert not os.environ.get("FAIL_PLAIN")


def test_text(snapshot):
    assert "a user's own snapshot" == snapshot


def test_induction(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot


{TEST_PREVIOUS}
""",
    "test_two.py": """
import pytest


class TestKinds:
    @pytest.mark.parametrize("kind", ["induction", "previous_token"])
    def test_scores(self, circuits, circuit_snapshot, kind):
        assert getattr(circuits, f"{kind}_scores")() == circuit_snapshot


def test_loss(circuits, circuit_snapshot):
    assert circuits.repeat_loss() == circuit_snapshot
""",
    "deep/test_three.py": """
def test_deep(circuits, circuit_snapshot):
    assert circuits.repeat_loss() == circuit_snapshot
""",
}

#: The tests' baselines, for either alias.
TESTS = [
    "test_one/test_induction",
    "test_one/test_previous",
    "test_three/test_deep",
    "test_two/TestKinds.test_scores[induction]",
    "test_two/TestKinds.test_scores[previous_token]",
    "test_two/test_loss",
]


@pytest.fixture(scope="session")
def stored():
    """What the first suite approved: bytes of every file, for the others to begin with."""
    return {}


@pytest.fixture
def two_models(suite, stored):
    """Three modules with six circuit tests, baselines of two declared models, all of them old."""
    suite.ini(RECALL, OTHER)
    for name, text in MODULES.items():
        suite.write(name, text)
    if not stored:
        # What is stored must not hang on what is tested: whether syrupy deletes anything.
        models = ("--circuits-model", "recall", "--circuits-model", "tuned")
        suite.approve("--snapshot-no-cleanup", *models)
        for path in suite.path.rglob("__*__/**/*"):
            if path.is_file() and "__pycache__" not in path.parts:
                stored[path.relative_to(suite.path)] = path.read_bytes()
    for name, content in stored.items():
        path = suite.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    files = sorted(suite.baseline_files())
    assert files == [f"{alias}/{test}.json" for alias in ("recall", "tuned") for test in TESTS]
    return suite


def nothing(suite):
    pass


def replace_previous(text):
    def prepare(suite):
        module = MODULES["test_one.py"]
        assert TEST_PREVIOUS in module
        suite.write("test_one.py", module.replace(TEST_PREVIOUS, text))

    return prepare


def delete_module(suite):
    (suite.path / "test_one.py").unlink()


def let_previous_fail_once(suite):
    replace_previous("def test_previous(circuits, circuit_snapshot):\n    assert 0")(suite)
    assert suite.run("--circuits").ret == 1
    suite.write("test_one.py", MODULES["test_one.py"])


@dataclass(frozen=True)
class Case:
    """A way to run part of the suite, and what pytest counts with and without ``--circuits``."""

    name: str
    arguments: tuple[str, ...]
    measured: dict[str, int]
    skipped: dict[str, int]
    prepare: object = nothing
    status: int = 0


PREVIOUS = "test_one.py::test_previous[recall]"
CASES = [
    Case("everything", (), {"passed": 8}, {"passed": 2, "skipped": 6}),
    Case(
        "-k",
        ("-k", "test_previous"),
        {"passed": 1, "deselected": 7},
        {"skipped": 1, "deselected": 7},
    ),
    Case(
        "--deselect",
        ("--deselect", PREVIOUS),
        {"passed": 7, "deselected": 1},
        {"passed": 2, "skipped": 5, "deselected": 1},
    ),
    Case(
        "-m",
        ("-m", "slow"),
        {"passed": 1, "deselected": 7},
        {"skipped": 1, "deselected": 7},
    ),
    Case(
        "-m not circuits",
        ("-m", "not circuits"),
        {"passed": 2, "deselected": 6},
        {"passed": 2, "deselected": 6},
    ),
    Case("a node id", (PREVIOUS,), {"passed": 1}, {"skipped": 1}),
    Case("a class", ("test_two.py::TestKinds",), {"passed": 2}, {"skipped": 2}),
    Case("a file", ("test_one.py",), {"passed": 4}, {"passed": 2, "skipped": 2}),
    Case("a folder", ("deep",), {"passed": 1}, {"skipped": 1}),
    Case("--ignore", ("--ignore=test_one.py",), {"passed": 4}, {"skipped": 4}),
    Case(
        "another model",
        ("--circuits-model", "tuned"),
        {"passed": 8},
        {"passed": 2, "skipped": 6},
    ),
    Case(
        "both models",
        ("--circuits-model", "recall", "--circuits-model", "tuned"),
        {"passed": 14},
        {"passed": 2, "skipped": 12},
    ),
    Case("--lf", ("--lf",), {"passed": 1}, {"skipped": 1}, let_previous_fail_once),
    Case(
        "a test removed",
        (),
        {"passed": 7},
        {"passed": 2, "skipped": 5},
        replace_previous(""),
    ),
    Case("a module deleted", (), {"passed": 4}, {"skipped": 4}, delete_module),
    Case(
        "a test that skips itself",
        (),
        {"passed": 7, "skipped": 1},
        {"passed": 2, "skipped": 6},
        replace_previous("def test_previous(circuits, circuit_snapshot):\n    pytest.skip('now')"),
    ),
    Case(
        "a test that fails before it compares",
        (),
        {"passed": 7, "failed": 1},
        {"passed": 2, "skipped": 6},
        replace_previous("def test_previous(circuits, circuit_snapshot):\n    assert 0"),
        status=1,
    ),
    Case(
        "a test that no longer compares",
        (),
        {"passed": 8},
        {"passed": 3, "skipped": 5},
        replace_previous("def test_previous():\n    pass"),
    ),
    Case(
        "a test renamed",
        (),
        {"passed": 7, "failed": 1},
        {"passed": 2, "skipped": 6},
        replace_previous("def test_former(circuits, circuit_snapshot):\n    assert 0"),
        status=1,
    ),
]

every_case = pytest.mark.parametrize("case", few(CASES, 8), ids=lambda case: case.name)


@every_case
def test_an_update_without_circuits_touches_no_baseline(two_models, case):
    case.prepare(two_models)
    before = two_models.age()
    result = two_models.run("--snapshot-update", *case.arguments)
    assert (result.ret, counts(result)) == (0, case.skipped)
    assert two_models.stamps() == before


@every_case
def test_an_update_touches_no_baseline_that_it_measured_as_preserved_or_not_at_all(
    two_models, case
):
    case.prepare(two_models)
    before = two_models.age()
    result = two_models.run("--circuits", "--snapshot-update", *case.arguments)
    assert (result.ret, counts(result)) == (case.status, case.measured)
    assert two_models.stamps() == before


@pytest.mark.parametrize(
    "case",
    few([each for each in CASES if each.prepare is not nothing or each.name == "another model"], 3),
    ids=lambda case: case.name,
)
def test_a_run_without_update_does_not_mind_baselines_that_it_did_not_use(two_models, case):
    case.prepare(two_models)
    # syrupy itself fails a run for snapshots of the user's own that nobody used.
    shutil.rmtree(two_models.path / "__snapshots__")
    before = two_models.age()
    result = two_models.run("--circuits", *case.arguments, "--deselect", "test_one.py::test_text")
    assert result.ret == case.status
    assert two_models.stamps() == before


def out_of_date(suite, only=""):
    """Store better values than the models have, in every baseline (of a name)."""

    def improve(document):
        if isinstance(document["values"], list):
            document["values"] = [[value * 1.5 for value in row] for row in document["values"]]
        else:
            document["values"] -= 3.0

    for path in suite.baseline_files().values():
        if path.name.endswith(only):
            edit_baseline(path, improve)
    return suite.age()


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        pytest.param(("-k", "test_previous"), ["recall/test_one/test_previous"], id="-k"),
        pytest.param((PREVIOUS,), ["recall/test_one/test_previous"], id="a node id"),
        pytest.param(("deep",), ["recall/test_three/test_deep"], id="a folder"),
        pytest.param(
            ("--deselect", PREVIOUS),
            [f"recall/{test}" for test in TESTS if test != TESTS[1]],
            id="--deselect",
        ),
        pytest.param(
            ("--circuits-model", "tuned"), [f"tuned/{test}" for test in TESTS], id="another model"
        ),
    ],
)
def test_an_update_rewrites_exactly_what_it_measured(two_models, arguments, written):
    before = out_of_date(two_models)
    result = two_models.run("--circuits", "--snapshot-update", *arguments)
    assert result.ret == 0
    after = two_models.stamps()
    assert after.keys() == before.keys()
    rewritten = {name for name in after if after[name] != before[name]}
    assert rewritten == {f"{name}.json" for name in written}


@pytest.mark.parametrize(
    ("flags", "outcome"),
    [
        pytest.param(("--circuits",), {"passed": 2, "failed": 6}, id="a check"),
        pytest.param(("--snapshot-update",), {"passed": 2, "skipped": 6}, id="no circuits"),
        pytest.param(
            ("--circuits", "--snapshot-update-new-only"), {"passed": 2, "failed": 6}, id="new only"
        ),
    ],
)
def test_a_run_that_may_not_rewrite_rewrites_nothing_whatever_it_finds(two_models, flags, outcome):
    before = out_of_date(two_models)
    result = two_models.run(*flags)
    assert (result.ret, counts(result)) == (int("failed" in outcome), outcome)
    assert two_models.stamps() == before


def test_collecting_under_update_touches_no_baseline(two_models):
    before = out_of_date(two_models)
    result = two_models.run("--circuits", "--snapshot-update", "--collect-only")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*8 tests collected*"])
    assert two_models.stamps() == before


def test_two_workers_without_circuits_touch_no_baseline(two_models):
    before = out_of_date(two_models)
    result = two_models.run("--snapshot-update", "-n", "2")
    assert (result.ret, counts(result)) == (0, {"passed": 2, "skipped": 6})
    assert two_models.stamps() == before


FOUND = """
def test_kept(found, circuit_snapshot):
    assert found(0.9) == circuit_snapshot


def test_changed(found, circuit_snapshot):
    assert found(0.9) == circuit_snapshot
"""


def test_two_workers_rewrite_exactly_what_they_found_changed(suite):
    suite.ini(RECALL, OTHER)
    suite.write("conftest.py", WITHOUT_MODELS)
    for module in ("test_a.py", "test_b.py"):
        suite.write(module, FOUND)
    models = ("--circuits-model", "recall", "--circuits-model", "tuned")
    suite.approve(*models)
    out_of_date(suite, only="test_changed.json")
    before = suite.stamps()
    result = suite.run("--circuits", "--snapshot-update", "-n", "2", *models)
    assert (result.ret, counts(result)) == (0, {"passed": 8})
    after = suite.stamps()
    assert after.keys() == before.keys()
    rewritten = {name for name in after if after[name] != before[name]}
    assert rewritten == {
        f"{alias}/{module}/test_changed.json"
        for alias in ("recall", "tuned")
        for module in ("test_a", "test_b")
    }


@pytest.mark.nightly
def test_two_workers_rewrite_exactly_what_they_measured_as_changed(two_models):
    out_of_date(two_models, only="test_previous.json")
    before = two_models.stamps()
    result = two_models.run(
        "--circuits", "--snapshot-update", "-n", "2",
        "--circuits-model", "recall", "--circuits-model", "tuned",
    )  # fmt: skip
    assert (result.ret, counts(result)) == (0, {"passed": 14})
    after = two_models.stamps()
    assert after.keys() == before.keys()
    rewritten = {name for name in after if after[name] != before[name]}
    assert rewritten == {
        "recall/test_one/test_previous.json",
        "tuned/test_one/test_previous.json",
    }


@pytest.mark.nightly
def test_two_workers_with_a_part_of_the_tests_touch_no_other_baseline(two_models):
    before = out_of_date(two_models)
    result = two_models.run("--circuits", "--snapshot-update", "-n", "2", "-k", "test_previous")
    assert (result.ret, counts(result)) == (0, {"passed": 1})
    after = two_models.stamps()
    assert after.keys() == before.keys()
    rewritten = {name for name in after if after[name] != before[name]}
    assert rewritten == {"recall/test_one/test_previous.json"}
