"""Values of every kind of axes go into a file, come back, are judged, and are told in words."""

from dataclasses import replace

import numpy as np
import pytest
from verdicts.handmade import cells

from pytest_circuits.baselines import Baseline, find, storable, write
from pytest_circuits.findings import Direction
from pytest_circuits.verdicts import Kind, default_tolerance, judge, lines

POSITIONS = ("BOS", "IO", "S1", "END")
COMPONENTS = ("embedding", "L0 attn", "L0 mlp", "L1 attn", "L1 mlp", "bias")
LAYERS = [9000.0, 40.0, 3.0, 1.0]


def with_(values, cell, value):
    now = np.array(values, dtype=np.float64)
    now[cell] = value
    return now


def by_position():
    return cells(np.full((12, 4), 0.3), ("layer", "position"), {"position": POSITIONS})


def by_head_and_position():
    values = np.linspace(-0.4, 0.9, 2 * 3 * 4).reshape(2, 3, 4)
    return cells(values, ("layer", "head", "position"), {"position": POSITIONS})


def by_component():
    return cells(
        [0.4, 0.1, -0.2, 0.0, 1.2, 0.05], ("component",), {"component": COMPONENTS},
        measure="component_attribution", quantity="attribution", unit="logits",
    )  # fmt: skip


def by_layer():
    return cells(
        LAYERS, ("layer",), measure="logit_lens", quantity="rank of the answer", unit="rank",
        direction=Direction.LOWER,
    )  # fmt: skip


def by_subset():
    return cells(
        [0.02, 0.4], ("subset",), {"subset": ("name movers", "random 1")},
        measure="completeness", quantity="incompleteness", unit="fraction",
        direction=Direction.LOWER,
    )  # fmt: skip


HELD = "; behaviour held"
CASES = {
    "layers, positions": (
        by_position(),
        with_(by_position().values, (11, 3), 0.1),
        [
            f"weakened: layer 11, position END recovered 0.30→0.10{HELD}",
            "  layer 11, position END recovered 0.30 → 0.10 (tolerance 0.05)",
        ],
    ),
    "layers, heads, positions": (
        by_head_and_position(),
        with_(by_head_and_position().values, (1, 2, 3), 0.3),
        [
            f"weakened: L1H2, position END recovered 0.90→0.30{HELD}",
            "  L1H2, position END recovered 0.90 → 0.30 (tolerance 0.09)",
            "  recovered as a whole 2.27 → 2.04 (tolerance 0.23)",
        ],
    ),
    "components": (
        by_component(),
        with_(by_component().values, 4, 0.3),
        [
            f"weakened: L1 mlp attribution 1.20→0.30{HELD}",
            "  L1 mlp attribution 1.20 → 0.30 (tolerance 0.12)",
            "  attribution as a whole 1.29 → 0.45 (tolerance 0.13)",
        ],
    ),
    "layers": (
        by_layer(),
        with_(LAYERS, 3, 3.0),
        [
            f"weakened: layer 3 rank of the answer 1.00→3.00{HELD}",
            "  layer 3 rank of the answer 1.00 → 3.00 (tolerance 1.00)",
        ],
    ),
    "subsets": (
        by_subset(),
        with_([0.02, 0.4], 0, 0.12),
        [
            f"weakened: name movers incompleteness 0.02→0.12{HELD}",
            "  name movers incompleteness 0.02 → 0.12 (tolerance 0.05)",
        ],
    ),
}

every_kind = pytest.mark.parametrize(("approved", "now", "text"), CASES.values(), ids=CASES)


def through_a_file(finding, tmp_path):
    path = tmp_path / "__circuits__/recall/test_heads/test_heads.json"
    write(path, [Baseline("", finding, default_tolerance(finding))])
    _, baseline = find(path, ["recall"], "")
    return baseline


@every_kind
def test_what_a_cell_did_is_told_by_its_name(approved, now, text, tmp_path):
    stored = through_a_file(approved, tmp_path)
    found = storable(replace(approved, values=now))

    assert judge(stored.finding, stored.finding, stored.tolerance).kind is Kind.PRESERVED
    assert lines(judge(found, stored.finding, stored.tolerance)) == text
    assert all(len(line) <= 80 for line in text[1:])


@every_kind
def test_a_finding_comes_back_from_its_file(approved, now, text, tmp_path):
    back = through_a_file(approved, tmp_path)

    np.testing.assert_allclose(back.finding.values, approved.values, atol=5e-5)
    assert back.finding.labels == approved.labels
    assert back.finding.cells().keys() == approved.cells().keys()
    assert back.tolerance == default_tolerance(approved)


def test_cells_that_are_called_otherwise_are_other_cells():
    renamed = replace(by_position(), labels={"position": ("BOS", "IO", "S", "LAST")})
    none = replace(by_position(), labels={})

    def said(found):
        return lines(judge(found, by_position(), default_tolerance(found)))

    assert said(renamed) == [
        "incomparable: labels.position differs: S1, END → S, LAST",
        "  labels.position differs: S1, END → S, LAST",
    ]
    assert said(none)[1:] == ["  labels.position differs: 4 names → 0 names"]


def test_of_many_names_that_differ_the_first_are_told():
    other = replace(by_position(), labels={"position": ("a", "b", "c", "d")})

    (reason,) = judge(other, by_position(), default_tolerance(other)).reasons

    assert (reason.before, reason.after) == ("BOS, IO, …", "a, b, …")


def test_a_name_of_the_users_own_is_told_as_it_is():
    named = cells([0.5, 0.1], ("component",), {"component": ("my_head", "b")})
    now = replace(named, values=np.array([0.1, 0.1]))

    text = lines(judge(now, named, default_tolerance(named)))

    assert text[0].startswith("weakened: my_head recovered 0.50→0.10")


def test_a_rank_may_move_by_one_or_a_tenth_whatever_the_first_layer_has():
    def kind(*ranks):
        found = replace(by_layer(), values=np.array(ranks))
        return judge(found, by_layer(), default_tolerance(found)).kind

    assert kind(9800.0, 44.0, 4.0, 2.0) is Kind.PRESERVED
    assert kind(9000.0, 40.0, 3.0, 2.1) is Kind.WEAKENED
    assert kind(9000.0, 45.0, 3.0, 1.0) is Kind.WEAKENED
    assert kind(7000.0, 40.0, 3.0, 1.0) is Kind.STRENGTHENED
