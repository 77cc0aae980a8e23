"""Chats through the templates of real models: the same tokens as transformers makes of them."""

import pytest
from real_tokenizers import load

from pytest_circuits.prompts import PromptError, PromptPairs

pytestmark = pytest.mark.real

SYSTEM = "You know geography."


def said(country):
    return f"What is the capital of {country}?"


@pytest.mark.parametrize("system", [None, SYSTEM])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("smollm2", {}),
        ("llama3_1", {}),
        ("gemma3", {}),
        ("qwen3", {}),
        ("qwen3", {"enable_thinking": False}),
    ],
)
def test_a_chat_has_the_tokens_that_transformers_gives_it(name, options, system):
    tokenizer = load(name)
    pairs = PromptPairs.from_chat(
        [said("France")],
        [said("Italy")],
        [" Paris"],
        [" Rome"],
        system=system,
        opening="The capital is",
        positions={"country": ["What is the capital of France"]},
        **options,
    )

    tokenized = pairs.check(tokenizer)

    messages = [{"role": "user", "content": said("France")}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, **options)
    opening = tokenizer.encode("The capital is", add_special_tokens=False)
    assert [*tokenized.clean[0]] == prompt["input_ids"] + opening
    assert tokenizer.decode(tokenized.answers) == " Paris"
    (place,) = tokenized.at("country")
    assert tokenizer.decode([tokenized.clean[0][place]]) == " France"
    assert tokenized.chat["options"] == options


def test_thinking_switched_off_is_another_generation_prompt():
    found = {
        PromptPairs.from_chat([said("France")], [said("Italy")], ["Paris"], ["London"], **options)
        .check(load("qwen3"))
        .chat["generation_prompt"]
        for options in ({}, {"enable_thinking": False})
    }

    assert found == {
        "<|im_start|>assistant\n",
        "<|im_start|>assistant\n<think>\n\n</think>\n\n",
    }


@pytest.mark.parametrize("name", ["gpt2", "llama2", "mistral"])
def test_a_model_without_a_template_is_refused(name):
    pairs = PromptPairs.from_chat([said("France")], [said("Italy")], ["Paris"], ["Rome"])

    with pytest.raises(PromptError, match="this model's tokenizer has no chat template"):
        pairs.check(load(name))


@pytest.mark.parametrize("name", ["llama2", "llama2, plain", "mistral", "gpt2"])
def test_after_a_quote_an_answer_is_a_token_without_a_space(name):
    tokenizer = load(name)
    pairs = PromptPairs(['He said "'], ['She said "'], ["I"], ["We"])

    assert tokenizer.convert_ids_to_tokens([*pairs.check(tokenizer).answers]) == ["I"]
