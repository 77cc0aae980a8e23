"""A finding beside its baseline: like is compared with like, and the file's word has limits."""

from dataclasses import replace

import numpy as np
import pytest
from verdicts.handmade import number

from pytest_circuits.baselines import Baseline, Served, compare, storable
from pytest_circuits.findings import Allowance, Direction, Finding
from pytest_circuits.findings.encoding import decode, encode
from pytest_circuits.verdicts import Kind, default_tolerance


def mine(**fields):
    """A finding of a measure that the package doesn't have."""
    return Finding(**{
        "measure": "mine", "quantity": "mine", "unit": "units", "direction": Direction.HIGHER,
        "axes": ("x",), "values": np.ones(2), "errors": np.zeros(2), "samples": 3, "clusters": 3,
        "convention": {}, "prompts": {}, **fields,
    })  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": {"x": ["a", "b"]}},
        {"axes": ["x"]},
        {"samples": np.int64(3), "clusters": np.int64(3)},
        {"samples": 3.0},
        {"convention": {"since": (1, 2)}},
    ],
    ids=str,
)
def test_what_a_file_writes_in_its_own_way_is_no_difference(fields):
    found = storable(mine(**fields))
    read = decode(encode(found))
    assert vars(found)["labels"] == read.labels
    served = Served("mine", Baseline("", read, default_tolerance(read)))
    assert compare("", mine(**fields), found, served).kind is Kind.PRESERVED


def comparison(said, tolerance):
    """A logit difference beside a baseline that says what its measure allows, and has that."""
    found = number(4.0, error=0.1)
    baseline = replace(found, allowance=said)
    default = default_tolerance(baseline)
    held = Baseline("", baseline, replace(default, value=tolerance or default.value))
    return compare("", found, storable(found), Served("mine", held))


@pytest.mark.parametrize(
    ("said", "tolerance", "own"),
    [
        (Allowance(0.2, 0.05, 0.1), None, False),
        (Allowance(0.21, 0.05, 0.11), None, False),
        (Allowance(0.2, 0.05, 0.1), Allowance(0.9, 0.9), True),
        (Allowance(0.9, 0.9), None, True),
        (Allowance(0.2, 0.9), None, True),
        (Allowance(0.2, 0.05, 0.9), None, True),
        (None, None, False),
    ],
)
def test_a_file_that_widens_what_the_measure_allows_has_a_tolerance_of_its_own(
    said, tolerance, own
):
    assert comparison(said, tolerance).own_tolerance is own
