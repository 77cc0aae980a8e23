from __future__ import annotations

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split, WhitespaceSplit
from transformers import PreTrainedTokenizerFast

from pytest_circuits.prompts import RepeatedTokens
from pytest_circuits.prompts.sequences import TEXT, canary_tokens
from pytest_circuits.testing import WORDS, word_tokenizer

TEXT_WORDS = list(dict.fromkeys(TEXT.split()))
LONG = 1024


def tokens_for(tokenizer, context=LONG, vocabulary=LONG):
    return canary_tokens(tokenizer, context=context, vocabulary=vocabulary)


def knows(count):
    """A tokenizer that knows so many of the text's first words, and has an unknown token."""
    vocabulary = {word: i for i, word in enumerate(["<unk>", *TEXT_WORDS[:count]])}
    core = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")


def test_the_text_is_plain_prose_of_a_few_seconds():
    assert 150 <= len(TEXT.split()) <= 250
    assert TEXT.isascii()


def test_the_text_is_encoded_after_bos():
    tokenizer = word_tokenizer(TEXT_WORDS)

    canary = tokens_for(tokenizer)

    (sequence,) = canary.sequences
    assert canary.kind == "text"
    assert sequence[0] == tokenizer.bos_token_id
    assert tokenizer.decode(sequence[1:]) == TEXT


def test_the_text_stands_alone_where_there_is_no_bos():
    tokenizer = word_tokenizer(TEXT_WORDS)
    tokenizer.bos_token = None

    (sequence,) = tokens_for(tokenizer).sequences

    assert tokenizer.decode(sequence) == TEXT


def test_the_text_is_cut_to_the_context():
    tokenizer = word_tokenizer(TEXT_WORDS)

    whole, cut = tokens_for(tokenizer), tokens_for(tokenizer, context=33)

    assert cut.kind == "text"
    assert cut.sequences[0] == whole.sequences[0][:33]
    assert cut.hash != whole.hash


def test_a_text_longer_than_the_context_is_no_warning(caplog):
    tokenizer = word_tokenizer(TEXT_WORDS)
    tokenizer.model_max_length = 40

    tokens_for(tokenizer, context=40)

    assert not caplog.records


@pytest.mark.parametrize(
    ("tokenizer", "limits"),
    [
        pytest.param(word_tokenizer(), {"context": 33}, id="a tokenizer that raises"),
        pytest.param(knows(100), {}, id="unknown words"),
        pytest.param(word_tokenizer(TEXT_WORDS), {"context": 32}, id="a short context"),
        pytest.param(word_tokenizer(TEXT_WORDS), {"vocabulary": 100}, id="too few embeddings"),
    ],
)
def test_drawn_tokens_take_the_place_of_a_text_that_cannot_be_encoded(tokenizer, limits):
    canary = tokens_for(tokenizer, **limits)

    limits = {"context": LONG, "vocabulary": LONG} | limits
    drawn = RepeatedTokens().draw(tokenizer, **limits, one_length=True)
    assert canary.kind == "drawn tokens"
    assert canary.sequences == tuple(
        sequence[: 1 + drawn.blocks[0]] for sequence in drawn.sequences
    )
    for sequence in canary.sequences:
        assert len(set(sequence)) == len(sequence)


def test_a_tenth_of_the_words_may_be_unknown():
    words = TEXT.split()
    enough = next(
        count
        for count in range(len(TEXT_WORDS))
        if sum(word not in TEXT_WORDS[:count] for word in words) <= len(words) / 10
    )

    assert tokens_for(knows(enough)).kind == "text"
    assert tokens_for(knows(enough - 1)).kind == "drawn tokens"


def test_a_text_of_a_single_token_is_not_enough():
    core = Tokenizer(
        WordLevel({"<unk>": 0, TEXT: 1, **{word: i for i, word in enumerate(WORDS, 2)}})
    )
    core.pre_tokenizer = Split("|", "removed")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core)
    assert len(tokenizer.encode(TEXT, add_special_tokens=False)) == 1

    assert tokens_for(tokenizer, context=33).kind == "drawn tokens"


@pytest.mark.parametrize("limits", [{"context": 6}, {"vocabulary": 16}])
def test_a_model_too_small_for_either_has_no_canary(limits):
    assert tokens_for(word_tokenizer(), **{"context": 33, **limits}) is None


def test_the_hash_tells_tokens_apart():
    words, turned = (
        word_tokenizer(TEXT_WORDS),
        word_tokenizer([*TEXT_WORDS[1::-1], *TEXT_WORDS[2:]]),
    )

    assert tokens_for(words).hash == tokens_for(word_tokenizer(TEXT_WORDS)).hash
    # Other ids of the same strings, and then the same ids of other strings.
    assert tokens_for(words).sequences != tokens_for(turned).sequences
    renamed = word_tokenizer([*WORDS[:-1], "xi"])
    drawn, other = (tokens_for(tokenizer, context=33) for tokenizer in (word_tokenizer(), renamed))
    assert drawn.sequences == other.sequences
    assert len({tokens_for(words).hash, tokens_for(turned).hash, drawn.hash, other.hash}) == 4


def test_added_tokens_do_not_change_the_canary():
    for words in (WORDS, TEXT_WORDS):
        tokenizer = word_tokenizer(words)
        before = tokens_for(tokenizer, context=33)

        tokenizer.add_tokens(["<tool>", "zebra"])

        assert tokens_for(tokenizer, context=33) == before
