from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pytest_circuits.findings import Behaviour, Direction, Finding, Role
from pytest_circuits.verdicts import (
    About,
    Allowance,
    Change,
    Kind,
    Tolerance,
    default_tolerance,
    headline,
    judge,
    summarise,
    without_baseline,
)

TOLERANCE = Tolerance(
    value=Allowance(floor=0.05, share=0.0),
    role=Allowance(floor=0.1, share=0.1),
    behaviours={
        "repeat_loss": Allowance(floor=0.15, share=0.0, least=0.15),
        "repeat_gain": Allowance(floor=0.15, share=0.0, least=0.15),
    },
)


def scores(values, *, loss=0.5, gain=4.0, gain_error=0.1, direction=Direction.HIGHER, **fields):
    """Scores of one layer of heads with their behaviours; heads at 0.4 and above are members."""
    values = np.array([values], dtype=np.float64)
    finding = Finding(
        measure="induction_scores",
        quantity="induction score",
        unit="attention probability",
        direction=direction,
        axes=("layer", "head"),
        values=values,
        errors=np.full_like(values, 0.01),
        samples=10,
        clusters=10,
        convention={"block": 16, "seed": 0},
        prompts={"kind": "repeated tokens", "tokens": "aa11", "ids": [[1, 2]]},
        role=Role("induction heads", 0.4),
        companion=(
            Behaviour("repeat_loss", loss, 0.05, 10, Direction.LOWER, "nats"),
            Behaviour("repeat_gain", gain, gain_error, 10, Direction.HIGHER, "nats", vital=True),
        ),
    )
    return replace(finding, **fields)


def number(value, *, direction=Direction.HIGHER, error=0.1):
    return replace(
        scores([0.0]),
        direction=direction,
        axes=(),
        values=np.array(value, dtype=np.float64),
        errors=np.array(error),
        role=None,
        companion=(),
    )


BASE = [0.9, 0.5, 0.0, 0.0]
PATCH = {"direction": Direction.TWO_SIDED}


@pytest.mark.parametrize(
    ("found", "approved", "kind"),
    [
        pytest.param(scores(BASE), scores(BASE), Kind.PRESERVED, id="the same"),
        pytest.param(
            scores([0.85, 0.55, 0.05, 0.0]), scores(BASE), Kind.PRESERVED, id="at the tolerance"
        ),
        pytest.param(
            scores([0.8501, 0.5, 0.0, 0.0]), scores(BASE), Kind.PRESERVED, id="just inside it"
        ),
        pytest.param(
            scores([0.8499, 0.5, 0.0, 0.0]), scores(BASE), Kind.WEAKENED, id="just beyond it"
        ),
        pytest.param(
            scores([0.9501, 0.5, 0.0, 0.0]), scores(BASE), Kind.STRENGTHENED, id="beyond, upwards"
        ),
        pytest.param(
            scores([0.97, 0.44, 0.0, 0.0]),
            scores(BASE),
            Kind.WEAKENED,
            id="one head stronger and another weaker",
        ),
        pytest.param(
            scores([0.9, 0.2, 0.0, 0.0]), scores(BASE), Kind.WEAKENED, id="a head leaves the role"
        ),
        pytest.param(
            scores([0.9, 0.5, 0.6, 0.0]), scores(BASE), Kind.STRENGTHENED, id="a head joins it"
        ),
        pytest.param(
            scores([0.2, 0.5, 0.9, 0.0]),
            scores(BASE),
            Kind.WEAKENED,
            id="a head leaves and another takes its strength",
        ),
        pytest.param(
            scores([0.9, 0.5, 0.35, 0.39]), scores(BASE), Kind.PRESERVED, id="others stay outside"
        ),
        pytest.param(scores([0.1, 0.1, 0.0, 0.0]), scores(BASE), Kind.LOST, id="the role empties"),
        pytest.param(
            scores([0.9, 0.0, 0.0, 0.0]), scores([0.1] * 4), Kind.STRENGTHENED, id="a role appears"
        ),
        pytest.param(
            scores([0.39, 0.9]), scores([0.42, 0.9]), Kind.PRESERVED, id="a hair below the line"
        ),
        pytest.param(
            scores([0.39]), scores([0.42]), Kind.PRESERVED, id="the only member, a hair below"
        ),
        pytest.param(
            scores([0.42, 0.9]), scores([0.39, 0.9]), Kind.PRESERVED, id="a hair above the line"
        ),
        pytest.param(
            scores([0.45, 0.44, 0.45]),
            scores([0.49, 0.48, 0.49]),
            Kind.PRESERVED,
            id="small losses within the role's tolerance",
        ),
        pytest.param(
            scores([0.451, 0.451, 0.451, 0.951]),
            scores([0.5, 0.5, 0.5, 1.0]),
            Kind.PRESERVED,
            id="small losses within the role's share",
        ),
        pytest.param(
            scores([0.401, 0.401, 0.401]),
            scores([0.45, 0.45, 0.45]),
            Kind.WEAKENED,
            id="small losses that add up",
        ),
        pytest.param(
            scores([0.39, 0.39, 0.39]),
            scores([0.44, 0.44, 0.44]),
            Kind.WEAKENED,
            id="small losses that add up while all leave the role",
        ),
        pytest.param(scores(BASE, loss=0.65), scores(BASE), Kind.PRESERVED, id="loss at tolerance"),
        pytest.param(scores(BASE, loss=0.66), scores(BASE), Kind.WEAKENED, id="higher loss"),
        pytest.param(scores(BASE, loss=0.3), scores(BASE), Kind.STRENGTHENED, id="lower loss"),
        pytest.param(scores(BASE, gain=3.0), scores(BASE), Kind.WEAKENED, id="less gain"),
        pytest.param(scores(BASE, gain=0.81), scores(BASE), Kind.WEAKENED, id="a fifth is left"),
        pytest.param(scores(BASE, gain=0.79), scores(BASE), Kind.WEAKENED, id="less than a fifth"),
        pytest.param(
            scores(BASE, gain=3.9, gain_error=3.0),
            scores(BASE),
            Kind.WEAKENED,
            id="an interval that contains 0",
        ),
        pytest.param(scores(BASE, gain=-1.0), scores(BASE), Kind.WEAKENED, id="less than nothing"),
        pytest.param(
            scores(BASE, gain=0.1), scores(BASE, gain=0.05), Kind.PRESERVED, id="never was there"
        ),
        pytest.param(
            scores(BASE, gain=-3.9), scores(BASE, gain=-4.0), Kind.PRESERVED, id="below 0 as before"
        ),
        pytest.param(
            scores(BASE, gain=3.0), scores(BASE, gain=-4.0), Kind.PRESERVED,
            id="what got better through 0 has not gone, and more gain alone is nothing better",
        ),
        pytest.param(
            scores(BASE, gain=-4.1, gain_error=3.0), scores(BASE, gain=-4.0), Kind.WEAKENED,
            id="below 0, and now an interval that contains 0",
        ),
        pytest.param(
            scores([-0.9, 0.5], **PATCH), scores([0.9, 0.5], **PATCH), Kind.WEAKENED, id="sign flip"
        ),
        pytest.param(
            scores([-0.95, 0.5], **PATCH),
            scores([-0.9, 0.5], **PATCH),
            Kind.PRESERVED,
            id="two-sided, within tolerance",
        ),
        pytest.param(
            scores([-1.0, 0.5], **PATCH),
            scores([-0.9, 0.5], **PATCH),
            Kind.STRENGTHENED,
            id="two-sided, away from 0",
        ),
        pytest.param(
            scores([-0.8, 0.5], **PATCH),
            scores([-0.9, 0.5], **PATCH),
            Kind.WEAKENED,
            id="two-sided, towards 0",
        ),
        pytest.param(
            scores([0.9, 0.5], **PATCH), scores([0.9, 0.0], **PATCH), Kind.STRENGTHENED,
            id="two-sided, a positive head joins",
        ),
        pytest.param(
            scores([0.9, -0.5], **PATCH), scores([0.9, 0.0], **PATCH), Kind.WEAKENED,
            id="two-sided, a negative head is new",
        ),
        pytest.param(
            scores([0.9, -0.44], **PATCH), scores([0.9, -0.39], **PATCH), Kind.PRESERVED,
            id="two-sided, a negative head crosses the line by a hair",
        ),
        pytest.param(number(3.0), number(3.05), Kind.PRESERVED, id="number at tolerance"),
        pytest.param(number(2.9), number(3.0), Kind.WEAKENED, id="higher is better, lower"),
        pytest.param(number(3.1), number(3.0), Kind.STRENGTHENED, id="higher is better, higher"),
        pytest.param(number(0.5), number(3.0), Kind.LOST, id="higher is better, nearly nothing"),
        pytest.param(
            number(3.1, direction=Direction.LOWER),
            number(3.0, direction=Direction.LOWER),
            Kind.WEAKENED,
            id="lower is better, higher",
        ),
        pytest.param(
            number(2.9, direction=Direction.LOWER),
            number(3.0, direction=Direction.LOWER),
            Kind.STRENGTHENED,
            id="lower is better, lower",
        ),
        pytest.param(
            number(0.0, direction=Direction.LOWER),
            number(3.0, direction=Direction.LOWER),
            Kind.STRENGTHENED,
            id="lower is better, nothing",
        ),
        pytest.param(number(-2.0), number(-2.0), Kind.PRESERVED, id="a wrong answer, as before"),
    ],
)  # fmt: skip
def test_a_finding_is_judged(found, approved, kind):
    assert judge(found, approved, TOLERANCE).kind is kind


@pytest.mark.parametrize("kind_of", [scores, number], ids=["heads", "number"])
def test_standard_errors_excuse_nothing(kind_of):
    approved = kind_of([0.9, 0.5] if kind_of is scores else 3.0)
    worse = kind_of([0.8, 0.5] if kind_of is scores else 2.8)
    uncertain = replace(worse, errors=np.full_like(worse.errors, 0.5))

    assert judge(uncertain, approved, TOLERANCE).kind is Kind.WEAKENED


def test_a_finding_of_one_sample_has_no_error_and_is_judged_all_the_same():
    alone = {"errors": np.full((1, 4), math.nan), "clusters": 1, "samples": 1}

    verdict = judge(scores(BASE, gain_error=math.nan, **alone), scores(BASE, **alone), TOLERANCE)

    assert verdict.kind is Kind.PRESERVED


@pytest.mark.parametrize(
    ("change", "field", "before", "after"),
    [
        ({"convention": {"block": 15, "seed": 0}}, "convention.block", "16", "15"),
        ({"convention": {"block": 16}}, "convention.seed", "0", "none"),
        (
            {"convention": {"block": 16, "seed": 0, "loss": "all"}},
            "convention.loss",
            "none",
            "all",
        ),
        (
            {"prompts": {"kind": "repeated tokens", "tokens": "bb22", "ids": [[1, 2]]}},
            "tokenizer",
            "",
            "",
        ),
        (
            {"values": np.zeros((2, 4)), "errors": np.zeros((2, 4))},
            "shape",
            "1 × 4",
            "2 × 4",
        ),
        ({"unit": "logits"}, "unit", "attention probability", "logits"),
        ({"direction": Direction.TWO_SIDED}, "direction", "higher", "two-sided"),
        ({"companion": scores(BASE).companion[1:]}, "companion.repeat_loss", "measured", None),
        ({"relative_to": "repeat_gain"}, "relative_to", "none", "repeat_gain"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else None,
)
def test_what_is_not_the_same_quantity_is_incomparable_and_says_why(change, field, before, after):
    verdict = judge(replace(scores(BASE), **change), scores(BASE), TOLERANCE)

    assert verdict.kind is Kind.INCOMPARABLE
    reason = verdict.reasons[0]
    assert (reason.change, reason.about) == (Change.DIFFERS, About.FIELD)
    assert (reason.subject, reason.before) == (field, before)
    assert after is None or reason.after == after
    assert len(verdict.reasons) == 1


@pytest.mark.parametrize(
    ("field", "value", "before"),
    [("direction", Direction.HIGHER, "lower"), ("unit", "bits", "nats")],
)
def test_a_behaviour_that_is_another_quantity_makes_it_incomparable(field, value, before):
    approved = scores(BASE)
    loss, *others = approved.companion
    found = replace(approved, companion=(replace(loss, **{field: value}), *others))

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.INCOMPARABLE
    assert [(r.subject, r.before, r.after) for r in verdict.reasons] == [
        (f"companion.{loss.name}.{field}", before, value)
    ]


def test_every_field_that_differs_is_named():
    found = replace(
        scores(BASE), convention={"block": 15, "seed": 3}, prompts={"kind": "pairs"}, unit="logits"
    )

    verdict = judge(found, scores(BASE), TOLERANCE)

    assert [reason.subject for reason in verdict.reasons] == [
        "convention.block",
        "convention.seed",
        "prompts.kind",
        "prompts.tokens",
        "unit",
    ]


def test_another_measure_is_incomparable_without_a_list_of_its_conventions():
    found = replace(scores(BASE), measure="patch", convention={"site": "head_out"})

    verdict = judge(found, scores(BASE), TOLERANCE)

    assert verdict.kind is Kind.INCOMPARABLE
    assert [reason.subject for reason in verdict.reasons] == ["measure"]


def test_drawn_ids_are_compared_by_their_hash():
    other_ids = {"kind": "repeated tokens", "tokens": "aa11", "ids": [[2, 1]]}

    assert judge(replace(scores(BASE), prompts=other_ids), scores(BASE), TOLERANCE).kind is (
        Kind.PRESERVED
    )


def test_what_a_finding_was_measured_with_is_not_compared():
    found = replace(scores(BASE), provenance={"device": "cuda", "dtype": "bfloat16"})

    assert judge(found, scores(BASE), TOLERANCE).kind is Kind.PRESERVED


def test_reasons_come_worst_first():
    approved = scores([0.9, 0.8, 0.7, 0.0, 0.5], loss=0.5)
    found = scores([0.6, 0.3, 0.7, 0.6, 0.6], loss=5.0, gain=0.1)

    reasons = judge(found, approved, TOLERANCE).reasons

    assert [(reason.change, reason.subject) for reason in reasons] == [
        (Change.WORSE, "repeat_loss"),  # behaviours first, by tolerances: 30,
        (Change.GONE, "repeat_gain"),  # and 26
        (Change.LEFT, "L0H1"),  # then heads, which share one scale
        (Change.WORSE, "L0H0"),
        (Change.WORSE, "induction heads"),  # the role lost 0.4 of its 2.9
        (Change.JOINED, "L0H3"),  # then good news, the best of it first
        (Change.BETTER, "L0H4"),
        (Change.OVERTAKEN, "L0H0"),  # what is neither comes last
    ]
    assert reasons[0].excess == pytest.approx(30)


def test_an_empty_role_comes_before_the_heads_that_left_it():
    reasons = judge(scores([0.1, 0.0, 0.0, 0.0]), scores(BASE), TOLERANCE).reasons

    assert [reason.change for reason in reasons] == [
        Change.EMPTY,
        Change.LEFT,
        Change.LEFT,
        Change.WORSE,  # the role's sum
    ]
    assert (reasons[0].subject, reasons[0].before, reasons[0].after) == ("induction heads", 2, 0)


def test_a_reason_carries_the_numbers_it_rests_on():
    (reason,) = judge(scores([0.8, 0.5, 0.0, 0.0]), scores(BASE), TOLERANCE).reasons

    assert (reason.change, reason.about, reason.subject) == (Change.WORSE, About.HEAD, "L0H0")
    assert (reason.quantity, reason.before, reason.after) == ("induction score", 0.9, 0.8)
    assert reason.tolerance == 0.05
    assert reason.distance == pytest.approx(0.1)
    assert reason.excess == pytest.approx(2)
    assert reason.bad


def test_a_sign_flip_counts_with_its_whole_distance():
    head, role = judge(scores([-0.9], **PATCH), scores([0.9], **PATCH), TOLERANCE).reasons

    assert head.change is role.change is Change.WORSE
    assert head.distance == role.distance == pytest.approx(1.8)
    assert head.excess == pytest.approx(36)


def test_heads_come_by_how_far_they_moved_whatever_their_tolerances():
    tolerance = replace(TOLERANCE, value=Allowance(floor=0.05, share=0.1))
    approved, found = scores([0.6, 0.9, 0.7]), scores([0.0, 0.03, 0.0])

    reasons = judge(found, approved, tolerance).reasons

    heads = [reason.subject for reason in reasons if reason.about is About.HEAD]
    assert heads == ["L0H1", "L0H2", "L0H0"]


def test_the_summed_strength_of_a_role_counts_heads_that_joined_it():
    approved, found = scores([0.9, 0.5, 0.0]), scores([0.9, 0.2, 0.6])

    changes = {reason.about for reason in judge(found, approved, TOLERANCE).reasons}

    assert About.ROLE not in changes


def test_small_losses_that_add_up_name_the_role():
    (reason,) = judge(scores([0.401] * 3), scores([0.45] * 3), TOLERANCE).reasons

    assert (reason.about, reason.subject) == (About.ROLE, "induction heads")
    assert reason.quantity == "summed strength"
    assert reason.before == pytest.approx(1.35)
    assert reason.after == pytest.approx(1.203)
    assert reason.tolerance == pytest.approx(0.135)


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        ([0.82, 0.45], Kind.PRESERVED),
        ([0.80, 0.5], Kind.WEAKENED),  # a tenth of 0.9 is 0.09
        ([0.9, 0.44], Kind.WEAKENED),  # a tenth of 0.5 is the floor
        ([0.9, 0.56], Kind.STRENGTHENED),
    ],
)
def test_a_heads_tolerance_is_a_share_of_its_own_value_or_the_floor(now, kind):
    wide = replace(TOLERANCE, value=Allowance(floor=0.05, share=0.1))

    assert judge(scores(now), scores([0.9, 0.5]), wide).kind is kind


def test_every_head_has_a_tolerance_of_its_own():
    wide = replace(TOLERANCE, value=Allowance(floor=0.05, share=0.1))

    reasons = judge(scores([0.1, 0.1, 0.9]), scores([0.9, 0.5, 0.0]), wide).reasons

    allowed = {reason.subject: reason.tolerance for reason in reasons if reason.about is About.HEAD}
    assert allowed == {
        "L0H0": pytest.approx(0.09),
        "L0H1": pytest.approx(0.05),
        "L0H2": pytest.approx(0.05),
    }


def test_a_few_dead_heads_do_not_hide_among_many():
    approved = scores([0.8] * 64)
    found = scores([0.0] * 4 + [0.8] * 60)

    verdict = judge(found, approved, default_tolerance(approved))

    assert verdict.kind is Kind.WEAKENED
    assert [(reason.change, reason.subject) for reason in verdict.reasons] == [
        (Change.LEFT, f"L0H{head}") for head in range(4)
    ]


@pytest.mark.parametrize("before", [0.0, 0.3, -0.34])
def test_a_negative_head_that_is_new_works_against_the_behaviour(before):
    (reason,) = judge(
        scores([0.9, -0.6], **PATCH), scores([0.9, before], **PATCH), TOLERANCE
    ).reasons

    assert (reason.change, reason.about, reason.subject) == (Change.OPPOSES, About.HEAD, "L0H1")
    assert (reason.before, reason.after) == (before, -0.6)
    assert reason.bad


def unjudged(finding, name):
    """The finding with one behaviour that is judged only by whether it is there."""
    companion = (replace(b, judged=b.name != name) for b in finding.companion)
    return replace(finding, companion=tuple(companion))


def test_a_loss_that_improves_may_take_gain_with_it():
    approved = unjudged(scores(BASE, loss=1.5, gain=4.0), "repeat_gain")
    found = unjudged(scores(BASE, loss=0.5, gain=3.0), "repeat_gain")

    verdict = judge(found, approved, default_tolerance(approved))

    assert verdict.kind is Kind.STRENGTHENED
    assert [reason.subject for reason in verdict.reasons] == ["repeat_loss"]


@pytest.mark.parametrize("gain", [-9.0, 0.81, 1.0, 9.0])
def test_what_is_not_judged_counts_only_when_it_is_gone(gain):
    approved = unjudged(scores(BASE), "repeat_gain")

    verdict = judge(unjudged(scores(BASE, gain=gain), "repeat_gain"), approved, TOLERANCE)

    gone = gain < 0.8
    assert verdict.kind is (Kind.WEAKENED if gone else Kind.PRESERVED)
    assert [reason.change for reason in verdict.reasons] == [Change.GONE] * gone


def test_what_is_not_judged_and_not_vital_never_counts():
    approved = unjudged(scores(BASE), "repeat_loss")

    verdict = judge(unjudged(scores(BASE, loss=9.0), "repeat_loss"), approved, TOLERANCE)

    assert (verdict.kind, verdict.reasons) == (Kind.PRESERVED, ())


def test_the_baseline_says_what_is_judged():
    found = unjudged(scores(BASE, gain=3.0), "repeat_gain")

    assert judge(found, scores(BASE), TOLERANCE).kind is Kind.WEAKENED


@pytest.mark.parametrize("corrupted", [-6.0, -1.0, 0.0, 1.0])
def test_clean_and_gap_may_improve_whatever_the_corrupted_prompts_do(corrupted):
    approved, found = (
        replace(
            fractions([0.9, 0.1], gap),
            companion=(
                Behaviour("clean_logit_diff", clean, 0.1, 10, Direction.HIGHER, "logits"),
                Behaviour(
                    "corrupted_logit_diff", clean - gap, 0.1, 10, Direction.TWO_SIDED, "logits",
                    judged=False,
                ),
                Behaviour("logit_diff_gap", gap, 0.1, 10, Direction.HIGHER, "logits", vital=True),
            ),
        )
        for clean, gap in ((2.0, 4.0), (7.0, 7.0 - corrupted))
    )  # fmt: skip

    verdict = judge(found, approved, default_tolerance(approved))

    assert verdict.kind is Kind.STRENGTHENED
    assert {reason.subject for reason in verdict.reasons} == {"clean_logit_diff", "logit_diff_gap"}


def test_the_baselines_threshold_decides_who_is_in_the_role():
    approved = scores([0.9, 0.5])
    found = replace(scores([0.9, 0.5]), role=Role("induction heads", 0.8))

    assert judge(found, approved, TOLERANCE).kind is Kind.PRESERVED


def fractions(values, gap):
    return replace(
        scores([0.0] * len(values), direction=Direction.TWO_SIDED),
        values=np.array([values]),
        measure="patch",
        companion=(
            Behaviour("logit_diff_gap", gap, 0.1, 10, Direction.HIGHER, "logits", vital=True),
        ),
        relative_to="logit_diff_gap",
    )


def test_fractions_of_a_behaviour_that_is_gone_are_not_judged():
    tolerance = replace(TOLERANCE, behaviours={"logit_diff_gap": Allowance(0.2, 0.05)})

    undefined = judge(fractions([math.nan] * 2, gap=0.0), fractions([0.9, 0.1], 4.0), tolerance)
    dying = judge(fractions([0.2, 0.8], gap=0.5), fractions([0.9, 0.1], 4.0), tolerance)
    reversed_ = judge(fractions([0.2, 0.8], gap=-4.0), fractions([0.9, 0.1], 4.0), tolerance)

    for verdict in (undefined, dying, reversed_):
        assert verdict.kind is Kind.LOST
        assert [reason.subject for reason in verdict.reasons] == ["logit_diff_gap"]


def test_fractions_are_judged_while_their_behaviour_lives():
    tolerance = replace(TOLERANCE, behaviours={"logit_diff_gap": Allowance(0.2, 0.05)})

    verdict = judge(fractions([0.2, 0.8], gap=4.0), fractions([0.9, 0.1], 4.0), tolerance)

    assert {reason.subject for reason in verdict.reasons} == {"L0H0", "L0H1"}


def test_scores_are_judged_beside_a_behaviour_that_is_gone():
    verdict = judge(scores([0.2, 0.5, 0.0, 0.0], gain=0.0), scores(BASE), TOLERANCE)

    assert [reason.subject for reason in verdict.reasons[:2]] == ["repeat_gain", "L0H0"]


def test_a_finding_without_baseline_is_new_and_gives_its_own_numbers():
    verdict = without_baseline(scores(BASE))

    assert verdict.kind is Kind.NEW
    assert verdict.reasons == ()
    assert verdict.summary == summarise(scores(BASE))


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (scores(BASE), "2 heads, L0H0 0.90; repeat loss 0.50"),
        (scores([0.1, 0.5]), "1 head, L0H1 0.50; repeat loss 0.50"),
        (scores([0.1, 0.1]), "0 heads; repeat loss 0.50"),
        (scores(BASE, gain=-1.0), "2 heads, L0H0 0.90; repeat loss 0.50"),
        (number(3.0), "induction score 3.00"),
        (
            fractions([math.nan, math.nan], gap=0.0),
            "induction score undefined; logit diff gap 0.00",
        ),
    ],
)
def test_a_finding_is_summarised_in_a_few_words(finding, text):
    assert summarise(finding) == text


def test_default_tolerances_hold_benign_change_and_not_damage():
    approved = scores([0.886, 0.744, 0.714, 0.0], loss=3.24)
    tolerance = default_tolerance(approved)

    benign = scores([0.868, 0.762, 0.70, 0.018], loss=3.32)
    damaged = scores([0.886, 0.744, 0.714, 0.0], loss=5.41)
    assert judge(benign, approved, tolerance).kind is Kind.PRESERVED
    assert judge(damaged, approved, tolerance).kind is Kind.WEAKENED


def test_less_gain_alone_asks_for_new_prompts():
    """A model that is less surprised by random tokens gains less, and repeats as well."""
    verdict = judge(scores(BASE, gain=3.0), scores(BASE), TOLERANCE)
    assert (verdict.kind, verdict.behaviour_held, verdict.asks) == (Kind.WEAKENED, True, True)
    own = {"axes": (), "values": np.array(0.5), "errors": np.array(0.1), "role": None}
    one, other = (
        replace(scores(BASE, gain=gain), measure="repeat_loss", profiles={}, **own)
        for gain in (3.0, 4.0)
    )
    verdict = judge(one, other, TOLERANCE)
    assert (verdict.kind, verdict.asks) == (Kind.WEAKENED, one.is_behaviour)


def test_gain_that_is_gone_is_a_behaviour_that_is_gone():
    verdict = judge(scores(BASE, gain=0.1), scores(BASE), TOLERANCE)
    assert (verdict.behaviour_held, verdict.asks) == (False, False)


def test_more_gain_makes_up_for_no_loss():
    verdict = judge(scores(BASE, loss=0.9, gain=9.0), scores(BASE), TOLERANCE)
    assert verdict.kind is Kind.WEAKENED
    assert [reason.subject for reason in verdict.reasons] == ["repeat_loss"]


def test_less_gain_is_of_the_mechanism_in_words_too():
    """What the words say and what asks for new prompts is one rule."""
    verdict = judge(scores(BASE, gain=3.0), scores(BASE), TOLERANCE)
    assert (verdict.kind, verdict.behaviour_held, verdict.asks) == (Kind.WEAKENED, True, True)
    assert headline(verdict) == "repeat gain fell 4.00 → 3.00; behaviour held"
