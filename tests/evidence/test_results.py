"""The committed table, and the page that is written from it."""

from collections import Counter

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
