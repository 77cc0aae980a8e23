"""What can't be a baseline, because nothing of it could get lost."""

from __future__ import annotations

from verdicts.handmade import fractions, role

from pytest_circuits.baselines import nothing_to_approve


def test_what_can_get_lost_can_be_approved():
    assert nothing_to_approve(role({"L0H0": 0.9})) is None
    assert nothing_to_approve(fractions({"L0H0": 0.9})) is None


def test_a_gap_on_the_wrong_side_leaves_nothing_to_restore():
    told = nothing_to_approve(fractions({"L0H0": 0.9}, gap=-4.0))

    assert told is not None
    assert told.splitlines() == [
        "nothing to approve: logit diff gap is -4.00 logits: the clean prompts favour the wrong",
        "answer more than the corrupted ones do, and there is nothing to restore.",
        "A baseline needs a model and prompts on which the behaviour shows.",
    ]


def test_a_role_without_heads_cannot_be_approved():
    told = nothing_to_approve(role({"L0H0": 0.3}))

    assert told is not None
    assert told.startswith(
        "nothing to approve: there are no induction heads (induction score of 0.4 or more); "
        "L0H0 has 0.30."
    )
