"""A baseline keeps the samples and nulls of heads that nearly have a role."""

import json
from dataclasses import replace

import numpy as np
import pytest
from verdicts.handmade import around, role, sampled

from pytest_circuits import measures
from pytest_circuits.baselines import Baseline
from pytest_circuits.baselines.comparing import storable
from pytest_circuits.testing import perfect_induction_model
from pytest_circuits.verdicts import default_tolerance, followed, judge

HEADS = {"L1H0": around(0.9), "L1H1": around(0.37), "L1H2": around(0.3), "L1H3": around(0.42)}


def kept(**fields):
    finding = storable(sampled(role(HEADS, **fields)))
    return finding, Baseline("", finding, default_tolerance(finding))


def test_heads_that_miss_the_threshold_by_no_more_than_their_tolerance_keep_their_samples():
    finding, baseline = kept()

    assert list(map(str, followed(finding, baseline.tolerance))) == ["L1H0", "L1H3", "L1H1"]
    document = json.loads(baseline.dumps())
    assert sorted(document["profiles"]) == ["L1H0", "L1H1", "L1H3"]
    assert list(document["role"]["members"]) == ["L1H0", "L1H3"]


def test_they_come_back_from_the_file():
    finding, baseline = kept(nulls={"L1H0": (0.0, 0.01), "L1H1": (0.0, 0.02), "L1H3": (0.0, 0.01)})
    read = Baseline.from_document(json.loads(baseline.dumps()), "a file").finding

    np.testing.assert_array_equal(read.profiles["L1H1"], finding.profiles["L1H1"])
    assert read.nulls["L1H1"].rejected
    assert list(map(str, read.members())) == ["L1H0", "L1H3"]


def test_a_head_that_has_no_more_than_its_null_is_not_near():
    finding, baseline = kept(nulls={"L1H1": (0.36, 0.9)})

    assert "L1H1" not in map(str, followed(finding, baseline.tolerance))


def test_what_was_near_the_role_is_found_where_it_went_by_its_samples():
    finding, baseline = kept()
    there = {"L2H0": HEADS["L1H0"], "L2H1": HEADS["L1H1"], "L2H3": HEADS["L1H3"]}
    moved = replace(sampled(role(there)), samples=finding.samples)

    assert judge(moved, finding, baseline.tolerance).kind == "relocated"


@pytest.mark.parametrize("score", [0.36, 0.30])
def test_a_null_is_measured_of_heads_near_the_threshold(monkeypatch, score):
    model = perfect_induction_model()
    scores = measures.induction_scores(model)
    top, value = next(iter(scores.members().items()))
    monkeypatch.setattr(
        "pytest_circuits.measures.repeated_scores.ROLE_THRESHOLD", float(value) + 0.4 - score
    )

    again = measures.induction_scores(perfect_induction_model())

    assert (str(top) in again.nulls) is (score >= 0.35)
    assert again.members() == {}
