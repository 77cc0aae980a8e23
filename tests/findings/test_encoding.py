from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from pytest_circuits.findings import Behaviour, Canary, Direction, Finding, Null, Role
from pytest_circuits.findings.encoding import decode, encode, rounded


def finding(values=((0.123456, -0.0), (0.9, 0.65)), companion_value=4.0, **fields) -> Finding:
    values = np.array(values, dtype=np.float64)
    fields = {
        "role": Role("induction heads", 0.4),
        "profiles": {"L1H1": np.array([0.6, 0.7]), "L1H0": np.array([0.85, 0.95])},
        "direction": Direction.HIGHER,
        "nulls": {"L1H1": Null(0.02126, 0.00098), "L1H0": Null(-0.0, 0.05)},
        "canary": Canary(3.12348, "text", "c0ffee"),
        **fields,
    }
    return Finding(
        measure="induction_scores",
        quantity="induction score",
        unit="attention probability",
        axes=("layer", "head"),
        values=values,
        errors=np.full_like(values, 0.01),
        samples=2,
        clusters=2,
        convention={"block": 16, "first_token": "BOS"},
        prompts={"kind": "repeated tokens", "ids": [[1, 2], [2, 1]]},
        companion=(
            Behaviour(
                "accuracy", companion_value, 0.5, 2, Direction.HIGHER, "share",
                vital=True, interval=(0.25, 0.99999), profile=np.array([3.5, 4.5]),
            ),
            Behaviour("repeat_loss", 0.5, math.nan, 1, Direction.LOWER, "nats", judged=False),
        ),
        provenance={"dtype": "float32", "versions": {"torch": "2.6"}},
        **fields,
    )  # fmt: skip


def test_a_finding_comes_back_from_its_document():
    original = finding()

    back = decode(json.loads(json.dumps(encode(original), allow_nan=False)))

    assert back.equals(rounded(original))
    for field in ("quantity", "unit", "direction", "axes", "samples", "clusters", "role"):
        assert getattr(back, field) == getattr(original, field), field
    assert dict(back.provenance) == dict(original.provenance)
    assert back.profiles.keys() == original.profiles.keys()
    np.testing.assert_array_equal(back.profiles["L1H0"], [0.85, 0.95])
    np.testing.assert_array_equal(back.errors, original.errors)


def test_behaviours_come_back_from_their_document():
    accuracy, loss = decode(encode(finding())).companion

    assert (accuracy.name, accuracy.value, accuracy.error) == ("accuracy", 4.0, 0.5)
    assert (accuracy.clusters, accuracy.vital, accuracy.unit) == (2, True, "share")
    assert accuracy.interval == (0.25, 1.0)
    np.testing.assert_array_equal(accuracy.profile, [3.5, 4.5])
    assert (loss.name, loss.direction, loss.vital) == ("repeat_loss", Direction.LOWER, False)
    assert (accuracy.judged, loss.judged) == (True, False)
    assert math.isnan(loss.error)
    assert loss.interval is None
    assert loss.profile is None


def test_nulls_and_canary_come_back_from_their_document():
    document = encode(finding())

    assert document["nulls"] == {
        "L1H0": {"mean": 0.0, "p": 0.05},
        "L1H1": {"mean": 0.0213, "p": 0.001},
    }
    assert document["canary"] == {"loss": 3.1235, "kind": "text", "tokens": "c0ffee"}
    assert decode(document).nulls == {"L1H1": Null(0.0213, 0.001), "L1H0": Null(0.0, 0.05)}
    assert decode(document).canary == Canary(3.1235, "text", "c0ffee")


def test_a_finding_without_nulls_and_canary_has_no_keys_for_them():
    document = encode(finding(nulls={}, canary=None))

    assert document.keys() & {"nulls", "canary"} == set()
    assert decode(document).nulls == {}
    assert decode(document).canary is None


def test_a_finding_of_one_number_comes_back():
    number = Finding(
        "repeat_loss", "repeat loss", "nats", Direction.LOWER, (), np.array(2.00004),
        np.array(math.nan), 1, 1, {}, {}, profiles={"repeat_loss": np.array([2.0])},
    )  # fmt: skip

    document = encode(number)
    back = decode(document)

    assert document["values"] == 2.0
    assert "role" not in document
    assert back.values.shape == ()
    assert float(back) == 2.0
    np.testing.assert_array_equal(back.profiles["repeat_loss"], [2.0])


def test_the_names_of_cells_come_back_and_what_is_in_memory_alone_does_not():
    original = finding(
        labels={"head": ("left", "right")}, raw={"clean": np.ones(2)}, clustering=("a", "b")
    )

    document = json.loads(json.dumps(encode(original)))

    assert document["labels"] == {"head": ["left", "right"]}
    assert decode(document).labels == original.labels
    assert document.keys() & {"raw", "screen", "clustering"} == set()
    # Like is compared with like, sample by sample.
    assert rounded(original).clustering == ("a", "b")
    assert "labels" not in encode(finding())


def test_the_null_of_a_number_comes_back():
    number = Finding(
        "faithfulness", "faithfulness", "fraction", Direction.TWO_SIDED, (), np.array(0.9),
        np.array(0.1), 3, 3, {}, {}, nulls={"faithfulness": Null(0.21234, 0.005)},
    )  # fmt: skip

    assert decode(encode(number)).nulls == {"faithfulness": Null(0.2123, 0.005)}


def test_numbers_are_rounded_to_four_decimals():
    assert encode(finding())["values"] == [[0.1235, 0.0], [0.9, 0.65]]


def test_rounding_twice_changes_nothing_more():
    once = rounded(finding())

    assert encode(once) == encode(rounded(once))


@pytest.mark.parametrize("value", [-0.0, -0.00001])
def test_minus_zero_is_zero(value):
    text = json.dumps(encode(finding([[value, 0.9], [0.5, 0.5]]))["values"])

    assert text.startswith("[[0.0, ")


def test_undefined_values_are_null_and_come_back_as_nan():
    gone = finding(
        np.full((2, 2), math.nan), companion_value=0.5, profiles={}, relative_to="accuracy"
    )

    document = encode(gone)

    assert document["values"] == [[None, None], [None, None]]
    assert document["role"] == {"name": "induction heads", "threshold": 0.4, "members": {}}
    assert decode(document).undefined
    assert np.isnan(decode(document).values).all()


#: The second head is one that the model does not have.
ABSENT = np.array([[False, True], [False, False]])


def without_a_cell(values=((0.123456, 0.0), (0.9, 0.65)), **fields):
    values, errors = np.where(ABSENT, math.nan, values), np.where(ABSENT, math.nan, 0.01)
    whole = finding(companion_value=0.5) if np.isnan(values).all() else finding()
    return replace(whole, values=values, errors=errors, absent=ABSENT, **fields)


def test_cells_that_the_model_does_not_have_are_null_and_come_back():
    document = encode(without_a_cell())
    assert document["values"] == [[0.1235, None], [0.9, 0.65]]
    assert document["errors"] == [[0.01, None], [0.01, 0.01]]
    assert "absent" not in document

    back = decode(json.loads(json.dumps(document, allow_nan=False)))

    np.testing.assert_array_equal(back.absent, ABSENT)
    np.testing.assert_array_equal(rounded(without_a_cell()).absent, ABSENT)
    assert back.equals(rounded(without_a_cell()))
    assert encode(back) == document
    assert decode(encode(finding())).absent is None


def test_the_document_of_an_undefined_finding_does_not_say_which_cells_there_are():
    nothing = without_a_cell(math.nan, relative_to="accuracy")
    assert nothing.undefined
    assert nothing.absent is not None
    assert decode(encode(nothing)).absent is None
    assert rounded(nothing).absent is None


def test_an_error_that_a_single_cluster_does_not_have_is_null():
    assert encode(finding())["companion"]["repeat_loss"]["error"] is None


def test_a_document_says_of_every_behaviour_whether_it_is_judged():
    companion = encode(finding())["companion"]

    assert (companion["accuracy"]["judged"], companion["repeat_loss"]["judged"]) == (True, False)


def test_a_behaviour_that_does_not_say_whether_it_is_judged_is_refused():
    document = encode(finding())
    del document["companion"]["repeat_loss"]["judged"]

    with pytest.raises(KeyError, match="judged"):
        decode(document)


def test_keys_stand_in_a_fixed_order():
    assert list(encode(finding(relative_to="accuracy"))) == [
        "measure",
        "quantity",
        "unit",
        "direction",
        "convention",
        "prompts",
        "samples",
        "clusters",
        "companion",
        "relative_to",
        "canary",
        "role",
        "profiles",
        "nulls",
        "axes",
        "values",
        "errors",
        "recorded_with",
    ]


def test_profiles_are_those_of_the_members_in_the_order_of_their_heads():
    document = encode(finding())

    assert list(document["role"]["members"]) == ["L1H0", "L1H1"]
    assert list(document["profiles"]) == ["L1H0", "L1H1"]

    # A head that dropped out of the role takes its profile with it.
    for outside in (
        finding([[0.1, 0.2], [0.9, 0.3]]),
        finding(nulls={"L1H1": Null(0.6, 0.2)}),
    ):
        assert list(encode(outside)["role"]["members"]) == ["L1H0"]
        assert list(encode(outside)["profiles"]) == ["L1H0"]


@pytest.mark.parametrize(
    "damage",
    [
        {"values": "many"},
        {"values": [[0.1], [0.2, 0.3]]},
        {"values": [0.1, 0.2]},
        {"direction": "sideways"},
        {"samples": None},
        {"role": {"name": "induction heads"}},
        {"companion": {"accuracy": {}}},
        {"nulls": {"L1H0": {"mean": 0.1}}},
        {"canary": {"loss": 3.1, "kind": "text"}},
    ],
    ids=str,
)
def test_a_document_that_is_no_finding_is_refused(damage):
    with pytest.raises((KeyError, TypeError, ValueError)):
        decode({**encode(finding()), **damage})


@pytest.mark.parametrize("key", list(encode(finding())))
def test_a_document_that_lacks_a_key_is_refused_or_whole_without_it(key):
    document = encode(finding())
    del document[key]

    # Findings of one number have no role; version 1 had neither nulls nor a canary.
    if key in ("role", "profiles", "nulls", "canary"):
        assert decode(document).measure == "induction_scores"
    else:
        with pytest.raises(KeyError, match=key):
            decode(document)
