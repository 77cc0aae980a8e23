from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from verdicts.handmade import DOWN, TOLERANCE, around, fractions, number, role

from pytest_circuits.findings import Allowance, Behaviour, Canary, Direction
from pytest_circuits.verdicts import (
    Change,
    Kind,
    Movement,
    Reading,
    Scope,
    headline,
    judge,
    scope_text,
)

BEFORE = {"L0H0": around(0.6), "L0H1": around(0.5, DOWN)}


@pytest.mark.parametrize(
    ("found", "kind", "reading"),
    [
        pytest.param(role(BEFORE), Kind.PRESERVED, None, id="nothing"),
        pytest.param(
            role({**BEFORE, "L0H0": 0.8}), Kind.STRENGTHENED, None, id="only better"
        ),
        pytest.param(
            role({**BEFORE, "L0H0": 0.45}), Kind.WEAKENED, Reading.BEHAVIOUR_HELD, id="a head fell"
        ),
        pytest.param(
            role({**BEFORE, "L0H0": 0.45}, loss=0.1), Kind.WEAKENED, Reading.BEHAVIOUR_HELD,
            id="a head fell, behaviour rose",
        ),
        pytest.param(role({}), Kind.LOST, Reading.BEHAVIOUR_HELD, id="all heads fell"),
        pytest.param(
            role({"L0H1": 1.05}), Kind.WEAKENED, Reading.COMPENSATED, id="one head took it all"
        ),
        pytest.param(
            role({"L0H1": 0.6}), Kind.WEAKENED, Reading.BEHAVIOUR_HELD, id="one took some of it"
        ),
        pytest.param(
            role({"L0H1": 1.05}, loss=1.0), Kind.WEAKENED, None, id="one took it, to no avail"
        ),
        pytest.param(
            role({"L0H1": 0.5, "L0H2": 0.6}), Kind.WEAKENED, Reading.BEHAVIOUR_HELD,
            id="a stranger took it",
        ),
        pytest.param(
            role(BEFORE, loss=1.0), Kind.WEAKENED, Reading.MECHANISM_INTACT, id="behaviour fell"
        ),
        pytest.param(
            role(BEFORE, gain=0.0), Kind.WEAKENED, Reading.BEHAVIOUR_GONE, id="behaviour is gone"
        ),
        pytest.param(
            role({**BEFORE, "L0H0": 0.8}, loss=1.0), Kind.WEAKENED, Reading.MECHANISM_INTACT,
            id="a head rose, behaviour fell",
        ),
        pytest.param(
            role({**BEFORE, "L0H0": 0.45}, loss=1.0), Kind.WEAKENED, None, id="both fell"
        ),
    ],
)  # fmt: skip
def test_mechanism_and_behaviour_are_read_together(found, kind, reading):
    verdict = judge(found, role(BEFORE), TOLERANCE)

    assert (verdict.kind, verdict.reading) == (kind, reading)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (role({**BEFORE, "L0H0": 0.45}), "behaviour held"),
        (role({}), "behaviour held"),
        (role(BEFORE, loss=1.0), "mechanism intact"),
        (role({"L0H1": 1.05}), "compensated"),
    ],
)
def test_a_headline_ends_in_the_reading(found, words):
    assert headline(judge(found, role(BEFORE), TOLERANCE)).endswith(f"; {words}")


def test_fractions_of_a_behaviour_that_is_gone_tell_nothing_of_the_mechanism():
    approved = fractions({"L0H0": around(0.9)})
    gone = replace(approved.companion[0], value=0.1)

    verdict = judge(replace(approved, companion=(gone,)), approved, TOLERANCE)

    assert (verdict.kind, verdict.reading, verdict.number) == (Kind.LOST, None, None)


def test_a_finding_of_one_number_is_its_own_behaviour_and_has_no_reading():
    one = replace(
        role(BEFORE), axes=(), values=np.array(3.0), errors=np.array(0.1), role=None, profiles={}
    )

    verdict = judge(replace(one, values=np.array(1.0)), one, TOLERANCE)

    assert (verdict.kind, verdict.reading) == (Kind.WEAKENED, None)


# ---- Behaviour ---------------------------------------------------------------------------------


def test_companion_behaviours_are_told_whether_they_changed_or_not():
    companion = judge(role(BEFORE, loss=0.4), role(BEFORE), TOLERANCE).companion

    assert companion == (
        Movement("repeat_loss", "nats", 0.5, 0.4, 0.15),
        Movement("repeat_gain", "nats", 4.0, 4.0, 0.15),
    )


@pytest.mark.parametrize(("gap", "kind"), [(0.8, Kind.WEAKENED), (0.79, Kind.LOST)])
def test_a_behaviour_is_gone_below_a_fifth_of_the_references(gap, kind):
    approved = fractions({"L0H0": around(0.9)}, gap=4.0)
    found = fractions({"L0H0": around(0.9)}, gap=gap)

    assert judge(found, approved, TOLERANCE).kind is kind


@pytest.mark.parametrize("gap", [3.0, 4.0, 5.0])
def test_a_behaviour_that_can_not_be_told_from_nothing_is_gone_however_large(gap):
    approved = fractions({"L0H0": around(0.9)}, gap=4.0)
    uncertain = replace(approved.companion[0], value=gap, error=3.0)
    found = replace(
        approved,
        values=np.full((3, 4), np.nan),
        errors=np.full((3, 4), np.nan),
        profiles={},
        companion=(uncertain,),
    )

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.LOST
    assert [(r.subject, r.null) for r in verdict.reasons] == [("logit_diff_gap", 0.0)]
    assert "(not distinct from 0)" in headline(verdict)


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        (0.9, 0.9, Kind.WEAKENED),
        (0.9, 1.0, Kind.WEAKENED),
        (-4.0, -3.5, Kind.PRESERVED),  # it was against us, and is less so
        (-4.0, -4.0, Kind.PRESERVED),
    ],
)
def test_only_what_was_there_can_be_gone_by_its_interval(before, now, kind):
    approved = role(BEFORE, gain=before)
    uncertain = replace(approved.companion[1], value=now, error=3.0)
    found = replace(approved, companion=(approved.companion[0], uncertain))

    assert judge(found, approved, TOLERANCE).kind is kind


# ---- How far it reaches ------------------------------------------------------------------------

TEXT = Canary(3.0, "text", "c0ffee")
FELL = {**BEFORE, "L0H0": 0.45}


@pytest.mark.parametrize(
    ("loss", "scope"),
    [
        (3.0, Scope.SPECIFIC),
        (3.04, Scope.SPECIFIC),
        (2.96, Scope.SPECIFIC),
        (3.06, Scope.WHOLE_MODEL),
        (2.94, Scope.WHOLE_MODEL),
    ],
)
def test_a_canary_tells_one_circuit_from_the_whole_model(loss, scope):
    found = role(FELL, canary=replace(TEXT, loss=loss))

    verdict = judge(found, role(BEFORE, canary=TEXT), TOLERANCE)

    assert verdict.scope is scope
    assert verdict.canary == Movement("loss on a fixed text", "nats", 3.0, loss, 0.05)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (None, TEXT),
        (TEXT, None),
        (None, None),
        (TEXT, replace(TEXT, tokens="decaf")),
        (TEXT, replace(TEXT, kind="drawn tokens")),
    ],
    ids=["not before", "not now", "never", "other tokens", "another kind"],
)
def test_without_the_same_canary_nobody_knows_how_far_it_reaches(before, now):
    verdict = judge(role(FELL, canary=now), role(BEFORE, canary=before), TOLERANCE)

    assert (verdict.canary, verdict.scope) == (None, None)
    assert scope_text(verdict) == ""


def test_a_canary_changes_no_verdict():
    sick = replace(TEXT, loss=9.0)

    verdict = judge(role(BEFORE, canary=sick), role(BEFORE, canary=TEXT), TOLERANCE)

    assert (verdict.kind, verdict.reasons) == (Kind.PRESERVED, ())
    assert verdict.scope is Scope.WHOLE_MODEL


def test_findings_that_can_not_be_compared_have_no_canary():
    found = replace(role(FELL, canary=TEXT), unit="logits")

    verdict = judge(found, role(BEFORE, canary=TEXT), TOLERANCE)

    assert (verdict.kind, verdict.scope) == (Kind.INCOMPARABLE, None)


def test_a_fraction_that_means_nothing_any_more_is_lost_even_where_the_gap_only_rose_to_nothing():
    # Baselines of before negative gaps were refused.
    approved = fractions({"L0H0": 0.9}, gap=-4.0)
    gap = replace(approved.companion[0], value=0.05)
    nothing = np.full(approved.values.shape, np.nan)
    found = replace(approved, values=nothing, errors=nothing, companion=(gap,))

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.LOST
    assert headline(verdict) == "logit diff gap gone: -4.00 → 0.05"


def test_the_baseline_says_what_is_vital():
    approved = role({"L0H0": 0.9}, gain=4.0)
    found = role({"L0H0": 0.9}, gain=4.0)
    noisy = replace(found.companion[1], error=9.0, vital=False)
    found = replace(found, companion=(found.companion[0], noisy))

    (reason,) = judge(found, approved, TOLERANCE).reasons
    assert (reason.change, reason.subject) == (Change.GONE, "repeat_gain")


def test_fractions_that_mean_nothing_are_not_summarised():
    approved = fractions({"L0H0": 0.9}, gap=4.0)
    found = fractions({"L0H0": 0.9}, gap=0.5)

    verdict = judge(found, approved, TOLERANCE)

    assert (verdict.summary, verdict.number) == (
        "fraction recovered undefined; logit diff gap 0.50",
        None,
    )


HELD = [
    # The approved threshold says who is in the role, …
    (role({"L0H0": 0.9}, threshold=0.95), "1 head, L0H0 0.90; repeat loss 0.50", 0.9),
    # … a head a hair below it still is, …
    (role({"L0H0": 0.88, "L0H1": 0.3}), "1 head, L0H0 0.88; repeat loss 0.50", 0.88),
    # … and what a baseline knows no nulls of has none.
    (role({"L0H0": 0.9}, nulls={"L0H0": (0.9, 0.5)}), "1 head, L0H0 0.90; repeat loss 0.50", 0.9),
]


@pytest.mark.parametrize(("found", "summary", "number"), HELD)
def test_the_heads_that_were_judged_are_those_that_are_counted(found, summary, number):
    verdict = judge(found, role({"L0H0": 0.9}), TOLERANCE)

    assert verdict.kind is Kind.PRESERVED
    assert (verdict.summary, verdict.number) == (summary, pytest.approx(number))


def test_a_member_a_hair_below_the_threshold_is_counted():
    verdict = judge(role({"L0H0": 0.9, "L0H1": 0.39}), role({"L0H0": 0.9, "L0H1": 0.42}), TOLERANCE)

    assert verdict.kind is Kind.PRESERVED
    assert verdict.summary == "2 heads, L0H0 0.90; repeat loss 0.50"
    assert verdict.number == pytest.approx(1.29)


def test_a_headline_names_the_head_that_changed_most():
    approved = role({"L0H0": 1.9, "L0H1": 0.45})
    found = role({"L0H0": 1.0, "L0H1": 0.1})

    told = headline(judge(found, approved, TOLERANCE))

    assert told == "L0H0 1.90→1.00 +1; behaviour held"


# ---- Heads that work against one another --------------------------------------------------------

MANY = {f"L0H{head}": 0.62 for head in range(4)}


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        (
            {**dict.fromkeys(MANY, 0.58), "L1H0": -0.8},
            Kind.WEAKENED,
        ),  # small losses, and more against
        ({**MANY, "L1H0": -0.8}, Kind.WEAKENED),  # more against, and nothing more for
        ({**MANY, "L0H0": 1.2, "L1H0": -0.8}, Kind.STRENGTHENED),  # more of both
    ],
)
def test_strength_against_the_behaviour_makes_up_for_no_strength_lost(now, kind):
    approved = role({**MANY, "L1H0": -0.5}, direction=Direction.TWO_SIDED)
    found = role(now, direction=Direction.TWO_SIDED)

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is kind
    assert verdict.number == pytest.approx(sum(now.values()))


def test_a_head_that_got_stronger_against_the_behaviour_compensates_nothing():
    approved = role({"L0H0": 1.0, "L1H0": -0.5}, direction=Direction.TWO_SIDED)
    found = role({"L0H0": 0.5, "L1H0": -1.0}, direction=Direction.TWO_SIDED)

    assert judge(found, approved, TOLERANCE).reading is Reading.BEHAVIOUR_HELD


def test_what_is_made_up_in_part_is_not_compensated():
    approved = role({f"L0H{head}": 0.9 for head in range(4)} | {"L1H0": 0.9, "L1H1": 0.9})
    part = replace(approved, values=approved.values.copy())
    part.values[0, 0], part.values[0, 1] = 0.5, 1.0
    whole = replace(approved, values=approved.values.copy())
    whole.values[0, 0], whole.values[0, 1] = 0.5, 1.28

    assert judge(part, approved, TOLERANCE).reading is Reading.BEHAVIOUR_HELD
    assert judge(whole, approved, TOLERANCE).reading is Reading.COMPENSATED


def test_where_no_behaviour_was_held_nobody_says_that_it_held():
    alone = replace(role({"L0H0": 0.9, "L0H1": 0.8}), companion=())
    found = replace(role({"L0H0": 0.9, "L0H1": 0.1}), companion=())

    verdict = judge(found, alone, TOLERANCE)

    assert (verdict.kind, verdict.reading) == (Kind.WEAKENED, None)


# ---- What only just is there --------------------------------------------------------------------


@pytest.mark.parametrize(("now", "kind"), [(0.55, Kind.PRESERVED), (0.8, Kind.WEAKENED)])
def test_a_wobble_within_tolerance_loses_nothing_that_only_just_was_distinct(now, kind):
    approved, found = (role({"L0H0": 0.9}, gain=1.0) for _ in range(2))
    approved, found = (
        replace(f, companion=(f.companion[0], replace(f.companion[1], error=error)))
        for f, error in ((approved, 0.54), (found, now))
    )

    assert judge(found, approved, TOLERANCE).kind is kind


def test_a_number_that_can_not_be_told_from_nothing_says_so():
    approved, found = number(4.0, error=1.0), number(3.9, error=3.0)

    told = headline(judge(found, approved, TOLERANCE))

    assert told == "logit difference gone: 4.00 → 3.90 (not distinct from 0)"


def test_a_behaviour_is_lost_by_any_of_the_numbers_for_it():
    def accuracy(value, logit_diff):
        beside = Behaviour(
            "logit_diff", logit_diff, 0.1, 10, Direction.HIGHER, "logits", vital=True
        )
        return replace(
            number(value, error=0.01), measure="accuracy", quantity="accuracy", unit="share",
            companion=(beside,), allowance=Allowance(floor=0.05, share=0.05),
        )  # fmt: skip

    tolerance = replace(TOLERANCE, behaviours={"logit_diff": Allowance(0.2, 0.05)})
    tolerance = replace(tolerance, value=Allowance(0.05, 0.05))
    verdict = judge(accuracy(0.7, 0.1), accuracy(1.0, 10.0), tolerance)
    assert verdict.kind == "lost"
    assert "logit diff gone" in headline(verdict)
