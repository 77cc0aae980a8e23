"""pytest-circuits history: what commits did to a test's baselines, without a model."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from circuit_suites import in_fresh_python

from pytest_circuits.baselines import baseline_path

EMPTY = '{"schema": "urn:pytest-circuits:baseline-file:1", "findings": []}'


FILE = "__circuits__/recall/test_heads/test_heads.json"


def test_every_commit_has_its_verdict_newest_first(repository, command, store, baseline):
    store("recall", baseline(0.9))
    first = repository.commit("Approve the heads")
    store("recall", baseline(0.6, loss=2.5))
    second = repository.commit("Approve the new checkpoint")
    store("recall", baseline(0.95, loss=1.0))
    third = repository.commit("A better one")
    assert command("history", "test_heads") == (
        0,
        [
            FILE,
            f"{third} strengthened A better one",
            "                    repeat loss improved 2.50 → 1.00; L0H1 0.60→0.95",
            f"{second} weakened     Approve the new checkpoint",
            "                    repeat loss rose 1.00 → 2.50; L0H1 0.90→0.60",
            f"{first} new          Approve the heads",
            "                    1 head, L0H1 0.90; repeat loss 1.00",
        ],
        [],
    )


def test_what_was_within_the_tolerance_of_its_time_is_preserved(
    repository, command, store, baseline
):
    store("recall", baseline(0.9, tolerance=0.5))
    repository.commit("Approve the heads, generously")
    store("recall", baseline(0.6))
    repository.commit("Approve less, and allow less")
    store("recall", baseline(0.5))
    repository.commit("Approve even less")
    _, out, _ = command("history", "test_heads")
    assert [line.split()[2] for line in out[1::2]] == ["weakened", "preserved", "new"]


def test_a_file_that_was_deleted_and_came_back_says_both(repository, command, store, baseline):
    path = store("recall", baseline(0.9))
    repository.commit("Approve the heads")
    path.unlink()
    deleted = repository.commit("Nobody needs it")
    assert command("history", "test_heads")[1][:3] == [
        FILE,
        f"{deleted} deleted      Nobody needs it",
        "                    1 head, L0H1 0.90; repeat loss 1.00",
    ]
    store("recall", baseline(0.5))
    repository.commit("Somebody does")
    _, out, _ = command("history", "test_heads")
    assert [line.split()[2] for line in out[1::2]] == ["new", "deleted", "new"]


def test_every_finding_that_a_commit_changed_has_its_line(repository, command, store, baseline):
    store("recall", baseline(0.9), baseline(0.9, name="late"), baseline(0.9, name="deep"))
    repository.commit("Approve three findings")
    store("recall", baseline(0.88), baseline(0.5, name="late"), baseline(0.9, name="deep"))
    both = repository.commit("Two of them changed")
    store("recall", baseline(0.7, name="late"))
    one = repository.commit("One of them changed")
    _, out, _ = command("history", "test_heads")
    assert out[1:6] == [
        f"{one} strengthened One of them changed",
        "                    late: L0H1 0.50→0.70",
        f"{both} weakened     Two of them changed",
        "                    preserved: 1 head, L0H1 0.88; repeat loss 1.00",
        "                    weakened: late: L0H1 0.90→0.50; behaviour held",
    ]
    assert len(out) == 10


def test_a_finding_that_left_the_file_is_deleted(repository, command, store, baseline):
    path = store("recall", baseline(0.9), baseline(0.9, name="late"))
    repository.commit("Approve two findings")
    document = json.loads(path.read_text())
    del document["findings"][1]
    path.write_text(json.dumps(document))
    repository.commit("Forget one of them")
    _, out, _ = command("history", "test_heads")
    assert out[1].split()[2] == "deleted"
    assert out[2].strip() == "late: 1 head, L0H1 0.90; repeat loss 1.00"


def test_a_finding_that_is_called_otherwise_is_renamed(repository, command, store):
    path = store("recall")
    repository.commit("Approve the heads")
    edit(path, name="late")
    renamed = repository.commit("A better name")
    assert command("history", "test_heads")[1][1:3] == [
        f"{renamed} renamed      A better name",
        "                    late: 1 head, L0H1 0.90; repeat loss 1.00; was test_heads",
    ]


def test_what_was_only_recorded_anew_is_listed_where_nothing_else_changed(
    repository, command, store, baseline
):
    path = store("recall", baseline(0.9), baseline(0.9, name="late"))
    repository.commit("Approve two findings")
    edit(path, recorded_with={"device": "cuda"})
    repository.commit("Measure on another device")
    store("recall", baseline(0.9), baseline(0.6, name="late"))
    repository.commit("Measure both again")
    out = [line.strip() for line in command("history", "test_heads")[1]]
    assert out[2] == "late: L0H1 0.90→0.60; behaviour held"
    assert out[4:6] == [
        "preserved: 1 head, L0H1 0.90; repeat loss 1.00",
        "preserved: late: 1 head, L0H1 0.90; repeat loss 1.00",
    ]


def edit(path, **fields):
    """Set fields of a file's first finding in place."""
    document = json.loads(path.read_text(encoding="utf-8"))
    document["findings"][0].update(fields)
    path.write_text(json.dumps(document), encoding="utf-8")


def test_the_files_of_several_models_come_one_after_the_other(repository, command, store):
    store("recall")
    store("other")
    store("recall", test="test_other")
    repository.commit("Approve the heads")
    status, out, _ = command("history", "test_heads")
    assert (status, out[0], out[3], out[4]) == (
        0,
        "__circuits__/other/test_heads/test_heads.json",
        "",
        FILE,
    )
    assert len(out) == 7
    _, only, _ = command("history", "test_heads", "--alias", "recall")
    assert only == out[4:]


@pytest.mark.parametrize(
    "named",
    [
        "test_deep[16]",
        "TestHeads.test_deep[16]",
        "test_heads.py::TestHeads::test_deep[16-recall]",
        "sub/test_heads.py::TestHeads::test_deep[16-recall]",
    ],
)
def test_a_test_has_many_names(repository, command, store, named):
    for parameters in ("16", "8"):
        store(
            "recall",
            test="TestHeads.test_deep",
            parameters=parameters,
            folder=repository.path / "sub",
        )
    repository.commit("Approve the heads")
    status, out, _ = command("history", named)
    path = "sub/__circuits__/recall/test_heads/TestHeads.test_deep[16].json"
    assert (status, out[0], len(out)) == (0, path, 3)
    assert len(command("history", "test_deep")[1]) == 7


def test_only_the_folder_that_is_named_is_looked_at(repository, command, store, monkeypatch):
    for folder in ("one", "two"):
        store("recall", folder=repository.path / folder)
    repository.commit("Approve the heads")
    assert len(command("history", "test_heads")[1]) == 7
    status, out, _ = command("history", "test_heads", "one")
    assert (status, out[0], len(out)) == (0, f"one/{FILE}", 3)
    monkeypatch.chdir("one")
    assert command("history", "test_heads")[1][0] == FILE
    assert command("history", "test_heads", "__circuits__/recall")[1][0] == FILE
    assert command("history", "test_heads", "../two")[1][0] == str(repository.path / "two" / FILE)


def test_parameters_are_no_pattern(repository, command, store, baseline):
    store("recall", parameters="16")
    store("recall", test="test_heads1")
    repository.commit("Approve the heads")
    store("recall", baseline(0.6), test="test_heads1")
    repository.commit("Approve another test")
    assert len(command("history", "test_heads[16]")[1]) == 3


# Renames and copies


def test_renamed_files_are_followed(repository, command, store, baseline):
    path = store("recall", baseline(0.9), test="test_early")
    repository.commit("Approve the heads")
    path.rename(path.with_name("test_heads.json"))
    renamed = repository.commit("A better name")
    store("recall", baseline(0.6))
    repository.commit("Approve less")
    status, out, _ = command("history", "test_heads")
    assert (status, out[0]) == (0, FILE)
    assert [line.split()[2] for line in (out[1], out[3], out[6])] == [
        "weakened",
        "preserved",
        "new",
    ]
    assert out[3:6] == [
        f"{renamed} preserved    A better name",
        "                    1 head, L0H1 0.90; repeat loss 1.00",
        "                    was __circuits__/recall/test_heads/test_early.json",
    ]


def test_a_file_under_its_last_name_is_told_of_once(repository, command, store):
    path = store("recall", folder=repository.path / "old")
    repository.commit("Approve the heads")
    (repository.path / "new").mkdir()
    shutil.move(path.parents[3] / "__circuits__", repository.path / "new")
    repository.commit("Move the suite")
    _, out, _ = command("history", "test_heads")
    assert [line for line in out if line.endswith(".json") and not line.startswith(" ")] == [
        f"new/{FILE}"
    ]


def test_a_copy_begins_its_own_history(repository, command, store):
    path = store("recall")
    repository.commit("Approve the heads")
    copy = baseline_path(repository.path / "test_heads.py", "tuned", "test_heads")
    copy.parent.mkdir(parents=True)
    copy.write_bytes(path.read_bytes())
    copied = repository.commit("Approve the child")
    assert command("history", "test_heads", "--alias", "tuned")[1] == [
        "__circuits__/tuned/test_heads/test_heads.json",
        f"{copied} new          Approve the child",
        "                    1 head, L0H1 0.90; repeat loss 1.00",
    ]


def test_parallel_branches_are_held_against_what_they_began_from(
    repository, command, store, baseline
):
    store("recall", baseline(0.9))
    repository.commit("Approve the heads")
    repository.git("checkout", "-qb", "side")
    store("recall", baseline(0.8))
    repository.commit("On a side branch")
    repository.git("checkout", "-q", "main")
    store("recall", baseline(0.6))
    repository.commit("On the main branch")
    with pytest.raises(subprocess.CalledProcessError):
        repository.git("merge", "-q", "side")
    Path(FILE).unlink()
    store("recall", baseline(0.7))
    repository.commit("Merge the two, and measure again")
    _, out, _ = command("history", "test_heads")
    assert [line.split(";")[0].strip() for line in out[2::2]] == [
        "L0H1 0.60→0.70",
        "L0H1 0.90→0.60",
        "L0H1 0.90→0.80",
        "1 head, L0H1 0.90",
    ]


# What can't be read, or not by everyone


def test_files_from_before_the_first_release_are_said(repository, command, store, baseline):
    path = store("recall", baseline(0.9))
    now = path.read_text()
    path.write_text(
        now.replace('"schema": "urn:pytest-circuits:baseline-file:1"', '"schema_version": 2')
    )
    repository.commit("A baseline of long ago")
    path.write_text(now)
    repository.commit("Approve it anew")
    status, out, _ = command("history", "test_heads")
    assert status == 3
    rows = [line.split()[2] for line in out if line.startswith("2026")]
    assert rows == ["new", "unreadable"]
    words = " ".join(" ".join(out).split())
    assert "the file: schema version 2 is of a pytest-circuits before its" in words


def test_a_revision_that_cannot_be_read_is_said_and_passed_over(
    repository, command, store, baseline
):
    path = store("recall", baseline(0.9))
    repository.commit("Approve the heads")
    path.write_text('{\n<<<<<<< HEAD\n"schema": "a"\n')
    conflict = repository.commit("Merge in haste")
    path.write_bytes(b"\xff")
    repository.commit("Try again")
    path.write_text('{"schema": "of tomorrow", "findings": []}')
    repository.commit("From tomorrow")
    path.unlink()
    store("recall", baseline(0.6))
    repository.commit("Mend it")
    status, out, _ = command("history", "test_heads")
    assert status == 3
    rows = [line.split()[2] for line in out if line.startswith("2026")]
    assert rows == ["weakened", "unreadable", "unreadable", "unreadable", "new"]
    assert out[2].strip().startswith("L0H1 0.90→0.60")
    assert "the file: schema 'of tomorrow'" in out[4]
    row = out.index(f"{conflict} unreadable   Merge in haste")
    assert out[row + 1].strip() == "the file:2: has a merge conflict."


def test_a_revision_that_the_clone_lacks_is_said(repository, command, store, baseline):
    for value in (0.9, 0.6, 0.8):
        store("recall", baseline(value))
        repository.commit(f"Approve {value}")
    name = repository.git("rev-parse", f"HEAD^:{FILE}").strip()
    lost = repository.path / ".git/objects" / name[:2] / name[2:]
    lost.unlink()
    status, out, _ = command("history", "test_heads")
    assert status == 3
    assert [line.split()[2] for line in out[1::2]] == ["weakened", "unreadable", "new"]
    assert out[4].strip() == "the file: is not in this clone"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_in_a_files_place_is_said_and_passed_over(repository, command, store, baseline):
    path = store("recall", baseline(0.9))
    repository.commit("Approve the heads")
    path.rename("elsewhere.json")
    path.symlink_to(repository.path / "elsewhere.json")
    repository.commit("Link it")
    path.unlink()
    store("recall", baseline(0.6))
    repository.commit("A file again")
    status, out, _ = command("history", "test_heads")
    assert status == 3
    rows = [line.split()[2] for line in out if line.startswith("2026")]
    assert rows == ["weakened", "unreadable", "new"]
    assert out[row_of(out, "Link it") + 1].strip() == "the file: is a symbolic link."


def row_of(lines, subject):
    return next(number for number, line in enumerate(lines) if line.endswith(subject))


def test_a_file_that_was_deleted_because_it_could_not_be_read_is_deleted(
    repository, command, store
):
    path = store("recall")
    path.write_text("{")
    repository.commit("Merge in haste")
    path.unlink()
    repository.commit("Away with it")
    status, out, _ = command("history", "test_heads")
    assert status == 3
    rows = [line.split()[2] for line in out if line.startswith("2026")]
    assert rows == ["deleted", "unreadable"]
    assert out[2].strip() == "what it held can't be read"


def test_a_file_without_findings_is_said(repository, command, store):
    path = store("recall")
    path.write_text(EMPTY)
    empty = repository.commit("Nothing yet")
    assert command("history", "test_heads") == (0, [FILE, f"{empty} empty        Nothing yet"], [])


def test_a_long_subject_is_cut_and_a_long_headline_wrapped(repository, command, store, baseline):
    store("recall", baseline(name="a finding with a name that takes much of the room there is"))
    repository.commit("A subject that says so much that it does not fit into a line of a terminal")
    _, out, _ = command("history", "test_heads")
    assert (len(out[1]), out[1][-1]) == (80, "…")
    assert max(map(len, out)) == 80
    assert " ".join(line.strip() for line in out[2:]) == (
        "a finding with a name that takes much of the room there is: "
        "1 head, L0H1 0.90; repeat loss 1.00"
    )


def test_a_shallow_clone_says_that_history_is_cut(repository, command, store, baseline, tmp_path):
    store("recall", baseline(0.9))
    repository.commit("Approve the heads")
    store("recall", baseline(0.6))
    last = repository.commit("Approve less")
    repository.git("clone", "-q", "--depth=1", f"file://{tmp_path}", "clone")
    status, out, _ = command("history", "test_heads", "clone")
    assert (status, out[1]) == (0, f"{last} new          Approve less")
    assert out[-1] == (
        "older commits are not in this clone, which is shallow (git fetch --unshallow)"
    )
    assert "shallow" not in command("history", "test_heads", "__circuits__")[1][-1]


def test_names_with_other_signs_are_no_trouble(repository, command, store):
    folder = repository.path / "Prüfung [1] *"
    store("recall", parameters="ü/ö", folder=folder)
    repository.git("config", "core.quotePath", "true")
    repository.git("config", "diff.relative", "true")
    repository.git("config", "i18n.logOutputEncoding", "latin1")
    repository.commit("Grüße an alle")
    status, out, _ = command("history", "test_heads", folder)
    assert status == 0
    assert out[0].startswith("Prüfung [1] */__circuits__/recall/test_heads/test_heads[___]-")
    assert out[1].endswith(" new          Grüße an alle")


# What it refuses


def test_a_test_that_nobody_knows_is_a_usage_error(repository, command, store):
    store("recall")
    repository.commit("Approve the heads")
    store("recall", test="test_uncommitted")
    here = repository.path
    for named in ("test_nothing", "test_uncommitted"):
        assert command("history", named) == (
            2,
            [],
            [f"pytest-circuits: no commit has baselines of a test {named!r} below {here}"],
        )
    assert command("history", "test_heads", "--alias", "other") == (
        2,
        [],
        [f"pytest-circuits: no commit has baselines of other of a test 'test_heads' below {here}"],
    )


def test_a_repository_without_commits_is_a_usage_error(repository, command):
    status, out, errors = command("history", "test_heads")
    assert (status, out) == (2, [])
    assert errors == [
        "pytest-circuits: git: your current branch 'main' does not have any commits yet"
    ]


def test_outside_a_repository_it_is_a_usage_error(tmp_path, command, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    status, out, errors = command("history", "test_heads", tmp_path)
    assert (status, out) == (2, [])
    assert errors[0].startswith("pytest-circuits: git: not a git repository")


def test_without_git_it_is_a_usage_error(repository, command, monkeypatch):
    monkeypatch.setenv("PATH", str(repository.path))
    assert command("history", "test_heads") == (
        2,
        [],
        ["pytest-circuits: there is no git here, and the history of baselines is git's"],
    )


def test_a_folder_that_is_not_there_is_a_usage_error(command):
    assert command("history", "test_heads", "nowhere") == (
        2,
        [],
        ["pytest-circuits: there is no folder nowhere"],
    )


def test_a_file_is_no_folder_to_look_in(repository, command, store):
    path = store("recall")
    repository.commit("Approve the heads")
    assert command("history", "test_heads", path) == (
        2,
        [],
        [f"pytest-circuits: {path} is a file: name a folder"],
    )


def test_it_asks_git_a_few_times_however_long_the_history_is(
    repository, command, store, baseline, monkeypatch
):
    for value in (0.9, 0.6, 0.8, 0.5):
        store("recall", baseline(value))
        repository.commit(f"Approve {value}")
    calls = []
    run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda *args, **options: calls.append(args) or run(*args, **options)
    )
    assert len(command("history", "test_heads")[1]) == 9
    assert len(calls) == 4


def test_it_needs_no_model(repository, store):
    store("recall")
    repository.commit("Approve the heads")
    code = """
import contextlib, io, sys
from pytest_circuits.cli import main
with contextlib.redirect_stdout(io.StringIO()) as out:
    status = main(["history", "test_heads"])
heavy = {"torch", "transformer_lens", "transformers", "syrupy", "pytest"}
print(status, len(out.getvalue().splitlines()), sorted(heavy & set(sys.modules)))
"""
    assert in_fresh_python(code) == "0 3 []\n"
