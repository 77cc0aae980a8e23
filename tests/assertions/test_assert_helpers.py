"""The assert_* helpers: what must hold whatever the baseline says."""

import numpy as np
import pytest
from assertions.claims import finding, message, named

from pytest_circuits import (
    assert_ablation_hurts,
    assert_attends,
    assert_behaviour,
    assert_complete,
    assert_component_ranking,
    assert_copies,
    assert_faithful,
    assert_head_ranking,
    assert_induction_score,
    assert_logit_diff_recovered,
    assert_logit_lens,
    assert_minimal,
)
from pytest_circuits.findings import Direction

each_threshold_helper = pytest.mark.parametrize(
    ("helper", "measure"),
    [
        (assert_induction_score, "induction_scores"),
        (assert_attends, "attention_between"),
        (assert_attends, "first_token_scores"),
        (assert_copies, "copying_scores"),
        (assert_logit_diff_recovered, "patch"),
        (assert_ablation_hurts, "ablate"),
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
    ("helper", "taken", "options"),
    [
        (assert_induction_score, "`induction_scores`", {"at_least": 0.1}),
        (
            assert_attends,
            (
                "`attention_between`, `attention_scores`, `induction_scores`, "
                "`previous_token_scores`, `duplicate_token_scores`, `current_token_scores` or "
                "`first_token_scores`"
            ),
            {"at_least": 0.1},
        ),
        (assert_copies, "`copying_scores`", {"at_least": 0.1}),
        (assert_logit_diff_recovered, "`patch`", {"at_least": 0.1}),
        (assert_ablation_hurts, "`ablate`", {"at_least": 0.1}),
        (assert_faithful, "`faithfulness`", {"at_least": 0.1}),
        (assert_complete, "`completeness`", {"at_most": 0.1}),
        (assert_minimal, "`minimality`", {"at_least": 0.1}),
    ],
)
def test_what_another_measure_found_is_refused(helper, taken, options):
    for given, name in ((finding("logit_lens"), "logit_lens"), (np.zeros(2), "ndarray")):
        with pytest.raises(TypeError) as raised:
            helper(given, **options)
        assert message(raised) == [f"{helper.__name__} takes what {taken} found, and got {name}"]


EVERY_HELPER = [
    (assert_induction_score, "induction_scores", {"at_least": -9}),
    (assert_attends, "attention_between", {"at_least": -9}),
    (assert_copies, "copying_scores", {"at_least": -9}),
    (assert_logit_diff_recovered, "patch", {"at_least": -9, "heads": 4}),
    (assert_logit_lens, "logit_lens", {"from_layer": 0, "at_least": -9}),
    (assert_ablation_hurts, "ablate", {"at_least": -9}),
    (assert_faithful, "faithfulness", {"at_least": -9, "at_most": 9}),
    (assert_complete, "completeness", {"at_most": 9}),
    (assert_minimal, "minimality", {"at_least": -9}),
    (assert_behaviour, "accuracy", {"at_least": -9}),
    (assert_head_ranking, "patch", {"top": ["L1H0"]}),
    (assert_component_ranking, "component_attribution", {"top": ["L0 attn"]}),
]
every_helper = pytest.mark.parametrize(("helper", "measure", "options"), EVERY_HELPER)


def test_every_helper_is_held_here():
    import pytest_circuits

    helpers = {name for name in pytest_circuits.__all__ if name.startswith("assert_")}
    assert {helper.__name__ for helper, *_ in EVERY_HELPER} == helpers


@every_helper
def test_nothing_rests_on_a_screen(helper, measure, options):
    with pytest.raises(TypeError) as raised:
        helper(finding(measure, screen=True), **options)
    assert message(raised) == [
        f"{measure} is a screen, which only says where to look.",
        "Measure what it names with `patch`, and assert that.",
    ]


@every_helper
def test_fractions_of_a_behaviour_that_is_gone_are_never_enough(helper, measure, options):
    dead = finding(measure, np.full((2, 2), np.nan), gain=0.01, relative_to="repeat_gain")
    with pytest.raises(AssertionError) as raised:
        helper(dead, **options)
    assert message(raised) == [
        f"{measure.replace('_', ' ')}: undefined, because there is nothing to be a fraction of",
        "  repeat gain 0.010 ± 0.100 nats",
    ]


def test_fractions_of_a_behaviour_that_is_there_are_held():
    assert_logit_diff_recovered(finding("patch", relative_to="repeat_gain"), at_least=0.7)


def test_cells_by_position_are_counted_one_by_one():
    by_position = finding(
        "patch",
        [[[0.1, 0.9]], [[0.2, 0.3]]],
        axes=("layer", "head", "position"),
        labels={"position": ("S2", "END")},
    )
    assert_logit_diff_recovered(by_position, at_least=0.3, heads=2)
    with pytest.raises(AssertionError) as raised:
        assert_logit_diff_recovered(by_position, at_least=0.4, heads=2)
    assert message(raised) == [
        "patch: 1 of 2 cells with a value of at least 0.4",
        "  L1H0, position END 0.300 ± 0.050: 0.100 short",
        "  repeat loss 0.250 nats",
    ]
    with pytest.raises(ValueError, match=r"^heads is 5, and there are only 4$"):
        assert_logit_diff_recovered(by_position, at_least=0.4, heads=5)


# One number

one_number = pytest.mark.parametrize(
    ("helper", "measure"),
    [
        (assert_ablation_hurts, "ablate"),
        (assert_faithful, "faithfulness"),
        (assert_behaviour, "logit_diff"),
    ],
)


@one_number
def test_one_number_is_at_least_so_much(helper, measure):
    assert helper(finding(measure, 0.8), at_least=0.8) is None
    with pytest.raises(AssertionError) as raised:
        helper(finding(measure, 0.8), at_least=1)
    assert message(raised) == [
        f"{measure.replace('_', ' ')}: it should be at least 1 units",
        "  0.800 ± 0.050: 0.200 short",
        "  repeat loss 0.250 nats",
    ]


@pytest.mark.parametrize(
    ("helper", "measure"), [(assert_faithful, "faithfulness"), (assert_behaviour, "text_loss")]
)
def test_one_number_is_at_most_so_much(helper, measure):
    assert helper(finding(measure, 0.8), at_least=0, at_most=0.8) is None
    with pytest.raises(AssertionError) as raised:
        helper(finding(measure, 0.8), at_least=0, at_most=0.5)
    assert message(raised) == [
        f"{measure.replace('_', ' ')}: it should be at most 0.5 units",
        "  0.800 ± 0.050: 0.300 too much",
        "  repeat loss 0.250 nats",
    ]


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("nats", "0.9 nats"),
        ("fraction of the logit difference", "0.9 of the logit difference"),
        ("share of prompts", "0.9 of prompts"),
    ],
)
def test_a_threshold_has_its_unit(unit, words):
    with pytest.raises(AssertionError, match=f"accuracy: it should be at least {words}\n"):
        assert_behaviour(finding("accuracy", 0.8, unit=unit), at_least=0.9)


def test_one_number_needs_no_companion():
    with pytest.raises(AssertionError) as raised:
        assert_behaviour(finding("text_loss", 3.0, companion=()), at_most=2.5)
    assert message(raised) == [
        "text loss: it should be at most 2.5 units",
        "  3.000 ± 0.050: 0.500 too much",
    ]


def test_a_behaviour_that_nothing_is_asked_of_is_refused():
    with pytest.raises(ValueError, match="holds nothing without at_least or at_most"):
        assert_behaviour(finding("text_loss", 3.0))


def test_values_for_heads_are_no_behaviour():
    with pytest.raises(TypeError) as raised:
        assert_behaviour(finding(), at_least=0)
    assert message(raised) == [
        "assert_behaviour takes one number, and induction_scores has values for layer × head"
    ]


def test_what_is_left_without_a_circuit_is_not_what_it_does_alone():
    left = finding(
        "faithfulness",
        0.1,
        direction=Direction.LOWER,
        convention={"set": "circuit is ablated"},
    )
    with pytest.raises(TypeError, match="is about what a circuit does alone, and this is what is"):
        assert_faithful(left, at_least=0.8)
    assert_behaviour(left, at_most=0.2)


# Circuits


def test_a_circuit_is_complete_if_no_part_of_it_is_elsewhere():
    parts = named("completeness", "subset", movers=0.05, inhibition=0.4, other=0.3)
    assert_complete(parts, at_most=0.4)
    with pytest.raises(AssertionError) as raised:
        assert_complete(parts, at_most=0.2)
    assert message(raised) == [
        "completeness: 2 of 3 subsets with a value above 0.2",
        "  inhibition 0.400 ± 0.050: 0.200 too much",
        "  other 0.300 ± 0.050: 0.100 too much",
        "  repeat loss 0.250 nats",
    ]


def test_a_circuit_is_minimal_if_all_of_it_adds_something():
    nodes = named("minimality", "node", L0H1=0.3, L1H0=0.01, **{"L0 mlp": 0.2})
    assert_minimal(nodes, at_least=0.01)
    with pytest.raises(AssertionError) as raised:
        assert_minimal(nodes, at_least=0.25)
    assert message(raised) == [
        "minimality: 1 of 3 nodes with a value of at least 0.25",
        "  L1H0 0.010 ± 0.050: 0.240 short",
        "  L0 mlp 0.200 ± 0.050: 0.050 short",
        "  repeat loss 0.250 nats",
    ]


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
        (["head 1"], "'head 1' is no head label: write L5H1, 5.1 or (5, 1)"),
        (["L1H0", "1.0"], "top names a head twice: L1H0, L1H0"),
        ("L1H0", "top is a list of head labels, first place first, not 'L1H0'"),
        ([], "top is a list of head labels, first place first, not []"),
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


def parts():
    return named(
        "component_attribution",
        "component",
        embedding=0.2,
        bias=-0.1,
        **{"L0 attn": 3, "L1 mlp": -2},
    )


def test_the_components_that_lead_lead():
    assert_component_ranking(parts(), top=["L0 attn", "embedding"])
    assert_component_ranking(parts(), top=["L0 attn", "L1 mlp"], by="magnitude")
    assert_component_ranking(parts(), top=["embedding", "L0 attn"], margin=2.9)


def test_the_components_out_of_place_are_named_with_what_there_is():
    with pytest.raises(AssertionError) as raised:
        assert_component_ranking(parts(), top=["L1 mlp"])
    assert message(raised) == [
        "component attribution: the ranking should begin L1 mlp",
        "  L1 mlp -2.000 is 5.000 units behind L0 attn 3.000 (margin 0.05)",
        "  it begins L0 attn 3.000, embedding 0.200",
    ]


@pytest.mark.parametrize(
    ("top", "text"),
    [
        (
            ["L9 attn"],
            "there is no component 'L9 attn' here; there are embedding, bias, L0 attn, L1 mlp",
        ),
        (["bias", "bias"], "top is a list of components, first place first, each named once"),
        ("bias", "top is a list of components, first place first, each named once"),
        ([], "top is a list of components, first place first, each named once"),
    ],
)
def test_names_of_no_components_are_refused(top, text):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 — the whole text is held
        assert_component_ranking(parts(), top=top)
    assert message(raised) == [text]


@pytest.mark.parametrize("given", [finding(), finding("repeat_loss", 0.3)])
def test_a_finding_without_components_has_no_ranking_of_them(given):
    with pytest.raises(TypeError, match=f"^{given.measure} has no values for components$"):
        assert_component_ranking(given, top=["L0 attn"])


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
            "E         L1H2 0.925 ± 0.010: 0.065 short",
            "test_heads.py:6: AssertionError",
        ]
    )
    result.stdout.no_fnmatch_line("*assertions.py*")
