"""pytest-circuits prune: the baseline files that nobody needs, and no others."""

import os
import sys
from pathlib import Path

import pytest
from circuit_suites import ONE_TEST, RECALL
from handmade_pending import left

EMPTY = '{"schema": "urn:pytest-circuits:baseline-file:1", "findings": []}'
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


def test_a_file_that_equals_its_parents_is_listed(heads, command, store, baseline):
    heads.ini(RECALL, CHILD)
    # Numbers may be one unit of their last stored place apart.
    store("tuned", baseline(0.9001, provenance={"source": "bundled:recall-finetuned"}))
    assert command("prune") == (
        1,
        [
            "__circuits__/tuned/test_heads/test_heads.json",
            "  equals recall's",
            "1 file of 2 can be deleted: add --yes",
        ],
        [],
    )


@pytest.mark.parametrize(
    "other",
    [{"value": 0.5}, {"value": 0.91}, {"loss": 1.01}, {"tolerance": 0.3}, {"name": "late"}],
    ids=["value", "value within tolerance", "behaviour within tolerance", "tolerance", "name"],
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
    # Each is within a unit of the next, and the last is not of the first.
    heads.ini(RECALL, CHILD, GRANDCHILD)
    store("recall", baseline(0.9))
    store("tuned", baseline(0.9001))
    store("chat", baseline(0.9002))
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
        {"__circuits__/chat/test_heads/test_heads.json": "equals tuned and recall's"},
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


PARAMETERS_OF_THE_FLAG = """
import pytest

def pytest_generate_tests(metafunc):
    if "block" in metafunc.fixturenames:
        circuits = metafunc.config.getoption("circuits")
        metafunc.parametrize("block", [8, 16] if circuits else [])

def test_heads(circuit_snapshot, block):
    pass
"""


@pytest.mark.parametrize("reference", ["bundled:recall", "./not/on/this/machine", "bundled:?"])
def test_tests_that_are_there_with_circuits_alone_own_their_files(heads, command, store, reference):
    heads.ini(f"recall = {reference}")
    heads.write("test_blocks.py", PARAMETERS_OF_THE_FLAG)
    heads.write("conftest.py", """
def pytest_ignore_collect(collection_path, config):
    if collection_path.name == "test_large.py" and not config.getoption("circuits"):
        return True
""")  # fmt: skip
    heads.write("test_large.py", ONE_TEST)
    for parameters in ("8", "16", "32"):
        store("recall", module="test_blocks", parameters=parameters)
    store("recall", module="test_large")
    status, out, errors = command("prune")
    assert (status, list(listed(out)), errors) == (
        1,
        ["__circuits__/recall/test_blocks/test_heads[32].json"],
        [],
    )
    assert out[-1] == "1 file of 5 can be deleted: add --yes"


@pytest.mark.parametrize("mark", ["skip", "xfail"])
def test_a_module_whose_tests_have_no_parameters_now_is_left_alone(heads, command, store, mark):
    heads.ini(empty_parameter_set_mark=mark)
    heads.write("test_blocks.py", """
import pytest

@pytest.mark.parametrize("block", [])
def test_heads(circuit_snapshot, block):
    pass

def test_other(circuit_snapshot):
    pass
""")  # fmt: skip
    store("recall", module="test_blocks", parameters="16")
    store("recall", module="test_blocks", test="test_gone")
    assert command("prune", "--yes") == (
        0,
        [
            "left alone: 2 files of test_blocks.py, in which a test has an empty set of",
            "  parameters",
            "nothing to prune among 3 files",
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


def test_folders_that_overlap_are_counted_once(heads, command, store):
    heads.write("sub/test_more.py", ONE_TEST)
    store("recall", module="test_more", folder=heads.path / "sub")
    store("recall", module="test_more", test="test_gone", folder=heads.path / "sub")
    heads.write("sub/deep/pytest.ini", f"[pytest]\ncircuits_models = {RECALL}")
    heads.ini(testpaths="sub . sub")
    status, out, _ = command("prune")
    assert (status, list(listed(out))) == (1, ["sub/__circuits__/recall/test_more/test_gone.json"])
    assert out[2:] == [
        "left alone: sub/deep, a suite of its own",
        "1 file of 3 can be deleted: add --yes",
    ]


# What is pending


PENDING = "__circuits__/.pending/recall/test_heads/test_gone.json"


def test_what_is_pending_of_tests_that_are_there_is_kept(heads, command, baseline):
    path = left(baseline(0.5))
    assert command("prune", "--yes") == (0, ["nothing to prune among 1 file"], [])
    assert path.exists()


def test_what_is_pending_of_tests_that_are_gone_is_listed_and_counted_apart(
    heads, command, baseline
):
    gone = left(baseline(), test="test_gone")
    assert command("prune") == (
        1,
        [
            PENDING,
            "  pending, and test_heads.py has no circuit test of that name",
            "1 pending file can be deleted: add --yes",
        ],
        [],
    )
    assert gone.exists()
    status, out, _ = command("prune", "--yes")
    assert (status, out[-1]) == (0, "deleted 1 pending file")
    assert list(heads.baseline_files()) == ["recall/test_heads/test_heads.json"]
    assert command("review") == (0, ["nothing pending"], [])


def test_what_is_pending_goes_with_the_baselines_and_their_folders(heads, command, store, baseline):
    deep = heads.path / "sub"
    store("recall", module="test_gone", folder=deep)
    left(baseline(0.5), module="test_gone", folder=deep)
    left(baseline(0.5), module="test_gone", test="test_other", folder=deep)
    (deep / "test_gone.py").unlink()
    status, out, _ = command("prune")
    assert status == 1
    assert [line.strip() for line in out[1::2]] == [
        "there is no test_gone.py",
        "pending, and there is no test_gone.py",
        "pending, and there is no test_gone.py",
    ]
    assert out[-1] == "1 file of 2 and 2 pending files can be deleted: add --yes"
    status, out, _ = command("prune", "--yes")
    assert (status, out[-1]) == (0, "deleted 1 file of 2 and 2 pending files")
    assert list(deep.iterdir()) == []


def test_what_is_pending_of_a_model_that_nobody_declares_is_listed(heads, command, baseline):
    left(baseline(), alias="old")
    assert command("prune")[1][1] == "  pending, and no model 'old' is declared"


def test_what_is_pending_is_left_alone_where_nothing_is_known_of_its_module(
    heads, command, baseline, store
):
    heads.write("test_other.py", ONE_TEST)
    heads.write("test_heads.py", "import pytest\npytest.importorskip('no_such_module')")
    heads.write("sub/pytest.ini", "[pytest]\ncircuits_models = other = bundled:recall-regressed")
    paths = [
        left(baseline(0.5)),
        left(baseline(), alias="other", module="test_sub", folder=heads.path / "sub"),
        left(baseline(), module="test_gone", folder=heads.path / "build"),
    ]
    assert command("prune", "--yes")[0] == 0
    assert [path.exists() for path in paths] == [True] * 3


def test_a_pending_file_that_cannot_be_read_is_named_and_left(heads, command, baseline):
    broken = left(baseline(), test="test_gone")
    broken.write_text("{")
    status, out, errors = command("prune", "--yes")
    assert (status, out) == (3, ["nothing to prune among 1 file"])
    assert errors[0].startswith(f"{broken}: line 1: is not JSON")
    assert broken.exists()


def test_a_pending_file_that_cannot_be_deleted_is_named(heads, command, baseline, monkeypatch):
    gone = left(baseline(), test="test_gone")
    unlink = Path.unlink

    def refuse_one(path, missing_ok=False):  # noqa: FBT002
        if path == gone:
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_one)
    status, out, errors = command("prune", "--yes")
    assert (status, out[-1]) == (3, "deleted 0 pending files")
    assert errors == [f"{gone}: can't be deleted (Permission denied)."]


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


@pytest.mark.parametrize("text", ["{}", "[]", '"text"', '{"prompts": ["a"]}'])
def test_json_of_somebody_elses_stays_where_baselines_lie(heads, command, store, text):
    gone = store("recall", module="test_gone")
    other = heads.write("__circuits__/recall/test_gone/prompts.json", text)
    status, out, errors = command("prune", "--yes")
    assert (status, out[2:], errors) == (
        0,
        [
            "left alone: __circuits__/recall/test_gone/prompts.json, which is no baseline",
            "  file",
            "deleted 1 file of 3",
        ],
        [],
    )
    assert (gone.exists(), other.exists()) == (False, True)


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
        ("circuits_models = recall", "ERROR: pytest.ini: circuits_models has 'recall'; a line is"),
        ("addopts = --no-such-option", "error: unrecognized arguments: --no-such-option"),
    ],
    ids=["no line of a model", "no option"],
)
def test_a_suite_that_pytest_refuses_is_refused_in_its_words(heads, command, store, ini, said):
    heads.write("pytest.ini", f"[pytest]\n{ini}")
    first, *words = refused(heads, command, store)
    assert first == "pytest-circuits: pytest could not collect tests:"
    assert any(said in line for line in words), words
    assert not any("Traceback" in line for line in words)


@pytest.mark.parametrize(
    ("ini", "said"),
    [
        ("addopts = -p no:circuits", "the plugin is switched off here (-p no:circuits)"),
        (
            "markers = slow",
            "circuits_models is not set (pytest.ini), and only declared models own baselines",
        ),
    ],
    ids=["switched off", "no models"],
)
def test_a_suite_whose_runs_have_no_baselines_is_refused_in_a_sentence(
    heads, command, store, ini, said
):
    heads.write("pytest.ini", f"[pytest]\n{ini}")
    assert refused(heads, command, store) == [f"pytest-circuits: {said}"]


def test_without_an_ini_no_models_are_declared(heads, command, store):
    (heads.path / "pytest.ini").unlink()
    (said,) = refused(heads, command, store)
    assert said.startswith("pytest-circuits: circuits_models is not set (no ini file), and only")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", "there is no folder nowhere"),
        ("test_heads.py", "test_heads.py is a file: name a folder"),
    ],
)
def test_only_a_folder_can_be_pruned(heads, command, store, path, said):
    assert refused(heads, command, store, path) == [f"pytest-circuits: {said}"]


def test_a_file_that_cannot_be_read_is_named_and_left(heads, command, store):
    heads.ini(RECALL, CHILD)
    broken = store("tuned")
    broken.write_text("{")
    gone = store("recall", test="test_gone")
    status, out, errors = command("prune", "--yes")
    assert (status, out[-1]) == (3, "deleted 1 file of 3")
    assert errors[0].startswith(f"{broken}:1: is not JSON")
    assert (broken.exists(), gone.exists()) == (True, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("<<<<<<< HEAD\n", "has a merge conflict"),
        ('{"schema": "of tomorrow", "findings": []}', "schema 'of tomorrow'"),
        ('{"schema_version": 2, "findings": []}', "schema version 2"),
        (EMPTY.replace("[]", "{}"), "has no list of named findings"),
        (EMPTY.replace("[]", '[{"name": ""}]'), "is damaged"),
    ],
    ids=["cut short", "conflict", "tomorrow's", "before the release", "no findings", "damaged"],
)
def test_a_file_that_cannot_be_read_stays_though_nobody_owns_it(heads, command, store, text, said):
    broken = store("recall", test="test_gone")
    broken.write_text(text)
    status, out, errors = command("prune", "--yes")
    assert (status, out) == (3, ["nothing to prune among 2 files"])
    assert errors[0].startswith(str(broken))
    assert said in errors[0]
    assert broken.exists()


def test_empty_files_are_ours(heads, command, store):
    store("recall", test="test_gone")
    store("recall", test="test_lost").write_text(EMPTY)
    status, out, _ = command("prune", "--yes")
    assert (status, out[-1]) == (0, "deleted 2 files of 3")


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
