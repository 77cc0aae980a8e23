"""Counting who was wrong: on entries whose answer is known."""

from dataclasses import replace

import pytest

from evidence import page, table


def entry(truth, *, suite, model="smollm2", kind="real: a", case="one", failing=(), **red):
    return table.Entry(
        model=model,
        case=case,
        kind=kind,
        truth=truth,
        why="",
        red={"suite": suite, **red},
        divergences={"text": 0.1, "prompts": 0.2},
        verdicts={"test_one": "preserved", "test_two": "weakened"},
        failing=[*failing],
        settled={},
        lines=[],
        seconds={"suite": None, "losses": 2.0, "behaviours": 3.0, "divergences": 4.0},
    )


SOME = [
    entry("harmful", suite=True, losses=False),
    entry("harmful", suite=False, losses=True),
    entry("harmful", suite=True),
    entry("benign", suite=False, losses=True),
    entry("benign", suite=True, failing=["test_two"]),
    entry("ambiguous", suite=True, losses=True),
    entry("not as built", suite=True, losses=True),
]


def test_misses_and_alarms_are_counted_of_what_has_a_truth_and_a_column():
    assert table.errors(SOME, "suite") == table.Errors(missed=(1, 3), alarms=(1, 2))
    assert table.errors(SOME, "losses") == table.Errors(missed=(1, 2), alarms=(1, 1))
    assert table.errors(SOME, "new prompts") == table.Errors(missed=(0, 0), alarms=(0, 0))


@pytest.mark.parametrize(
    ("counted", "words"),
    # Clopper and Pearson's interval ends at 1 − 0.025^(1/n) for none of n.
    [((0, 10), "0 of 10 (0.0 … 30.8 %)"), ((10, 10), "10 of 10 (69.2 … 100.0 %)"), ((0, 0), "–")],
)
def test_a_share_has_its_exact_interval(counted, words):
    assert table.in_words(counted) == words


def test_a_kind_is_a_row_for_each_truth_with_how_many_fail():
    rows = table.by_kind(SOME)
    assert rows[0].startswith("| case | truth | cases | suite | behaviours |")
    assert rows[2].startswith("| real: a | harmful | 3 | 2 | – | – | 1 |")
    assert len(rows) == 2 + len({one.truth for one in SOME})


def test_what_is_written_is_read(monkeypatch, tmp_path):
    monkeypatch.setattr(table, "RESULTS", tmp_path / "results.json")
    table.write(SOME)
    assert sorted(table.read(), key=repr) == sorted(SOME, key=repr)


def test_what_differs_from_the_committed_table_is_said():
    one, other = entry("harmful", suite=True), entry("harmful", suite=True, case="other")
    assert table.differing([one, other], [other, one]) == []
    found = [
        replace(entry("benign", suite=False), further="intact"),
        entry("benign", suite=True, case="third"),
    ]
    assert table.differing([one, other], found) == [
        "smollm2 one: truth was 'harmful', and is 'benign'",
        "smollm2 one: further was '', and is 'intact'",
        "smollm2 one: suite was True, and is False",
        "smollm2 other: not found",
        "smollm2 third: not committed",
    ]


def test_a_page_is_filled_between_its_marks():
    names = [*page.blocks(SOME)]
    plain = "words\n" + "".join(f"<!-- {name} -->\nstale\n<!-- end -->\n" for name in names)
    once = page.filled(plain, SOME)
    assert "stale" not in once
    assert once.startswith("words\n<!-- ")
    assert "| suite | 1 of 3 (0.8 … 90.6 %) | 1 of 2 (1.3 … 98.7 %) |" in once
    assert page.filled(once, SOME) == once


def test_what_new_prompts_said_of_a_case_is_the_worst_that_they_said():
    some = [
        replace(entry("harmful", suite=True), settled=settled)
        for settled in ({"holds": 2, "fails": 1}, {"holds": 1, "not settled": 1}, {"holds": 3}, {})
    ]
    assert "| fine-tuned, merged, rounded, harmful | 4 | 3 | 1 | 1 | 1 |" in table.settlements(some)


def test_states_after_a_further_fine_tune_are_counted_where_they_are_known():
    some = [
        replace(entry(truth, suite=True), further=further)
        for truth, further in (("harmful", "broken"), ("harmful", ""), ("benign", "intact"))
    ]
    assert table.further(some)[2:] == [
        "| hidden damage | 1 | 1 | 0 | 0 |",
        "| healthy controls | 1 | 0 | 0 | 1 |",
    ]


def test_what_was_remembered_has_no_seconds():
    seconds = page.blocks(SOME)["seconds"].splitlines()
    assert seconds[3].endswith("| – | – |")
    assert seconds[4].endswith("| 2 | – |")


def test_a_page_without_a_table_is_refused():
    with pytest.raises(ValueError, match="has 0 tables called 'real smollm2 counts'"):
        page.filled("words", SOME)
