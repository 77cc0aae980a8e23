"""Baselines of models that don't have every cell: stored as null, read again, held against."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from verdicts.handmade import around, cells, fractions, role, without

from pytest_circuits.baselines import (
    Baseline,
    BaselineError,
    compare,
    find,
    storable,
    write,
)
from pytest_circuits.baselines.approving import (
    approval,
    keep_digits,
    nothing_to_approve,
    says_the_same,
)
from pytest_circuits.baselines.codec import SCHEMA
from pytest_circuits.findings import Head
from pytest_circuits.verdicts import Kind, default_tolerance


def in_pairs(finding):
    """The finding, of the four samples that its profiles have, two of them in each cluster."""
    companion = tuple(replace(each, clusters=2) for each in finding.companion)
    return replace(finding, samples=4, clusters=2, companion=companion)


#: A model whose first layer has no attention, and whose last one has a head less.
HYBRID = without(
    in_pairs(role({"L1H0": around(0.9), "L1H1": around(0.7), "L2H0": around(0.6)}, shape=(3, 2))),
    (0,), (2, 1),
)  # fmt: skip
OTHERS = {
    "positions": without(cells([[0.1, 0.5], [0.7, 0.2]], ("layer", "position")), (0,)),
    "layers": without(cells([0.1, 0.5, 0.3], ("layer",)), (1,)),
    "components": without(
        cells([0.1, 0.5], ("component",), {"component": ("L0 attn", "L0 mlp")}), (0,)
    ),
    "heads and positions": without(
        cells(np.arange(8.0).reshape(2, 2, 2), ("layer", "head", "position")), (0,)
    ),
    "fractions": without(in_pairs(fractions({"L1H0": around(0.9)})), (0,)),
}
EVERY = {"heads": HYBRID, **OTHERS}


def held(path, approved):
    """What a baseline file gives back of an approved finding."""
    write(path, [approval("", storable(approved), None)])
    return find(path, ["recall"], "")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "__circuits__" / "recall" / "test_heads" / "test_heads.json"


@pytest.mark.parametrize("finding", EVERY.values(), ids=list(EVERY))
def test_a_finding_is_preserved_against_its_own_file(path, finding):
    served = held(path, finding)
    np.testing.assert_array_equal(served.baseline.finding.absent, finding.absent)
    comparison = compare("", finding, storable(finding), served)
    assert comparison.kind is Kind.PRESERVED
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["schema"] == SCHEMA
    assert "absent" not in document["findings"][0]
    # Approving it again writes the same bytes.
    before = path.read_bytes()
    write(path, [approval("", storable(finding), served.baseline)])
    assert path.read_bytes() == before


@pytest.mark.parametrize("finding", EVERY.values(), ids=list(EVERY))
def test_a_change_is_told_against_its_file(path, finding):
    served = held(path, finding)
    less = replace(finding, values=finding.values / 3)
    assert compare("", less, storable(less), served).kind in (Kind.WEAKENED, Kind.LOST)


def test_a_file_of_another_models_cells_is_not_compared(path):
    whole = replace(
        HYBRID, values=np.nan_to_num(HYBRID.values), errors=np.full((3, 2), 0.01), absent=None
    )
    for found, approved in ((HYBRID, whole), (whole, HYBRID)):
        comparison = compare("", found, storable(found), held(path, approved))
        assert comparison.kind is Kind.INCOMPARABLE
        assert [reason.subject for reason in comparison.verdict.reasons] == ["shape"]


def test_what_a_slip_of_the_hand_emptied_fails(path):
    """A cell without value and error reads as one that the model does not have."""
    held(path, HYBRID)
    document = json.loads(path.read_text(encoding="utf-8"))
    for part in ("values", "errors"):
        document["findings"][0][part][1][1] = None
    del document["findings"][0]["profiles"]["L1H1"]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(BaselineError, match=r"role\.members names L1H1"):
        find(path, ["recall"], "")
    del document["findings"][0]["role"]["members"]["L1H1"]
    path.write_text(json.dumps(document), encoding="utf-8")
    comparison = compare("", HYBRID, storable(HYBRID), find(path, ["recall"], ""))
    assert comparison.kind is Kind.INCOMPARABLE
    assert comparison.verdict.reasons[0].before == "layer 1 has 1 head"


def test_an_undefined_file_holds_no_cells_and_passes_nothing(path):
    """Which cells the model has is lost with the values; the behaviour that is gone still tells."""
    nothing = np.full((3, 4), np.nan)
    defined = OTHERS["fractions"]
    gone = replace(defined.companion[0], value=0.05)
    undefined = replace(
        defined, values=nothing, errors=nothing, profiles={}, companion=(gone,)
    )  # fmt: skip
    comparison = compare("", undefined, storable(undefined), held(path, defined))
    assert comparison.kind is Kind.LOST
    assert nothing_to_approve(storable(undefined)) is not None
    stored = held(path, undefined).baseline.finding
    assert stored.undefined
    assert stored.absent is None


def test_digits_are_kept_of_the_cells_that_are_there():
    old = Baseline("", HYBRID, default_tolerance(HYBRID))
    new = replace(old, finding=replace(HYBRID, values=HYBRID.values + 0.0001))
    assert keep_digits(new, old).document() == old.document()
    assert says_the_same(new, old)
    moved = replace(old, finding=replace(HYBRID, values=HYBRID.values + 0.0002))
    assert keep_digits(moved, old).finding.heads()[Head(1, 0)] == pytest.approx(0.9002)
    assert not says_the_same(moved, old)


def test_other_cells_have_the_new_numbers():
    old = Baseline("", HYBRID, default_tolerance(HYBRID))
    fewer = Baseline("", without(HYBRID, (0,), (2,)), default_tolerance(HYBRID))
    for new, stored in ((fewer, old), (old, fewer)):
        kept = keep_digits(new, stored)
        assert kept.document() == new.document()
        np.testing.assert_array_equal(kept.finding.absent, new.finding.absent)
        assert not says_the_same(new, stored)


def test_a_role_without_heads_names_a_head_that_the_model_has():
    nothing = replace(HYBRID, values=HYBRID.values / 10, profiles={})
    reason = nothing_to_approve(nothing)
    assert reason.startswith("nothing to approve: there are no induction heads")
    assert "L1H0 has 0.09" in reason
