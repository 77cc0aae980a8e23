from __future__ import annotations

import json
import shutil

import pytest
import torch
from models.folders import load_folder, refusal
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.models.fingerprint import fingerprint
from pytest_circuits.models.sources.folders import checkpoint_folder
from pytest_circuits.models.sources.native import NativeCheckpoint
from pytest_circuits.testing import tiny_checkpoint

TOKENS = torch.arange(1, 31).reshape(2, 15)
ARCHITECTURES = ["llama", "gpt2"]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    return {name: tiny_checkpoint(folder / name, name) for name in ARCHITECTURES}


@pytest.fixture
def llama(checkpoints, tmp_path):
    return shutil.copytree(checkpoints["llama"], tmp_path / "llama")


@pytest.fixture
def recall(tmp_path):
    return shutil.copytree(checkpoint_folder(parse_source("bundled:recall")), tmp_path / "recall")


def edit_config(folder, **changes):
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def edit_tensors(folder, edit):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    edit(tensors)
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"}
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_are_those_of_the_plain_model(checkpoints, architecture):
    plain = AutoModelForCausalLM.from_pretrained(
        checkpoints[architecture], attn_implementation="eager"
    ).eval()

    model = load_folder(checkpoints[architecture])

    with torch.no_grad():
        expected = plain(TOKENS).logits
        logits = model.bridge(TOKENS, return_type="logits")
    assert expected.std() > 0.5
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("source", ["bundled:recall", *ARCHITECTURES])
def test_a_loaded_model_is_ready_to_measure(checkpoints, source):
    model = load(parse_source(str(checkpoints.get(source, source))))

    assert not model.bridge.training
    assert not any(module.training for module in model.bridge.modules())
    assert not any(parameter.requires_grad for parameter in model.bridge.parameters())
    assert model.dtype == "float32"
    assert model.fingerprint == fingerprint(model.checkpoint.weights())


def test_a_bundled_model_does_what_it_was_trained_for():
    bridge = load(parse_source("bundled:recall"), device="cpu").bridge

    ids = bridge.tokenizer("bear cloud river bear cloud", return_tensors="pt").input_ids
    next_token = bridge(ids, return_type="logits")[0, -1].argmax()

    assert bridge.tokenizer.decode([next_token]) == "river"


def test_the_tokenizer_of_the_checkpoint_comes_along(checkpoints):
    tokenizer = load_folder(checkpoints["llama"]).bridge.tokenizer

    assert tokenizer.encode("a b") == [0, 1, 2]
    assert tokenizer.bos_token == "<bos>"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_keep_the_dtype_they_are_stored_in(tmp_path, architecture):
    folder = tiny_checkpoint(tmp_path, architecture, dtype="bfloat16")

    model = load_folder(folder)

    assert model.dtype == "bfloat16"
    assert {parameter.dtype for parameter in model.bridge.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("source", ["bundled:recall", "llama"])
def test_weights_take_the_dtype_that_was_asked_for(checkpoints, source):
    model = load(parse_source(str(checkpoints.get(source, source))), dtype="float64")

    assert model.dtype == "float64"
    assert {parameter.dtype for parameter in model.bridge.parameters()} == {torch.float64}
    assert model.bridge(TOKENS, return_type="logits").dtype == torch.float64


def test_pickled_weights_are_not_loaded(llama):
    (llama / "model.safetensors").unlink()
    torch.save({}, llama / "pytorch_model.bin")

    assert refusal(llama) == (
        f"{llama}: the weights are pickled (pytorch_model.bin), which could run any code; "
        "they are not loaded.\n"
        "Save them as safetensors, as model.save_pretrained(folder) does today."
    )


def test_a_config_that_is_no_json_is_refused(llama):
    (llama / "config.json").write_text("{")

    assert "config.json is not JSON" in refusal(llama)


def test_a_config_that_is_no_object_is_refused(llama):
    (llama / "config.json").write_text("[]")

    assert refusal(llama) == f"{llama}: config.json holds no JSON object."


def test_an_architecture_that_transformers_does_not_know_is_refused(llama):
    edit_config(llama, model_type="perceptron", architectures=["PerceptronForCausalLM"])

    message = refusal(llama)
    assert message.startswith(f"{llama}: transformers can't load it:\n")
    assert "perceptron" in message


def test_tensors_of_another_layer_are_refused(llama):
    edit_config(llama, num_hidden_layers=1)

    assert refusal(llama) == (
        f"{llama}: the tensors don't fit config.json.\n"
        "not in the config's model: model.layers.1.input_layernorm.weight and 8 more\n"
        "Use the config.json that was saved with these weights."
    )


def test_a_layer_without_tensors_is_refused(llama):
    edit_config(llama, num_hidden_layers=3)

    assert refusal(llama) == (
        f"{llama}: the tensors don't fit config.json.\n"
        "missing: model.layers.2.input_layernorm.weight and 8 more\n"
        "Use the config.json that was saved with these weights."
    )


def test_tensors_of_another_shape_are_refused(llama):
    edit_config(llama, intermediate_size=40)

    assert refusal(llama) == (
        f"{llama}: the tensors don't fit config.json.\n"
        "wrong shape: model.layers.0.mlp.down_proj.weight is 32 × 48, should be 32 × 40 "
        "and 5 more\n"
        "Use the config.json that was saved with these weights."
    )


def test_every_kind_of_misfit_is_named(llama):
    def rename(tensors):
        tensors["model.layers.0.mlp.typo.weight"] = tensors.pop("model.layers.0.mlp.up_proj.weight")
        tensors["model.norm.weight"] = torch.ones(7)

    edit_tensors(llama, rename)

    assert refusal(llama) == (
        f"{llama}: the tensors don't fit config.json.\n"
        "wrong shape: model.norm.weight is 7, should be 32\n"
        "missing: model.layers.0.mlp.up_proj.weight\n"
        "not in the config's model: model.layers.0.mlp.typo.weight\n"
        "Use the config.json that was saved with these weights."
    )


def test_a_native_config_that_transformer_lens_refuses_is_named(recall):
    edit_config(recall, positional_embedding_type="wavelets")

    message = refusal(recall)
    assert message.startswith(f"{recall}: transformer-lens can't build it:\n")
    assert "wavelets" in message


def test_a_damaged_weights_file_is_refused(llama):
    path = llama / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])

    assert refusal(llama).startswith(f"{llama}: transformers can't load it:\n")


@pytest.mark.parametrize("length", [0, 4, 100, -1])
@pytest.mark.parametrize("which", ["llama", "recall"])
def test_a_weights_file_cut_short_is_refused_where_it_tells_the_dtype_too(request, which, length):
    folder = request.getfixturevalue(which)
    edit_config(folder, dtype=None, torch_dtype=None)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])

    assert refusal(folder).startswith(f"{folder}: ")


def test_a_name_that_the_hub_refuses_is_refused():
    with pytest.raises(ModelError) as error:
        load(parse_source("foo--bar"))

    first, *rest = str(error.value).splitlines()
    assert first == "foo--bar: can't be loaded (HFValidationError):"
    assert "foo--bar" in "".join(rest)


@pytest.mark.parametrize(
    "error", [KeyError("rope"), RuntimeError("a\n\nb"), OSError(), Exception()]
)
def test_whatever_a_library_raises_becomes_an_error_of_ours(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(NativeCheckpoint, "load", fail)

    with pytest.raises(ModelError) as refused:
        load(parse_source("bundled:recall"))

    first, *rest = str(refused.value).splitlines()
    assert first == f"bundled:recall: can't be loaded ({type(error).__name__}):"
    assert rest
    assert refused.value.__cause__ is error


def test_an_interruption_is_no_error_of_a_model(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(NativeCheckpoint, "load", interrupt)

    with pytest.raises(KeyboardInterrupt):
        load(parse_source("bundled:recall"))


@pytest.mark.parametrize(
    ("architecture", "names"),
    [
        ("gpt2", ["transformer.h.0.attn.bias", "transformer.h.1.attn.masked_bias"]),
        ("llama", ["model.layers.0.attn.masked_bias", "model.layers.1.attention.bias"]),
        ("llama", ["model.layers.0.self_attn.rotary_emb.inv_freq"]),
    ],
)
def test_masks_and_rotary_tables_of_older_checkpoints_are_left_out(
    checkpoints, tmp_path, architecture, names
):
    folder = shutil.copytree(checkpoints[architecture], tmp_path / "older")
    edit_tensors(folder, lambda tensors: tensors.update({n: torch.ones(3) for n in names}))

    older, newer = (load_folder(f).bridge for f in (folder, checkpoints[architecture]))

    with torch.no_grad():
        assert torch.equal(older(TOKENS), newer(TOKENS))


@pytest.mark.parametrize(
    "name", ["model.layers.0.self_attn.q_proj.bias", "model.layers.0.attn.bias.weight"]
)
def test_other_tensors_that_look_like_masks_are_not(llama, name):
    edit_tensors(llama, lambda tensors: tensors.update({name: torch.ones(3)}))

    assert f"not in the config's model: {name}" in refusal(llama)


def test_a_checkpoint_without_tokenizer_is_refused(llama):
    (llama / "tokenizer.json").unlink()
    (llama / "tokenizer_config.json").unlink()

    assert refusal(llama).startswith(f"{llama}: it comes without a tokenizer.\n")
