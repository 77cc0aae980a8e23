"""pytest-circuits remove: a finding that its test no longer compares leaves its file."""

import pytest

from pytest_circuits.baselines import baseline_path, read, write


@pytest.fixture
def stored(tmp_path, monkeypatch, baseline):
    """A file of two findings, below the working directory, and its path from there."""
    monkeypatch.chdir(tmp_path)
    path = baseline_path(tmp_path / "test_a.py", "recall", "test_heads")
    write(path, [baseline(0.9), baseline(0.8, name="other")])
    return path.relative_to(tmp_path)


def test_the_named_finding_goes_and_the_others_stay_as_they_are(stored, command):
    kept = read(stored).documents[""]
    assert command("remove", stored, "other") == (0, [f"removed 'other' from {stored}"], [])
    assert read(stored).documents == {"": kept}


def test_without_a_name_the_one_that_has_none_goes(stored, command):
    assert command("remove", stored)[0] == 0
    assert list(read(stored).documents) == ["other"]


def test_a_file_of_which_nothing_is_left_goes_with_its_folders(stored, command):
    command("remove", stored)
    command("remove", stored, "other")
    assert not stored.parents[2].exists()


def test_what_is_not_there_is_a_usage_error_and_nothing_is_written(stored, command):
    before = stored.read_bytes()
    status, _, errors = command("remove", stored, "an other")
    assert (status, stored.read_bytes()) == (2, before)
    assert "has no 'an other'; there is one without a name, 'other'" in " ".join(errors)
    assert command("remove", "test_a.py")[0] == 2
    assert command("remove", stored.with_name("test_b.json"))[0] == 2


def test_a_damaged_file_stays(stored, command):
    stored.write_text("{")
    status, _, errors = command("remove", stored, "other")
    assert (status, stored.read_text()) == (3, "{")
    assert str(stored) in errors[0]
