"""Findings whole: what of them a report keeps."""

import json
from dataclasses import replace

import numpy as np
import pytest
from report.whole_findings import every_row
from verdicts.handmade import around, role

from pytest_circuits.baselines import Baseline, BaselineError
from pytest_circuits.report import Details
from pytest_circuits.verdicts import default_tolerance

SHAPE = (3, 4)


def measured(heads, *, samples=4):
    """A finding as a measure gives it: with the values of each sample of every head."""
    finding = role(heads, shape=SHAPE)
    per_sample = np.broadcast_to(finding.values, (samples, *SHAPE)).copy()
    return replace(finding, per_sample=per_sample)


def approved(heads):
    finding = role(heads, shape=SHAPE)
    return Baseline("", finding, default_tolerance(finding))


def test_samples_are_kept_of_heads_that_have_the_role_had_it_or_are_strong():
    found = measured({"L0H0": 0.9, "L0H1": 0.3, "L0H2": 0.2, "L1H0": 0.1, "L1H1": 0.05})
    details = Details.of("", found, approved({"L2H3": 0.8}))
    kept = details.document()["found"]["profiles"]
    assert list(kept) == ["L0H0", "L2H3", "L0H1", "L0H2", "L1H0"]
    assert kept["L0H1"] == [0.3] * 4


def test_a_head_of_the_baseline_that_the_model_does_not_have_is_left_out():
    wider = role({"L5H7": 0.9}, shape=(6, 8))
    details = Details.of("", measured({}), Baseline("", wider, default_tolerance(wider)))
    assert "L5H7" not in details.document()["found"]["profiles"]


def test_profiles_stay_where_no_samples_are_known():
    found = role({"L0H0": around(0.9)})
    assert list(Details.of("", found, None).document()["found"]["profiles"]) == ["L0H0"]


def test_what_is_new_has_the_tolerance_that_it_would_get():
    details = Details.of("a", role({"L0H0": 0.9}), None)
    assert details.approved is None
    assert details.found.tolerance == default_tolerance(details.found.finding)
    assert details.found.name == "a"


def test_what_was_approved_sets_the_tolerance():
    baseline = approved({"L0H0": 0.9})
    mine = replace(baseline, tolerance=replace(baseline.tolerance, origin="mine", top=0.2))
    assert Details.of("", role({"L0H0": 0.9}), mine).found.tolerance.origin == "mine"


@pytest.mark.parametrize("kind", [kind for kind, row in every_row().items() if row.details])
def test_a_document_comes_back_as_it_was(kind):
    document = every_row()[kind].details.document()
    there = json.loads(json.dumps(document))
    assert Details.from_document(there, "here").document() == document


def test_a_document_that_is_no_finding_is_named():
    document = every_row()["weakened"].details.document()
    del document["found"]["values"]
    with pytest.raises(BaselineError, match=r"^report\.json: .*values is missing"):
        Details.from_document(document, "report.json")


@pytest.mark.parametrize(
    "odd",
    [
        {"convention": {"x": np.int64(3)}},
        {"profiles": {"L0H0": np.array(1.0)}},
        {"prompts": {1, 2}},
    ],
    ids=["no JSON", "no row", "no object"],
)
def test_there_are_none_of_what_no_file_can_hold(odd):
    assert Details.of("", replace(role({"L0H0": 0.9}), **odd), None) is None


def test_a_behaviour_that_the_baseline_is_too_old_for_has_the_default_tolerance():
    found, before = measured({"L0H0": 0.9}), approved({"L0H0": 0.9})
    old = replace(before.finding, companion=before.finding.companion[:1])
    mine = replace(default_tolerance(old), origin="mine")
    details = Details.of("", found, Baseline("", old, mine))
    assert details.found.tolerance.origin == "mine"
    assert set(details.found.tolerance.behaviours) == {"repeat_loss", "repeat_gain"}
