"""The assert_* helpers: what must hold whatever the baseline says."""

import numpy as np
import pytest

from pytest_circuits import (
    assert_head_ranking,
    assert_induction_score,
    assert_logit_diff_recovered,
)
from pytest_circuits.findings import Behaviour, Direction, Finding, Role

#: Heads L0H0, L0H1, L1H0, L1H1.
VALUES = [[0.1, -0.9], [0.8, 0.5]]


def finding(  # noqa: PLR0917 — a finding has as many parts
    measure="induction_scores", values=VALUES, errors=0.05, clusters=10, gain=4.0, relative_to=None
):
    values = np.array(values, dtype=float)
    return Finding(
        measure=measure,
        quantity=measure.replace("_", " "),
        unit="units",
        direction=Direction.HIGHER,
        axes=("layer", "head")[: values.ndim],
        values=values,
        errors=np.full_like(values, errors),
        samples=10,
        clusters=clusters,
        convention={},
        prompts={},
        role=Role("good heads", 0.4) if values.ndim else None,
        companion=(
            Behaviour("repeat_loss", 0.25, 0.01, clusters, Direction.LOWER, "nats"),
            Behaviour("repeat_gain", gain, 0.1, clusters, Direction.HIGHER, "nats", vital=True),
        ),
        relative_to=relative_to,
    )


def message(raised):
    return str(raised.value).splitlines()


each_threshold_helper = pytest.mark.parametrize(
    ("helper", "measure"),
    [
        (assert_induction_score, "induction_scores"),
        (assert_logit_diff_recovered, "patch"),
    ],
)


@each_threshold_helper
@pytest.mark.parametrize(("at_least", "heads"), [(0.8, 1), (0.5, 2), (0.1, 3), (-0.9, 4), (-2, 4)])
def test_enough_heads_that_are_good_enough_pass(helper, measure, at_least, heads):
    assert helper(finding(measure), at_least=at_least, heads=heads) is None


@each_threshold_helper
def test_one_head_is_asked_for_unless_told(helper, measure):
    assert helper(finding(measure), at_least=0.7) is None


@each_threshold_helper
def test_the_heads_that_fall_short_are_named_worst_first(helper, measure):
    with pytest.raises(AssertionError) as raised:
        helper(finding(measure), at_least=0.6, heads=3)
    assert message(raised) == [
        f"{measure.replace('_', ' ')}: 1 of 3 heads with a value of at least 0.6",
        "  L0H0 0.100 ± 0.050: 0.500 short",
        "  L1H1 0.500 ± 0.050: 0.100 short",
        "  repeat loss 0.250 nats",
    ]


@each_threshold_helper
def test_at_most_five_heads_are_named(helper, measure):
    with pytest.raises(AssertionError) as raised:
        helper(finding(measure, values=np.zeros((3, 4))), at_least=0.5, heads=9)
    assert sum("short" in line for line in message(raised)) == 5


def test_sure_holds_the_lower_bound():
    # t for 9 degrees of freedom, one-sided 95 %: 1.833
    scores = finding(errors=0.1)
    assert_induction_score(scores, at_least=0.61, sure=True)
    assert_induction_score(scores, at_least=0.75)
    with pytest.raises(AssertionError) as raised:
        assert_induction_score(scores, at_least=0.75, sure=True)
    assert message(raised) == [
        "induction scores: 0 of 1 heads with a lower bound of at least 0.75",
        "  L1H0 0.800 ± 0.100: 0.133 short",
        "  repeat loss 0.250 nats",
    ]


def test_sure_ranks_heads_by_their_lower_bounds():
    scores = finding()
    scores.errors[1, 0] = 0.4
    assert_induction_score(scores, at_least=0.4, sure=True)


def test_sure_needs_two_clusters():
    scores = finding(errors=np.nan, clusters=1)
    assert_induction_score(scores, at_least=0.7)
    with pytest.raises(ValueError, match="sure=True needs two clusters of prompts or more"):
        assert_induction_score(scores, at_least=0.7, sure=True)


@pytest.mark.parametrize("heads", [0, -1])
def test_no_heads_at_all_cannot_be_asked_for(heads):
    with pytest.raises(ValueError, match=f"at least 1, not {heads}"):
        assert_induction_score(finding(), at_least=0.1, heads=heads)


def test_more_heads_than_the_model_has_cannot_be_asked_for():
    with pytest.raises(ValueError, match=r"^heads is 5, and this model has only 4$"):
        assert_induction_score(finding(), at_least=-9, heads=5)


@pytest.mark.parametrize(
    ("helper", "given", "text"),
    [
        (
            assert_induction_score,
            finding("patch"),
            "assert_induction_score takes what `induction_scores` found, and got patch",
        ),
        (
            assert_logit_diff_recovered,
            finding("induction_scores"),
            "assert_logit_diff_recovered takes what `patch` found, and got induction_scores",
        ),
        (
            assert_induction_score,
            np.zeros((2, 2)),
            "assert_induction_score takes what `induction_scores` found, and got ndarray",
        ),
    ],
)
def test_what_another_measure_found_is_refused(helper, given, text):
    with pytest.raises(TypeError) as raised:
        helper(given, at_least=0.1)
    assert message(raised) == [text]


@pytest.mark.parametrize(
    "check",
    [
        lambda dead: assert_logit_diff_recovered(dead, at_least=0.1),
        lambda dead: assert_logit_diff_recovered(dead, at_least=-9, heads=4),
        lambda dead: assert_head_ranking(dead, top=["L1H0"]),
    ],
)
def test_fractions_of_a_behaviour_that_is_gone_are_never_enough(check):
    dead = finding("patch", np.full((2, 2), np.nan), gain=0.01, relative_to="repeat_gain")
    with pytest.raises(AssertionError) as raised:
        check(dead)
    assert message(raised) == [
        "patch: undefined, because there is nothing to be a fraction of",
        "  repeat gain 0.010 ± 0.100 nats",
    ]


def test_fractions_of_a_behaviour_that_is_there_are_held():
    assert_logit_diff_recovered(finding("patch", relative_to="repeat_gain"), at_least=0.7)


# Rankings


@pytest.mark.parametrize(
    "top", [["L1H0"], ["L1H0", "L1H1"], ["1.0", "1.1", "0.0", "0.1"], ("L1H0",)]
)
def test_the_heads_that_lead_lead(top):
    assert_head_ranking(finding(), top=top)


def test_by_magnitude_the_sign_does_not_count():
    assert_head_ranking(finding(), top=["L0H1", "L1H0", "L1H1"], by="magnitude")
    with pytest.raises(AssertionError):
        assert_head_ranking(finding(), top=["L0H1"])
    with pytest.raises(AssertionError):
        assert_head_ranking(finding(), top=["L1H0"], by="magnitude", margin=0.05)


def test_the_heads_out_of_place_are_named_worst_first_with_what_there_is():
    with pytest.raises(AssertionError) as raised:
        assert_head_ranking(finding("head_attribution"), top=["L0H0", "L1H1"])
    assert message(raised) == [
        "head attribution: the ranking should begin L0H0, L1H1",
        "  L0H0 0.100 is 0.700 units behind L1H0 0.800 (margin 0.05)",
        "  L1H1 0.500 is 0.300 units behind L1H0 0.800 (margin 0.05)",
        "  it begins L1H0 0.800, L1H1 0.500, L0H0 0.100",
    ]


def test_heads_closer_than_the_margin_may_swap():
    assert_head_ranking(finding(), top=["L1H1", "L1H0"], margin=0.31)
    with pytest.raises(AssertionError):
        assert_head_ranking(finding(), top=["L1H1", "L1H0"], margin=0.29)


def test_the_default_margin_is_small():
    values = [[0.50, 0.54], [0.0, 0.0]]
    assert_head_ranking(finding(values=values), top=["L0H0", "L0H1"])
    values[0][1] = 0.56
    with pytest.raises(AssertionError):
        assert_head_ranking(finding(values=values), top=["L0H0", "L0H1"])


def test_a_head_that_is_not_named_may_not_stand_among_those_that_are():
    with pytest.raises(AssertionError, match=r"L0H0 0\.100 is 0\.400 units behind L1H1 0\.500"):
        assert_head_ranking(finding(), top=["L1H0", "L0H0"])


@pytest.mark.parametrize(
    ("top", "text"),
    [
        (["L2H0"], "this model has no head L2H0: its last one is L1H1"),
        (["L0H7"], "this model has no head L0H7: its last one is L1H1"),
        (["head 1"], "'head 1' is no head label: write L5H1 or 5.1"),
        (["L1H0", "1.0"], "top names a head twice: L1H0, 1.0"),
        ("L1H0", "top is a list of head labels, first place first"),
        ([], "top is a list of head labels, first place first"),
    ],
)
def test_labels_that_name_no_ranking_are_refused(top, text):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 — the whole text is held
        assert_head_ranking(finding(), top=top)
    assert message(raised) == [text]


def test_another_order_than_the_two_is_refused():
    with pytest.raises(ValueError, match="by is 'signed' or 'magnitude', not 'size'"):
        assert_head_ranking(finding(), top=["L1H0"], by="size")


def test_a_finding_without_heads_has_no_ranking():
    with pytest.raises(TypeError, match="repeat_loss has no values for heads"):
        assert_head_ranking(finding("repeat_loss", values=0.3), top=["L1H0"])


def test_a_failed_helper_shows_the_tests_own_line(suite):
    suite.write(
        "test_heads.py",
        """
from pytest_circuits import assert_induction_score


def test_heads(circuits):
    assert_induction_score(circuits.induction_scores(), at_least=0.99, heads=4)
""",
    )
    result = suite.run("--circuits")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            ">       assert_induction_score(circuits.induction_scores(), at_least=0.99, heads=4)",
            "E       AssertionError: induction score: 1 of 4 heads with a value of at least 0.99",
            "E         L1H2 0.957 ± 0.007: 0.033 short",
            "test_heads.py:6: AssertionError",
        ]
    )
    result.stdout.no_fnmatch_line("*assertions.py*")
