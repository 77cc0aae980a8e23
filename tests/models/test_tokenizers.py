"""Checkpoints of transformers whose tokenizer and embeddings don't match."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from pytest_circuits import PromptPairs, measures
from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.prompts import PromptError
from pytest_circuits.testing import tiny_checkpoint

#: Rows of the embeddings, and tokens.
ROWS = 40


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A checkpoint of as many tokens as rows."""
    return tiny_checkpoint(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def scores(base):
    return measures.previous_token_scores(bridge(base))


def bridge(folder):
    return load(parse_source(str(folder))).bridge


def changed(base, folder, change, rows=None):
    """The checkpoint after ``change`` of its tokenizer, its embeddings resized to ``rows``."""
    shutil.copytree(base, folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    change(tokenizer)
    tokenizer.save_pretrained(folder)
    if rows is not None:
        model = AutoModelForCausalLM.from_pretrained(folder)
        with torch.random.fork_rng(devices=[]):
            model.resize_token_embeddings(rows)
        model.save_pretrained(folder)
    return folder


def add_two(tokenizer):
    tokenizer.add_tokens(["unicorn"])
    tokenizer.add_special_tokens({"pad_token": "<pad>"})


def add_none(tokenizer):
    del tokenizer


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        pytest.param(add_two, ROWS + 2, id="added and resized"),
        pytest.param(add_two, None, id="added and not resized"),
        pytest.param(add_none, 64, id="padded"),
    ],
)
def test_other_embeddings_are_measured_on_the_same_tokens(base, scores, tmp_path, change, rows):
    found = measures.previous_token_scores(bridge(changed(base, tmp_path / "m", change, rows)))
    assert found.prompts == scores.prompts
    assert np.allclose(found.values, scores.values, atol=1e-5)


def drawn(found):
    """The ids in the blocks of a finding's repeated tokens, of each length."""
    return {token for block in found.prompts["ids"] for token in block}


def test_a_padding_token_that_the_tokenizer_lacks_is_never_drawn(base, tmp_path):
    def drop_ends(tokenizer):
        tokenizer.eos_token = tokenizer.pad_token = None

    # transformer-lens adds one, whose id is the first that pads the embeddings.
    padded = bridge(changed(base, tmp_path / "padded", drop_ends, ROWS + 8))
    exact = bridge(changed(base, tmp_path / "exact", drop_ends))
    assert padded.tokenizer.pad_token_id == ROWS
    found, other = map(measures.previous_token_scores, (padded, exact))
    assert found.prompts == other.prompts
    assert max(drawn(found)) < ROWS


def test_ids_that_the_tokenizer_leaves_out_are_never_drawn(base, tmp_path):
    folder = changed(base, tmp_path / "m", add_none, 64)
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text())
    vocabulary = document["model"]["vocab"]
    for word in list(vocabulary)[20:]:
        vocabulary[word] += 20
    path.write_text(json.dumps(document))
    ids = drawn(measures.previous_token_scores(bridge(folder)))
    assert ids <= set(vocabulary.values())
    assert max(ids) >= ROWS


@pytest.mark.parametrize(
    "measure",
    [
        lambda model: measures.logit_diff(model, PromptPairs(["a"], ["b"], ["unicorn"], ["c"])),
        lambda model: measures.text_loss(model, ["a unicorn"]),
    ],
    ids=["pairs", "text"],
)
def test_a_token_without_an_embedding_is_refused_before_the_model_sees_it(base, tmp_path, measure):
    model = bridge(changed(base, tmp_path / "m", add_two))
    with pytest.raises(PromptError) as error:
        measure(model)
    assert str(error.value) == (
        "the tokenizer's token 'unicorn' (id 40) has no embedding: the model's embeddings have "
        "40 rows.\n"
        "After adding tokens, call model.resize_token_embeddings(len(tokenizer)) before training, "
        "or use the tokenizer that the model was trained with."
    )


def test_a_tokenizer_that_was_never_saved_is_kept_with_what_was_added(base, tmp_path, monkeypatch):
    (tmp_path / "with_unicorns.py").write_text(
        f"""
from transformers import AutoModelForCausalLM, AutoTokenizer

def make():
    tokenizer = AutoTokenizer.from_pretrained({str(base)!r})
    tokenizer.add_tokens(["unicorn"])
    return AutoModelForCausalLM.from_pretrained({str(base)!r}), tokenizer
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    tokenizer = load(parse_source("with_unicorns:make")).bridge.tokenizer
    assert tokenizer.encode("a unicorn", add_special_tokens=False) == [1, ROWS]
    assert "add_bos_token" not in tokenizer.init_kwargs


# No tokenizer


COPY = (
    "Copy the tokenizer's files (tokenizer.json, tokenizer_config.json) from the model that it was "
    "trained from, or save them there with tokenizer.save_pretrained(folder)."
)


def without_tokenizer(folder, *kept):
    for path in folder.glob("tokenizer*"):
        if path.name not in kept:
            path.unlink()
    return folder


def test_a_vocabulary_that_transformers_makes_up_is_refused(tmp_path):
    config = Qwen2Config(
        vocab_size=ROWS,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    Qwen2ForCausalLM(config).save_pretrained(tmp_path / "m")
    with pytest.raises(ModelError) as error:
        bridge(tmp_path / "m")
    assert str(error.value) == (
        f"{tmp_path}/m: it comes without a tokenizer, or with one that has special tokens only: "
        f"Qwen2Tokenizer of 1.\n{COPY}"
    )


@pytest.mark.parametrize("kept", [(), ("tokenizer_config.json",)])
def test_a_folder_without_a_vocabulary_is_refused(base, tmp_path, kept):
    folder = without_tokenizer(shutil.copytree(base, tmp_path / "m"), *kept)
    with pytest.raises(ModelError) as error:
        bridge(folder)
    assert str(error.value) == f"{folder}: it comes without a tokenizer.\n{COPY}"


def test_a_damaged_tokenizer_is_said_as_such(base, tmp_path):
    folder = shutil.copytree(base, tmp_path / "m")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError) as error:
        bridge(folder)
    lines = str(error.value).splitlines()
    assert lines[0] == f"{folder}: transformers can't load its tokenizer:"
    assert lines[-1] == COPY
    assert len(lines) <= 6
