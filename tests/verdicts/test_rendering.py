from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_circuits.findings import Behaviour, Direction, Finding, Role
from pytest_circuits.verdicts import (
    Allowance,
    Tolerance,
    headline,
    judge,
    lines,
    reason_text,
    without_baseline,
)

BEHAVIOURS = {"repeat_loss": Allowance(0.15, 0.05), "repeat_gain": Allowance(0.15, 0.05)}
TOLERANCE = Tolerance(Allowance(0.05, 0.02), Allowance(0.1, 0.1), BEHAVIOURS)


def scores(values, *, loss=3.2, gain=4.0, block=16) -> Finding:
    values = np.array([values], dtype=np.float64)
    return Finding(
        "induction_scores", "induction score", "attention probability", Direction.HIGHER,
        ("layer", "head"), values, np.full_like(values, 0.01), 10, 10,
        convention={"block": block, "seed": 0},
        prompts={"kind": "repeated tokens"},
        role=Role("induction heads", 0.4),
        companion=(
            Behaviour("repeat_loss", loss, 0.05, 10, Direction.LOWER, "nats"),
            Behaviour("repeat_gain", gain, 0.1, 10, Direction.HIGHER, "nats", vital=True),
        ),
    )  # fmt: skip


def two_sided(values) -> Finding:
    return replace(scores(values), direction=Direction.TWO_SIDED)


BASE = scores([0.886, 0.744, 0.5, 0.0])


def verdict(found, approved=BASE):
    return judge(found, approved, TOLERANCE)


APPROVE = "pytest --circuits --snapshot-update"
CASES = {
    "preserved": (
        verdict(scores([0.886, 0.744, 0.5, 0.02])),
        ["preserved: 3 heads, L0H0 0.89; repeat loss 3.20"],
    ),
    "a head left and behaviour got worse": (
        verdict(scores([0.112, 0.744, 0.5, 0.0], loss=5.4)),
        [
            "weakened: repeat loss rose 3.20 → 5.40; L0H0 0.89→0.11",
            "  repeat loss rose 3.20 → 5.40 (tolerance 0.16)",
            "  left the role: L0H0 0.89→0.11 (tolerance 0.05)",
            "  induction heads summed strength 2.13 → 1.24 (tolerance 0.21)",
        ],
    ),
    "two heads left, one joined": (
        verdict(scores([0.112, 0.3, 0.5, 0.8])),
        [
            "weakened: L0H0 0.89→0.11 +1; traded for L0H3 0.00→0.80; behaviour held",
            "  left the role: L0H0 0.89→0.11, L0H1 0.74→0.30",
            "  induction heads summed strength 2.13 → 1.30 (tolerance 0.21)",
            "  joined the role: L0H3 0.00→0.80 (tolerance 0.05)",
        ],
    ),
    "weaker, stronger": (
        verdict(scores([0.786, 0.9, 0.5, 0.0])),
        [
            "weakened: L0H0 0.89→0.79; compensated",
            "  weaker: L0H0 0.89→0.79 (tolerance 0.05)",
            "  stronger: L0H1 0.74→0.90 (tolerance 0.05)",
            "  overtaken: L0H0 by L0H1 (tolerance 0.05)",
        ],
    ),
    "against the behaviour": (
        verdict(two_sided([0.886, 0.9, 0.5, -0.6]), two_sided([0.886, 0.744, 0.5, 0.0])),
        [
            "weakened: L0H3 0.00→-0.60; traded for L0H1 0.74→0.90; behaviour held",
            "  now against the behaviour: L0H3 0.00→-0.60 (tolerance 0.05)",
            "  stronger: L0H1 0.74→0.90 (tolerance 0.05)",
        ],
    ),
    "a head weaker, behaviour better": (
        verdict(scores([0.786, 0.744, 0.5, 0.0], loss=2.0)),
        [
            (
                "weakened: L0H0 0.89→0.79; traded for repeat loss improved 3.20 → 2.00; "
                "behaviour held"
            ),
            "  weaker: L0H0 0.89→0.79 (tolerance 0.05)",
            "  repeat loss improved 3.20 → 2.00 (tolerance 0.16)",
        ],
    ),
    "heads and behaviour better": (
        verdict(scores([0.886, 0.9, 0.5, 0.8], loss=2.0)),
        [
            "strengthened: repeat loss improved 3.20 → 2.00; L0H3 0.00→0.80 +1",
            "  repeat loss improved 3.20 → 2.00 (tolerance 0.16)",
            "  joined the role: L0H3 0.00→0.80 (tolerance 0.05)",
            "  stronger: L0H1 0.74→0.90 (tolerance 0.05)",
        ],
    ),
    "only behaviour, and it is gone": (
        verdict(scores([0.886, 0.744, 0.5, 0.0], loss=7.2, gain=0.0)),
        [
            "weakened: behaviour gone, 3 of 3 heads intact: repeat loss rose 3.20 → 7.20",
            "  repeat loss rose 3.20 → 7.20 (tolerance 0.16)",
            "  repeat gain gone: 4.00 → 0.00",
        ],
    ),
    "only behaviour, worse in two ways": (
        verdict(scores([0.886, 0.744, 0.5, 0.0], loss=3.7, gain=2.0)),
        [
            "weakened: repeat gain fell 4.00 → 2.00; mechanism intact",
            "  repeat gain fell 4.00 → 2.00 (tolerance 0.20)",
            "  repeat loss rose 3.20 → 3.70 (tolerance 0.16)",
        ],
    ),
    "only behaviour": (
        verdict(scores([0.886, 0.744, 0.5, 0.0], loss=2.0)),
        [
            "strengthened: repeat loss improved 3.20 → 2.00",
            "  repeat loss improved 3.20 → 2.00 (tolerance 0.16)",
        ],
    ),
    "everything is gone": (
        verdict(scores([0.0, 0.0, 0.0, 0.0], loss=7.2, gain=0.0)),
        [
            "lost: repeat loss rose 3.20 → 7.20; L0H0 0.89→0.00 +2",
            "  repeat loss rose 3.20 → 7.20 (tolerance 0.16)",
            "  repeat gain gone: 4.00 → 0.00",
            "  no induction heads left (3 before)",
            "  left the role: L0H0 0.89→0.00, L0H1 0.74→0.00, L0H2 0.50→0.00",
            "  induction heads summed strength 2.13 → 0.00 (tolerance 0.21)",
        ],
    ),
    "another convention": (
        verdict(scores([0.886, 0.744, 0.5, 0.0], block=8)),
        [
            "incomparable: convention.block differs: 16 → 8",
            "  convention.block differs: 16 → 8",
        ],
    ),
    "no baseline": (
        without_baseline(BASE),
        [
            "new: 3 heads, L0H0 0.89; repeat loss 3.20",
            f"  there is no baseline yet; approve this one with `{APPROVE}`",
        ],
    ),
}


@pytest.mark.parametrize(("judged", "text"), CASES.values(), ids=CASES)
def test_a_verdict_reads(judged, text):
    assert lines(judged) == text


@pytest.mark.parametrize("judged", [case[0] for case in CASES.values()], ids=CASES)
def test_a_headline_is_one_line_that_fits_a_terminal(judged):
    assert len(headline(judged).splitlines()) == 1
    assert len(headline(judged)) < 80


def test_reasons_beyond_the_limit_are_counted():
    judged = CASES["everything is gone"][0]

    assert lines(judged, limit=3) == [
        *lines(judged)[:3],
        "  … and 3 more",
    ]
    assert lines(judged, limit=5) == lines(judged)


def test_many_heads_that_did_the_same_share_a_line():
    judged = verdict(scores([0.0] * 8), scores([0.5] * 8))

    (left,) = [line for line in lines(judged) if "left the" in line]

    assert left == ("  left the role: L0H0 0.50→0.00, L0H1 0.50→0.00, L0H2 0.50→0.00 and 5 more")


def test_three_heads_that_did_the_same_are_all_named():
    judged = verdict(scores([0.0] * 3), scores([0.5] * 3))

    (left,) = [line for line in lines(judged) if "left the" in line]

    assert left.endswith("L0H1 0.50→0.00, L0H2 0.50→0.00")


def test_a_number_is_told_by_its_quantity():
    one = replace(
        BASE, axes=(), values=np.array(3.0), errors=np.array(0.1), role=None, companion=(),
        quantity="logit difference",
    )  # fmt: skip

    judged = verdict(replace(one, values=np.array(2.0)), one)

    assert lines(judged) == [
        "weakened: logit difference fell 3.00 → 2.00",
        "  logit difference fell 3.00 → 2.00 (tolerance 0.06)",
    ]


def test_a_reason_by_itself_names_its_head_and_tolerance():
    reasons = verdict(scores([0.112, 0.9, 0.5, 0.8])).reasons

    assert [reason_text(reason) for reason in reasons] == [
        "L0H0 left the role: induction score 0.89 → 0.11 (tolerance 0.05)",
        "L0H3 joined the role: induction score 0.00 → 0.80 (tolerance 0.05)",
        "L0H1 induction score 0.74 → 0.90 (tolerance 0.05)",
    ]
