from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from pytest_circuits.baselines import baseline_path, file_name

NASTY = [
    "a/b", "a:b", "a\\b", 'a"b', "a<b", "a>b", "a|b", "a?b", "a*b", "a\tb", "a\nb", "a\0b", "a_b",
    "é", "😀", "A-B", "a-b", "a-B", "..", "con", "x" * 300, "x" * 300 + "y", "", "a b", "b.",
]  # fmt: skip


@pytest.mark.parametrize("parameters", NASTY)
@pytest.mark.parametrize("test", ["test_heads", "TestHeads.test_heads", "test_" + "n" * 250])
def test_a_name_is_legal_on_every_file_system(test, parameters):
    name = file_name(test, parameters)

    assert 0 < len(name) <= 200
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
    assert name.isascii()
    assert name[0] not in ". -"
    assert name[-1] not in ". "


def test_names_are_unique_even_where_case_does_not_count():
    tests = ["test_a", "test_A", "TestA.test_a", "TestA.test_A", "test_" + "n" * 250]
    names = [file_name(test, parameters) for test in tests for parameters in NASTY]

    for first, second in itertools.combinations(names, 2):
        assert first.lower() != second.lower()


@pytest.mark.parametrize(
    ("test", "parameters", "name"),
    [
        ("test_induction", "", "test_induction"),
        ("TestHeads.test_induction", "", "TestHeads.test_induction"),
        ("test_induction", "block=16-x", "test_induction[block=16-x]"),
        # These hashes stand in people's repositories: they never change.
        ("test_induction", "a/b", "test_induction[a_b]-59c6e238"),
        ("test_induction", "A", "test_induction[A]-5b8f82eb"),
    ],
)
def test_a_name_is_readable_and_stable(test, parameters, name):
    assert file_name(test, parameters) == name


def test_baselines_lie_beside_their_test_by_alias_and_module():
    path = baseline_path(Path("suite/test_heads.py"), "smollm2", "test_induction[16]")

    assert path == Path("suite/__circuits__/smollm2/test_heads/test_induction[16].json")
