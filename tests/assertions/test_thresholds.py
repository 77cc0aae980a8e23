"""What a claim is held against: a number, a share of another finding, or the null; and bounds."""

import math
from dataclasses import replace

import numpy as np
import pytest
from assertions.claims import VALUES, finding, message, named

from pytest_circuits import (
    assert_attends,
    assert_behaviour,
    assert_complete,
    assert_copies,
    assert_faithful,
    assert_induction_score,
    assert_logit_diff_recovered,
)
from pytest_circuits.findings import Direction, Null

# A share of another finding


def test_the_kth_strongest_head_is_held_against_the_kth_strongest_there():
    other_heads = [[0.8, 0.5], [0.1, -0.9]]
    assert_induction_score(finding(), at_least=1, heads=3, of=finding(values=other_heads))


def test_heads_below_their_share_are_named_with_their_thresholds():
    with pytest.raises(AssertionError) as raised:
        assert_induction_score(
            finding(), at_least=0.9, heads=2, of=finding(values=[[1.0, 0.6], [0, 0]])
        )
    assert message(raised) == [
        "induction scores: 0 of 2 heads with a value of at least 0.9 of the reference's",
        "  L1H0 0.800 ± 0.050: 0.100 short of 0.900",
        "  L1H1 0.500 ± 0.050: 0.040 short of 0.540",
        "  repeat loss 0.250 nats",
    ]


def test_one_number_is_a_share_of_another():
    reference = finding("logit_diff", 4.0)
    assert_behaviour(finding("logit_diff", 3.0), at_least=0.75, at_most=1.1, of=reference)
    with pytest.raises(AssertionError) as raised:
        assert_behaviour(finding("logit_diff", 3.0), at_least=0.9, of=reference)
    assert message(raised) == [
        "logit diff: it should be at least 3.600 units (0.9 of the reference's)",
        "  3.000 ± 0.050: 0.600 short",
        "  repeat loss 0.250 nats",
    ]
    with pytest.raises(AssertionError) as raised:
        assert_behaviour(finding("logit_diff", 5.0), at_most=1.1, of=reference)
    assert message(raised)[:2] == [
        "logit diff: it should be at most 4.400 units (1.1 of the reference's)",
        "  5.000 ± 0.050: 0.600 too much",
    ]


def test_every_value_is_at_most_a_share_of_the_references_largest():
    reference = named("completeness", "subset", one=0.2, other=0.1)
    assert_complete(named("completeness", "subset", one=0.1, other=0.2), at_most=1, of=reference)
    with pytest.raises(AssertionError) as raised:
        assert_complete(
            named("completeness", "subset", one=0.1, other=0.3), at_most=1.2, of=reference
        )
    assert message(raised)[:2] == [
        ("completeness: 1 of 2 subsets with a value above 0.240 (1.2 of the reference's largest)"),
        "  other 0.300 ± 0.050: 0.060 too much",
    ]


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"measure": "patch"}, "measure differs, patch there and induction_scores here"),
        ({"unit": "logits"}, "unit differs, logits there and units here"),
        ({"convention": {"block": 9}}, "convention.block differs, 9 there and none here"),
        ({"prompts": {"tokens": "a"}}, "prompts.tokens differs, a there and none here"),
        ({"values": [[0.1, 0.2, 0.3]]}, "shape differs, 1 × 3 there and 2 × 2 here"),
    ],
)
def test_another_quantity_has_no_share_and_the_field_is_named(other, field):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 — the whole text is held
        assert_induction_score(finding(), at_least=0.9, of=finding(**other))
    assert message(raised) == [f"induction scores: the reference is not the same quantity: {field}"]


@pytest.mark.parametrize(
    ("given", "reference", "options", "where"),
    [
        (finding(), finding(), {"heads": 4}, "L0H1 has -0.900"),
        (finding(values=-1.0), finding(values=-2.0), {}, "it is -2.000"),
    ],
)
def test_less_than_nothing_has_no_share(given, reference, options, where):
    helper = assert_induction_score if options else assert_behaviour
    with pytest.raises(ValueError, match=f"no share of the reference is a threshold where {where}"):
        helper(given, at_least=0.9, of=reference, **options)


def test_a_reference_whose_behaviour_is_gone_has_no_share():
    dead = finding("patch", np.full((2, 2), np.nan), gain=0.01, relative_to="repeat_gain")
    alive = finding("patch", relative_to="repeat_gain")
    with pytest.raises(AssertionError, match="patch: undefined, because there is nothing to be"):
        assert_logit_diff_recovered(alive, at_least=0.5, of=dead)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_no_number_is_no_threshold(number):
    with pytest.raises(
        ValueError, match=f"^induction scores: a threshold is a number, not {number}$"
    ):
        assert_induction_score(finding(), at_least=number)
    with pytest.raises(ValueError, match="a threshold is a number"):
        assert_behaviour(finding("text_loss", 3.0), at_most=number)


@pytest.mark.parametrize("given", [None, "nul", "0.5", True, [0.5]])
def test_what_is_neither_a_number_nor_the_null_is_no_threshold(given):
    text = f'a threshold is a number or "null", not {given!r}'
    for helper, measure in ((assert_induction_score, "induction_scores"), (assert_faithful, None)):
        claimed = finding(measure) if measure else finding("faithfulness", 0.9)
        with pytest.raises(ValueError) as raised:  # noqa: PT011 — the whole text is held
            helper(claimed, at_least=given)
        assert message(raised) == [f"{claimed.quantity}: {text}"]


@pytest.mark.parametrize("given", ["null", True, "0.5"])
def test_what_is_no_number_is_no_upper_threshold(given):
    with pytest.raises(ValueError, match=f"^text loss: a threshold is a number, not {given!r}$"):
        assert_behaviour(finding("text_loss", 3.0), at_most=given)


def test_numbers_of_numpy_are_thresholds():
    assert_behaviour(finding("text_loss", 3.0), at_least=np.float32(2), at_most=np.int64(3))


@pytest.mark.parametrize("reference", [0.9, "approved", VALUES])
def test_a_reference_is_a_finding(reference):
    text = f"of takes what a measure found, and got {type(reference).__name__}"
    with pytest.raises(TypeError) as raised:
        assert_induction_score(finding(), at_least=0.9, of=reference)
    assert message(raised) == [f"induction scores: {text}"]
    with pytest.raises(TypeError, match=text):
        assert_behaviour(finding("text_loss", 3.0), at_most=0.9, of=reference)


# The null


def with_nulls(**p_values):
    """The finding with nulls of 0.2 of these heads."""
    return finding(nulls={head: Null(0.2, p) for head, p in p_values.items()})


def test_heads_have_more_than_their_null():
    assert_induction_score(with_nulls(L1H0=0.001, L1H1=0.05), at_least="null", heads=2)


def test_heads_that_have_no_more_than_their_null_are_named_with_it():
    with pytest.raises(AssertionError) as raised:
        assert_induction_score(with_nulls(L1H0=0.06, L1H1=0.2), at_least="null")
    assert message(raised) == [
        "induction scores: 0 of 1 heads with more than their null",
        "  L1H1 0.500 ± 0.050, null 0.200, p 0.200",
        "  L1H0 0.800 ± 0.050, null 0.200, p 0.060",
        "  repeat loss 0.250 nats",
    ]


def test_where_no_head_is_strong_enough_for_a_null_the_claim_fails():
    with pytest.raises(AssertionError, match="0 of 1 heads with more than their null"):
        assert_induction_score(finding(values=[[0.1, 0.2]]), at_least="null")


def random_circuits(p, **fields):
    return finding("faithfulness", 0.9, nulls={"faithfulness": Null(0.3, p)}, **fields)


def test_a_circuit_does_more_than_random_ones():
    assert_faithful(random_circuits(0.01), at_least="null", at_most=1.0)
    with pytest.raises(AssertionError) as raised:
        assert_faithful(random_circuits(0.3), at_least="null")
    assert message(raised) == [
        "faithfulness: it should be more than its null",
        "  0.900 ± 0.050, null 0.300, p 0.300",
        "  repeat loss 0.250 nats",
    ]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            finding("faithfulness", 0.9),
            "faithfulness was measured without a null: ask for one (null=200)",
        ),
        (finding("logit_diff", 0.9), "logit_diff has no null to hold its values against"),
        (
            random_circuits(0.01, direction=Direction.LOWER),
            "faithfulness: less is better, and more than a null no claim",
        ),
    ],
)
def test_a_number_without_a_null_is_not_held_against_one(given, text):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 — the whole text is held
        assert_behaviour(given, at_least="null")
    assert message(raised) == [text]


@pytest.mark.parametrize("role", [finding().role, None])
def test_heads_of_a_measure_without_a_null_are_not_held_against_one(role):
    with pytest.raises(ValueError, match="induction_scores has no null to hold its values against"):
        assert_induction_score(replace(finding(), role=role), at_least="null")


@pytest.mark.parametrize("values", [VALUES, np.zeros((2, 2))])
@pytest.mark.parametrize("measure", ["attention_between", "previous_token_scores"])
def test_whether_there_is_a_null_is_the_measures_and_not_the_datas(measure, values):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 — the whole text is held
        assert_attends(finding(measure, values), at_least="null")
    assert message(raised) == [f"{measure} has no null to hold its values against"]


def test_the_null_is_no_share():
    with pytest.raises(ValueError, match=r'at_least="null" is no share of another finding'):
        assert_induction_score(with_nulls(L1H0=0.001), at_least="null", of=finding())


# Sure. With ten clusters t is 1.833, so that a bound is 0.092 away.


@pytest.mark.parametrize("helper", [assert_faithful, assert_behaviour])
def test_sure_holds_both_bounds(helper):
    given = finding("faithfulness", 0.8)
    helper(given, at_least=0.7, at_most=0.9, sure=True)
    helper(given, at_least=0.75, at_most=0.85)
    with pytest.raises(AssertionError) as raised:
        helper(given, at_least=0.75, at_most=9, sure=True)
    assert message(raised)[:2] == [
        "faithfulness: its lower bound should be at least 0.75 units",
        "  0.800 ± 0.050: 0.042 short",
    ]
    with pytest.raises(AssertionError) as raised:
        helper(given, at_least=0, at_most=0.85, sure=True)
    assert message(raised)[:2] == [
        "faithfulness: its upper bound should be at most 0.85 units",
        "  0.800 ± 0.050: 0.042 too much",
    ]


def test_sure_holds_the_upper_bounds_of_all_values_and_names_the_least_sure_first():
    parts = replace(
        named("completeness", "subset", one=0.2, other=0.1), errors=np.array([0.01, 0.1])
    )
    assert_complete(parts, at_most=0.21)
    with pytest.raises(AssertionError) as raised:
        assert_complete(parts, at_most=0.21, sure=True)
    assert message(raised) == [
        "completeness: 2 of 2 subsets with an upper bound above 0.21",
        "  other 0.100 ± 0.100: 0.073 too much",
        "  one 0.200 ± 0.010: 0.008 too much",
        "  repeat loss 0.250 nats",
    ]


def test_sure_from_above_needs_two_clusters_too():
    alone = finding("text_loss", 3.0, errors=np.nan, clusters=1)
    assert_behaviour(alone, at_most=3)
    with pytest.raises(ValueError, match="sure=True needs two clusters of prompts or more"):
        assert_behaviour(alone, at_most=9, sure=True)


def test_a_share_is_of_the_references_estimate():
    reference = finding(values=VALUES, errors=0.3)
    assert_induction_score(finding(errors=0.01), at_least=0.97, sure=True, of=reference)
    with pytest.raises(AssertionError, match=r"a lower bound of at least 0\.99 of the reference's"):
        assert_induction_score(finding(errors=0.01), at_least=0.99, sure=True, of=reference)


# Sure of shares


@pytest.mark.parametrize("clusters", [2, 10])
def test_all_prompts_being_right_makes_nobody_sure_that_all_others_are(clusters):
    right = finding(
        "accuracy", 1.0, unit="share of prompts", errors=np.array(0.0), clusters=clusters
    )
    assert_behaviour(right, at_least=1.0)
    assert_behaviour(right, at_least=0.05 ** (1 / clusters) - 1e-6, sure=True)
    for too_much in (1.0, 0.05 ** (1 / clusters) + 1e-6):
        with pytest.raises(AssertionError, match="its lower bound should be at least"):
            assert_behaviour(right, at_least=too_much, sure=True)
    wrong = replace(right, values=np.array(0.0))
    assert_behaviour(wrong, at_most=0.0)
    with pytest.raises(AssertionError, match="its upper bound should be at most 0 "):
        assert_behaviour(wrong, at_most=0.0, sure=True)


def test_heads_that_copied_every_token_may_miss_another():
    copies = finding("copying_scores", [[1.0, 0.0]], unit="share of tokens", errors=0.0, clusters=2)
    assert_copies(copies, at_least=1.0)
    assert_copies(copies, at_least=0.2, sure=True)
    with pytest.raises(AssertionError, match="0 of 1 heads with a lower bound of"):
        assert_copies(copies, at_least=0.9, sure=True)
