"""Checkpoints whose weights are cut into several files."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM

from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.testing import tiny_checkpoint, word_tokenizer

TOKENS = torch.arange(1, 31).reshape(2, 15)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def sharded(whole, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(whole)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    word_tokenizer().save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    return tmp_path


def loaded(folder):
    return load(parse_source(str(folder)), device="cpu")


def test_shards_are_the_model_that_was_cut(whole, sharded):
    one, other = loaded(whole), loaded(sharded)

    with torch.no_grad():
        expected = AutoModelForCausalLM.from_pretrained(sharded)(TOKENS).logits
        logits = other.bridge(TOKENS, return_type="logits")
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(one.bridge(TOKENS, return_type="logits"), logits, atol=0, rtol=0)
    assert one.fingerprint == other.fingerprint


def test_a_shard_that_is_not_there_is_named(sharded):
    gone = sorted(sharded.glob("*.safetensors"))[1]
    count = len(list(sharded.glob("*.safetensors")))
    gone.unlink()

    with pytest.raises(ModelError) as error:
        loaded(sharded)

    assert str(error.value) == (
        f"{sharded}: 1 of {count} shards that model.safetensors.index.json names are not there: "
        f"{gone.name}.\nFetch or copy the whole checkpoint."
    )
