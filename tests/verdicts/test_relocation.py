from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from verdicts.handmade import DOWN, TOLERANCE, UP, around, fractions, permuted, role

from pytest_circuits.findings import Direction, Finding, Head
from pytest_circuits.verdicts import (
    Allowance,
    Change,
    Kind,
    Reading,
    Tolerance,
    default_tolerance,
    judge,
)

SHORT, FLAT = (0.9, 0.9), (0, 0, 0, 0)
TWO_SIDED = {"direction": Direction.TWO_SIDED}


def moves(verdict) -> dict[str, str]:
    return {r.subject: r.other for r in verdict.reasons if r.change is Change.MOVED}


def changes(verdict) -> set[tuple[Change, str]]:
    return {(r.change, r.subject) for r in verdict.reasons}


#   what it is                  baseline                          found                       moves
RELOCATED = {
    "one head": (
        {"L1H0": around(0.9), "L1H1": around(0.7, DOWN)},
        {"L1H2": around(0.9), "L1H1": around(0.7, DOWN)},
        {"L1H0": "L1H2"},
    ),
    "the only head": ({"L1H0": around(0.9)}, {"L1H3": around(0.9)}, {"L1H0": "L1H3"}),
    "every head": (
        {"L1H0": around(0.9), "L1H1": around(0.7, DOWN), "L2H0": around(0.5)},
        {"L1H2": around(0.7, DOWN), "L1H3": around(0.9), "L2H3": around(0.5)},
        {"L1H0": "L1H3", "L1H1": "L1H2", "L2H0": "L2H3"},
    ),
    "two members that change places": (
        {"L1H0": around(0.9), "L1H1": around(0.5, DOWN)},
        {"L1H1": around(0.9), "L1H0": around(0.5, DOWN)},
        {"L1H0": "L1H1", "L1H1": "L1H0"},
    ),
    "three members in a circle": (
        {"L0H0": around(0.9), "L1H1": around(0.7, DOWN), "L2H2": around(0.5)},
        {"L1H1": around(0.9), "L2H2": around(0.7, DOWN), "L0H0": around(0.5)},
        {"L0H0": "L1H1", "L1H1": "L2H2", "L2H2": "L0H0"},
    ),
    "three in a circle, two of them as strong as each other": (
        {"L0H0": around(0.50), "L0H1": around(0.9), "L0H2": around(0.52, DOWN)},
        {"L0H1": around(0.50), "L0H2": around(0.9), "L0H0": around(0.52, DOWN)},
        {"L0H0": "L0H1", "L0H1": "L0H2", "L0H2": "L0H0"},
    ),
    "a chain that leads out of the role": (
        {"L1H0": around(0.9), "L1H1": around(0.5, DOWN)},
        {"L1H1": around(0.9), "L1H2": around(0.5, DOWN)},
        {"L1H0": "L1H1", "L1H1": "L1H2"},
    ),
    "within tolerance of its value and profile": (
        {"L1H0": around(0.9)},
        {"L1H2": (0.76, 0.84, 0.96, 1.04)},  # 0.04 off on average, its mean not at all
        {"L1H0": "L1H2"},
    ),
    "a chain whose end misses the threshold by a hair": (
        {"L1H0": around(0.9), "L1H1": around(0.42)},
        {"L1H1": around(0.9), "L1H0": around(0.39)},
        {"L1H0": "L1H1", "L1H1": "L1H0"},
    ),
    "a place that a head had by a hair less than the threshold": (
        {"L1H0": around(0.9), "L1H1": around(0.39)},
        {"L1H1": around(0.9), "L1H0": around(0.41)},
        {"L1H0": "L1H1"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "now", "expected"), RELOCATED.values(), ids=RELOCATED)
def test_a_role_whose_heads_moved_is_relocated(before, now, expected):
    verdict = judge(role(now), role(before), TOLERANCE)

    assert verdict.kind is Kind.RELOCATED
    assert moves(verdict) == expected
    assert {reason.change for reason in verdict.reasons} == {Change.MOVED}
    assert verdict.reading is None


def test_a_move_carries_both_heads_and_their_values():
    approved, found = role({"L0H0": around(0.9)}), role({"L2H3": around(0.88)})

    (reason,) = judge(found, approved, TOLERANCE).reasons

    assert (reason.subject, reason.other) == ("L0H0", "L2H3")
    assert (reason.before, reason.after) == (pytest.approx(0.9), pytest.approx(0.88))
    assert reason.tolerance == 0.05
    assert not reason.bad
    assert not reason.good


def test_negative_heads_move_like_the_others():
    approved = role({"L1H0": around(0.9), "L1H1": around(-0.6)}, **TWO_SIDED)
    found = role({"L1H0": around(0.9), "L1H2": around(-0.6)}, **TWO_SIDED)

    verdict = judge(found, approved, TOLERANCE)

    assert (verdict.kind, moves(verdict)) == (Kind.RELOCATED, {"L1H1": "L1H2"})


@pytest.mark.parametrize("sign", [1, -1])
def test_a_head_that_crosses_the_threshold_by_a_hair_elsewhere_has_not_joined(sign):
    approved = role({"L1H0": around(0.9), "L1H1": -0.05, "L1H2": sign * 0.39}, **TWO_SIDED)
    found = role({"L1H0": around(0.9), "L1H1": around(sign * 0.41)}, **TWO_SIDED)

    verdict = judge(found, approved, TOLERANCE)

    assert (verdict.kind, verdict.reasons) == (Kind.PRESERVED, ())


def test_a_head_a_hair_below_the_threshold_takes_over_if_it_does_the_same():
    approved = role({"L1H0": around(0.9), "L1H1": around(0.42)})
    near, far, other, unknown = (
        role({"L1H0": around(0.9), "L1H2": profile})
        for profile in (around(0.375), around(0.365), around(0.375, DOWN), 0.375)
    )

    assert judge(near, approved, TOLERANCE).kind is Kind.RELOCATED
    assert judge(far, approved, TOLERANCE).kind is Kind.WEAKENED
    assert judge(other, approved, TOLERANCE).kind is Kind.WEAKENED
    assert judge(unknown, approved, TOLERANCE).kind is Kind.WEAKENED


def test_a_head_moves_to_one_that_misses_the_threshold_of_what_was_found():
    # That of attribution is a share of the logit difference, which grew.
    approved = role({"L1H0": around(2.0), "L1H1": around(0.47)}, threshold=0.46, **TWO_SIDED)
    found = role({"L1H0": around(2.0), "L1H2": around(0.47)}, threshold=0.48, **TWO_SIDED)

    verdict = judge(found, approved, TOLERANCE)

    assert (verdict.kind, moves(verdict)) == (Kind.RELOCATED, {"L1H1": "L1H2"})


def test_each_head_goes_to_the_one_that_is_most_alike():
    heads = [around(0.9), around(0.91), around(0.92), around(0.93)]
    approved = role({f"L0H{head}": profile for head, profile in enumerate(heads)})
    found = role({f"L1H{3 - head}": profile for head, profile in enumerate(heads)})

    assert moves(judge(found, approved, TOLERANCE)) == {
        "L0H0": "L1H3", "L0H1": "L1H2", "L0H2": "L1H1", "L0H3": "L1H0",
    }  # fmt: skip


def test_the_most_alike_gives_way_where_another_has_no_other_place():
    # L0H1 could only go to L1H0, which L0H0 is nearer to; but L0H0 can also go to L1H1.
    approved = role({"L0H0": around(0.88), "L0H1": around(0.84)})
    found = role({"L1H0": around(0.87), "L1H1": around(0.92)})

    verdict = judge(found, approved, TOLERANCE)

    assert (verdict.kind, moves(verdict)) == (
        Kind.RELOCATED, {"L0H0": "L1H1", "L0H1": "L1H0"},
    )  # fmt: skip


#   what it is                          baseline                    found
WEAKENED = {
    "the profile is another, though its mean is equal": (
        {"L1H0": around(0.9, UP)}, {"L1H2": around(0.9, DOWN)},
    ),
    "the newcomer's profile is unknown": ({"L1H0": around(0.9)}, {"L1H2": 0.9}),
    "the lost head's profile is unknown": ({"L1H0": 0.9}, {"L1H2": around(0.9)}),
    "the profiles have other samples": ({"L1H0": around(0.9)}, {"L1H2": SHORT}),
    "the newcomer is weaker than that by more than the tolerance": (
        {"L1H0": around(0.9)}, {"L1H2": around(0.84)},
    ),
    "two lost heads fit one newcomer": (
        {"L1H0": around(0.9), "L1H1": around(0.9)}, {"L1H2": around(0.9)},
    ),
    "the only head that fits had the role before": (
        {"L1H0": around(0.9), "L1H1": around(0.5, DOWN)}, {"L1H1": around(0.9)},
    ),
    "a chain that breaks off": (
        {"L1H0": around(0.9), "L1H1": around(0.7), "L1H2": around(0.5)},
        {"L1H1": around(0.9), "L1H2": around(0.7)},
    ),
    "a member that fell took over, and its own part is nobody's": (
        {"L1H0": around(0.5), "L1H1": around(0.9, DOWN)}, {"L1H1": around(0.5)},
    ),
    "a member that fell, and a newcomer that does what it did": (
        {"L1H0": around(0.9)}, {"L1H0": around(0.6, DOWN), "L1H2": around(0.9)},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "now"), WEAKENED.values(), ids=WEAKENED)
def test_a_role_that_lost_a_head_to_nobody_is_not_relocated(before, now):
    verdict = judge(role(now), role(before), TOLERANCE)

    assert verdict.kind in (Kind.WEAKENED, Kind.LOST)
    assert {r.subject for r in verdict.reasons if r.change in (Change.LEFT, Change.WORSE)}


def test_a_head_of_the_other_sign_takes_nothing_over():
    approved = role({"L1H0": around(0.9), "L1H1": around(0.5, DOWN)}, **TWO_SIDED)
    found = role({"L1H2": around(-0.9), "L1H1": around(0.5, DOWN)}, **TWO_SIDED)

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.WEAKENED
    assert changes(verdict) == {
        (Change.LEFT, "L1H0"),
        (Change.OPPOSES, "L1H2"),
        (Change.WORSE, "induction heads"),
    }


def test_who_only_works_against_the_behaviour_does_not_hold_a_role():
    approved = role({"L1H0": around(0.9)}, **TWO_SIDED)
    found = role({"L1H2": around(-0.9)}, **TWO_SIDED)

    assert judge(found, approved, TOLERANCE).kind is Kind.LOST


def test_the_strongest_of_the_heads_that_moved_is_told_first():
    approved = role({"L0H0": around(0.5), "L0H1": around(0.9)})
    for strength in (0.88, 0.9):
        found = role({"L1H0": around(0.5), "L1H1": around(strength)})
        assert judge(found, approved, TOLERANCE).reasons[0].subject == "L0H1"


def test_many_small_gains_of_heads_that_moved_are_told():
    approved = role({f"L0H{head}": around(0.5) for head in range(4)})
    found = role({f"L1H{head}": around(0.545) for head in range(4)})

    verdict = judge(found, approved, replace(TOLERANCE, role=Allowance(0.1, 0.05)))

    assert verdict.kind is Kind.STRENGTHENED
    assert (Change.BETTER, "induction heads") in changes(verdict)


def test_a_head_that_was_there_a_hair_below_the_threshold_takes_nothing_over():
    approved = role({"L1H0": around(0.42), "L1H1": around(0.9), "L1H2": 0.39})
    found = role({"L1H1": around(0.9), "L1H2": around(0.41)})

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.WEAKENED
    assert changes(verdict) == {(Change.LEFT, "L1H0"), (Change.WORSE, "induction heads")}


def test_a_head_that_turned_round_has_not_moved_though_a_copy_of_it_is_elsewhere():
    approved = role({"L1H0": around(0.9)}, **TWO_SIDED)
    found = role({"L1H0": around(-0.9), "L1H2": around(0.9)}, **TWO_SIDED)

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.WEAKENED
    assert changes(verdict) == {
        (Change.WORSE, "L1H0"), (Change.JOINED, "L1H2"), (Change.WORSE, "induction heads")
    }  # fmt: skip


def test_of_two_lost_heads_that_fit_one_newcomer_one_is_lost():
    approved = role({"L1H0": around(0.9), "L1H1": around(0.9), "L2H0": around(0.9, DOWN)})
    found = role({"L1H2": around(0.9), "L2H0": around(0.9, DOWN)})

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.WEAKENED
    assert [reason.change for reason in verdict.reasons if reason.subject.startswith("L1")] == [
        Change.LEFT,
        Change.MOVED,
    ]


def test_strength_that_moved_onto_a_member_is_compensated():
    approved = role({"L1H0": around(0.5), "L1H1": around(0.45, DOWN)})
    found = role({"L1H1": around(0.95)})

    verdict = judge(found, approved, TOLERANCE)

    assert (verdict.kind, verdict.reading) == (Kind.WEAKENED, Reading.COMPENSATED)
    assert changes(verdict) == {(Change.LEFT, "L1H0"), (Change.BETTER, "L1H1")}


def test_a_newcomer_is_preferred_to_a_member_that_grew():
    # Both do what L1H0 did; only the newcomer leaves nothing undone.
    approved = role({"L1H0": around(0.9), "L1H1": around(0.6, DOWN)})
    found = role({"L1H1": around(0.9), "L1H2": around(0.88)})

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.STRENGTHENED
    assert moves(verdict) == {"L1H0": "L1H2"}
    assert changes(verdict) == {(Change.MOVED, "L1H0"), (Change.BETTER, "L1H1")}


def test_a_move_is_told_when_the_role_grew_beside_it():
    approved = role({"L1H0": around(0.9)})
    found = role({"L1H2": around(0.9), "L2H2": around(0.6)})

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.STRENGTHENED
    assert [(reason.change, reason.subject) for reason in verdict.reasons] == [
        (Change.JOINED, "L2H2"),
        (Change.MOVED, "L1H0"),
    ]


def test_moves_that_each_cost_a_little_weaken_the_role_together():
    approved = role({f"L0H{head}": around(0.5) for head in range(4)})
    found = role({f"L1H{head}": around(0.445) for head in range(4)})
    tolerance = replace(TOLERANCE, value=Allowance(0.06, 0.0))

    verdict = judge(found, approved, tolerance)

    assert verdict.kind is Kind.WEAKENED
    assert len(moves(verdict)) == 4
    assert verdict.reasons[0].subject == "induction heads"


def test_a_move_does_not_excuse_a_behaviour_that_got_worse():
    approved, found = role({"L1H0": around(0.9)}), role({"L1H2": around(0.9)}, loss=2.0)

    verdict = judge(found, approved, TOLERANCE)

    assert (verdict.kind, verdict.reading) == (Kind.WEAKENED, Reading.MECHANISM_INTACT)
    assert moves(verdict) == {"L1H0": "L1H2"}


def test_a_move_with_a_behaviour_that_is_gone_is_weakened_and_the_role_intact():
    approved, found = role({"L1H0": around(0.9)}), role({"L1H2": around(0.9)}, gain=0.1)

    verdict = judge(found, approved, TOLERANCE)

    assert (verdict.kind, verdict.intact) == (Kind.WEAKENED, (1, 1))
    assert moves(verdict) == {"L1H0": "L1H2"}


def test_profiles_of_fractions_are_held_against_the_tolerance_in_their_own_unit():
    # A head restores 0.9 of a gap of 4 logits; its tolerance of 0.05 is 0.2 logits.
    approved = fractions({"L1H0": around(0.9, FLAT)})
    near = fractions({"L1H2": around(0.9, (-0.045, 0.045, -0.045, 0.045))})
    far = fractions({"L1H2": around(0.9, (-0.055, 0.055, -0.055, 0.055))})

    assert judge(near, approved, TOLERANCE).kind is Kind.RELOCATED
    assert judge(far, approved, TOLERANCE).kind is not Kind.RELOCATED


def test_each_models_profiles_are_fractions_of_its_own_gap():
    # The gap grew by a fifth, and so did what the head restores in logits; the fraction did not.
    wide = Tolerance(
        TOLERANCE.value, TOLERANCE.role, {"logit_diff_gap": Allowance(floor=1.0, share=0.0)}
    )
    approved = fractions({"L0H0": around(0.6)}, gap=4.0)
    found = fractions({"L1H1": around(0.6)}, gap=4.8)

    verdict = judge(found, approved, wide)

    assert verdict.kind is Kind.RELOCATED
    assert moves(verdict) == {"L0H0": "L1H1"}


def test_a_head_that_stayed_has_not_moved_though_another_looks_like_it():
    approved = role({"L1H0": around(0.9), "L1H1": around(0.88)})
    found = role({"L1H0": around(0.89), "L1H1": around(0.89)})

    assert judge(found, approved, TOLERANCE).kind is Kind.PRESERVED


# ---- Any permutation --------------------------------------------------------------------------


def drawn(seed: int, direction: Direction, *, nulls: bool = False) -> Finding:
    """A role of 1 … 12 heads among 36, the others below its threshold."""
    draw = np.random.default_rng(seed)
    shape = (6, 6)
    labels = [str(Head(*map(int, cell))) for cell in np.ndindex(shape)]
    signs = draw.choice([1, 1, -1], 36) if direction is Direction.TWO_SIDED else np.ones(36)
    heads: dict[str, object] = {
        label: float(value) for label, value in zip(labels, draw.uniform(0, 0.3, 36), strict=True)
    }
    for head in draw.choice(36, draw.integers(1, 13), replace=False):
        heads[labels[head]] = signs[head] * draw.uniform(0.5, 1) + draw.normal(0, 0.02, 10)
    known = dict.fromkeys(labels, (0.01, 0.001))
    return role(heads, shape=shape, direction=direction, nulls=known if nulls else None)


def shuffled(finding: Finding, seed: int, *, members_only: bool) -> dict[Head, Head]:
    heads = list(finding.members() if members_only else finding.heads())
    order = np.random.default_rng(seed + 10**6).permutation(len(heads))
    stay = {head: head for head in finding.heads()}
    return stay | {head: heads[place] for head, place in zip(heads, order, strict=True)}


@pytest.mark.parametrize("members_only", [False, True], ids=["all heads", "members"])
@pytest.mark.parametrize("direction", [Direction.HIGHER, Direction.TWO_SIDED])
def test_heads_in_other_places_are_the_same_role(direction, members_only):
    for seed in range(150):
        approved = drawn(seed, direction, nulls=seed % 2 == 0)
        found = permuted(approved, shuffled(approved, seed, members_only=members_only))

        verdict = judge(found, approved, default_tolerance(approved))

        assert verdict.kind in (Kind.PRESERVED, Kind.RELOCATED), seed
        assert len(set(moves(verdict).values())) == len(moves(verdict)), seed


@pytest.mark.parametrize("direction", [Direction.HIGHER, Direction.TWO_SIDED])
def test_heads_in_other_places_may_waver_at_once(direction):
    for seed in range(150):
        approved = drawn(seed, direction)
        noise = np.random.default_rng(seed).normal(0, 0.008, (*approved.values.shape, 10))
        wavering = replace(
            approved,
            values=approved.values + noise.mean(axis=-1),
            profiles={
                head: profile + noise[Head.parse(head)]
                for head, profile in approved.profiles.items()
            },
        )
        found = permuted(wavering, shuffled(approved, seed, members_only=False))

        verdict = judge(found, approved, default_tolerance(approved))

        assert verdict.kind in (Kind.PRESERVED, Kind.RELOCATED), seed


@pytest.mark.parametrize("moved", [False, True], ids=["in place", "in other places"])
@pytest.mark.parametrize("direction", [Direction.HIGHER, Direction.TWO_SIDED])
def test_a_member_with_nothing_in_its_place_is_missed(direction, moved):
    for seed in range(150):
        approved = drawn(seed, direction)
        members = list(approved.members())
        gone = members[seed % len(members)]
        values = approved.values.copy()
        values[gone] = 0.0
        profiles = {h: p for h, p in approved.profiles.items() if h != str(gone)}
        found = replace(approved, values=values, profiles=profiles)
        if moved:
            found = permuted(found, shuffled(approved, seed, members_only=False))

        verdict = judge(found, approved, default_tolerance(approved))

        assert verdict.kind in (Kind.WEAKENED, Kind.LOST), seed


def test_a_role_of_a_whole_models_heads_is_judged_at_once():
    draw = np.random.default_rng(0)
    heads = {
        f"L{layer}H{head}": draw.uniform(0.4, 1) + draw.normal(0, 0.02, 10)
        for layer in range(30)
        for head in range(9)
    }
    approved = role(heads, shape=(30, 9))
    found = permuted(approved, shuffled(approved, 0, members_only=False))

    verdict = judge(found, approved, TOLERANCE)

    assert verdict.kind is Kind.RELOCATED
