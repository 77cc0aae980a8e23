from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import PromptError, PromptWarning, repeated_phrases
from pytest_circuits.testing import WORDS, word_tokenizer


def test_the_draw_is_the_same_on_every_machine():
    pairs = repeated_phrases(n=4)

    assert pairs.hash == "36d60bdaa8162618"
    assert pairs.name == "repeated_phrases(n=4, seed=0)"
    assert repeated_phrases(4, length=3).name == "repeated_phrases(n=4, seed=0, length=3)"
    assert repeated_phrases(4, words=WORDS).name == "repeated_phrases(n=4, seed=0, own words)"
    assert repeated_phrases(n=4, seed=1).hash != pairs.hash


def test_more_pairs_begin_with_the_same_ones():
    assert repeated_phrases(n=20).clean[:16] == repeated_phrases(n=16).clean


@pytest.mark.parametrize("length", [3, 8, 20])
def test_a_phrase_is_repeated_up_to_its_last_word_which_the_corrupted_prompt_changes(length):
    pairs = repeated_phrases(n=16, length=length)

    for clean, corrupted, answer, wrong in zip(
        pairs.clean, pairs.corrupted, pairs.answers, pairs.wrong_answers, strict=True
    ):
        words = clean.split()
        phrase = words[:length]
        assert words == [*phrase, *phrase[:-1]]
        assert answer.strip() == phrase[-1]
        assert len({*phrase, wrong.strip()}) == length + 1
        assert corrupted == clean.replace(answer, wrong)


def test_every_word_has_a_space_before_it():
    assert all(clean.count(" ") == len(clean.split()) for clean in repeated_phrases(n=16).clean)


def test_the_bundled_models_know_every_word():
    bridge = load(parse_source("bundled:recall"), device="cpu").bridge
    tokenized = repeated_phrases(n=8).check(bridge.tokenizer)

    assert tokenized.dropped == ()
    assert {len(row) for row in tokenized.clean} == {16}  # BOS, 8 words, 7 words
    assert tokenized.at("A1") == (7,) * 8
    assert tokenized.at("B1") == (8,) * 8
    for row, other, answer, wrong in zip(
        tokenized.clean,
        tokenized.corrupted,
        tokenized.answers,
        tokenized.wrong_answers,
        strict=True,
    ):
        assert row[7] == row[-1]
        assert (row[8], other[8]) == (answer, wrong)
        assert row[:8] + row[9:] == other[:8] + other[9:]


def test_words_of_ones_own_are_drawn_from():
    pairs = repeated_phrases(n=8, length=3, words=WORDS)
    tokenized = pairs.check(word_tokenizer())

    assert tokenized.dropped == ()
    assert {word for clean in pairs.clean for word in clean.split()} <= set(WORDS)


def test_a_tokenizer_that_begins_every_text_with_a_token_leaves_no_word_out():
    # So does Llama 2's, loaded without its class: " dog" alone is two tokens.
    words = ["dog", "cat", "owl", "cow"]
    vocabulary = ["▁", *(f"▁{word}" for word in words)]
    core = Tokenizer(models.WordLevel({text: number for number, text in enumerate(vocabulary)}))
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    core.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenized = repeated_phrases(n=8, length=3, words=words).check(
        PreTrainedTokenizerFast(tokenizer_object=core)
    )

    assert tokenized.dropped == ()
    assert {row[0] for row in tokenized.clean} == {0}
    assert {*tokenized.answers, *tokenized.wrong_answers} <= {1, 2, 3, 4}


def test_words_that_are_unknown_are_dropped():
    with pytest.warns(PromptWarning, match=r"dropped 2 words that are not single .*: lion, zebra$"):
        tokenized = repeated_phrases(8, length=3, words=["zebra", "lion", *WORDS]).check(
            word_tokenizer()
        )

    assert tokenized.dropped == ("lion", "zebra")
    assert len(tokenized) == 8


def test_no_phrase_occurs_twice_and_all_there_are_can_be_asked_for():
    assert len(set(repeated_phrases(n=24, length=3, words=["a", "b", "c", "d"]).clean)) == 24


def test_too_few_words_are_refused():
    with pytest.raises(PromptError, match="phrases of 8 words need 9 words to draw from, not 3"):
        repeated_phrases(n=2, words=["a", "b", "c"])
    with pytest.raises(PromptError, match=r"Too few are left \(phrases of 8 words need 9 words"):
        repeated_phrases(n=2).check(word_tokenizer(["a", "apple", "bear"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "repeated_phrases gives a number of pairs from 1 to "),
        ({"n": 25, "length": 3, "words": ["a", "b", "c", "d"]}, "a number of pairs from 1 to 24"),
        ({"length": 2}, "length is at least 3, not 2"),
        ({"words": "apple"}, "words is a list of words without spaces"),
        ({"words": ["red apple"]}, "words is a list of words without spaces"),
        ({"words": [""]}, "words is a list of words without spaces"),
        ({"words": ["apple", " apple"]}, "words has a word twice"),
    ],
)
def test_what_does_not_do_is_refused(options, message):
    with pytest.raises(PromptError, match=message):
        repeated_phrases(**options)
