from __future__ import annotations

from datetime import date

import pytest

from pytest_circuits.verdicts import Kind, Waiver, WaiverError, parse_waiver

GOOD = {"accept": "weakened", "until": "2027-01-31", "reason": "known, fixed in the next run"}
LAST = date(2027, 1, 31)
KINDS = "relocated, strengthened, weakened, lost, new, incomparable"
EXAMPLE = '@pytest.mark.circuits(accept="weakened", until="2027-01-31", reason="…")'


def test_a_waiver_is_read_from_its_marker():
    assert parse_waiver(GOOD) == Waiver((Kind.WEAKENED,), LAST, "known, fixed in the next run")


@pytest.mark.parametrize("several", [("weakened", "lost"), ["weakened", "lost"]])
def test_a_waiver_may_accept_several_kinds(several):
    waiver = parse_waiver({**GOOD, "accept": several})

    assert waiver.accept == (Kind.WEAKENED, Kind.LOST)


def test_a_waivers_last_day_may_be_a_date():
    assert parse_waiver({**GOOD, "until": LAST}).until == LAST


def test_a_reason_is_one_line():
    waiver = parse_waiver({**GOOD, "reason": "  known,\n      fixed soon\n"})

    assert waiver.reason == "known, fixed soon"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, f"a waiver needs accept, until, reason, as in\n{EXAMPLE}"),
        ({"accept": "weakened"}, f"a waiver needs until, reason, as in\n{EXAMPLE}"),
        ({**GOOD, "because": "x"}, f"a waiver does not know 'because', as in\n{EXAMPLE}"),
        ({"acept": "lost"}, f"a waiver does not know 'acept', as in\n{EXAMPLE}"),
        ({**GOOD, "accept": "worse"}, f"a waiver's accept is one or more of {KINDS}, not 'worse'"),
        ({**GOOD, "accept": "Lost"}, f"a waiver's accept is one or more of {KINDS}, not 'Lost'"),
        (
            {**GOOD, "accept": "preserved"},
            f"a waiver's accept is one or more of {KINDS}, not 'preserved'",
        ),
        (
            {**GOOD, "accept": ("lost", "worse")},
            f"a waiver's accept is one or more of {KINDS}, not 'worse'",
        ),
        ({**GOOD, "accept": ()}, f"a waiver's accept is one or more of {KINDS}, not ()"),
        ({**GOOD, "accept": None}, f"a waiver's accept is one or more of {KINDS}, not None"),
        (
            {**GOOD, "accept": {"lost"}},
            f"a waiver's accept is one or more of {KINDS}, not {{'lost'}}",
        ),
        (
            {**GOOD, "until": "31.1.2027"},
            "a waiver's until is its last day, written as 2027-01-31, not '31.1.2027'",
        ),
        (
            {**GOOD, "until": "2027-02-30"},
            "a waiver's until is its last day, written as 2027-01-31, not '2027-02-30'",
        ),
        (
            {**GOOD, "until": None},
            "a waiver's until is its last day, written as 2027-01-31, not None",
        ),
        ({**GOOD, "reason": " "}, "a waiver's reason is a text that says why, not ' '"),
        ({**GOOD, "reason": None}, "a waiver's reason is a text that says why, not None"),
        ({**GOOD, "reason": 7}, "a waiver's reason is a text that says why, not 7"),
    ],
)
def test_what_is_no_waiver_is_refused_with_what_to_write(arguments, message):
    with pytest.raises(WaiverError) as error:
        parse_waiver(arguments)

    assert str(error.value) == message


@pytest.mark.parametrize(
    ("today", "over"),
    [(date(2026, 12, 1), False), (LAST, False), (date(2027, 2, 1), True)],
    ids=["before", "on its last day", "a day later"],
)
def test_a_waiver_lasts_through_its_last_day(today, over):
    waiver = parse_waiver(GOOD)

    assert waiver.over(today) is over
    assert waiver.covers(Kind.WEAKENED, today) is not over


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.WEAKENED}))
def test_a_waiver_covers_what_it_accepts_and_nothing_else(kind):
    assert not parse_waiver(GOOD).covers(kind, LAST)


def test_a_waiver_says_until_when_and_why():
    waiver = parse_waiver(GOOD)

    assert waiver.text(LAST) == "until 2027-01-31: known, fixed in the next run"
    assert waiver.text(date(2027, 2, 1)) == "ended 2027-01-31: known, fixed in the next run"
