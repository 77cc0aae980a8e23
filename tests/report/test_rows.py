"""Rows: one short JSON string a finding."""

import json
from dataclasses import replace

import pytest

from pytest_circuits.report import Row
from pytest_circuits.verdicts import About, Change, Reason

LEFT = Reason(Change.LEFT, About.HEAD, "L1H0", "score", 1.0, 0.0, 0.1, 0.02)
REASONS = (
    Reason(Change.GONE, About.BEHAVIOUR, "repeat_gain", "repeat gain", 4.29, 0.0, 0.2, 0.0),
    Reason(Change.EMPTY, About.ROLE, "induction_heads", "heads", 4.0, None),
    Reason(Change.DIFFERS, About.FIELD, "prompts.hash", "", "1f", "2e"),
    Reason(Change.MOVED, About.HEAD, "L1H1", "score", 0.9, 0.8, 0.09, other="L1H2"),
)
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
    reasons=REASONS,
    canary=(4.29, 4.17),
)


def test_a_row_survives_the_journey_and_learns_its_outcome():
    assert Row.from_json(ROW.to_json(), "failed") == ROW.__class__(
        **{**ROW.__dict__, "outcome": "failed"}
    )


def test_a_row_is_plain_json_with_its_text_unescaped():
    document = json.loads(ROW.to_json())
    assert document["verdict"] == "lost"
    assert document["reasons"][-1] == [
        "moved", "head", "L1H1", "score", 0.9, 0.8, 0.09, None, "L1H2", "",
    ]  # fmt: skip
    assert "→" in ROW.to_json()


def test_numbers_are_carried_with_the_digits_that_a_baseline_has():
    reason = Reason(Change.WORSE, About.HEAD, "L1H0", "score", 0.123456, 4.12345e-5, 1 / 3)
    (read,) = Row.from_json(change(reasons=(reason,)).to_json(), "").reasons
    assert (read.before, read.after, read.tolerance) == (0.1235, 4.123e-5, 0.3333)


def change(**fields):
    return Row(**{**ROW.__dict__, **fields})


def called(subject):
    return replace(LEFT, subject=subject)


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
        pytest.param(change(reasons=(called("→" * 5000),)), id="long reason"),
        pytest.param(change(reasons=(LEFT,) * 500), id="many reasons"),
        pytest.param(
            change(
                test="😀" * 999, alias="😀" * 999, owner="😀" * 999, name="😀" * 999,
                headline="😀" * 999, reasons=(called("😀" * 999),) * 99,
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


def test_the_least_important_reasons_give_way_first_and_are_counted():
    reasons = tuple(called(f"L{n}H0") for n in range(50))
    read = Row.from_json(change(reasons=reasons).to_json(), "")
    assert len(read.reasons) > 15
    assert read.reasons == reasons[: len(read.reasons)]
    assert read.more_reasons == 50 - len(read.reasons)
    assert read.test == ROW.test
    assert Row.from_json(ROW.to_json(), "").more_reasons == 0


def test_a_headline_that_had_to_be_cut_shows_it():
    read = Row.from_json(change(headline="1.00→0.00; " * 500).to_json(), "")
    assert read.headline.endswith("…")


def test_the_end_of_a_long_test_id_is_kept():
    read = Row.from_json(change(test="x" * 5000 + "::test_heads[recall]").to_json(), "")
    assert read.test.endswith("x::test_heads[recall]")
