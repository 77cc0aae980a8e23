"""Answers that are far more probable with a leading space, or without theirs, are warned of."""

from __future__ import annotations

import math
import warnings

import pytest
from prompts.small_tokenizers import byte_level
from safetensors.torch import load_file, save_file

from pytest_circuits import measures
from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import PromptPairs, PromptWarning
from pytest_circuits.testing import tiny_checkpoint, word_tokenizer

PROMPTS = ['He said "I', "John said I"], ['He gave "I', "John gave I"]


@pytest.fixture
def answering(tmp_path):
    """Models that give some tokens a probability of their own after every prompt."""

    def made(probabilities, tokenizer):
        folder = tiny_checkpoint(tmp_path / "model", "gpt2", words=["a", *map(str, range(600))])
        file = folder / "model.safetensors"
        tensors = load_file(file)
        # What is read is one number of each token's embedding.
        embeddings = tensors["transformer.wte.weight"]
        embeddings[:, 0] = 0
        rest = (1 - sum(probabilities.values())) / (len(embeddings) - len(probabilities))
        for token, probability in probabilities.items():
            embeddings[tokenizer.get_vocab()[token], 0] = math.log(probability / rest)
        tensors["transformer.ln_f.weight"].zero_()
        tensors["transformer.ln_f.bias"].zero_()[0] = 1
        save_file(tensors, file, metadata={"format": "pt"})
        tokenizer.save_pretrained(folder)
        return load(parse_source(str(folder)), device="cpu").bridge

    return made


def warned(model, answers, wrong=(" Rome", " Rome"), measure=measures.logit_diff):
    pairs = PromptPairs(*PROMPTS, answers, wrong)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        measure(model, pairs)
    return [str(one.message) for one in caught if one.category is PromptWarning]


@pytest.mark.parametrize(
    "measure",
    [
        measures.logit_diff,
        measures.top_k_accuracy,
        measures.answer_probability,
        lambda model, pairs: measures.ablate(model, pairs, heads=["L0H0"], value="zero"),
    ],
    ids=["logit_diff", "top_k_accuracy", "answer_probability", "ablate"],
)
def test_a_forgotten_space_is_warned_of_with_both(answering, measure):
    model = answering({"ĠI": 0.5, "I": 0.004}, byte_level())

    (message,) = warned(model, ["I", " Mary"], measure=measure)

    assert message == (
        "1 of 2 answers are far more probable with the other spacing: ' I' has 0.5 after pair 0's "
        "prompt, and 'I', which was measured, 0.004. Is a space missing?"
    )


def test_a_space_too_many_is_warned_of(answering):
    model = answering({"ĠI": 0.004, "I": 0.5}, byte_level())

    (message,) = warned(model, [" I", " I"])

    assert message.startswith("2 of 2 answers are far more probable with the other spacing: 'I' ha")
    assert message.endswith("Is its space one too many?")


def test_a_wrong_answer_without_the_space_of_its_answer_is_warned_of(answering):
    model = answering({"ĠI": 0.0001, "I": 0.000002, "ĠMary": 0.9}, byte_level())

    (message,) = warned(model, [" Mary"] * 2, wrong=["I", " I"])

    assert message == (
        "1 of 2 wrong answers are far more probable with the other spacing: ' I' has 0.0001 after "
        "pair 0's prompt, and 'I', which was measured, 2e-06. Is a space missing?"
    )
    assert warned(model, [" Mary"] * 2, wrong=[" I", " I"]) == []


@pytest.mark.parametrize(
    "probabilities",
    [{"ĠI": 0.5, "I": 0.06}, {"ĠI": 0.009, "I": 0.0001}, {"ĠI": 0.004, "I": 0.5}],
    ids=["not far", "both improbable", "as it should be"],
)
def test_other_spacings_that_are_no_answer_are_not_warned_of(answering, probabilities):
    assert warned(answering(probabilities, byte_level()), ["I", "I"]) == []


def test_where_only_spaces_tell_words_apart_there_is_nothing_to_warn_of(bridges):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measures.logit_diff(bridges["llama"], PromptPairs(["a b"], ["a c"], [" d"], ["e"]))
    assert word_tokenizer().tokenize("d") == word_tokenizer().tokenize(" d")
