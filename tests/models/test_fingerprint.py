from __future__ import annotations

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from pytest_circuits.models import fingerprint as fingerprints
from pytest_circuits.models.fingerprint import live_fingerprint
from pytest_circuits.testing import tiny_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


def fingerprint(folder):
    return fingerprints.fingerprint(sorted(folder.glob("*.safetensors")))


def resaved(folder, tensors, metadata=None):
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata=metadata)
    return folder


def test_shards_have_the_fingerprint_of_the_whole(checkpoint, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(checkpoint)

    model.save_pretrained(tmp_path, max_shard_size="10KB")

    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    assert fingerprint(tmp_path) == fingerprint(checkpoint)


def test_metadata_and_the_order_of_tensors_do_not_count(checkpoint, tmp_path):
    tensors = load_file(checkpoint / "model.safetensors")
    backwards = dict(reversed(tensors.items()))

    again = resaved(tmp_path, backwards, metadata={"format": "pt", "trained": "yesterday"})

    assert fingerprint(again) == fingerprint(checkpoint)


def test_one_changed_weight_changes_it(checkpoint, tmp_path):
    tensors = load_file(checkpoint / "model.safetensors")
    tensors["model.norm.weight"][7] += 1e-6

    assert fingerprint(resaved(tmp_path, tensors)) != fingerprint(checkpoint)


def test_another_name_shape_or_dtype_changes_it(tmp_path):
    values = torch.arange(6, dtype=torch.float32)
    prints = {
        fingerprint(resaved(tmp_path / name, tensors))
        for name, tensors in {
            "first": {"a": values},
            "name": {"b": values},
            "shape": {"a": values.reshape(2, 3)},
            "dtype": {"a": values.view(torch.int32)},
        }.items()
    }

    assert len(prints) == 4


def test_it_is_a_hash_of_every_tensors_header_and_bytes(tmp_path):
    tensors = {"b": torch.tensor([1.0, 2.0]), "a": torch.tensor([[3, 4]], dtype=torch.int8)}
    of_a = json.dumps(["a", "I8", [1, 2]]).encode() + bytes([3, 4])
    of_b = json.dumps(["b", "F32", [2]]).encode() + tensors["b"].numpy().tobytes()
    digests = hashlib.sha256(of_a).digest() + hashlib.sha256(of_b).digest()
    expected = hashlib.sha256(digests)

    assert fingerprint(resaved(tmp_path, tensors)) == f"sha256:{expected.hexdigest()}"


def live(**parameters):
    module = torch.nn.Module()
    for name, value in parameters.items():
        module.register_parameter(name, torch.nn.Parameter(value))
    return live_fingerprint(module)


def test_a_model_in_memory_has_one_too_whatever_the_shape_of_its_parameters():
    scale, weight = torch.tensor(2.0), torch.ones(2, 3)

    prints = [
        live(scale=scale, weight=weight),
        live(scale=scale + 1, weight=weight),
        live(scale=scale.reshape(1), weight=weight),
        live(scale=scale, weight=weight.T),
        live(scale=scale, weight=weight.bfloat16()),
    ]

    assert len(set(prints)) == 5
    assert all(text.startswith("live-sha256:") for text in prints)
    assert live(weight=weight.clone(), scale=scale.clone()) == prints[0]
