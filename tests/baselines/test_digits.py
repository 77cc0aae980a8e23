"""A number that moved by no more than one unit of its last place keeps its stored digits."""

import copy
import json

import numpy as np
import pytest

from pytest_circuits.baselines import Baseline, approving
from pytest_circuits.findings import Behaviour, Canary, Direction, Finding, Null, Role
from pytest_circuits.findings.encoding import decode
from pytest_circuits.verdicts import decode_tolerance, default_tolerance


def document(values=((0.5, 0.9),), **fields):
    """A baseline's document, each of its samples alike."""
    values = np.array(values)
    finding = Finding(
        **{
            "measure": "induction_scores",
            "quantity": "induction score",
            "unit": "attention probability",
            "direction": Direction.HIGHER,
            "axes": ("layer", "head"),
            "values": values,
            "errors": values * 0,
            "samples": 3,
            "clusters": 3,
            "convention": {"block": 4, "scale": 0.5},
            "prompts": {"kind": "repeated tokens"},
            "role": Role("induction heads", 0.4),
            "profiles": {
                "L{}H{}".format(*cell): np.full(3, value)
                for cell, value in np.ndenumerate(values)
                if cell
            },
            "companion": (Behaviour("repeat_loss", 0.5, 0.01, 3, Direction.LOWER, "nats"),),
            "canary": Canary(3.1234, "text", "c146e18e1902e4c8"),
            "provenance": {"dtype": "float32", "scale": 0.5},
            **fields,
        }
    )
    return Baseline("", finding, default_tolerance(finding)).document()


def keep_digits(new, old):
    """The document of a baseline with the other's digits where it hardly moved."""

    def baseline(document):
        tolerance = decode_tolerance(document["tolerance"])
        return Baseline(document["name"], decode(document), tolerance)

    return approving.keep_digits(baseline(new), baseline(old)).document()


def one_number(value, error=0.1):
    return document(np.array(value), errors=np.array(error), axes=(), role=None, companion=())


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        (0.5, 0.5, 0.5),
        (0.5, 0.5001, 0.5),
        (0.5, 0.4999, 0.5),
        (0.5, 0.5002, 0.5002),
        (0.5, 0.4998, 0.4998),
        # In binary these two are a little more than one unit apart.
        (0.1, 0.1 + 0.0001, 0.1),
        (0.3, 0.1 + 0.2 + 0.0001, 0.3),
        (1.1, 1.0999, 1.1),
        # Small numbers have units of their own.
        (4.123e-5, 4.124e-5, 4.123e-5),
        (4.123e-5, 4.125e-5, 4.125e-5),
        (4e-5, 5e-5, 5e-5),
        (0.0, 4e-5, 4e-5),
        (-0.0001, 0.0001, 0.0001),
        (12345678.9, 12345678.9001, 12345678.9),
        (12345678.9, 12345678.9002, 12345678.9002),
    ],
)
def test_a_unit_is_no_change_and_two_are(old, new, kept):
    assert keep_digits(one_number(new), one_number(old))["values"] == kept


@pytest.mark.parametrize(("old", "new"), [(0.5, None), (None, 0.5)])
def test_a_number_and_none_are_a_change(old, new):
    before, after = (one_number(1.0) for _ in range(2))
    before["errors"], after["errors"] = old, new
    assert keep_digits(after, before)["errors"] == new


def test_every_measured_number_keeps_its_digits():
    old = document(
        [[0.5, 0.9], [0.1, 0.0]],
        nulls={"L0H0": Null(0.02, 0.001)},
        companion=(
            Behaviour(
                "logit_diff_gap", 20.5, 0.5, 3, Direction.HIGHER, "logits", vital=True,
                interval=(0.5, 1.0), profile=np.array([1.0, 2.0, 3.0]),
            ),
        ),
    )  # fmt: skip
    new = json.loads(json.dumps(old), parse_float=lambda text: round(float(text) + 0.0001, 4))
    for chosen in ("convention", "recorded_with", "tolerance"):
        new[chosen] = old[chosen]
    new["role"]["threshold"] = old["role"]["threshold"]
    assert new != old
    assert keep_digits(new, old) == old


@pytest.mark.parametrize("chosen", ["convention", "recorded_with", "tolerance"])
def test_what_somebody_chose_is_taken_as_it_is_now(chosen):
    old, new = document(), document()
    new[chosen] = json.loads(
        json.dumps(old[chosen]), parse_float=lambda text: round(float(text) + 0.0001, 4)
    )
    assert new[chosen] != old[chosen]
    assert keep_digits(new, old) == new


def test_a_count_that_changed_by_one_is_a_change():
    old = document()
    new = document(samples=4, clusters=4, companion=(
        Behaviour("repeat_loss", 0.5, 0.01, 4, Direction.LOWER, "nats"),
    ))  # fmt: skip
    kept = keep_digits(new, old)
    assert (kept["samples"], kept["clusters"]) == (4, 4)
    assert kept["companion"]["repeat_loss"]["clusters"] == 4


def test_only_the_numbers_that_moved_change():
    old = document([[0.5, 0.9], [0.1, 0.0]])
    new = document([[0.5001, 0.95], [0.0999, 0.0001]])
    kept = keep_digits(new, old)
    assert kept["values"] == [[0.5, 0.95], [0.1, 0.0]]
    assert kept["role"]["members"] == {"L0H1": 0.95, "L0H0": 0.5}


@pytest.mark.parametrize(
    "values", [[[0.5001], [0.9001]], [[0.5001, 0.9001, 0.1]], [[0.5001, 0.9001], [0.1, 0.2]]]
)
def test_another_shape_has_the_new_numbers(values):
    old, new = document(), document(values)
    assert keep_digits(new, old)["values"] == values


def test_what_is_new_is_taken_and_what_is_gone_is_not_kept():
    old = document(relative_to="repeat_loss")
    new = document(
        canary=None,
        nulls={"L0H1": Null(0.01, 0.001)},
        companion=(Behaviour("repeat_gain", 0.5, 0.01, 3, Direction.HIGHER, "nats"),),
    )
    assert keep_digits(new, old) == new


def test_a_unit_that_takes_a_head_over_the_threshold_is_a_change():
    old, new = document([[0.3999, 0.9]]), document([[0.4, 0.9001]])
    assert list(old["role"]["members"]) == ["L0H1"]
    assert keep_digits(new, old) == new
    assert keep_digits(old, new) == old


def test_a_unit_that_takes_a_null_over_its_level_is_a_change():
    old = document(nulls={"L0H0": Null(0.02, 0.0501)})
    new = document([[0.5001, 0.9]], nulls={"L0H0": Null(0.02, 0.05)})
    assert list(new["role"]["members"]) == ["L0H1", "L0H0"]
    assert keep_digits(new, old) == new


def test_members_say_what_the_kept_values_say():
    """Two heads that a unit made change places stay in the file's order."""
    old, new = document([[0.9001, 0.9]]), document([[0.9, 0.9001]])
    assert list(new["role"]["members"]) == ["L0H1", "L0H0"]
    kept = keep_digits(new, old)
    assert list(kept["role"]["members"].items()) == [("L0H0", 0.9001), ("L0H1", 0.9)]


def test_a_head_that_its_null_lets_in_has_the_digits_of_its_value():
    old = document(nulls={"L0H0": Null(0.02, 0.2)})
    new = document([[0.5001, 0.9]], nulls={"L0H0": Null(0.02, 0.001)})
    kept = keep_digits(new, old)
    assert kept["values"] == [[0.5, 0.9]]
    assert kept["role"]["members"] == {"L0H1": 0.9, "L0H0": 0.5}


def test_approvals_do_not_drift():
    stored = first = one_number(0.5)
    for value in (0.5001, 0.5001, 0.4999, 0.5):
        stored = keep_digits(one_number(value), stored)
        assert stored["values"] == first["values"]
    # Every approval is held against the digits that are stored, so two units are seen.
    for value in (0.5001, 0.5002):
        stored = keep_digits(one_number(value), stored)
    assert stored["values"] == 0.5002


def test_neither_document_is_changed():
    old, new = document(), document([[0.5001, 0.95]])
    before = copy.deepcopy((new, old))
    keep_digits(new, old)
    assert (new, old) == before


def test_what_is_kept_is_a_baseline():
    kept = keep_digits(document([[0.5001, 0.95]]), document())
    assert Baseline.from_document(kept, "here").document() == kept


@pytest.mark.parametrize(("now", "kept"), [(0.4001, 0.4), (0.4002, 0.4002)])
def test_a_threshold_may_be_a_share_of_what_was_measured(now, kept):
    old, new = (document(role=Role("answer-writing heads", at)) for at in (0.4, now))
    assert keep_digits(new, old)["role"]["threshold"] == kept
