"""Pending files: what they hold, what is wrong with those that can't be read, and their folders."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from circuit_suites import in_fresh_python
from handmade_pending import left, names_in, place_of

from pytest_circuits.baselines import Baseline, Location, walk, write
from pytest_circuits.baselines.pending import PendingError, PendingTest, read_pending
from pytest_circuits.baselines.pending_files import (
    PENDING,
    accept,
    drop,
    leave,
    pending_path,
    walk_pending,
)
from pytest_circuits.baselines.writing import write_text
from pytest_circuits.findings import Direction, Finding
from pytest_circuits.verdicts import default_tolerance


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def baseline(value=0.9, name=""):
    finding = Finding(
        "induction_scores", "induction score", "attention probability", Direction.HIGHER,
        (), np.array(value), np.array(0.01), 3, 3, {"block": 4}, {"kind": "repeated tokens"},
    )  # fmt: skip
    return Baseline(name, finding, default_tolerance(finding))


def test_what_is_left_is_read_back():
    write(place_of().path, [baseline(0.9)])
    path = left(baseline(0.5), failure="AssertionError: no", warning="few prompts")
    test = read_pending(path)
    (pending,) = test.findings
    assert test.test == "test_heads.py::test_heads[recall]"
    assert pending.verdict == "weakened"
    assert pending.held_against.owner == "recall"
    assert (pending.failure, pending.warning) == ("AssertionError: no", "few prompts")
    assert pending.baseline.dumps() == baseline(0.5).dumps()
    assert test.dumps() == path.read_text()


def test_there_is_nothing_in_a_file_that_is_not_there():
    assert read_pending(Path("nowhere.json")) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.update(pending_version=2), "is no pending file of this pytest-circuits, or"),
        (
            lambda d: d.update(baseline_schema="another"),
            "is no pending file of this pytest-circuits, or",
        ),
        (lambda d: d.pop("test"), "is damaged ('test' is missing)"),
        (lambda d: d.update(findings={}), "is damaged (findings is no list)"),
        (lambda d: d.update(findings=["text"]), "is damaged ("),
        (lambda d: d["findings"][0].update(verdict="fine"), "is damaged ('fine' is not a valid"),
        (lambda d: d["findings"][0].update(headline=None), "is damaged (headline is no str)"),
        (lambda d: d["findings"][0].update(lines=[1]), "is damaged (lines are no texts)"),
        (lambda d: d["findings"][0].update(held_against="recall"), "is damaged (owner is no str)"),
        (lambda d: d["findings"][0].pop("baseline"), "is damaged ('baseline' is missing)"),
        (lambda d: d["findings"][0]["baseline"].pop("name"), "is damaged ('name' is missing)"),
        (lambda d: d["findings"][0]["baseline"].pop("unit"), "is damaged (the baseline 'of this"),
    ],
)
def test_damage_is_named_with_the_file_and_what_to_do(change, says):
    path = left(baseline())
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(PendingError) as error:
        read_pending(path)
    first, second = str(error.value).splitlines()
    assert first.startswith(f"{path}: {says}")
    assert second == (
        "Delete the file, or measure again with `pytest --circuits --circuits-pending`."
    )


@pytest.mark.parametrize("text", [b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_pending_file_is_refused_in_a_sentence(text):
    path = left(baseline())
    path.write_bytes(text)
    with pytest.raises(PendingError, match=r"Delete the file, or measure again"):
        read_pending(path)


def test_a_folder_is_no_pending_file():
    path = left(baseline())
    path.unlink()
    path.mkdir()
    with pytest.raises(PendingError, match="can't be read"):
        read_pending(path)


# Which files are pending files


def test_they_are_found_below_a_folder_and_are_no_baselines(tmp_path):
    left(baseline())
    left(baseline(), alias="tuned", folder=tmp_path / "deep/er")
    write(place_of().path, [baseline()])
    assert list(walk(tmp_path)) == [place_of()]
    everything = [place_of(), place_of("tuned", folder=tmp_path / "deep/er")]
    assert list(walk_pending(tmp_path)) == everything
    assert list(walk_pending(tmp_path / "__circuits__")) == everything[:1]
    assert [Location.of(pending_path(place)) for place in everything] == [None, None]


@pytest.mark.parametrize("name", [".venv", "node_modules", ".git"])
def test_they_are_not_looked_for_where_no_suite_is(tmp_path, name):
    left(baseline(), folder=tmp_path / name)
    left(baseline(), folder=tmp_path / "env")
    (tmp_path / "env/pyvenv.cfg").write_text("")
    assert list(walk_pending(tmp_path)) == []
    assert list(walk_pending(tmp_path / name)) == [place_of(folder=tmp_path / name)]


def test_other_files_beside_them_are_none(tmp_path):
    path = left(baseline())
    (path.parent / "notes.md").write_text("mine")
    (path.parents[1] / "loose.json").write_text("{}")
    (path.parent / "deep").mkdir()
    (path.parent / "deep/test_heads.json").write_text("{}")
    assert list(walk_pending(tmp_path)) == [place_of()]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows links need rights")
def test_symbolic_links_are_not_followed(tmp_path):
    path = left(baseline())
    (path.parent / "test_other.json").symlink_to(path)
    (tmp_path / "suite").symlink_to(tmp_path, target_is_directory=True)
    assert list(walk_pending(tmp_path)) == [place_of()]


# How they go


def test_the_last_one_takes_its_folders_with_it(tmp_path):
    first, second = left(baseline(), test="test_a"), left(baseline(), alias="tuned")
    for path, place in ((first, place_of(test="test_a")), (second, place_of("tuned"))):
        assert path.exists()
        drop(place, read_pending(path).findings[0])
        assert (tmp_path / "__circuits__").exists() == (path == first)


def test_folders_with_anything_else_in_them_stay(tmp_path):
    path = left(baseline())
    other = tmp_path / "__circuits__" / PENDING / "notes.md"
    other.write_text("mine")
    drop(place_of(), read_pending(path).findings[0])
    assert (other.read_text(), path.parent.exists()) == ("mine", False)
    assert (other.parent / ".gitignore").read_text() == "*\n"


def test_a_gitignore_that_is_there_stays_as_it_is(tmp_path):
    ignore = tmp_path / "__circuits__" / PENDING / ".gitignore"
    ignore.parent.mkdir(parents=True)
    ignore.write_text("*.json\n")
    left(baseline())
    assert ignore.read_text() == "*.json\n"


def test_what_another_run_left_meanwhile_is_not_dropped():
    path = left(baseline(0.5))
    (seen,) = read_pending(path).findings
    left(baseline(0.4), baseline(0.3, "late"))
    drop(place_of(), seen)
    assert names_in(path) == ["", "late"]


def test_processes_that_leave_and_take_files_at_once_lose_none(tmp_path):
    """The folders of the one are tidied away while the other writes into them."""
    code = """
import sys
from pathlib import Path
from pytest_circuits.baselines import Location
from pytest_circuits.baselines.pending import PendingTest, read_pending
from pytest_circuits.baselines.pending_files import leave, pending_path
test = read_pending(Path("sub", "pending.json"))
place = Location(Path.cwd(), "recall", "test_heads", sys.argv[1])
for _ in range(100):
    leave(place, test, compared=None)
    assert pending_path(place).exists()
    leave(place, PendingTest("", ()), compared=None)
leave(place, test, compared=None)
"""
    (tmp_path / "sub").mkdir()
    left(baseline()).replace(tmp_path / "sub/pending.json")
    runs = [
        subprocess.Popen([sys.executable, "-c", code, name], stderr=subprocess.PIPE, text=True)
        for name in ("test_a", "test_b")
    ]
    assert [run.communicate()[1] for run in runs] == ["", ""]
    assert [place.name for place in walk_pending(tmp_path)] == ["test_a", "test_b"]
    assert (tmp_path / "__circuits__" / PENDING / ".gitignore").exists()


def test_a_folder_that_goes_while_it_is_made_is_made_again(monkeypatch):
    errors = [FileExistsError(17, "File exists"), FileNotFoundError(2, "No such file")]

    def write_later(path, text):
        if errors:
            raise errors.pop()
        write_text(path, text)

    monkeypatch.setattr("pytest_circuits.baselines.pending_files.write_text", write_later)
    assert left(baseline()).exists()


# How one becomes a baseline


def test_a_crash_between_both_steps_loses_nothing(monkeypatch):
    write(place_of().path, [baseline(0.9), baseline(0.9, "late")])
    path = left(baseline(0.5), baseline(0.4, "late"))
    first, late = read_pending(path).findings

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pytest_circuits.baselines.pending_files.drop", stop)
        with pytest.raises(KeyboardInterrupt):
            accept(place_of(), first)
    assert names_in(path) == ["", "late"]
    approved = place_of().path.read_text()
    accept(place_of(), first)
    assert place_of().path.read_text() == approved
    assert names_in(path) == ["late"]
    accept(place_of(), late)
    assert not pending_path(place_of()).exists()


def test_an_accepted_one_stands_where_its_baseline_stood():
    others = [baseline(0.7, "before"), baseline(0.9), baseline(0.8, "after")]
    write(place_of().path, others)
    path = left(baseline(0.5))
    accept(place_of(), read_pending(path).findings[0])
    entries = json.loads(place_of().path.read_text())["findings"]
    assert [(entry["name"], entry["values"]) for entry in entries] == [
        ("before", 0.7), ("", 0.5), ("after", 0.8),
    ]  # fmt: skip


def entry_names():
    return [entry["name"] for entry in json.loads(place_of().path.read_text())["findings"]]


@pytest.mark.parametrize("order", list(permutations(["", "b", "c"])), ids=",".join)
def test_new_ones_stand_behind_what_was_there_in_the_order_of_their_test(order):
    write(place_of().path, [baseline(0.9, "last"), baseline(0.9, "first")])
    found = [baseline(0.5, name) for name in ("", "first", "b", "last", "c")]
    path = left(*found)
    for name in (*order, "first", "last"):
        (pending,) = [p for p in read_pending(path).findings if p.name == name]
        accept(place_of(), pending)
    assert entry_names() == ["last", "first", "", "b", "c"]


def test_of_a_model_that_inherits_new_ones_have_the_order_of_their_test_too():
    write(place_of().path, [baseline(0.9), baseline(0.9, "b")])
    path = left(baseline(0.5), baseline(0.4, "b"), alias="tuned", owners=("tuned", "recall"))
    for pending in reversed(read_pending(path).findings):
        accept(place_of("tuned"), pending)
    assert place_of("tuned").path.read_text().index('"name": ""') < place_of(
        "tuned"
    ).path.read_text().index('"name": "b"')


def test_findings_of_which_a_run_says_nothing_stay():
    path = left(baseline(0.5), baseline(0.4, "late"))
    findings = read_pending(path).findings
    fresh = replace(findings[0], headline="fresh")
    leave(place_of(), PendingTest("t", (fresh,)), compared={""})
    assert [(p.name, p.headline) for p in read_pending(path).findings] == [
        ("", "fresh"),
        ("late", findings[1].headline),
    ]


def measured_with(found, **provenance):
    return replace(found, finding=replace(found.finding, provenance=provenance))


@pytest.mark.parametrize(
    ("now", "stays"),
    [
        ({"source": "a", "weights": "1", "device": "cuda"}, True),
        ({"source": "b", "weights": "1"}, False),
        ({"source": "a", "weights": "2"}, False),
    ],
)
def test_they_stay_only_beside_findings_of_the_same_model(now, stays):
    late = measured_with(baseline(0.4, "late"), source="a", weights="1", device="cpu")
    path = left(late)
    left(measured_with(baseline(0.5), **now), compared={""})
    assert names_in(path) == ["", *(["late"] if stays else [])]


def test_the_settings_know_the_folder_that_no_alias_may_have():
    from pytest_circuits.session import settings

    assert settings._PENDING == PENDING


def test_reading_them_needs_no_model():
    code = """
import sys
import pytest_circuits.baselines.pending_files
print(sorted({"torch", "transformers", "pytest", "syrupy"} & set(sys.modules)))
"""
    assert in_fresh_python(code) == "[]\n"
