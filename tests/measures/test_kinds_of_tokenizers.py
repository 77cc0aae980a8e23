"""Prompts through tokenizers of every kind, held against a plain loop over the model itself."""

from __future__ import annotations

import itertools
import shutil
import warnings

import numpy as np
import pytest
import torch
from prompts.small_tokenizers import CHATML, byte_level, sentencepiece
from transformers import AutoModelForCausalLM

from pytest_circuits import measures
from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import Chat, PromptError, PromptPairs, PromptWarning
from pytest_circuits.testing import tiny_checkpoint

#: The tokenizer, and what every text begins with then.
KINDS = {
    "BOS added": (byte_level(adds_bos=True), ["<s>"]),
    "BOS not added": (byte_level(), ["<s>"]),
    "no BOS": (byte_level(bos=None), []),
    "BOS is EOS": (byte_level(bos="</s>"), ["</s>"]),
    "EOS appended": (byte_level(adds_eos=True), ["<s>"]),
    "left padding": (byte_level(pad_token="</s>", padding_side="left"), ["<s>"]),
    "pieces": (sentencepiece(adds_bos=True), ["<s>"]),
}
#: Mixed lengths, a trailing space, answers without a space.
CLEAN = [
    "The capital of France is the city of",
    "The city of ",
    'He said "',
    "When John and Mary went to the store, John gave a drink to",
]
CORRUPTED = [
    "The capital of Italy is the city of",
    "The store of ",
    'He gave "',
    "When John and Mary went to the store, Mary gave a drink to",
]
ANSWERS, WRONG = [" Paris", " Paris", "I", " Mary"], [" Rome", " Rome", "H", " John"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that has a row for each token of any of the tokenizers."""
    words = ["a", *map(str, range(600))]
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny"), "llama", words=words)


@pytest.fixture
def bridge(folder, tmp_path):
    """The model with a tokenizer."""
    count = itertools.count()

    def load_with(tokenizer):
        copy = shutil.copytree(folder, tmp_path / f"model{next(count)}")
        tokenizer.save_pretrained(copy)
        return load(parse_source(str(copy)), device="cpu").bridge

    return load_with


def plain(folder, tokenizer, texts, answers=(ANSWERS, WRONG), first=()):
    """Logit differences, one prompt at a time, with nothing of ours in it."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    begin = tokenizer.convert_tokens_to_ids(list(first))
    found = []
    for text, *both in zip(texts, *answers, strict=True):
        ids = tokenizer.encode(text, add_special_tokens=False)
        chosen = [tokenizer.encode(text + one, add_special_tokens=False) for one in both]
        assert [len(one) for one in chosen] == [len(ids) + 1] * 2
        with torch.no_grad():
            logits = model(torch.tensor([[*begin, *ids]])).logits[0, -1]
        found.append(float(logits[chosen[0][-1]] - logits[chosen[1][-1]]))
    return np.array(found)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_of_a_plain_loop(folder, bridge, kind):
    tokenizer, first = KINDS[kind]
    pairs = PromptPairs(CLEAN, CORRUPTED, ANSWERS, WRONG)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptWarning)  # a random model has no sense of spacing
        found = measures.logit_diff(bridge(tokenizer), pairs)

    wanted = plain(folder, tokenizer, CLEAN, first=first)
    np.testing.assert_allclose(found.profiles["logit_diff"], wanted, atol=1e-5)
    assert found.convention["first_token"] == (first[0] if first else "none")


@pytest.mark.parametrize("kind", ["BOS added", "BOS not added", "BOS is EOS", "pieces"])
def test_a_text_that_begins_with_bos_gets_no_second_one(folder, bridge, kind):
    tokenizer, (first,) = KINDS[kind]
    with_bos = [f"{first}{text}" for text in CLEAN], [f"{first}{text}" for text in CORRUPTED]
    twice = [f"{first}{text}" for text in with_bos[0]], [f"{first}{text}" for text in with_bos[1]]
    model = bridge(tokenizer)

    found = [
        measures.logit_diff(model, PromptPairs(*texts, ANSWERS, WRONG)).profiles["logit_diff"]
        for texts in (with_bos, twice)
    ]

    for numbers, texts in zip(found, (with_bos, twice), strict=True):
        wanted = plain(folder, tokenizer, texts[0])
        np.testing.assert_allclose(numbers, wanted, atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_the_loss_on_a_text_that_begins_with_bos_is_that_without_another(bridge):
    model = bridge(KINDS["BOS not added"][0])

    bare, begun, twice = (
        float(measures.text_loss(model, f"{start}{CLEAN[0]}")) for start in ("", "<s>", "<s><s>")
    )

    assert begun == bare
    assert abs(twice - bare) > 0.01


CHAT = {
    "clean": ["What is the capital of France?", "What is your name?"],
    "corrupted": ["What is the capital of Italy?", "What is the name?"],
    "answers": [" Paris", " John"],
    "wrong_answers": [" Rome", " Mary"],
}


def rendered(tokenizer, messages, opening, **options):
    """As transformers renders and encodes it."""
    text = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, **options
    )
    return text + opening


@pytest.mark.parametrize("options", [{}, {"with_bos": True}, {"thinking": False}], ids=str)
@pytest.mark.parametrize("kind", ["BOS added", "BOS not added", "no BOS"])
def test_a_chat_is_what_transformers_makes_of_its_messages(folder, bridge, kind, options):
    tokenizer, _ = KINDS[kind]
    tokenizer.chat_template = CHATML
    if kind == "no BOS":
        options = {name: value for name, value in options.items() if name != "with_bos"}
    pairs = PromptPairs.from_chat(**CHAT, system="It is a", opening="It is", **options)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptWarning)
        found = measures.logit_diff(bridge(tokenizer), pairs)

    texts = [
        rendered(
            tokenizer,
            [{"role": "system", "content": "It is a"}, {"role": "user", "content": said}],
            "It is",
            **options,
        )
        for said in CHAT["clean"]
    ]
    wanted = plain(folder, tokenizer, texts, (CHAT["answers"], CHAT["wrong_answers"]))
    np.testing.assert_allclose(found.profiles["logit_diff"], wanted, atol=1e-5)
    chat = found.convention["chat"]
    assert chat["generation_prompt"].startswith("<|start|>assistant\n")
    assert (chat["system"], chat["opening"], chat["options"]) == ("It is a", "It is", options)
    assert found.convention["first_token"] == ("<s>" if options.get("with_bos") else "none")


@pytest.mark.parametrize(
    "other",
    [
        {"system": "It is"},
        {"system": None},
        {"opening": "It"},
        {"thinking": False},
        {"template": CHATML.replace("<|end|>", "<|end|> ")},
    ],
    ids=["system", "no system", "opening", "option", "template"],
)
def test_what_a_template_adds_is_convention(bridge, other):
    tokenizer = byte_level()
    tokenizer.chat_template = other.pop("template", CHATML)
    chat = {"system": "It is a", "opening": "It is"} | other
    pairs = PromptPairs.from_chat(**CHAT, **chat)
    usual = byte_level()
    usual.chat_template = CHATML
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptWarning)
        found = measures.logit_diff(bridge(tokenizer), pairs)
        approved = measures.logit_diff(
            bridge(usual), PromptPairs.from_chat(**CHAT, system="It is a", opening="It is")
        )

    assert dict(found.convention)["chat"] != dict(approved.convention)["chat"]
    assert found.prompts["tokens"] != approved.prompts["tokens"]


def test_a_chat_without_a_template_is_refused_before_anything_runs(bridge):
    tokenizer = byte_level()
    with pytest.raises(PromptError, match="this model's tokenizer has no chat template"):
        measures.logit_diff(bridge(tokenizer), PromptPairs(**CHAT, chat=Chat(opening="It is")))
