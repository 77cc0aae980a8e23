"""pytest-circuits prune: the baseline files that nobody needs, and no others."""

import os
import sys
from pathlib import Path

import pytest
from circuit_suites import ONE_TEST, RECALL

CHILD = "tuned = bundled:recall-finetuned < recall"
GRANDCHILD = "chat = bundled:recall-regressed < tuned"


@pytest.fixture
def heads(suite, store):
    """A suite with one circuit test, its baseline stored, and the suite's folder as ours."""
    suite.write("test_heads.py", ONE_TEST)
    store("recall")
    return suite


def every_file(folder):
    """Bytes of all that lies in a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def listed(out):
    """The files a command listed, and why."""
    return {
        line: out[number + 1].strip()
        for number, line in enumerate(out)
        if line.endswith(".json") and "__circuits__" in line
    }


def test_files_that_tests_own_are_kept(heads, command):
    assert command("prune") == (0, ["nothing to prune among 1 file"], [])
    assert command("prune", "--yes") == (0, ["nothing to prune among 1 file"], [])
    assert len(heads.baseline_files()) == 1


def test_the_file_of_a_test_that_is_gone_is_listed_and_left(heads, command, store):
    store("recall", test="test_gone")
    before = heads.stamps()
    assert command("prune") == (
        1,
        [
            "__circuits__/recall/test_heads/test_gone.json",
            "  test_heads.py has no circuit test of that name",
            "1 file of 2 can be deleted: add --yes",
        ],
        [],
    )
    assert heads.stamps() == before


def test_with_yes_what_is_listed_is_deleted(heads, command, store):
    store("recall", test="test_gone")
    status, out, _ = command("prune", "--yes")
    assert (status, out[-1]) == (0, "deleted 1 file of 2")
    assert list(heads.baseline_files()) == ["recall/test_heads/test_heads.json"]
    assert command("prune") == (0, ["nothing to prune among 1 file"], [])


def test_the_files_of_a_module_that_is_gone_go_with_their_folders(heads, command, store):
    store("recall", module="test_gone")
    store("tuned", module="test_gone")
    heads.ini(RECALL, CHILD)
    status, out, _ = command("prune", "--yes")
    assert (status, out[-1]) == (0, "deleted 2 files of 3")
    assert set(listed(out).values()) == {"there is no test_gone.py"}
    root = heads.path / "__circuits__"
    assert sorted(path.name for path in root.rglob("*")) == [
        "recall",
        "test_heads",
        "test_heads.json",
    ]


def test_the_last_file_takes_the_folder_of_all_baselines_with_it(heads, command, store):
    store("recall", module="test_gone", folder=heads.path / "sub")
    assert command("prune", "--yes")[0] == 0
    assert list((heads.path / "sub").iterdir()) == []


def test_the_file_of_a_model_that_nobody_declares_is_listed(heads, command, store):
    store("old")
    status, out, _ = command("prune")
    assert (status, listed(out)) == (
        1,
        {"__circuits__/old/test_heads/test_heads.json": "no model 'old' is declared"},
    )


def test_a_test_that_is_no_circuit_test_any_more_owns_nothing(heads, command):
    heads.write("test_heads.py", "def test_heads(): pass\ndef test_other(circuits): pass")
    status, out, _ = command("prune")
    assert status == 1
    assert list(listed(out).values()) == ["test_heads.py has no circuit test of that name"]


def test_every_declared_model_owns_the_files_of_every_test(heads, command, store, baseline):
    heads.ini(RECALL, "other = bundled:recall-finetuned", CHILD)
    heads.write(
        "sub/test_more.py",
        """
import pytest

pytestmark = pytest.mark.circuits


class TestHeads:
    class TestDeep:
        @pytest.mark.parametrize("block", [16, "a/B"])
        def test_heads(self, circuit_snapshot, block):
            pass


def test_marked():
    pass
""",
    )
    more = {"module": "test_more", "folder": heads.path / "sub"}
    for alias in ("recall", "other", "tuned"):
        different = baseline(0.9 if alias == "recall" else 0.5)
        store(alias, different, test="TestHeads.TestDeep.test_heads", parameters="16", **more)
        store(alias, different, test="TestHeads.TestDeep.test_heads", parameters="a/B", **more)
        store(alias, different, test="test_marked", **more)
    assert command("prune") == (0, ["nothing to prune among 10 files"], [])


def test_which_model_is_measured_makes_no_difference(heads, command, store, monkeypatch):
    store("recall", test="test_gone")
    heads.ini(RECALL, "other = bundled:recall-finetuned")
    store("other")
    monkeypatch.setenv("PYTEST_CIRCUITS_MODEL", "candidate=bundled:recall-regressed")
    status, out, _ = command("prune")
    assert (status, list(listed(out))) == (1, ["__circuits__/recall/test_heads/test_gone.json"])


# What a parent says already


def test_a_file_that_says_what_its_parents_says_is_listed(heads, command, store, baseline):
    heads.ini(RECALL, CHILD)
    store("tuned", baseline(0.91))
    assert command("prune") == (
        1,
        [
            "__circuits__/tuned/test_heads/test_heads.json",
            "  says the same as recall's: preserved, with the same tolerance",
            "1 file of 2 can be deleted: add --yes",
        ],
        [],
    )


@pytest.mark.parametrize(
    "other",
    [{"value": 0.5}, {"loss": 2.0}, {"tolerance": 0.3}, {"name": "late"}],
    ids=["value", "behaviour", "tolerance", "name"],
)
def test_a_file_that_says_something_else_is_kept(heads, command, store, baseline, other):
    heads.ini(RECALL, CHILD)
    store("tuned", baseline(), baseline(**{"name": "second", **other}))
    store("recall", baseline(), baseline(name="second"))
    assert command("prune") == (0, ["nothing to prune among 2 files"], [])


def test_a_model_without_a_parent_has_its_own_say(heads, command, store):
    heads.ini(RECALL, "tuned = bundled:recall-finetuned")
    store("tuned")
    assert command("prune") == (0, ["nothing to prune among 2 files"], [])


def test_a_grandchild_is_held_against_what_remains(heads, command, store, baseline):
    # Each is within tolerance of the next, and the last is not of the first.
    heads.ini(RECALL, CHILD, GRANDCHILD)
    store("recall", baseline(0.9))
    store("tuned", baseline(0.84))
    store("chat", baseline(0.78))
    status, out, _ = command("prune", "--yes")
    assert (status, list(listed(out))) == (0, ["__circuits__/tuned/test_heads/test_heads.json"])
    assert command("prune") == (0, ["nothing to prune among 2 files"], [])


def test_the_nearest_parent_that_has_the_finding_counts(heads, command, store, baseline):
    heads.ini(RECALL, CHILD, GRANDCHILD)
    store("recall", baseline(0.9), baseline(0.9, name="late"))
    store("tuned", baseline(0.5))
    store("chat", baseline(0.5), baseline(0.9, name="late"))
    status, out, _ = command("prune")
    assert (status, listed(out)) == (
        1,
        {
            "__circuits__/chat/test_heads/test_heads.json": (
                "says the same as tuned and recall's: preserved, with the same tolerance"
            )
        },
    )


# What a run would have seen less of


@pytest.mark.parametrize(
    "options",
    [
        "-m 'not circuits'",
        "-k nothing_of_that_name",
        "--deselect test_heads.py::test_heads",
        "--lf",
        "--ff --nf",
        "--sw",
        "-n 2",
        "--circuits",
        "-p no:cacheprovider",
        "--collect-only -q -q",
        "-x --maxfail=1",
    ],
)
def test_a_suites_own_options_do_not_narrow_what_is_collected(heads, command, store, options):
    heads.write("test_plain.py", "def test_fails(): assert False")
    heads.run("test_plain.py")  # so that there is a last failure
    heads.ini(addopts=options)
    store("recall", test="test_gone")
    status, out, errors = command("prune")
    assert (status, list(listed(out)), errors) == (
        1,
        ["__circuits__/recall/test_heads/test_gone.json"],
        [],
    )


def test_a_conftest_that_deselects_does_not_either(heads, command):
    heads.write(
        "conftest.py",
        """
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    items.clear()
    return (yield)
""",
    )
    assert command("prune") == (0, ["nothing to prune among 1 file"], [])


def test_nothing_is_written_and_nothing_is_measured(heads, command, monkeypatch):
    heads.write("test_plain.py", "def test_text(snapshot): assert 'a' == snapshot")
    heads.run("test_plain.py", "--snapshot-update")
    heads.write("test_plain.py", "def test_other(snapshot): pass")
    heads.write("results.xml", "of the last run")
    writers = "--snapshot-update --junitxml=results.xml --circuits-report=reports --sw"
    heads.ini(addopts=f"--circuits {writers}")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    before = every_file(heads.path)
    assert "__snapshots__/test_plain.ambr" in before
    assert command("prune", "--yes") == (0, ["nothing to prune among 1 file"], [])
    assert every_file(heads.path) == before
    assert sys.dont_write_bytecode is False


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("test_heads.py", "import pytest\npytest.skip('not here', allow_module_level=True)"),
        ("test_heads.py", "import pytest\npytest.importorskip('no_such_module')"),
        ("test_heads.py", ""),
        ("conftest.py", "collect_ignore = ['test_heads.py']"),
        ("pytest.ini", f"[pytest]\ncircuits_models = {RECALL}\naddopts = --ignore=test_heads.py"),
    ],
    ids=["skipped", "import missing", "empty", "ignored by conftest", "ignored by option"],
)
def test_the_files_of_a_module_that_gives_no_test_are_left_alone(heads, command, store, name, text):
    heads.write("test_other.py", ONE_TEST)
    heads.write(name, text)
    store("recall", test="test_gone")
    assert command("prune", "--yes") == (
        0,
        [
            "left alone: 2 files of test_heads.py, in which pytest finds no test",
            "nothing to prune among 2 files",
        ],
        [],
    )


def test_where_pytest_does_not_look_nothing_is_pruned(heads, command, store):
    store("recall", module="test_gone", folder=heads.path / "build")
    store("recall", module="test_gone", folder=heads.path / ".hidden")
    assert command("prune", "--yes") == (0, ["nothing to prune among 1 file"], [])


def test_a_suite_below_with_other_models_is_left_alone(heads, command, store):
    heads.write("sub/pytest.ini", "[pytest]\ncircuits_models = other = bundled:recall-regressed")
    heads.write("sub/test_sub.py", ONE_TEST)
    store("other", module="test_sub", folder=heads.path / "sub")
    assert command("prune", "--yes") == (
        0,
        ["left alone: sub, a suite of its own", "nothing to prune among 1 file"],
        [],
    )
    assert command("prune", "sub") == (0, ["nothing to prune among 1 file"], [])


def test_an_ini_below_without_models_makes_no_suite(heads, command, store):
    heads.write("sub/pyproject.toml", "[project]\nname = 'sub'")
    store("recall", module="test_gone", folder=heads.path / "sub")
    status, out, _ = command("prune")
    assert (status, len(listed(out))) == (1, 1)


def test_without_a_path_it_looks_where_pytest_would(heads, command, store):
    heads.write("circuits/test_more.py", ONE_TEST)
    more = store("recall", test="test_gone", module="test_more", folder=heads.path / "circuits")
    store("recall", test="test_gone")
    heads.ini(testpaths="circuits")
    status, out, _ = command("prune")
    assert (status, list(listed(out))) == (1, [str(more.relative_to(heads.path))])
    assert len(listed(command("prune", ".")[1])) == 2


# What it never touches


def test_other_files_and_their_folders_stay(heads, command, store):
    gone = store("recall", module="test_gone")
    others = [
        heads.write(f"__circuits__/recall/test_gone/{name}", "mine")
        for name in ("notes.md", "deep/test_gone.json")
    ]
    others += [
        heads.write(f"__circuits__/{name}", "mine") for name in ("README.md", "recall/loose.json")
    ]
    others.append(heads.write("elsewhere/recall/test_gone/test_gone.json", "mine"))
    assert command("prune", "--yes")[0] == 0
    assert not gone.exists()
    assert [path.exists() for path in others] == [True] * 5


@pytest.mark.skipif(sys.platform == "win32", reason="Windows links need rights")
def test_symbolic_links_are_not_followed(heads, command, store, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    gone = store("recall", module="test_gone", folder=outside)
    link = heads.path / "sub/__circuits__"
    link.parent.mkdir()
    link.symlink_to(outside / "__circuits__", target_is_directory=True)
    alias = heads.path / "__circuits__/old"
    alias.symlink_to(outside / "__circuits__/recall", target_is_directory=True)
    file = heads.path / "__circuits__/recall/test_heads/test_gone.json"
    file.symlink_to(gone)
    assert command("prune", "--yes") == (0, ["nothing to prune among 1 file"], [])
    assert [path.is_symlink() for path in (link, alias, file)] == [True] * 3
    assert gone.exists()


# What it refuses


def refused(heads, command, store, *arguments):
    """What is said of a suite in which there would be something to delete."""
    store("recall", test="test_gone")
    store("old")
    before = heads.stamps()
    status, out, errors = command("prune", "--yes", *arguments)
    assert (status, out) == (2, [])
    assert heads.stamps() == before
    return errors


def test_an_error_of_collection_is_shown_and_nothing_deleted(heads, command, store):
    heads.write("test_broken.py", "import no_such_module")
    heads.write("test_worse.py", "def test_(:")
    first, *words = refused(heads, command, store)
    assert first.startswith("pytest-circuits: pytest can't collect every test")
    assert words == [
        "  test_broken.py: ModuleNotFoundError: No module named 'no_such_module'",
        "  test_worse.py: SyntaxError: invalid syntax",
    ]


def test_a_suite_without_circuit_tests_is_refused(heads, command, store):
    heads.write("test_heads.py", "def test_plain(): pass")
    first, second = refused(heads, command, store)
    assert first.startswith("pytest-circuits: pytest finds no circuit test here")
    assert second == "Name the folder that you run `pytest --circuits` on."


def test_a_suite_without_tests_is_refused(heads, command, store):
    (heads.path / "test_heads.py").unlink()
    assert "finds no circuit test here" in refused(heads, command, store)[0]


@pytest.mark.parametrize(
    ("ini", "said"),
    [
        ("addopts = -p no:circuits", "ERROR: the plugin is switched off here (-p no:circuits)"),
        ("markers = slow", "ERROR: pytest.ini declares no models (circuits_models)"),
        ("circuits_models = recall", "ERROR: pytest.ini: circuits_models has 'recall'; a line is"),
        ("addopts = --no-such-option", "error: unrecognized arguments: --no-such-option"),
    ],
    ids=["switched off", "no models", "no line of a model", "no option"],
)
def test_a_suite_that_pytest_refuses_is_refused_in_its_words(heads, command, store, ini, said):
    heads.write("pytest.ini", f"[pytest]\n{ini}")
    first, *words = refused(heads, command, store)
    assert first == "pytest-circuits: pytest could not collect tests:"
    assert any(said in line for line in words), words
    assert not any("Traceback" in line for line in words)


@pytest.mark.parametrize("path", ["nowhere", "test_heads.py"])
def test_only_a_folder_can_be_pruned(heads, command, store, path):
    assert refused(heads, command, store, path) == [f"pytest-circuits: there is no folder {path}"]


def test_a_file_that_cannot_be_read_is_named_and_left(heads, command, store):
    heads.ini(RECALL, CHILD)
    broken = store("tuned")
    broken.write_text("{")
    gone = store("recall", test="test_gone")
    status, out, errors = command("prune", "--yes")
    assert (status, out[-1]) == (3, "deleted 1 file of 3")
    assert errors[0].startswith(f"{broken}:1: is not JSON")
    assert (broken.exists(), gone.exists()) == (True, False)


def test_a_file_that_cannot_be_read_and_has_no_owner_is_pruned(heads, command, store):
    store("recall", test="test_gone").write_text("{")
    assert command("prune", "--yes")[0] == 0
    assert len(heads.baseline_files()) == 1


def test_a_file_that_cannot_be_deleted_is_named(heads, command, store, monkeypatch):
    gone = [store("recall", test=test) for test in ("test_gone", "test_lost")]
    unlink = Path.unlink

    def refuse_one(path, missing_ok=False):  # noqa: FBT002
        if path == gone[0]:
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_one)
    status, out, errors = command("prune", "--yes")
    assert (status, out[-1]) == (3, "deleted 1 file of 3")
    assert errors == [f"{gone[0]}: can't be deleted (Permission denied)."]
    assert [path.exists() for path in gone] == [True, False]


# As a user runs it


def test_as_a_command_it_needs_no_model_and_minds_no_warning_filter(heads, store):
    heads.ini(filterwarnings="error", addopts="--circuits")
    store("recall", test="test_gone")
    code = """
import sys
from pytest_circuits.cli import main
status = main(["prune"])
print(status, sorted({"torch", "transformer_lens", "transformers"} & set(sys.modules)))
"""
    result = heads.pytester.run(sys.executable, "-c", code)
    assert result.outlines[-1] == "1 []"
    assert result.errlines == []


def test_paths_are_shown_from_the_working_directory(heads, command, store, monkeypatch):
    store("recall", test="test_gone")
    elsewhere = heads.path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    _, out, _ = command("prune", os.pardir)
    assert list(listed(out)) == [str(heads.path / "__circuits__/recall/test_heads/test_gone.json")]
