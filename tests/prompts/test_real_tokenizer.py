"""The builders as SmolLM2's tokenizer sees them, which cuts numbers into single digits."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from pytest_circuits import prompts

FOLDER = Path("~/.cache/pytest-circuits/SmolLM2-135M-Instruct-Q4_1").expanduser()

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(FOLDER)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (prompts.ioi(n=64, templates=12), {"S1": "wrong", "IO": "answer", "S2": "wrong"}),
        (prompts.ioi(n=64, corruption="third name"), {"S1": "wrong", "S2": "wrong"}),
        (prompts.greater_than(n=64, digits=1), {}),
        (prompts.subject_verb_agreement(n=64), {}),
        (prompts.country_capital(n=64), {}),
        (prompts.repeated_phrases(n=64), {"B1": "answer"}),
    ],
    ids=lambda value: value.name if isinstance(value, prompts.PromptPairs) else "",
)
def test_it_has_every_word_as_a_single_token(tokenizer, pairs, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenized = pairs.check(tokenizer)

    assert tokenized.dropped == ()
    assert tokenized.texts == pairs.hash
    tokens = {"answer": tokenized.answers, "wrong": tokenized.wrong_answers}
    for position, column in words.items():
        at = tokenized.at(position)
        found = tuple(row[i] for row, i in zip(tokenized.clean, at, strict=True))
        assert found == tokens[column]


def test_the_prompts_differ_where_a_position_is_named(tokenizer):
    for pairs, position in (
        (prompts.ioi(n=16), "S2"),
        (prompts.subject_verb_agreement(n=16), "subject"),
        (prompts.country_capital(n=16), "country"),
        (prompts.repeated_phrases(n=16), "B1"),
    ):
        tokenized = pairs.check(tokenizer)
        rows = zip(tokenized.clean, tokenized.corrupted, tokenized.at(position), strict=True)
        for clean, corrupted, at in rows:
            assert [i for i in range(len(clean)) if clean[i] != corrupted[i]] == [at]


def test_the_decade_is_what_yy_names(tokenizer):
    pairs = prompts.greater_than(n=16, digits=1)
    tokenized = pairs.check(tokenizer)

    for row, at, answer, wrong in zip(
        tokenized.clean, tokenized.at("YY"), pairs.answers, pairs.wrong_answers, strict=True
    ):
        assert int(wrong) < int(tokenizer.decode([row[at]])) < int(answer)


def test_two_digits_are_refused_with_advice(tokenizer):
    with pytest.raises(prompts.PromptError, match=r"leaves out 693 nouns .* \(see digits=1\)"):
        prompts.greater_than(n=16).check(tokenizer)
