"""A config that claims another model than the files hold is refused before anything is built."""

from __future__ import annotations

import json
import re
import shutil
import time

import gguf
import pytest
import torch
from circuit_suites import copy_of_recall
from models.multimodal import save_multimodal
from models.small_adapters import edit_adapter_config, small_adapter
from models.test_gguf import METADATA, rotated, written
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel
from zoo.family import random_model
from zoo.specimens import SPECIMENS

from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.models.claims import Stored, check_claims
from pytest_circuits.testing import WORDS, tiny_checkpoint

#: What no small model has, more than any model has, and more than any number of bytes.
LARGE = (100_000, 10**9, 10**13)
#: What libraries take from a config that they don't save in it, or not always.
UNSAVED = (
    *("num_labels", "chunk_size_feed_forward", "num_experts", "max_length", "num_beams"),
    *("pad_token_id", "sliding_window", "pretraining_tp"),
)
#: Seconds that a refusal takes at most, of computing.
LIMIT = 2.0
REFUSED = re.compile(
    r"config.json claims [\d,.]+ \S+, and (there are|no tensor|no model)"
    r"|claims a larger model than there is|don't fit config|can't load it|can't build it"
    r"|config.json has fields that"
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Small checkpoints of several kinds, by name."""
    folder = tmp_path_factory.mktemp("claims")
    plain = tiny_checkpoint(folder / "llama")
    torch.manual_seed(0)
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=1 + len(WORDS), **sizes))
    gpt2.save_pretrained(folder / "gpt2")
    AutoTokenizer.from_pretrained(plain).save_pretrained(folder / "gpt2")
    save_multimodal(folder / "gemma3", "gemma3")
    copy_of_recall(folder / "native")
    return folder


def attempt(folder):
    """What a checkpoint's loading says, and the seconds of computing that it takes."""
    before = time.process_time()
    try:
        load(parse_source(str(folder)), "cpu")
    except ModelError as error:
        said = str(error)
    else:
        said = ""
    return said, time.process_time() - before


def numbers(config, path=()):
    """The whole numbers in a config, by where they are."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from numbers(value, (*path, key))
        elif isinstance(value, int) and not isinstance(value, bool):
            yield (*path, key)


def claiming(config, path, value):
    """A config in which one number is another."""
    claims = json.loads(json.dumps(config))
    part = claims
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return json.dumps(claims)


def surprises(folder, refused=REFUSED):
    """What a checkpoint's config can claim without being refused soon, or with another word."""
    file = folder / "config.json"
    text = file.read_text()
    config = json.loads(text)
    assert attempt(folder)[0] == ""
    found, tried = [], 0
    for path in [*numbers(config), *((key,) for key in UNSAVED if key not in config)]:
        for value in LARGE:
            file.write_text(claiming(config, path, value))
            said, seconds = attempt(folder)
            tried += 1
            if seconds > LIMIT or (said and not refused.search(said)):
                found.append((".".join(path), value, round(seconds, 1), said[:200]))
    file.write_text(text)
    assert tried
    return found


@pytest.mark.parametrize(
    "name",
    [
        "native",
        *(pytest.param(name, marks=pytest.mark.nightly) for name in ("llama", "gpt2", "gemma3")),
    ],
)
def test_no_number_of_a_config_keeps_loading_for_long(sources, name):
    assert surprises(sources / name) == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", SPECIMENS)
def test_nor_of_any_architecture(sources, tmp_path, name):
    random_model(SPECIMENS[name], SPECIMENS[name].draw).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(sources / "llama").save_pretrained(tmp_path)
    if attempt(tmp_path)[0]:
        pytest.skip("it can't be hooked")
    # transformers itself refuses fields of a single architecture, with a message of its own.
    assert surprises(tmp_path, re.compile("")) == []


@pytest.mark.parametrize(
    ("name", "claim", "said"),
    [
        ("llama", {"num_hidden_layers": 10**9}, "claims 1,000,000,000 num_hidden_layers, and"),
        ("llama", {"num_hidden_layers": 1e9}, "claims 1,000,000,000.0 num_hidden_layers, and"),
        ("llama", {"num_hidden_layers": 1}, "not in the config's model: model.layers.1."),
        ("llama", {"num_hidden_layers": 3}, "missing: model.layers.2."),
        ("llama", {"hidden_size": 10**9}, "its files hold 18,080 numbers"),
        ("llama", {"vocab_size": 10**12}, "its files hold 18,080 numbers"),
        ("llama", {"max_position_embeddings": 10**12}, "no model reads as many"),
        ("llama", {"num_labels": 10**7}, "claims 10,000,000 num_labels, and no model of language"),
        ("llama", {"text_config": {"num_labels": 10**9}}, "claims 1,000,000,000 num_labels, and"),
        ("llama", {"layer_types": ["full_attention"] * 10**6}, "claims 1,000,000 layer_types, and"),
        ("llama", {"num_hidden_layers": 10**300}, "000,00… (of 301 digits) num_hidden_layers"),
        ("gpt2", {"n_layer": 10**9}, "claims 1,000,000,000 n_layer, and there are 28 tensors"),
        ("gpt2", {"n_head": 10**9}, "no tensor has an axis of more than"),
        ("native", {"n_layers": 10**9}, "claims 1,000,000,000 n_layers, and"),
        ("native", {"n_ctx": 10**5}, "claims a larger model than there is"),
        ("native", {"d_model": 10**9}, "claims a larger model than there is"),
    ],
)
def test_a_claim_is_told_by_its_name(sources, tmp_path, name, claim, said):
    folder = shutil.copytree(sources / name, tmp_path / "claiming")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | claim))
    told, seconds = attempt(folder)
    assert said in told
    assert told.endswith("\nUse the config.json that was saved with these weights.")
    assert seconds < LIMIT


def test_so_are_those_of_a_gguf_file(sources, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(sources / "llama")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    tensors = {
        names.get_name(name, try_suffixes=(".weight",)): rotated(name, value.numpy())
        for name, value in model.state_dict().items()
    }
    for key in METADATA:
        file = written(tmp_path / "m.gguf", tensors, **{key.replace(".", "__"): 4_000_000_000})
        said, seconds = attempt(file)
        assert "claims" in said or "can't load" in said or "don't fit" in said, (key, said)
        assert seconds < LIMIT, key


def test_so_is_the_rank_of_an_adapter(sources, tmp_path):
    with pytest.warns(FutureWarning, match="is_gradient_checkpointing"):
        adapter = small_adapter(tmp_path / "adapter", sources / "llama")
    edit_adapter_config(adapter, r=10**9)
    said, seconds = attempt(adapter)
    assert "adapter_config.json claims 1,000,000,000 r, and no tensor has an axis of more" in said
    assert seconds < LIMIT


def test_a_config_of_brackets_is_no_config(sources, tmp_path):
    folder = shutil.copytree(sources / "llama", tmp_path / "deep")
    (folder / "config.json").write_text('{"a":' + "[" * 200_000)
    assert "config.json is nested more than 64 levels deep, in line 1." in attempt(folder)[0]


@pytest.mark.parametrize(
    "config",
    [
        {"num_hidden_layers": 48},  # that share the weights of one
        {"num_hidden_layers": 12, "text_config": {"num_hidden_layers": 13}},
        {"max_position_embeddings": 10_485_760, "rope_theta": 1e13},
        {"num_local_experts": 64, "num_attention_heads": 64},
        {"num_labels": 1000, "id2label": {str(label): "" for label in range(1000)}},
        {"use_cache": True, "layer_types": ["full_attention"] * 1000, "bos_token_id": 10**9},
    ],
)
def test_what_may_be_is_no_claim(config):
    source = parse_source("bundled:recall")
    shapes = [("F32", (64, 64))] * 12
    check_claims(source, config, Stored.of(shapes))
    check_claims(source, config, Stored.of([("U8", (32, 8))] * 12, packed=True))
