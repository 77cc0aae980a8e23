"""What all builders share: words that don't fit are left out, and others drawn in their place."""

from __future__ import annotations

import re
import warnings

import pytest

from pytest_circuits.prompts import PromptError, PromptPairs, PromptWarning, ioi
from pytest_circuits.prompts.drawn import DrawnPairs, Stream
from pytest_circuits.testing import word_tokenizer

LETTERS = "bcdefghij"


def draw(without=()):
    """Two prompts of the first letters that are left."""
    left = [letter for letter in LETTERS if letter not in without]
    if len(left) < 3:
        raise PromptError("three letters are needed")
    return PromptPairs(
        [f"a {left[0]}", f"a {left[1]}"],
        [f"a {left[1]}", f"a {left[0]}"],
        [left[2], left[2]],
        ["a", "a"],
        clusters=["x", "x"],
        templates=["t", "u"],
        positions={"letter": [f"a {left[0]}", f"a {left[1]}"]},
        name="letters",
    )


@pytest.fixture
def drawn():
    return DrawnPairs(draw, LETTERS, what="letters that are unknown here")


def knowing(letters):
    return word_tokenizer(("a", *letters))


def test_as_text_they_are_the_draw_from_all_words(drawn):
    assert drawn.hash == draw().hash
    assert (drawn.clusters, drawn.templates, drawn.name) == (("x", "x"), ("t", "u"), "letters")
    assert drawn.positions == draw().positions
    assert drawn == DrawnPairs(draw, LETTERS)


def test_nothing_changes_where_every_word_fits(drawn):
    tokenizer = knowing(LETTERS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenized = drawn.check(tokenizer)

    assert tokenized == draw().check(tokenizer)
    assert tokenized.dropped == ()


def test_words_that_do_not_fit_are_left_out_and_others_drawn(drawn):
    tokenizer = knowing("cefghij")
    with pytest.warns(PromptWarning) as caught:
        tokenized = drawn.check(tokenizer)

    assert [str(warning.message) for warning in caught] == [
        "letters: dropped 2 letters that are unknown here: b, d"
    ]
    assert tokenized.dropped == ("b", "d")
    assert tokenized.clean_texts == draw("bd").check(tokenizer).clean_texts
    assert tokenized.clean == draw("bd").check(tokenizer).clean
    assert tokenized.positions == {"letter": (2, 2)}
    assert tokenized.templates == ("t", "u")


def test_another_tokenizer_sees_all_words_again(drawn):
    with pytest.warns(PromptWarning):
        drawn.check(knowing("cdefghij"))

    assert drawn.check(knowing(LETTERS)).dropped == ()


def test_a_builder_says_itself_what_fits():
    drawn = DrawnPairs(draw, LETTERS, fits=lambda tokenizer, word: word != "e")

    with pytest.warns(PromptWarning, match="dropped 1 words that are not single tokens here: e"):
        assert drawn.check(knowing(LETTERS)).dropped == ("e",)


def test_too_few_words_are_refused(drawn):
    with pytest.raises(PromptError) as error:
        drawn.check(knowing("bc"))

    assert str(error.value) == (
        "letters leaves out 7 letters that are unknown here: d, e, f, g, h, i, j\n"
        "Too few are left (three letters are needed)."
    )


def test_a_message_shows_a_dozen_words():
    with pytest.raises(PromptError) as error:
        ioi(n=2).check(knowing(""))

    first = str(error.value).splitlines()[0]
    assert re.search(r"leaves out 16 names .*: Alice, .* and 4 more$", first)
    assert first.count(",") == 12  # one of them in the builder's name


def test_pairs_can_be_told_apart_in_sets():
    assert len({ioi(n=2), ioi(n=2), ioi(n=4)}) == 2


def test_a_stream_takes_what_it_gives():
    stream, items = Stream(0), list("abcd")
    taken = [stream.take(items) for _ in range(4)]

    assert sorted(taken) == list("abcd")
    assert items == []
    # Python guarantees this stream on every machine.
    assert [Stream(0).below(100), Stream(1).below(100)] == [84, 13]
