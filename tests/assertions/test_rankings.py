"""Rankings that ask for strength: an order alone stays where everything shrinks alike."""

import numpy as np
import pytest
from assertions.claims import finding, message, named

from pytest_circuits import assert_component_ranking, assert_head_ranking

TOP = ["L1H0", "L1H1"]


def attribution(scale=1.0, **fields):
    """L1H0 0.8, L1H1 0.5, L0H0 0.1, L0H1 −0.9, times a scale."""
    values = scale * np.array([[0.1, -0.9], [0.8, 0.5]])
    return finding("head_attribution", values, **fields)


def parts(scale=1.0):
    values = {"L0 attn": 3.0 * scale, "embedding": 0.2 * scale, "L1 mlp": -2.0 * scale}
    return named("component_attribution", "component", **values)


def test_an_order_stays_where_all_shrink_alike():
    assert_head_ranking(attribution(0.3), top=TOP)
    assert_component_ranking(parts(0.1), top=["L0 attn"])


def test_each_head_that_is_named_has_the_strength_that_is_asked_for():
    assert_head_ranking(attribution(), top=TOP, at_least=0.5)
    with pytest.raises(AssertionError) as raised:
        assert_head_ranking(attribution(0.5), top=TOP, at_least=0.5)
    assert message(raised) == [
        "head attribution: the ranking should begin L1H0, L1H1, each with at least 0.5 units",
        "  L1H1 0.250: 0.250 short of 0.500",
        "  L1H0 0.400: 0.100 short of 0.500",
        "  it begins L1H0 0.400, L1H1 0.250, L0H0 0.050",
    ]


def test_each_component_too():
    assert_component_ranking(parts(), top=["L0 attn", "embedding"], at_least=0.2)
    with pytest.raises(AssertionError) as raised:
        assert_component_ranking(parts(), top=["L0 attn", "embedding"], at_least=1)
    assert message(raised) == [
        (
            "component attribution: the ranking should begin L0 attn, embedding, each "
            "with at least 1 units"
        ),
        "  embedding 0.200: 0.800 short of 1.000",
        "  it begins L0 attn 3.000, embedding 0.200, L1 mlp -2.000",
    ]


def test_heads_out_of_place_and_heads_too_weak_are_both_named():
    with pytest.raises(AssertionError) as raised:
        assert_head_ranking(attribution(), top=["L1H1", "L1H0"], at_least=0.6)
    assert message(raised) == [
        "head attribution: the ranking should begin L1H1, L1H0, each with at least 0.6 units",
        "  L1H1 0.500 is 0.300 units behind L1H0 0.800 (margin 0.05)",
        "  L1H1 0.500: 0.100 short of 0.600",
        "  it begins L1H0 0.800, L1H1 0.500, L0H0 0.100",
    ]


def test_by_magnitude_the_strength_is_one_of_magnitude():
    assert_head_ranking(attribution(), top=["L0H1", "L1H0"], by="magnitude", at_least=0.8)
    with pytest.raises(AssertionError, match=r"L0H1 0\.450: 0\.350 short of 0\.800"):
        assert_head_ranking(attribution(0.5), top=["L0H1"], by="magnitude", at_least=0.8)
    parts_by_size = {"top": ["L0 attn", "L1 mlp"], "by": "magnitude"}
    assert_component_ranking(parts(), **parts_by_size, at_least=2)
    with pytest.raises(AssertionError, match=r"L1 mlp 2\.000: 0\.500 short of 2\.500"):
        assert_component_ranking(parts(), **parts_by_size, at_least=2.5)


def test_a_signed_strength_is_missed_by_what_works_against_the_behaviour():
    values = [[-0.5, -0.9], [-0.7, -0.8]]
    assert_head_ranking(finding(values=values), top=["L0H0"])
    with pytest.raises(AssertionError, match=r"L0H0 -0\.500: 0\.500 short of 0\.000"):
        assert_head_ranking(finding(values=values), top=["L0H0"], at_least=0)


def test_a_share_is_of_what_the_same_head_has_in_the_other_finding():
    other = attribution()
    assert_head_ranking(attribution(0.8), top=TOP, at_least=0.8, of=other)
    with pytest.raises(AssertionError) as raised:
        assert_head_ranking(attribution(0.7), top=TOP, at_least=0.8, of=other)
    assert message(raised)[:3] == [
        (
            "head attribution: the ranking should begin L1H0, L1H1, each with at least 0.8 of the "
            "reference's"
        ),
        "  L1H0 0.560: 0.080 short of 0.640",
        "  L1H1 0.350: 0.050 short of 0.400",
    ]
    assert_component_ranking(parts(0.8), top=["L0 attn"], at_least=0.8, of=parts())
    with pytest.raises(AssertionError, match=r"L0 attn 2\.100: 0\.300 short of 2\.400"):
        assert_component_ranking(parts(0.7), top=["L0 attn"], at_least=0.8, of=parts())


def test_a_share_by_magnitude_is_of_magnitudes():
    options = {"top": ["L0H1"], "by": "magnitude", "of": attribution()}
    assert_head_ranking(attribution(0.5), **options, at_least=0.5)
    with pytest.raises(AssertionError, match=r"L0H1 0\.450: 0\.270 short of 0\.720"):
        assert_head_ranking(attribution(0.5), **options, at_least=0.8)


def test_a_share_by_magnitude_is_missed_by_the_other_sign():
    options = {"top": ["L0H1", "L1H0"], "by": "magnitude", "at_least": 0.5, "of": attribution()}
    with pytest.raises(AssertionError, match=r"L0H1 -0\.900: 1\.350 short of 0\.450"):
        assert_head_ranking(attribution(-1), **options)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"at_least": "much"}, ValueError, "a threshold is a number, not 'much'"),
        ({"at_least": float("nan")}, ValueError, "a threshold is a number, not nan"),
        ({"at_least": True}, ValueError, "a threshold is a number, not True"),
        ({"at_least": 0.5, "of": 3}, TypeError, "of takes what a measure found, and got int"),
        (
            {"of": attribution()},
            ValueError,
            "with of, at_least says which share of it",
        ),
        (
            {"at_least": -0.5, "of": attribution()},
            ValueError,
            "a share of the reference is 0 or more, not -0.5",
        ),
        (
            {"at_least": 0.5, "of": attribution(convention={"block": 48})},
            ValueError,
            (
                "the reference is not the same quantity: convention.block differs, 48 there and "
                "none here"
            ),
        ),
        (
            {"at_least": 0.5, "of": attribution(-1.0)},
            ValueError,
            "no share of the reference is a threshold where L1H0 has -0.800",
        ),
    ],
)
def test_what_is_no_strength_is_refused(options, error, text):
    with pytest.raises(error) as raised:
        assert_head_ranking(attribution(), top=["L1H0"], **options)
    assert message(raised) == [f"head attribution: {text}"]
