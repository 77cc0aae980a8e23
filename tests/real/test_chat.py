"""Chats with the real model, held against transformers' own rendering and a plain forward pass."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from pytest_circuits import PromptPairs, measures
from pytest_circuits.models import load, parse_source

FOLDER = Path("~/.cache/pytest-circuits/SmolLM2-135M-Instruct-Q4_1").expanduser()

pytestmark = pytest.mark.real


def question(country, system=None):
    said = [{"role": "user", "content": f"What is the capital of {country}?"}]
    return said if system is None else [{"role": "system", "content": system}, *said]


@pytest.fixture(scope="module")
def bridge():
    return load(parse_source(str(FOLDER)), device="cpu").bridge


@pytest.fixture(scope="module")
def plain():
    """The logit difference of two answers to messages, with nothing of ours in it."""
    model = AutoModelForCausalLM.from_pretrained(FOLDER).eval()
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)

    def difference(messages, opening, answer, wrong):
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
        ids += tokenizer.encode(opening, add_special_tokens=False)
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1]
        return float(logits[tokenizer.encode(answer)[0]] - logits[tokenizer.encode(wrong)[0]])

    return difference


@pytest.mark.parametrize("system", [None, "You answer in one word."])
@pytest.mark.parametrize(
    ("opening", "answers"), [("The capital is", (" Paris", " Rome")), ("", ("Paris", "Rome"))]
)
def test_a_chat_is_what_transformers_makes_of_it(bridge, plain, system, opening, answers):
    pairs = PromptPairs.from_chat(
        ["What is the capital of France?"],
        ["What is the capital of Italy?"],
        *([one] for one in answers),
        system=system,
        opening=opening,
    )

    found = float(measures.logit_diff(bridge, pairs))

    wanted = plain(question("France", system), opening, *answers)
    assert found == pytest.approx(wanted, abs=1e-4)


def test_a_rendered_chat_as_plain_text_gets_no_second_bos(bridge, plain):
    texts = [
        bridge.tokenizer.apply_chat_template(
            question(country), tokenize=False, add_generation_prompt=True
        )
        + "The capital is"
        for country in ("France", "Italy")
    ]
    pairs = PromptPairs(texts[:1], texts[1:], [" Paris"], [" Rome"])

    found = float(measures.logit_diff(bridge, pairs))

    wanted = plain(question("France"), "The capital is", " Paris", " Rome")
    assert found == pytest.approx(wanted, abs=1e-4)
