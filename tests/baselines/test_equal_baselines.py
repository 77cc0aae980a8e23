"""When a baseline says what its parent's says: when the two are equal, as far as files tell."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pytest_circuits.baselines import Baseline
from pytest_circuits.baselines.approving import says_the_same
from pytest_circuits.findings import Behaviour, Canary, Direction, Finding, Null, Role
from pytest_circuits.verdicts import Allowance, default_tolerance

VALUES = np.array([[0.1, 0.9], [0.5, 0.2]])
#: Those of the samples that are kept, which are a tenth apart.
ERRORS = np.array([[0.01, 0.0577], [0.0577, 0.02]])
FINDING = Finding(
    "induction_scores", "induction score", "attention probability", Direction.HIGHER,
    ("layer", "head"), VALUES, ERRORS, 3, 3, {"block": 4, "scale": 0.5},
    {"kind": "repeated tokens"}, Role("induction heads", 0.4),
    profiles={"L0H1": np.array([0.8, 0.9, 1.0]), "L1H0": np.array([0.4, 0.5, 0.6])},
    nulls={"L0H1": Null(0.01, 0.001), "L1H0": Null(0.02, 0.002)},
    companion=(
        Behaviour(
            "repeat_loss", 0.5, 0.0577, 3, Direction.LOWER, "nats",
            profile=np.array([0.4, 0.5, 0.6]),
        ),
    ),
    canary=Canary(3.1234, "text", "c146e18e1902e4c8"),
    provenance={"source": "bundled:recall", "scale": 0.5},
)  # fmt: skip
UNIT = 0.0001


def stored(finding=FINDING, **tolerance):
    return Baseline("", finding, replace(default_tolerance(finding), **tolerance))


def moved(units):
    """Every measured number of the finding, moved by so many units of the last stored place."""
    by = units * UNIT
    (loss,) = FINDING.companion
    return replace(
        FINDING,
        values=FINDING.values + by,
        errors=FINDING.errors + by,
        profiles={head: profile + by for head, profile in FINDING.profiles.items()},
        nulls={head: Null(null.mean + by, null.p + by) for head, null in FINDING.nulls.items()},
        companion=(
            replace(loss, value=loss.value + by, error=loss.error + by, profile=loss.profile + by),
        ),
        canary=replace(FINDING.canary, loss=FINDING.canary.loss + by),
    )


def test_numbers_within_one_unit_of_the_last_stored_place_are_equal():
    assert says_the_same(stored(), stored())
    assert says_the_same(stored(moved(1)), stored())
    assert not says_the_same(stored(moved(2)), stored())


def test_what_it_was_measured_with_makes_no_difference():
    elsewhere = replace(FINDING, provenance={"source": "./tuned", "device": "cuda:0"})
    assert says_the_same(stored(elsewhere), stored())


def test_digits_that_somebody_typed_are_no_difference():
    document = json.loads(stored().dumps())
    document["values"][0][0] = 0.100049
    typed = Baseline.from_document(document, "here")
    assert says_the_same(typed, stored())
    assert says_the_same(stored(), typed)


TWO_UNITS = 2 * UNIT
LAST = np.array([[0, 0], [0, 1]])
(LOSS,) = FINDING.companion
OTHERS = {
    "a value": {"values": VALUES + TWO_UNITS * LAST},
    "an error": {"errors": VALUES / 10 + TWO_UNITS * LAST},
    "a profile": {"profiles": {**FINDING.profiles, "L1H0": np.array([0.4, 0.5, 0.7])}},
    "no profile": {"profiles": {"L0H1": FINDING.profiles["L0H1"]}},
    "a null": {"nulls": {**FINDING.nulls, "L1H0": Null(0.02, 0.002 + TWO_UNITS)}},
    "no null": {"nulls": {}},
    "a behaviour": {"companion": (replace(LOSS, value=0.5 + TWO_UNITS),)},
    "clusters of a behaviour": {"companion": (replace(LOSS, clusters=2),)},
    "no behaviour": {"companion": ()},
    "the canary": {"canary": replace(FINDING.canary, loss=3.1234 + TWO_UNITS)},
    "the canary's tokens": {"canary": replace(FINDING.canary, tokens="0")},
    "no canary": {"canary": None},
    # What was chosen is equal or it isn't.
    "a convention": {"convention": {"block": 4, "scale": 0.5 + UNIT}},
    "prompts": {"prompts": {"kind": "repeated tokens", "seed": 1}},
    "a threshold": {"role": Role("induction heads", 0.4 + 2 * UNIT)},
    "a role": {"role": Role("heads", 0.4)},
    "a unit": {"unit": "logits"},
    "samples": {"samples": 4},
}


@pytest.mark.parametrize("fields", OTHERS.values(), ids=OTHERS)
def test_another_finding_is_no_equal(fields):
    other = replace(FINDING, **fields)
    assert not says_the_same(stored(other), stored())
    assert not says_the_same(stored(), stored(other))


@pytest.mark.parametrize(
    "tolerance",
    [{"value": Allowance(0.05, 0.1001)}, {"origin": "mine"}, {"top": 0.06}],
    ids=["an allowance", "an origin", "the strongest head's"],
)
def test_another_tolerance_is_no_equal(tolerance):
    assert not says_the_same(stored(**tolerance), stored())
    assert not says_the_same(stored(), stored(**tolerance))


def test_a_unit_that_takes_a_head_into_the_role_is_a_difference():
    out = replace(FINDING, values=np.array([[0.1, 0.9], [0.3999, 0.2]]))
    at = replace(FINDING, values=np.array([[0.1, 0.9], [0.4, 0.2]]))
    assert says_the_same(stored(at), stored(at))
    assert not says_the_same(stored(at), stored(out))
