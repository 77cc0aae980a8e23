"""Every builder as the tokenizers of seven model families see it."""

from __future__ import annotations

import warnings
from functools import partial

import pytest
from real_tokenizers import LOADINGS, PLAIN, load

from pytest_circuits import prompts

pytestmark = pytest.mark.real

#: The position that the corrupted prompt changes, of each builder.
BUILDERS = {
    "ioi": (partial(prompts.ioi, templates=12), "S2"),
    "ioi, third name": (partial(prompts.ioi, corruption="third name"), "S2"),
    "greater_than": (prompts.greater_than, "YY"),
    "greater_than, one digit": (partial(prompts.greater_than, digits=1), "Y"),
    "subject_verb_agreement": (prompts.subject_verb_agreement, "subject"),
    "country_capital": (prompts.country_capital, "country"),
    "repeated_phrases": (prompts.repeated_phrases, "B1"),
}
#: Where the answer or the wrong answer stands in the clean prompt.
SAID = {
    "ioi": {"IO": "answers", "S1": "wrong_answers", "S2": "wrong_answers"},
    "repeated_phrases": {"B1": "answers"},
}
#: Those that have every word of every builder, but for years.
WHOLE = ("gpt2", "llama3_1", "qwen3", "gemma3", "smollm2")
SPLIT_YEARS = [loading for loading in LOADINGS if loading != "gpt2"]


def checked(name, loading, n=48):
    with warnings.catch_warnings(action="ignore", category=prompts.PromptWarning):
        return BUILDERS[name][0](n=n).check(load(loading))


def cases():
    return [
        (name, loading)
        for name in BUILDERS
        for loading in LOADINGS
        if name != "greater_than" or loading not in SPLIT_YEARS
    ]


@pytest.mark.parametrize(("name", "loading"), cases())
def test_prompts_are_distinct_and_differ_in_the_one_token_that_is_named(name, loading):
    tokenized = checked(name, loading)

    assert len(set(tokenized.clean)) == len(tokenized) == 48
    rows = zip(tokenized.clean, tokenized.corrupted, tokenized.at(BUILDERS[name][1]), strict=True)
    for clean, corrupted, at in rows:
        assert [i for i in range(len(clean)) if clean[i] != corrupted[i]] == [at]


@pytest.mark.parametrize("loading", LOADINGS)
@pytest.mark.parametrize("name", SAID)
def test_an_answer_that_was_said_is_the_same_token(name, loading):
    tokenized = checked(name, loading)

    for position, column in SAID[name].items():
        said = zip(tokenized.clean, tokenized.at(position), strict=True)
        assert tuple(row[at] for row, at in said) == getattr(tokenized, column)


@pytest.mark.parametrize("loading", WHOLE)
@pytest.mark.parametrize("name", [name for name in BUILDERS if "greater_than" not in name])
def test_every_word_is_a_single_token_for_most_of_them(name, loading):
    assert checked(name, loading).dropped == ()


@pytest.mark.parametrize(("name", "loading"), [case for case in cases() if "greater" in case[0]])
def test_the_answer_is_a_greater_year_and_the_wrong_one_a_smaller(name, loading):
    tokenizer, tokenized = load(loading), checked(name, loading)

    rows = zip(
        tokenized.clean,
        tokenized.at(BUILDERS[name][1]),
        tokenized.answers,
        tokenized.wrong_answers,
        strict=True,
    )
    for row, at, answer, wrong in rows:
        assert int(tokenizer.decode(wrong)) < int(tokenizer.decode(row[at]))
        assert int(tokenizer.decode(answer)) > int(tokenizer.decode(row[at]))


@pytest.mark.parametrize("loading", SPLIT_YEARS)
def test_two_digits_are_refused_with_advice_where_years_are_split_otherwise(loading):
    advice = r"leaves out \d+ nouns .* \(see digits=1\): [^\n]*\nToo few are left \([^\n]*\)\.$"
    with pytest.raises(prompts.PromptError, match=advice):
        prompts.greater_than(n=16).check(load(loading))


@pytest.mark.parametrize("name", [name for name in BUILDERS if name != "greater_than"])
@pytest.mark.parametrize("plain", PLAIN)
def test_a_tokenizer_loaded_without_its_class_leaves_out_no_more(name, plain):
    found, expected = checked(name, plain), checked(name, PLAIN[plain])

    assert found.dropped == expected.dropped
    assert (found.answers, found.wrong_answers) == (expected.answers, expected.wrong_answers)


@pytest.mark.parametrize(("word", "token"), [("▁the", 278), ("▁Paris", 3681), ("▁John", 2259)])
def test_llama_2s_tokens_have_its_ids(word, token):
    assert load("llama2").get_vocab()[word] == token
