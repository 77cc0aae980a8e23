"""Rows: one short JSON string a finding."""

import json

import pytest

from pytest_circuits.report import Row

ROW = Row(
    verdict="lost",
    test="test_a.py::test_heads[recall]",
    alias="recall",
    measure="induction_scores",
    headline="L1H0 1.00→0.00",
    name="again",
    owner="recall",
    passes=False,
    written=True,
    reasons=("repeat gain gone: 4.29 → 0.00", "no induction heads left (4 before)"),
)


def test_a_row_survives_the_journey_and_learns_its_outcome():
    assert Row.from_json(ROW.to_json(), "failed") == ROW.__class__(
        **{**ROW.__dict__, "outcome": "failed"}
    )


def test_a_row_is_plain_json_with_its_text_unescaped():
    document = json.loads(ROW.to_json())
    assert document["verdict"] == "lost"
    assert document["reasons"] == list(ROW.reasons)
    assert "→" in ROW.to_json()


def change(**fields):
    return Row(**{**ROW.__dict__, **fields})


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(change(test="t.py::" + "x" * 5000), id="long test"),
        pytest.param(change(test="t.py::" + "ü" * 5000), id="long test, two bytes a letter"),
        pytest.param(change(test="t.py::" + "\\" * 5000), id="escaped letters"),
        pytest.param(change(test="t.py::" + "\x01" * 5000), id="control characters"),
        pytest.param(change(alias="a" * 5000), id="long alias"),
        pytest.param(change(name="n" * 5000), id="long name"),
        pytest.param(change(headline="→" * 5000), id="long headline"),
        pytest.param(change(reasons=("→" * 5000,)), id="long reason"),
        pytest.param(change(reasons=("x" * 50,) * 500), id="many reasons"),
        pytest.param(
            change(
                test="😀" * 999, alias="😀" * 999, owner="😀" * 999, name="😀" * 999,
                headline="😀" * 999, reasons=("😀" * 999,) * 99,
            ),
            id="everything",
        ),
    ],
)  # fmt: skip
def test_a_row_is_never_longer_than_two_kibibytes(row):
    text = row.to_json()
    assert len(text.encode()) <= 2048
    read = Row.from_json(text, "failed")
    assert (read.verdict, read.passes, read.written) == ("lost", False, True)


def test_the_least_important_reasons_give_way_first():
    reasons = tuple(f"reason {n} {'x' * 100}" for n in range(50))
    kept = Row.from_json(change(reasons=reasons).to_json(), "").reasons
    assert len(kept) > 5
    assert kept == reasons[: len(kept)]
    assert Row.from_json(change(reasons=reasons).to_json(), "").test == ROW.test


def test_the_end_of_a_long_test_id_is_kept():
    read = Row.from_json(change(test="x" * 5000 + "::test_heads[recall]").to_json(), "")
    assert read.test.endswith("x::test_heads[recall]")
