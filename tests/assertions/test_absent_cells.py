"""What may be claimed of a model that has heads in some layers only."""

import numpy as np
import pytest
from assertions.claims import finding, message

from pytest_circuits import (
    assert_complete,
    assert_component_ranking,
    assert_head_ranking,
    assert_induction_score,
    assert_logit_lens,
    assert_minimal,
)

NAN = float("nan")
#: Layer 0 has no heads, and layer 2 one.
VALUES = [[NAN, NAN], [0.8, 0.5], [-0.9, NAN]]


def hybrid(measure="induction_scores", values=VALUES, **fields):
    absent = np.isnan(np.array(values, dtype=float))
    errors = np.where(absent, NAN, 0.05)
    return finding(measure, values, **{"errors": errors, "absent": absent, **fields})


def test_thresholds_are_held_by_the_heads_that_are_there():
    assert_induction_score(hybrid(), at_least=0.5, heads=2)
    assert_induction_score(hybrid(), at_least=0.4, heads=2, sure=True)
    with pytest.raises(AssertionError) as raised:
        assert_induction_score(hybrid(), at_least=0.6, heads=3)
    assert message(raised) == [
        "induction scores: 1 of 3 heads with a value of at least 0.6",
        "  L2H0 -0.900 ± 0.050: 1.500 short",
        "  L1H1 0.500 ± 0.050: 0.100 short",
        "  repeat loss 0.250 nats",
    ]


def test_no_more_heads_can_be_asked_for_than_there_are():
    with pytest.raises(ValueError, match="heads is 4, and this model has only 3"):
        assert_induction_score(hybrid(), at_least=0.1, heads=4)


def test_a_share_of_another_finding_is_of_one_with_the_same_heads():
    assert_induction_score(hybrid(), at_least=0.9, heads=2, of=hybrid())
    whole = finding(values=np.nan_to_num(np.array(VALUES)))
    for found, reference in ((whole, hybrid()), (hybrid(), whole)):
        with pytest.raises(ValueError, match="not the same quantity: shape differs, layer 0 has "):
            assert_induction_score(found, at_least=0.9, of=reference)


def test_a_ranking_is_of_the_heads_that_are_there():
    assert_head_ranking(hybrid(), top=["L1H0", "L1H1", "L2H0"])
    assert_head_ranking(hybrid(), top=["L2H0"], by="magnitude", margin=0.2)
    with pytest.raises(AssertionError) as raised:
        assert_head_ranking(hybrid(), top=["L2H0"])
    assert message(raised)[1:] == [
        "  L2H0 -0.900 is 1.700 units behind L1H0 0.800 (margin 0.05)",
        "  it begins L1H0 0.800, L1H1 0.500",
    ]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("L0H1", "this model has no head L0H1: layer 0 has no heads"),
        ("2.1", "this model has no head L2H1: layer 2 has 1 head"),
        ("L0H2", "this model has no head L0H2: its last one is L2H0"),
        ("L3H0", "this model has no head L3H0: its last one is L2H0"),
    ],
)
def test_a_head_that_the_model_does_not_have_cannot_be_claimed(head, said):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 — its message is held whole
        assert_head_ranking(hybrid(), top=["L1H0", head])
    assert message(raised) == [said]


def test_a_component_that_the_model_does_not_have_is_not_among_those_there_are():
    parts = {"L0 attn": NAN, "L0 mlp": 1.0, "L1 attn": 2.0}
    absent = {"errors": np.array([NAN, 0.1, 0.1]), "absent": np.array([True, False, False])}
    found = finding(
        "component_attribution", list(parts.values()), axes=("component",),
        labels={"component": tuple(parts)}, **absent,
    )  # fmt: skip
    assert_component_ranking(found, top=["L1 attn", "L0 mlp"])
    with pytest.raises(
        ValueError, match=r"no component 'L0 attn' here; there are L0 mlp, L1 attn$"
    ):
        assert_component_ranking(found, top=["L0 attn"])


def test_all_that_is_there_has_to_be_needed_and_complete():
    parts = hybrid("minimality", [NAN, 0.5, 0.2], axes=("component",), role=None)
    assert_minimal(parts, at_least=0.1)
    with pytest.raises(AssertionError, match=r"1 of 2 components with a value of at least 0\.3"):
        assert_minimal(parts, at_least=0.3)
    subsets = hybrid("completeness", [NAN, 0.5, 0.2], axes=("subset",), role=None)
    assert_complete(subsets, at_most=0.6)
    with pytest.raises(AssertionError, match=r"1 of 2 subsets with a value above 0\.4"):
        assert_complete(subsets, at_most=0.4)


def test_layers_of_a_lens_that_are_not_there_are_no_claim():
    lens = hybrid("logit_lens", [NAN, 1.0, NAN, 3.0], axes=("layer",), role=None)
    assert_logit_lens(lens, from_layer=1, at_least=0.5)
    with pytest.raises(AssertionError) as raised:
        assert_logit_lens(lens, from_layer=1, at_least=2)
    assert message(raised)[1:] == ["  layer 1 1.000 ± 0.050: 1.000 short"]
    for layer in (0, 2, -2):
        with pytest.raises(ValueError, match=f"there is nothing to hold: layer {layer % 4} has no"):
            assert_logit_lens(lens, from_layer=layer, at_least=0.5)
