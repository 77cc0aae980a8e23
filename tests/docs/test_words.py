"""The table of words in docs/verdicts.md is the one that outputs are made from."""

import re
import tomllib
from pathlib import Path

import pytest
from handmade_rows import DIFF_VERDICTS, VERDICTS

from pytest_circuits.report.page_words import symbol
from pytest_circuits.verdicts import About, Change, Kind, Reading, Reason
from pytest_circuits.verdicts.vocabulary import OF_READINGS, RULES, Term, happened

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/verdicts.md").read_text(encoding="utf-8")
SOURCES = [
    path
    for room in ("verdicts", "report", "session", "history", "commands")
    for path in sorted((ROOT / "pytest_circuits" / room).rglob("*"))
    # JSON's names of fields are data.
    if path.suffix in (".py", ".html")
    and path.name not in ("vocabulary.py", "verdict.py", "json_document.py")
]
#: Words that are no others' part: where one stands in quotes, it is the word of an output.
WHOLE = [
    Term.SLIPPED, Term.HELD, Term.IMPROVED, Term.STRONGER, Term.LEFT, Term.JOINED, Term.OPPOSES,
    Term.OVERTAKEN, Term.MET_ITS_NULL, Term.BEHAVIOUR_GONE, Term.BEHAVIOUR_HELD,
    Term.MECHANISM_INTACT, Term.COMPENSATED, Term.TRADED, Term.SAME_CAUSE, Term.ALSO_IN,
    Term.WHOLE_MODEL, Term.REROUTED, Term.HIDDEN_DAMAGE, Term.NOT_SETTLED, Term.AT_CHANCE,
    Term.WRITES_NOTHING, Term.NOT_JUDGED, Term.WAIVED, Term.UNREADABLE, Term.DELETED,
    Term.LOOSENED, Term.TIGHTENED, Term.RENAMED, Term.REFUSED, Term.ASSERTED,
    Term.FAILS_THERE, Term.HOLDS_THERE,
]  # fmt: skip


def rows():
    text = PAGE[PAGE.index("| word | rule |") :].split("\n\n")[0]
    return dict(re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE)[1:])


def test_the_page_has_every_word_with_its_rule_and_no_other():
    assert list(rows().items()) == [(str(word), rule) for word, rule in RULES.items()]


def test_every_kind_and_every_word_has_a_rule():
    assert list(RULES) == [*Kind, *Term]


def test_every_verdict_that_a_row_can_have_is_a_word_and_has_a_symbol():
    assert {*VERDICTS, *DIFF_VERDICTS} <= {*RULES}
    assert "•" not in map(symbol, [*VERDICTS, *DIFF_VERDICTS])


def test_what_happened_to_anything_and_every_reading_is_a_word():
    told = [
        happened(Reason(change, about, "L0H0", "score", before, 1.0, 0.1))
        for change in Change
        for about in About
        for before in (0.9, 2.0)
        if about in (About.BEHAVIOUR, About.VALUE) or change not in (Change.EMPTY, Change.DIFFERS)
    ]

    assert {*told} <= {*Term}
    assert {*OF_READINGS} == {*Reading}


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (3.6, 3.4, Term.SLIPPED),
        (3.6, 3.2, Term.SLIPPED),
        (3.6, 3.1, Term.FELL),
        (2.6, 2.9, Term.SLIPPED),
        (2.6, 6.0, Term.ROSE),
    ],
)
def test_up_to_twice_the_tolerance_is_a_slip(before, after, word):
    reason = Reason(Change.WORSE, About.BEHAVIOUR, "loss", "nats", before, after, 0.2)

    assert happened(reason) is word


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_output_has_a_word_of_its_own(path):
    code = re.sub(r'"""(?s:.*?)"""|#.*', "", path.read_text(encoding="utf-8"))
    quoted = re.findall(r'"([^"\n]*)"', code)

    strays = [word for word in WHOLE if any(word == text.strip(" :;,") for text in quoted)]

    assert strays == []


def test_the_changes_of_the_gate_are_told_by_words_that_have_rules():
    expected = tomllib.loads((ROOT / "tests/constructed/expected.toml").read_text("utf-8"))
    named = {word for row in expected["row"] for word in row["verdict"]}

    assert named <= {*RULES, "none"}
