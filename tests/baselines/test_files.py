from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_circuits.baselines import Baseline, BaselineError, baseline_path, find, write
from pytest_circuits.findings import Direction, Finding
from pytest_circuits.verdicts import default_tolerance


def baseline(name: str = "", value: float = 1.0) -> Baseline:
    finding = Finding(
        "repeat_loss", "repeat loss", "nats", Direction.LOWER, (), np.array(value),
        np.array(0.1), 5, 5, {"block": 4}, {"kind": "repeated tokens"},
    )  # fmt: skip
    return Baseline(name, finding, default_tolerance(finding))


@pytest.fixture
def path(tmp_path):
    return baseline_path(tmp_path / "test_heads.py", "gpt2", "test_loss")


def names(path):
    return [entry["name"] for entry in json.loads(path.read_text(encoding="utf-8"))["findings"]]


def value(path, owners, name=""):
    found = find(path, owners, name)
    return found and (found.owner, float(found.baseline.finding))


def test_what_is_written_is_found(path):
    write(path, [baseline(value=1.5)])

    owner, found = find(path, ["gpt2"], "")

    assert owner == "gpt2"
    assert found.dumps() == baseline(value=1.5).dumps()


def test_a_file_is_canonical_json_with_its_schema(path):
    write(path, [baseline()])

    lines = path.read_text(encoding="utf-8").splitlines()

    assert lines[:5] == [
        "{",
        '  "schema": "urn:pytest-circuits:baseline-file:1",',
        '  "findings": [',
        "    {",
        '      "name": "",',
    ]
    assert lines[-3:] == ["    }", "  ]", "}"]
    assert path.read_bytes().endswith(b"}\n")
    assert b"\r" not in path.read_bytes()


def test_names_keep_the_order_in_which_they_came(path):
    write(path, [baseline("b")])
    write(path, [baseline("a"), baseline("c")])
    write(path, [baseline("b", value=9.0)])

    assert names(path) == ["b", "a", "c"]
    assert value(path, ["gpt2"], "b") == ("gpt2", 9.0)


def test_other_entries_keep_their_bytes(path):
    write(path, [baseline("a"), baseline("b"), baseline("c")])
    before = path.read_text(encoding="utf-8").split('"name"')

    write(path, [baseline("b", value=2.0)])
    after = path.read_text(encoding="utf-8").split('"name"')

    assert [old == new for old, new in zip(before, after, strict=True)] == [True, True, False, True]


def test_a_file_that_would_not_change_is_not_touched(path):
    write(path, [baseline("a"), baseline("b")])
    long_ago = 1_000_000_000_000_000_000
    os.utime(path, ns=(long_ago, long_ago))
    content = path.read_bytes()

    write(path, [baseline("b")])

    assert path.stat().st_mtime_ns == long_ago
    assert path.read_bytes() == content


def test_nothing_but_the_file_is_left_behind(path):
    write(path, [baseline(value=1.0)])
    write(path, [baseline(value=2.0)])

    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    write(path, [baseline(value=1.0)])
    content = path.read_bytes()

    def full_disk(self, target):
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write(path, [baseline(value=2.0)])

    assert path.read_bytes() == content
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.fixture
def umask():
    """Set the process's umask for a test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
@pytest.mark.parametrize(
    ("mask", "expected"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)], ids=oct
)
def test_a_new_file_may_be_read_by_those_whom_the_umask_lets(path, umask, mask, expected):
    umask(mask)
    write(path, [baseline()])

    assert mode(path) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
@pytest.mark.parametrize("own", [0o664, 0o600, 0o444], ids=oct)
def test_a_file_that_is_written_anew_keeps_its_permissions(path, umask, own):
    write(path, [baseline(value=1.0)])
    path.chmod(own)
    umask(0o022)
    write(path, [baseline(value=2.0)])

    assert (mode(path), value(path, ["gpt2"])) == (own, ("gpt2", 2.0))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows links need rights")
@pytest.mark.parametrize("there", [True, False], ids=["a file", "nothing yet"])
def test_what_a_link_points_to_is_written_and_the_link_stays(path, tmp_path, there):
    target = tmp_path / "shared/store.json"
    if there:
        write(target, [baseline(value=1.0)])
    path.parent.mkdir(parents=True)
    path.symlink_to(os.path.relpath(target, path.parent))
    write(path, [baseline(value=2.0)])

    assert path.is_symlink()
    assert value(path, ["gpt2"]) == ("gpt2", 2.0)
    assert [entry.name for entry in target.parent.iterdir()] == [target.name]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_the_nearest_owner_with_a_baseline_serves(path):
    parent = baseline_path(path.parents[3] / "test_heads.py", "parent", "test_loss")
    write(parent, [baseline(value=1.0), baseline("second", value=3.0)])

    assert value(path, ["gpt2", "parent"]) == ("parent", 1.0)

    write(path, [baseline(value=2.0)])
    assert value(path, ["gpt2", "parent"]) == ("gpt2", 2.0)
    assert value(path, ["parent", "gpt2"]) == ("parent", 1.0)
    # A name that the nearest owner doesn't have is looked for further on.
    assert value(path, ["gpt2", "parent"], "second") == ("parent", 3.0)


def test_what_nobody_approved_is_not_found(path):
    write(path, [baseline("first")])

    assert find(path, ["gpt2"], "second") is None
    assert find(path, ["someone-else"], "first") is None
    assert find(path, [], "first") is None


def test_a_damaged_entry_is_reported_with_its_file(path):
    write(path, [baseline("a")])
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["findings"][0]["values"]
    path.write_text(json.dumps(document), encoding="utf-8")

    with pytest.raises(BaselineError) as error:
        find(path, ["gpt2"], "a")

    assert str(error.value).startswith(f"{path}: the baseline 'a' is damaged (values is missing)")


def test_a_damaged_file_of_an_owner_on_the_way_is_no_missing_one(path):
    path.parent.mkdir(parents=True)
    path.write_text("{", encoding="utf-8")

    with pytest.raises(BaselineError, match="is not JSON"):
        find(path, ["gpt2", "parent"], "")


@pytest.mark.parametrize(
    "text",
    ["{", "<<<<<<< HEAD\n{}\n=======\n", '{"schema": "of tomorrow", "findings": []}', "[]"],
    ids=["cut short", "conflict", "schema of tomorrow", "no baseline file"],
)
def test_nothing_is_written_over_a_file_that_cannot_be_read(path, text):
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")

    with pytest.raises(BaselineError):
        write(path, [baseline()])

    assert path.read_text(encoding="utf-8") == text
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_baseline_that_is_no_json_is_not_written(path):
    odd = baseline()
    odd.finding.provenance["temperature"] = float("nan")
    write(path, [baseline("before")])

    with pytest.raises(ValueError, match="JSON"):
        write(path, [odd])

    assert names(path) == ["before"]
