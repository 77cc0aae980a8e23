"""The committed table, and the page that is written from it."""

from collections import Counter
from pathlib import Path

import pytest

from evidence import page, table
from evidence.recipes import all_cases

ENTRIES = table.read()


def test_the_page_has_the_tables_of_the_results():
    text = page.PAGE.read_text("utf-8")
    assert page.filled(text, ENTRIES) == text


def test_every_case_is_there_once():
    assert max(Counter((one.model, one.case) for one in ENTRIES).values()) == 1
    for model in ("smollm2", "second"):
        there = {one.case for one in ENTRIES if one.model == model and one.kind.startswith("real")}
        assert there == {case.name for case in all_cases(model)}


def test_what_fails_is_what_the_gate_refuses():
    for one in ENTRIES:
        assert one.red["suite"] == bool(one.failing)
        assert set(one.failing) <= set(one.verdicts)
        assert one.red["suite"] <= one.red["suite, change"]
        assert one.red["suite, behaviour"] <= one.red["suite"]


def counted(column, models=("smollm2", "second")):
    some = [one for one in ENTRIES if one.model in models and one.kind.startswith("real")]
    found = table.errors(some, column)
    return [" of ".join(map(str, pair)) for pair in (found.missed, found.alarms)]


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("gate", "column"),
    [
        ("`behaviour`", "suite, behaviour"),
        ("`regression`", "suite"),
        ("`regression`, new prompts `never`", "suite, no new prompts"),
        ("`change`", "suite, change"),
    ],
)
def test_the_gates_table_has_these_counts(gate, column):
    missed, alarms = counted(column)
    text = (ROOT / "docs/verdicts.md").read_text("utf-8")
    assert f"| {gate} | {missed} | {alarms} |" in text


def test_what_is_said_in_words_is_counted():
    (missed, alarms), (losses, none) = counted("suite"), counted("losses")
    said = [(ROOT / name).read_text("utf-8") for name in ("README.md", "docs/evidence.md")]
    harmful, benign = missed.split(" of ")[1], alarms.split(" of ")[1]
    for text in (" ".join(each.split()) for each in said):
        assert f"f {harmful} harmful" in text
        assert f"of {benign} benign ones it failed {alarms.split()[0]}" in text
    assert (counted("behaviours"), missed.split()[0], none.split()[0]) == (
        [missed, alarms], "0", "0",
    )  # fmt: skip
    assert f"Text and repeat loss alone passed {losses.split()[0]} of" in " ".join(said[0].split())
    (first, _), (second, _) = (counted("losses", [model]) for model in ("smollm2", "second"))
    assert f"they passed {first} and {second} harmful ones" in " ".join(said[1].split())


def test_no_single_check_fails_every_harmful_model_and_two_do():
    """What docs/suites.md rests the default suite on."""
    failing = [set(one.failing) for one in ENTRIES if one.truth == "harmful"]
    tests = set().union(*failing)
    assert not [test for test in tests if all(test in each for each in failing)]
    for pair in ({"test_repeat_loss", "test_names"}, {"test_repeat_loss", "test_capitals"}):
        assert all(pair & each for each in failing)
