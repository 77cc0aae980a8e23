"""What verdicts on moved, compensated and vanished mechanisms say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from verdicts.handmade import DOWN, TOLERANCE, around, fractions, role

from pytest_circuits.findings import Canary, Direction
from pytest_circuits.verdicts import headline, judge, lines, reason_text, scope_text

DEEP = {"shape": (30, 9)}
HEADS = {
    "L18H6": around(0.89),
    "L17H3": around(0.74, DOWN),
    "L17H4": around(0.66),
    "L17H5": around(0.58, DOWN),
    "L18H7": around(0.50),
}
TEXT = Canary(3.12, "text", "c0ffee")


def verdict(found, approved=HEADS, **fields):
    return judge(role(found, **DEEP, **fields), role(approved, **DEEP), TOLERANCE)


def moved(**places):
    return {places.get(head, head): profile for head, profile in HEADS.items()}


def matrix(values):
    values = np.array(values)
    return replace(
        role({}), axes=("layer", "position"), values=values, errors=0 * values, role=None,
        quantity="fraction recovered", direction=Direction.TWO_SIDED,
    )  # fmt: skip


CASES = {
    "one head moved": (
        verdict(moved(L18H6="L18H0")),
        [
            "relocated: L18H6→L18H0 0.89",
            "  moved: L18H6→L18H0 0.89 (tolerance 0.05)",
        ],
    ),
    "one head moved to another layer": (
        verdict(moved(L18H6="L12H3")),
        [
            "relocated: L18H6→L12H3 0.89, across layers",
            "  moved across layers: L18H6→L12H3 0.89 (tolerance 0.05)",
        ],
    ),
    "two heads moved, one of them to another layer": (
        verdict(moved(L18H6="L18H0", L17H3="L3H3")),
        [
            "relocated: L18H6→L18H0 0.89 +1, across layers",
            "  moved: L18H6→L18H0 0.89 (tolerance 0.05)",
            "  moved across layers: L17H3→L3H3 0.74 (tolerance 0.05)",
        ],
    ),
    "a head moved and behaviour broke": (
        verdict(moved(L18H6="L18H0"), loss=2.0),
        [
            "weakened: repeat loss rose 0.50 → 2.00; mechanism intact",
            "  repeat loss rose 0.50 → 2.00 (tolerance 0.15)",
            "  moved: L18H6→L18H0 0.89 (tolerance 0.05)",
        ],
    ),
    "a head moved and another joined": (
        verdict({**moved(L18H6="L18H0"), "L2H2": 0.7}),
        [
            "strengthened: L2H2 0.00→0.70",
            "  joined the role: L2H2 0.00→0.70 (tolerance 0.05)",
            "  moved: L18H6→L18H0 0.89 (tolerance 0.05)",
        ],
    ),
    "a head's strength went to another of the role": (
        verdict({**HEADS, "L18H7": 0.0, "L17H5": 1.05}),
        [
            "weakened: L18H7 0.50→0.00; compensated",
            "  left the role: L18H7 0.50→0.00 (tolerance 0.05)",
            "  stronger: L17H5 0.58→1.05 (tolerance 0.05)",
            "  overtaken: L17H4 by L17H5 (tolerance 0.05)",
        ],
    ),
    "everything a little weaker": (
        verdict({"L0H0": 0.46, "L0H1": 0.46}, {"L0H0": 0.51, "L0H1": 0.51, "L0H2": 0.41}),
        [
            "weakened: L0H2 0.41→0.00; behaviour held",
            "  left the role: L0H2 0.41→0.00 (tolerance 0.05)",
            "  induction heads summed strength 1.43 → 0.92 (tolerance 0.14)",
        ],
    ),
    "many small losses": (
        verdict(
            {f"L0H{head}": 0.451 for head in range(8)},
            {f"L0H{head}": 0.5 for head in range(8)},
        ),
        ["preserved: 8 heads, L0H0 0.45; repeat loss 0.50"],
    ),
    "many small losses that add up": (
        verdict(
            {f"L0H{head}": 0.43 for head in range(8)},
            {f"L0H{head}": 0.48 for head in range(8)},
        ),
        [
            ("weakened: induction heads summed strength 3.84→3.44; behaviour held"),
            "  induction heads summed strength 3.84 → 3.44 (tolerance 0.38)",
        ],
    ),
    "a null that rose": (
        judge(
            role(HEADS, nulls={"L18H6": (0.86, 0.4)}, **DEEP),
            role(HEADS, nulls={"L18H6": (0.02, 0.001)}, **DEEP),
            TOLERANCE,
        ),
        [
            "weakened: L18H6 0.89 met its null; behaviour held",
            "  left the role: L18H6 0.89 met its null (tolerance 0.05, null 0.86)",
            "  induction heads summed strength 3.37 → 2.48 (tolerance 0.34)",
        ],
    ),
    "heads of which none is distinct": (
        judge(
            role({"L0H0": 0.6}, error=0.4, direction=Direction.TWO_SIDED),
            role({"L0H0": 0.9}, direction=Direction.TWO_SIDED),
            TOLERANCE,
        ),
        [
            ("lost: no induction heads distinct from 0 left (1 before); behaviour held"),
            "  no induction heads distinct from 0 left (1 before)",
            "  weaker: L0H0 0.90→0.60 (tolerance 0.05)",
            "  induction heads summed strength 0.90 → 0.60 (tolerance 0.10)",
        ],
    ),
    "a cell of a matrix": (
        judge(matrix([[0.5, 0.2]]), matrix([[0.9, 0.2]]), TOLERANCE),
        [
            ("weakened: layer 0, position 0 fraction recovered 0.90→0.50; behaviour held"),
            "  layer 0, position 0 fraction recovered 0.90 → 0.50 (tolerance 0.05)",
            "  fraction recovered as a whole 0.92 → 0.53 (tolerance 0.10)",
        ],
    ),
    "a matrix as a whole": (
        judge(matrix([[0.46] * 9]), matrix([[0.5] * 9]), replace(TOLERANCE, role=TOLERANCE.value)),
        [
            ("weakened: fraction recovered as a whole 1.50→1.38; behaviour held"),
            "  fraction recovered as a whole 1.50 → 1.38 (tolerance 0.05)",
        ],
    ),
    "a whole model that moved": (
        judge(
            role({"L0H0": 0.7}, loss=2.0, canary=replace(TEXT, loss=4.5)),
            role({"L0H0": 0.9}, canary=TEXT),
            TOLERANCE,
        ),
        [
            "weakened: repeat loss rose 0.50 → 2.00; L0H0 0.90→0.70",
            "  repeat loss rose 0.50 → 2.00 (tolerance 0.15)",
            "  weaker: L0H0 0.90→0.70 (tolerance 0.05)",
            "  induction heads summed strength 0.90 → 0.70 (tolerance 0.10)",
            "  the whole model moved: the loss on a fixed text rose 3.12 → 4.50",
        ],
    ),
    "one circuit that moved": (
        judge(
            role({"L0H0": 0.7}, loss=2.0, canary=TEXT),
            role({"L0H0": 0.9}, canary=TEXT),
            TOLERANCE,
        ),
        [
            "weakened: repeat loss rose 0.50 → 2.00; L0H0 0.90→0.70",
            "  repeat loss rose 0.50 → 2.00 (tolerance 0.15)",
            "  weaker: L0H0 0.90→0.70 (tolerance 0.05)",
            "  induction heads summed strength 0.90 → 0.70 (tolerance 0.10)",
            "  specific to this circuit: the loss on a fixed text held 3.12 → 3.12",
        ],
    ),
}


@pytest.mark.parametrize(("judged", "text"), CASES.values(), ids=CASES)
def test_a_verdict_reads(judged, text):
    assert lines(judged) == text


@pytest.mark.parametrize("judged", [case[0] for case in CASES.values()], ids=CASES)
def test_a_verdict_is_read_at_a_glance(judged):
    first, *rest = lines(judged)

    assert len(headline(judged)) < 100
    assert all(len(line) <= 80 for line in rest)
    assert first == f"{judged.kind}: {headline(judged)}"


def test_many_moves_share_lines_that_fit_a_terminal():
    approved = {
        f"L1{layer}H{head}": around(0.5 + head / 20) for layer in (7, 8) for head in range(6)
    }
    found = {f"L2{h[2]}H{h[4]}": profile for h, profile in approved.items()}

    (line,) = lines(verdict(found, approved))[1:]

    assert line == (
        "  moved across layers: L17H5→L27H5 0.75, L18H5→L28H5 0.75, L17H4→L27H4 0.70 and 9 more"
    )


def test_a_reason_by_itself_says_what_happened():
    approved = role({"L0H0": around(0.9), "L0H1": 0.5}, direction=Direction.TWO_SIDED)
    found = role({"L2H0": around(0.9), "L0H1": 0.6, "L0H2": -0.7}, direction=Direction.TWO_SIDED)

    assert [reason_text(reason) for reason in judge(found, approved, TOLERANCE).reasons] == [
        "L0H2 now against the behaviour: induction score 0.00 → -0.70 (tolerance 0.05)",
        "L0H1 induction score 0.50 → 0.60 (tolerance 0.05)",
        "L0H0 moved to L2H0 (another layer): induction score 0.90 → 0.90 (tolerance 0.05)",
    ]


def test_an_overtaken_head_by_itself_names_the_other():
    *_, reason = verdict({"L0H0": 0.6, "L0H1": 0.8}, {"L0H0": 0.8, "L0H1": 0.6}).reasons

    assert reason_text(reason) == (
        "L0H0 was overtaken by L0H1: induction score 0.80 → 0.60 (tolerance 0.05)"
    )


def test_a_behaviour_that_can_not_be_told_from_nothing_says_so():
    approved = fractions({"L0H0": around(0.9)})
    gap = replace(approved.companion[0], value=4.1, error=3.0)

    text = headline(judge(replace(approved, companion=(gap,)), approved, TOLERANCE))

    assert text.startswith("logit diff gap gone: 4.00 → 4.10 (not distinct from 0)")


def test_the_canary_keeps_its_line_when_reasons_are_cut():
    judged = CASES["a whole model that moved"][0]

    assert lines(judged, limit=3) == [
        *lines(judged)[:2],
        "  … and 2 more",
        lines(judged)[-1],
    ]
    assert lines(judged, limit=1) == [lines(judged)[0], "  … and 3 more", lines(judged)[-1]]


def test_a_canary_that_moved_is_told_also_where_nothing_else_changed():
    steady = role({"L0H0": 0.9}, canary=TEXT)
    judged = judge(role({"L0H0": 0.9}, canary=replace(TEXT, loss=4.0)), steady, TOLERANCE)

    assert lines(judged) == [
        "preserved: 1 head, L0H0 0.90; repeat loss 0.50",
        f"  {scope_text(judged)}",
    ]
    assert scope_text(judged) == "the whole model moved: the loss on a fixed text rose 3.12 → 4.00"


@pytest.mark.parametrize(("loss", "words"), [(4.0, "rose 3.12 → 4.00"), (2.0, "fell 3.12 → 2.00")])
def test_a_canary_says_which_way_it_went(loss, words):
    judged = judge(
        role({"L0H0": 0.9}, canary=replace(TEXT, loss=loss)),
        role({"L0H0": 0.9}, canary=TEXT),
        TOLERANCE,
    )

    assert scope_text(judged) == f"the whole model moved: the loss on a fixed text {words}"


def test_a_canary_that_held_is_not_told_where_nothing_changed():
    steady = role({"L0H0": 0.9}, canary=TEXT)

    assert lines(judge(steady, steady, TOLERANCE)) == [
        "preserved: 1 head, L0H0 0.90; repeat loss 0.50"
    ]
