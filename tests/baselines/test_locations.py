"""Which test a baseline file is of, and which files are baselines."""

from pathlib import Path

import pytest

from pytest_circuits.baselines import Location, baseline_path, file_name, walk

FOLDER = Path("suite/circuits")


def location(test="TestHeads.test_induction", parameters="", alias="gpt2"):
    return Location(FOLDER, alias, "test_heads", file_name(test, parameters))


def test_a_path_and_its_location_are_the_same_thing():
    path = FOLDER / "__circuits__/gpt2/test_heads/TestHeads.test_induction[16].json"
    found = Location.of(path)
    assert found == Location(FOLDER, "gpt2", "test_heads", "TestHeads.test_induction[16]")
    assert found.path == path
    assert found.of_alias("tuned").path == path.parents[2] / "tuned/test_heads" / path.name
    assert baseline_path(FOLDER / "test_heads.py", "gpt2", found.name) == path


def test_a_suite_may_lie_in_the_working_directory():
    assert Location.of(Path("__circuits__/gpt2/test_heads/test_a.json")).folder == Path()


@pytest.mark.parametrize(
    "path",
    [
        "suite/__circuits__/gpt2/test_heads/test_a.txt",
        "suite/__circuits__/gpt2/test_heads.json",
        "suite/__circuits__/gpt2/test_heads/deep/test_a.json",
        "suite/elsewhere/gpt2/test_heads/test_a.json",
        "gpt2/test_heads/test_a.json",
        "test_a.json",
    ],
)
def test_other_paths_are_no_baselines(path):
    assert Location.of(Path(path)) is None


@pytest.mark.parametrize(
    ("test", "parameters", "named"),
    [
        ("test_induction", "", "test_induction"),
        ("test_induction", "16", "test_induction"),
        ("test_induction", "16", "test_induction[16]"),
        ("TestHeads.test_induction", "", "test_induction"),
        ("TestHeads.test_induction", "", "TestHeads.test_induction"),
        ("TestHeads.test_induction", "16-a.b", "test_induction[16-a.b]"),
        ("TestHeads.test_induction", "16", "TestHeads.test_induction"),
        # Names that a file can't have as they are.
        ("test_induction", "a/B", "test_induction"),
        ("test_induction", "a/B", "test_induction[a/B]"),
        ("test_Induction", "", "test_Induction"),
        ("test_Induction", "16", "test_Induction"),
        ("TestHeads.test_Induction", "", "test_Induction"),
        ("test_" + "n" * 250, "", "test_" + "n" * 250),
        # As pytest prints them.
        ("test_induction", "", "test_heads.py::test_induction[gpt2]"),
        ("test_induction", "", "circuits/test_heads.py::test_induction"),
        ("test_induction", "", "./suite/circuits/test_heads.py::test_induction"),
        ("test_induction", "16", "test_heads.py::test_induction[16-gpt2]"),
        ("test_induction", "16", "test_induction[16-gpt2]"),
        ("test_induction", "a::b", "test_heads.py::test_induction[a::b-gpt2]"),
        ("TestHeads.TestDeep.test_a", "", "test_heads.py::TestHeads::TestDeep::test_a[gpt2]"),
        ("TestHeads.TestDeep.test_a", "", "TestHeads::TestDeep::test_a"),
    ],
)
def test_a_file_is_of_the_test_that_somebody_names(test, parameters, named):
    assert location(test, parameters).is_of(named)


@pytest.mark.parametrize(
    ("test", "parameters", "named"),
    [
        ("test_induction", "", "test_induct"),
        ("test_induction", "", "induction"),
        ("test_induction", "", "test_induction_heads"),
        ("test_induction", "", "TestHeads.test_induction"),
        ("TestHeads.test_induction", "", "TestOther.test_induction"),
        ("test_induction", "16", "test_induction[8]"),
        ("test_induction", "", "test_induction[16]"),
        ("test_induction", "16", "test_induction[gpt2]"),
        ("test_Induction", "", "test_induction"),
        ("test_induction", "", "test_other.py::test_induction"),
        ("test_induction", "", "other/test_heads.py::test_induction"),
        ("test_induction", "", ""),
    ],
)
def test_and_of_no_other(test, parameters, named):
    assert not location(test, parameters).is_of(named)


def test_a_walk_finds_baselines_in_order_and_nothing_else(tmp_path):
    wanted = [
        "__circuits__/a/test_heads/test_a.json",
        "__circuits__/a/test_heads/test_b.json",
        "__circuits__/b/test_heads/test_a.json",
        "sub/__circuits__/a/test_heads/test_a.json",
    ]
    others = [
        "__circuits__/a/test_heads/notes.txt",
        "__circuits__/loose.json",
        "sub/data.json",
        "skipped/__circuits__/a/test_heads/test_a.json",
    ]
    for name in [*reversed(wanted), *others]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = walk(tmp_path, lambda folder: folder == tmp_path / "skipped")
    assert [at.path.relative_to(tmp_path).as_posix() for at in found] == wanted


def test_a_walk_stays_out_of_no_models_folder(tmp_path):
    path = baseline_path(tmp_path / "test_heads.py", ".hidden", "test_a")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    found = walk(tmp_path, lambda folder: folder.name.startswith("."))
    assert [at.alias for at in found] == [".hidden"]
