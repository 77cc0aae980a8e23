from __future__ import annotations

from collections import Counter

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pytest_circuits.prompts import PromptError, PromptWarning, greater_than
from pytest_circuits.prompts.year_spans import _NOUNS, _steps

WORDS = ("The", *(f" {word}" for word in ("lasted", "from", "the", "year", "to", *_NOUNS)))
TWO_DIGITS = r" ?[A-Za-z]+| ?\d\d"
ONE_DIGIT = r" ?[A-Za-z]+| |\d"
THREE_DIGITS = r" ?[A-Za-z]+| |\d{1,3}"
OWN_TOKENS = r" ?[A-Za-z]+| 1732| 1701| ?\d\d"


def tokenizer(pattern, words=WORDS):
    """Words and numbers are tokens as a pattern cuts them."""
    numbers = [f"{number:0{digits}}" for digits in (1, 2, 3) for number in range(10**digits)]
    vocabulary = [*words, " ", *(f" {number:02}" for number in range(100)), *numbers]
    vocabulary += [" 1732", " 1701", "<unk>"]
    core = Tokenizer(models.WordLevel({text: i for i, text in enumerate(vocabulary)}, "<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")


def parts(text):
    """Noun, start and last number of a prompt."""
    words = text.split()
    return words[1], int(words[6]), int(words[-1])


def test_the_draw_is_the_same_on_every_machine():
    pairs = greater_than(n=4)

    assert pairs.hash == "6e5897f2955f4e12"
    assert greater_than(n=4, digits=1).hash == "34ab0b584aa93224"
    assert pairs.name == "greater_than(n=4, seed=0)"
    assert greater_than(n=4, digits=1).name == "greater_than(n=4, seed=0, digits=1)"
    assert greater_than(n=4, seed=1).hash != pairs.hash


def test_answers_lie_as_far_above_the_start_as_wrong_answers_below():
    pairs = greater_than(n=200)

    for clean, corrupted, answer, wrong in zip(
        pairs.clean, pairs.corrupted, pairs.answers, pairs.wrong_answers, strict=True
    ):
        noun, start, century = parts(clean)
        assert parts(corrupted) == (noun, 100 * century + 1, century)
        assert start // 100 == century
        assert len(answer) == len(wrong) == 2
        assert 1 < int(wrong) < start % 100 < int(answer) <= 99
        assert int(answer) - start % 100 == start % 100 - int(wrong) <= 10


def test_with_one_digit_the_last_one_is_asked_for():
    pairs = greater_than(n=200, digits=1)

    for clean, corrupted, answer, wrong in zip(
        pairs.clean, pairs.corrupted, pairs.answers, pairs.wrong_answers, strict=True
    ):
        noun, start, decade = parts(clean)
        assert parts(corrupted) == (noun, 10 * decade, decade)
        assert start // 10 == decade
        assert len(answer) == len(wrong) == 1
        assert 1 <= int(wrong) < start % 10 < int(answer)
        assert int(answer) - start % 10 == start % 10 - int(wrong)


def test_nouns_centuries_and_clusters_vary_and_no_prompt_occurs_twice():
    pairs = greater_than(n=200)

    assert len(set(pairs.clean)) == 200
    assert len({parts(clean)[0] for clean in pairs.clean}) == 32
    assert {parts(clean)[2] for clean in pairs.clean} == set(range(11, 18))
    by_cluster = Counter(zip(pairs.clusters, pairs.answers, pairs.wrong_answers, strict=True))
    assert len(by_cluster) == len(set(pairs.clusters))


def test_a_tokenizer_with_pairs_of_digits_takes_them_as_they_are():
    pairs = greater_than(n=16)
    tokenized = pairs.check(tokenizer(TWO_DIGITS))

    assert tokenized.dropped == ()
    # The noun is the second token, and XX and YY follow " from the year".
    assert set(tokenized.positions["noun"]) == {1}
    assert set(tokenized.positions["YY"]) == {7}
    assert tokenized.at("END") == (11,) * 16


@pytest.mark.parametrize(("pattern", "at"), [(ONE_DIGIT, 10), (THREE_DIGITS, 8)])
def test_a_tokenizer_that_cuts_off_the_last_digit_takes_one(pattern, at):
    tokenized = greater_than(n=16, digits=1).check(tokenizer(pattern))

    assert tokenized.dropped == ()
    # After " from the year" and a space: 1, 7, 3 and then 2, or 173 and then 2.
    assert set(tokenized.positions["Y"]) == {at}
    for clean, corrupted in zip(tokenized.clean, tokenized.corrupted, strict=True):
        assert [i for i in range(len(clean)) if clean[i] != corrupted[i]] == [at]


def test_years_that_are_tokens_of_their_own_are_dropped():
    with pytest.warns(PromptWarning, match="years whose last two digits are not one token"):
        tokenized = greater_than(n=100).check(tokenizer(OWN_TOKENS))

    # Without 1701 there is nothing to corrupt the century's prompts with.
    assert tokenized.dropped == ("1701", "1732")
    assert len(tokenized) == 100
    assert set(tokenized.positions["YY"]) == {7}


def test_nouns_that_are_not_single_tokens_are_dropped():
    known = [word for word in WORDS if word not in (" war", " trial")]
    with pytest.warns(PromptWarning, match="dropped 2 nouns .*: trial, war$"):
        tokenized = greater_than(n=100).check(tokenizer(TWO_DIGITS, known))

    assert tokenized.dropped == ("trial", "war")


@pytest.mark.parametrize(
    ("pattern", "digits", "advice"),
    [
        (ONE_DIGIT, 2, "see digits=1"),
        (TWO_DIGITS, 1, "see digits=2"),
        (THREE_DIGITS, 2, "see digits=1"),
    ],
)
def test_a_tokenizer_that_cuts_years_otherwise_is_refused(pattern, digits, advice):
    with pytest.raises(PromptError) as error:
        greater_than(n=2, digits=digits).check(tokenizer(pattern))

    assert advice in str(error.value)
    assert "Too few are left (greater_than has no pairs of these words)" in str(error.value)


@pytest.mark.parametrize("options", [{"n": 0}, {"n": 10**6}, {"n": 4, "digits": 3}])
def test_what_there_is_not_is_refused(options):
    with pytest.raises(PromptError, match=r"a number of pairs from 1 to|digits is 1 or 2"):
        greater_than(**options)


@pytest.mark.parametrize("digits", [1, 2])
def test_no_span_begins_in_a_year_that_is_left_out(digits):
    lowest = {1: "1730", 2: "1701"}[digits]
    assert _steps("1733", digits, {"1732"}) != _steps("1733", digits, ()) != []
    assert _steps("1733", digits, {"1733"}) == _steps("1733", digits, {lowest}) == []
