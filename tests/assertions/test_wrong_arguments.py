"""A claim that could not fail, or that nobody can have meant, is refused before it holds."""

import math

import numpy as np
import pytest
from assertions.claims import VALUES, finding, message, named

import pytest_circuits
from pytest_circuits import (
    assert_behaviour,
    assert_component_ranking,
    assert_faithful,
    assert_head_ranking,
    assert_induction_score,
    assert_logit_diff_recovered,
    assert_logit_lens,
)
from pytest_circuits.findings import Head

LENS = finding("logit_lens", [1.0, 2.0, 3.0], axes=("layer",))
#: A finding that each helper takes, and a claim about it that holds.
HELPERS = {
    "assert_induction_score": (finding(), {"at_least": 0.4}),
    "assert_attends": (finding("attention_between"), {"at_least": 0.4}),
    "assert_copies": (finding("copying_scores"), {"at_least": 0.4}),
    "assert_logit_diff_recovered": (finding("patch"), {"at_least": 0.4}),
    "assert_logit_lens": (LENS, {"from_layer": 1, "at_least": 1.5, "at_most": 4}),
    "assert_ablation_hurts": (finding("ablate"), {"at_least": 0.4}),
    "assert_faithful": (finding("faithfulness", 0.9), {"at_least": 0.5, "at_most": 1.1}),
    "assert_complete": (named("completeness", "subset", one=0.1), {"at_most": 0.4}),
    "assert_minimal": (named("minimality", "node", L0H0=0.5), {"at_least": 0.4}),
    "assert_behaviour": (finding("logit_diff", 2.0), {"at_least": 1, "at_most": 3}),
    "assert_head_ranking": (finding(), {"top": ["L1H0"], "margin": 0.05, "by": "signed"}),
    "assert_component_ranking": (
        named("component_attribution", "component", bias=0.1, embedding=0.5),
        {"top": ["embedding"], "margin": 0.05, "by": "signed"},
    ),
}
NAN, INF = math.nan, math.inf
NOT_NUMBERS = [NAN, INF, -INF, np.float64("nan"), True, "3", [], [0.5], None, 1j, np.array([1.0])]
#: What is refused, by parameter.
REFUSED = {
    # None is what a threshold is by default where there may be another one.
    "at_least": [*NOT_NUMBERS[:-3], 1j],
    "at_most": [*NOT_NUMBERS[:-3], 1j],
    "heads": [0, -1, 1.5, NAN, INF, True, "3", None, [1], np.float64(1)],
    "sure": [None, 0, 1, "yes", "", [], NAN],
    "from_layer": [1.5, NAN, True, "1", None, 9, -9, [1]],
    "top": [
        "L1H0",
        [],
        (),
        None,
        3,
        {"L1H0"},
        {"L1H0": 1},
        [None],
        [1.5],
        [True],
        [[1]],
        Head(1, 0),
    ],
    "margin": [-1, -0.01, NAN, INF, True, "0.1", None, [0.1]],
    "by": ["size", None, 1, True, ["signed"]],
    "of": ["approved", 0.9, VALUES, []],
}
PARAMETERS = [
    (name, parameter, given)
    for name, (_, claim) in HELPERS.items()
    for parameter in sorted({*getattr(pytest_circuits, name).__kwdefaults__, *claim})
    for given in REFUSED[parameter]
]


@pytest.mark.parametrize("name", HELPERS)
def test_the_claims_of_the_table_hold(name):
    given, claim = HELPERS[name]
    assert getattr(pytest_circuits, name)(given, **claim) is None  # and nothing is raised


@pytest.mark.parametrize(("name", "parameter", "given"), PARAMETERS)
def test_what_is_no_argument_is_refused_in_one_message_that_names_it(name, parameter, given):
    found, claim = HELPERS[name]
    with pytest.raises((ValueError, TypeError)) as raised:
        getattr(pytest_circuits, name)(found, **{**claim, parameter: given})
    (line,) = message(raised)
    words = {"at_least": "threshold", "at_most": "threshold", "from_layer": "layer"}
    labels = ("head label", "component") if parameter == "top" else ()
    assert any(word in line for word in (words.get(parameter, parameter), *labels))


@pytest.mark.parametrize(
    ("helper", "found", "claim", "text"),
    [
        (assert_behaviour, finding("text_loss", 3.0), {"at_most": NAN}, "number, not nan"),
        (assert_logit_lens, LENS, {"from_layer": 0, "at_most": NAN}, "number, not nan"),
        (assert_logit_lens, LENS, {"from_layer": 0, "at_least": -INF}, "number, not -inf"),
        (assert_faithful, finding("faithfulness", 0.1), {"at_least": -INF}, "number, not -inf"),
        (assert_head_ranking, finding(), {"top": ["L0H1"], "margin": NAN}, "0 or more, not nan"),
        (assert_head_ranking, finding(), {"top": ["L0H1"], "margin": INF}, "0 or more, not inf"),
        (
            assert_component_ranking,
            named("component_attribution", "component", bias=0.1, embedding=0.5),
            {"top": ["bias"], "margin": INF},
            "0 or more, not inf",
        ),
        (
            assert_induction_score,
            finding(errors=np.nan),
            {"at_least": 0.4, "sure": True},
            "sure=True needs an error, and that of L1H0 is not known",
        ),
        (
            assert_behaviour,
            finding("logit_diff", 2.0, errors=np.nan),
            {"at_least": 3, "sure": True},
            "sure=True needs an error, and that is not known",
        ),
        (
            assert_behaviour,
            finding("logit_diff", 2.0, errors=np.nan),
            {"at_most": 1, "sure": True},
            "sure=True needs an error, and that is not known",
        ),
        (
            assert_induction_score,
            finding(),
            {"at_least": "null", "sure": True},
            'at_least="null" is a test of its own, without bounds: leave sure out',
        ),
        (
            assert_behaviour,
            finding("logit_diff", -3.0),
            {"at_least": -2, "of": finding("logit_diff", 2.0)},
            "a share of the reference is 0 or more, not -2",
        ),
    ],
)
def test_what_would_hold_whatever_was_found_is_refused(helper, found, claim, text):
    with pytest.raises(ValueError, match=text):
        helper(found, **claim)


def test_numbers_of_numpy_and_pairs_of_layer_and_head_are_arguments():
    assert_induction_score(finding(), at_least=np.float32(0.4), heads=np.int64(2))
    assert_logit_lens(LENS, from_layer=np.int8(-1), at_least=np.float64(3))
    assert_head_ranking(finding(), top=[(1, 0), [1, 1], (np.int64(0), 0)], margin=np.float64(0.1))
    assert_head_ranking(finding(), top=((1, 0), Head(1, 1)))
    with pytest.raises(AssertionError, match=r"the ranking should begin L0H0"):
        assert_head_ranking(finding(), top=[(0, 0)])
    with pytest.raises(ValueError, match="this model has no head L0H2: its last one is L1H1"):
        assert_head_ranking(finding(), top=[(0, 2)])


def assert_share_of_stored(share, now, then, *, clusters=10, errors=0.0, unit="units", **claim):
    """Holds numbers against a share of those of a file."""
    from pytest_circuits.findings.encoding import decode, encode

    found = finding("patch", now, errors=errors, clusters=clusters, unit=unit)
    approved = decode(encode(finding("patch", then, errors=errors, clusters=clusters, unit=unit)))
    assert_logit_diff_recovered(found, at_least=share, of=approved, **claim)


#: Of which some are above what a file has of them, and some below.
RAGGED = np.random.default_rng(0).uniform(0.2, 0.9, (3, 4))


def test_identical_numbers_are_all_of_what_is_stored_of_them():
    assert_share_of_stored(1, RAGGED, RAGGED, heads=12)
    assert_share_of_stored(1.0, RAGGED, RAGGED, heads=12, sure=True)
    # Nine tenths of 0.3 are a little more in binary than 0.27.
    assert_share_of_stored(0.9, [[0.27]], [[0.3]])
    assert_share_of_stored(0.9, [[0.27]], [[0.3]], sure=True)


def test_a_share_of_a_share_of_tokens_is_a_count_also_where_it_is_rounded():
    # Of 30, a file's 0.3333 is a little less than 10. The bound of 10 is 0.19, that of 9 is 0.17.
    third = [[10 / 30]]
    assert_share_of_stored(0.55, third, third, clusters=30, unit="share of tokens", sure=True)


def test_what_misses_its_share_still_does():
    now = RAGGED.copy()
    now[0, 0] -= 0.01
    with pytest.raises(AssertionError, match=r"11 of 12 heads"):
        assert_share_of_stored(1, now, RAGGED, heads=12)
    with pytest.raises(AssertionError, match=r"0 of 1 heads with a lower bound"):
        assert_share_of_stored(1, [[0.5]], [[0.5]], errors=0.01, sure=True)


def test_at_most_all_of_a_stored_number_is_that_number():
    from pytest_circuits.findings.encoding import decode, encode

    for value in (1.23456789, 0.00001234567, 7 / 9):
        found = finding("text_loss", value, errors=0.0)
        approved = decode(encode(found))
        assert_behaviour(found, at_least=1, at_most=1, of=approved)
        assert_behaviour(found, at_least=1, at_most=1, of=approved, sure=True)
    with pytest.raises(AssertionError, match="too much"):
        assert_behaviour(finding("text_loss", 1.24), at_most=1, of=finding("text_loss", 1.23))
