"""Sources that somebody else is asked for first."""

from __future__ import annotations

import pytest
import torch

from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.models.loading import open_checkpoint
from pytest_circuits.testing import perfect_induction_model, tiny_checkpoint

REGISTRY = parse_source("registry:tiny")
RECALL = parse_source("bundled:recall")


@pytest.fixture
def asked():
    return []


@pytest.fixture
def others(asked):
    """Somebody who knows what begins with ``registry:``, and notes what they were asked for."""

    def ask(source, device, dtype):
        asked.append((source.text, device, dtype))
        return perfect_induction_model() if source.text.startswith("registry:") else None

    return ask


def test_what_others_know_is_their_model(others, asked):
    loaded = load(REGISTRY, "cpu", others=others)

    assert loaded.bridge.cfg.n_layers == 2
    assert loaded.fingerprint.startswith("live-sha256:")
    assert asked == [("registry:tiny", "cpu", "auto")]


def test_it_gets_the_dtype_that_is_asked_for(others, asked):
    loaded = load(REGISTRY, "cpu", "float64", others)

    assert asked == [("registry:tiny", "cpu", "float64")]
    assert loaded.dtype == "float64"
    assert loaded.bridge(torch.tensor([[0, 1, 2, 1]])).dtype == torch.float64


def test_what_lies_on_this_machine_is_asked_of_nobody(others, asked, tmp_path):
    load(RECALL, others=others)
    load(parse_source(str(tiny_checkpoint(tmp_path / "llama"))), others=others)

    assert asked == []


def test_what_nobody_else_knows_is_loaded_as_without_them(others, asked):
    source = parse_source("pytest_circuits.testing:perfect_induction_model")
    loaded = load(source, "cpu", others=others)

    assert asked == [(source.text, "cpu", "auto")]
    assert loaded.fingerprint == load(source).fingerprint


@pytest.mark.parametrize("asks", [True, False])
def test_what_nobody_knows_at_all_is_said(others, asks):
    with pytest.raises(ModelError) as error:
        load(parse_source("s3://bucket/model"), others=others if asks else None)

    assert str(error.value).splitlines() == [
        "s3://bucket/model: no plugin here knows such a source.",
        (
            "A plugin that does implements pytest_circuits_load_model(source, device, dtype), "
            "and so may a"
        ),
        "conftest.py, if it lies in a folder that pytest is called with, or in one above.",
    ]


def test_what_is_no_model_is_said():
    with pytest.raises(ModelError) as error:
        load(REGISTRY, others=lambda *asked: "tiny")

    assert str(error.value).splitlines()[0] == (
        "registry:tiny: the hook pytest_circuits_load_model gave something of type str, "
        "not a model."
    )


def test_a_plain_model_of_others_is_there_for_adapters(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_checkpoint(tmp_path / "llama")

    def ask(source, device, dtype):
        return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)

    model, tokenizer = open_checkpoint(REGISTRY, ask).plain("auto")

    assert type(model).__name__ == "LlamaForCausalLM"
    assert tokenizer("alpha").input_ids == [0, 27]


def test_nothing_is_known_of_it_before_it_is_loaded(others, asked):
    checkpoint = open_checkpoint(REGISTRY, others)

    assert checkpoint.fingerprint() is None
    assert (checkpoint.files(), checkpoint.weights(), asked) == ([], [], [])
