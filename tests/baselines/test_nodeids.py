"""What a baseline file's test is called, and where it lies."""

from pathlib import Path

import pytest

from pytest_circuits.baselines import Location, file_name
from pytest_circuits.baselines.locations import file_of, nodeid_of

TOP = Path("/top")


def stored(test, parameters="", folder=TOP / "sub", alias="recall"):
    return Location(folder, alias, "test_heads", file_name(test, parameters))


@pytest.mark.parametrize(
    ("test", "parameters", "called"),
    [
        ("test_a", "", "test_a"),
        ("test_a", "16", "test_a[16]"),
        ("TestB.test_a", "16-x.y", "TestB::test_a[16-x.y]"),
        ("TestB.TestC.test_a", "", "TestB::TestC::test_a"),
        # A hash that tells case apart is no part of the name, and can be told from it.
        ("test_IOI", "", "test_IOI"),
        ("test_a", "L0H1", "test_a[L0H1]"),
    ],
)
def test_a_test_is_called_as_pytest_calls_it(test, parameters, called):
    assert nodeid_of(stored(test, parameters), TOP) == f"sub/test_heads.py::{called}"


@pytest.mark.parametrize("parameters", ["a/b", "a\\b", "ü", "x" * 300])
def test_what_the_name_of_a_file_does_not_tell_is_told_apart_by_its_hash(parameters):
    location = stored("test_a", parameters)
    assert nodeid_of(location, TOP) == f"sub/test_heads.py::{location.name}"


@pytest.mark.parametrize("folder", [TOP, TOP / "a/b [1]"])
@pytest.mark.parametrize("parameters", ["", "16", "L0H1", "a/b", "ü", "x" * 300, "a-0123abcd"])
@pytest.mark.parametrize("test", ["test_a", "TestB.test_a", "test_IOI"])
def test_the_file_is_found_by_the_name(test, parameters, folder):
    location = stored(test, parameters, folder, alias="tuned")
    called = nodeid_of(location, TOP)
    assert TOP / file_of(called, "tuned") == location.path
