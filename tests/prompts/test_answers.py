"""An answer is the token that it adds to its prompt, whatever it would be by itself."""

from __future__ import annotations

import pytest
from prompts.small_tokenizers import byte_level, sentencepiece, word_pieces

from pytest_circuits.prompts import PromptError, PromptPairs
from pytest_circuits.testing import word_tokenizer

FRANCE, ITALY = "The capital of France is the city of", "The capital of Italy is the city of"


@pytest.fixture(scope="module", params=[byte_level, sentencepiece], ids=["bytes", "pieces"])
def tokenizer(request):
    return request.param()


def added(tokenizer, prompt, answer):
    """What the definition says, with nothing of ours in it."""
    before, whole = (
        tokenizer.encode(text, add_special_tokens=False) for text in (prompt, prompt + answer)
    )
    assert whole[: len(before)] == before
    return whole[len(before) :]


@pytest.mark.parametrize(
    ("clean", "corrupted", "answer", "wrong"),
    [
        (FRANCE, ITALY, " Paris", " Rome"),
        ('He said "', 'He gave "', "I", "H"),
        ('He said "I', 'He gave "I', " am", " see"),
        (f"{FRANCE} ", f"{ITALY} ", " Paris", " Rome"),
    ],
    ids=["after a word", "after a quote", "within a quote", "after a trailing space"],
)
def test_answers_are_what_the_prompt_makes_of_them(tokenizer, clean, corrupted, answer, wrong):
    tokenized = PromptPairs([clean], [corrupted], [answer], [wrong]).check(tokenizer)

    assert [*tokenized.answers] == added(tokenizer, clean, answer)
    assert [*tokenized.wrong_answers] == added(tokenizer, clean, wrong)


def test_after_a_quote_an_answer_has_no_space_though_alone_it_has_one():
    tokenizer = sentencepiece()
    pairs = PromptPairs(['He said "'], ['He gave "'], ["I"], ["H"])

    (answer,) = pairs.check(tokenizer).answers

    assert tokenizer.tokenize("I") == ["▁I"]
    assert tokenizer.convert_ids_to_tokens(answer) == "I"


def test_an_answer_that_merges_with_its_prompt_is_refused(tokenizer):
    pairs = PromptPairs([FRANCE + " "], [ITALY + " "], ["Paris"], ["Rome"])

    with pytest.raises(PromptError) as error:
        pairs.check(tokenizer)

    lines = str(error.value).splitlines()
    assert lines[0] == "pair 0: answer 'Paris' merges with the end of the prompt:"
    assert [line.split()[0] for line in lines[1:4]] == ["prompt", "answer", "prompt"]
    assert lines[4] == "End the prompt where a token ends: a space belongs to the word after it."


def test_a_wrong_answer_that_merges_is_named(tokenizer):
    pairs = PromptPairs(["The capital of Fra"], ["The capital of Ita"], [" of"], ["nce"])

    with pytest.raises(PromptError, match=r"pair 0: wrong answer 'nce' (merges|is \d tokens)"):
        pairs.check(tokenizer)


def test_an_answer_is_the_same_token_after_both_prompts():
    pairs = PromptPairs(["the play"], ['the "'], ["ing"], ["er"])

    with pytest.raises(PromptError) as error:
        pairs.check(word_pieces())

    assert str(error.value) == (
        "pair 0: answer 'ing' is another token after the corrupted prompt than after the clean "
        "one: ['##ing', 'ing']\nLet both prompts end in the same way."
    )


def test_words_that_only_spaces_tell_apart_follow_after_one():
    tokenizer = word_tokenizer()
    for answer, wrong in (("d", "e"), (" d", " e")):
        tokenized = PromptPairs(["a b", "a b "], ["a c", "a c "], [answer] * 2, [wrong] * 2).check(
            tokenizer
        )

        assert tokenized.answers == (4, 4)
        assert tokenized.wrong_answers == (5, 5)
        assert tokenized.clean == ((0, 1, 2),) * 2


def test_the_other_spacing_is_known_where_it_is_a_token_of_its_own(tokenizer):
    pairs = PromptPairs(['He said "I'] * 2, ['He gave "I'] * 2, [" I", "I"], [" Rome"] * 2)

    tokenized = pairs.check(tokenizer)

    others = tokenized.otherwise_spaced
    assert others["answers"] == tuple(zip(["I", " I"], reversed(tokenized.answers), strict=True))
    # Only where a wrong answer's spacing is not that of its answer, and it is a token with both.
    assert others["wrong_answers"] == (None, None)


def test_there_is_no_other_spacing_where_only_spaces_tell_words_apart():
    pairs = PromptPairs(["a b"], ["a c"], ["d"], ["e"])

    others = pairs.check(word_tokenizer()).otherwise_spaced

    assert others == {"answers": (None,), "wrong_answers": (None,)}


def test_equal_prompts_are_refused():
    with pytest.raises(PromptError) as error:
        PromptPairs(["a b", "a c"], ["a d", "a c"], ["d"] * 2, ["e"] * 2)

    assert str(error.value) == (
        "pair 1: its clean and its corrupted prompt are the same:\n"
        "  'a c'\n"
        "The corrupted one lacks what the answer depends on."
    )


def test_prompts_of_the_same_tokens_are_refused(tokenizer):
    with pytest.raises(PromptError) as error:
        PromptPairs(["a b"], ["a  b"], ["d"], ["e"]).check(word_tokenizer())

    assert str(error.value) == (
        "pair 0: its clean and its corrupted prompt are the same tokens:\n"
        "  a|b\n"
        "The corrupted one lacks what the answer depends on."
    )


def test_pairs_with_the_same_clean_prompt_are_one_cluster_unless_told():
    columns = ["a b", "a c", "a b"], ["a d", "a d", "a e"], ["d"] * 3, ["e"] * 3

    assert PromptPairs(*columns).clusters == ("0", "1", "0")
    assert PromptPairs(*columns, clusters=["x", "y", "z"]).clusters == ("x", "y", "z")
    assert PromptPairs(*columns, clusters=["x", None, None]).clusters == ("x", "1", "0")
    assert PromptPairs(*columns, clusters=["1", None, None]).clusters == ("1", "1'", "0")
