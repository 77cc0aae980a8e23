"""Native transformer-lens models: saved, and loaded as sources."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import transformer_lens.model_bridge.sources.native  # noqa: F401 — brings boot_native
from models.folders import load_folder, refusal
from safetensors import safe_open
from safetensors.torch import load_file, save_file, save_model
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

from pytest_circuits.models import ModelError
from pytest_circuits.models.sources.native import save_native
from pytest_circuits.testing import perfect_induction_model, tiny_checkpoint, word_tokenizer

TOKENS = torch.arange(1, 31).reshape(2, 15)
#: Kinds of native model, by the arguments of their configs.
KINDS = {
    "plain": {"normalization_type": "LN", "act_fn": "gelu", "d_mlp": 48},
    "attention only": {"attn_only": True, "normalization_type": None},
    "gated, rotary": {
        "gated_mlp": True,
        "normalization_type": "RMS",
        "act_fn": "silu",
        "positional_embedding_type": "rotary",
        "rotary_dim": 4,
        "rotary_base": 500,
        "eps": 1e-3,
    },
    "grouped, local scale": {
        "n_key_value_heads": 2,
        "attn_scale": 3.0,
        "output_logits_soft_cap": 5.0,
    },
}


def native(seed=0, **arguments):
    """A small model with random weights, as a user makes one."""
    tokenizer = word_tokenizer()
    tokenizer.init_kwargs["add_bos_token"] = True  # or transformer-lens looks for its files
    config = TransformerBridgeConfig(
        d_model=32,
        d_head=8,
        n_heads=4,
        n_layers=2,
        n_ctx=64,
        d_vocab=len(tokenizer),
        seed=seed,
        **arguments,
    )
    bridge = TransformerBridge.boot_native(config, tokenizer=tokenizer, device="cpu")
    draw = torch.Generator().manual_seed(seed)
    for parameter in bridge.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=draw)
    return bridge.eval()


@pytest.fixture(scope="module")
def bridge():
    return native(**KINDS["plain"])


@pytest.fixture
def folder(bridge, tmp_path):
    return save_native(bridge, tmp_path / "saved")


def logits(bridge):
    with torch.no_grad():
        return bridge(TOKENS, return_type="logits")


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_tensors(folder, edit):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    edit(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_is_the_same_when_it_is_loaded(tmp_path, kind):
    bridge = native(**KINDS[kind])

    loaded = load_folder(save_native(bridge, tmp_path)).bridge

    assert logits(bridge).std() > 0.1
    assert torch.equal(logits(loaded), logits(bridge))
    assert loaded.tokenizer.encode("a b") == bridge.tokenizer.encode("a b") == [0, 1, 2]


def test_a_model_whose_circuits_are_known_can_be_saved(tmp_path):
    perfect = perfect_induction_model()

    loaded = load_folder(save_native(perfect, tmp_path / "new" / "folder")).bridge

    assert torch.equal(logits(loaded), logits(perfect))


def test_weights_keep_their_dtype(tmp_path):
    half = native(dtype=torch.bfloat16).to(torch.bfloat16)

    model = load_folder(save_native(half, tmp_path))

    assert model.dtype == "bfloat16"
    assert torch.equal(logits(model.bridge), logits(half))


def test_saved_twice_it_has_the_same_bytes_and_fingerprint(bridge, tmp_path):
    first, second = (save_native(bridge, tmp_path / name) for name in ("first", "second"))

    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()
    other = save_native(native(1), tmp_path / "other")
    assert load_folder(first).fingerprint == load_folder(second).fingerprint
    assert load_folder(first).fingerprint != load_folder(other).fingerprint


def test_shards_are_the_whole(bridge, folder, tmp_path):
    whole = load_folder(folder).fingerprint
    tensors = sorted(load_file(folder / "model.safetensors").items())
    (folder / "model.safetensors").unlink()
    save_file(dict(tensors[::2]), folder / "model-00001-of-00002.safetensors")
    save_file(dict(tensors[1::2]), folder / "model-00002-of-00002.safetensors")

    sharded = load_folder(folder)

    assert torch.equal(logits(sharded.bridge), logits(bridge))
    assert sharded.fingerprint == whole


def by_bridge_names(bridge, path):
    save_file(bridge.state_dict(), path)


def by_wrapped_names(bridge, path):
    save_model(bridge.original_model, str(path))


def by_all_names(bridge, path):
    save_file({name: t.clone() for name, t in bridge.original_model.state_dict().items()}, path)


def behind_a_prefix(bridge, path):
    save_file({f"trainer.model.{name}": t for name, t in bridge.state_dict().items()}, path)


@pytest.mark.parametrize("save", [by_bridge_names, by_wrapped_names, by_all_names, behind_a_prefix])
def test_weights_may_go_by_any_of_their_names(bridge, folder, save):
    path = folder / "model.safetensors"
    with safe_open(path, "pt") as file:
        ours = set(file.keys())
    save(bridge, path)
    with safe_open(path, "pt") as file:
        assert not ours & set(file.keys())

    assert torch.equal(logits(load_folder(folder).bridge), logits(bridge))


def test_a_whole_config_of_transformer_lens_is_understood(bridge, folder):
    config = {**bridge.cfg.to_dict(), "device": "cuda", "architectures": ["TransformerLensNative"]}
    (folder / "config.json").write_text(json.dumps(config, default=str))

    assert torch.equal(logits(load_folder(folder).bridge), logits(bridge))


def test_a_saved_config_says_what_the_model_is_and_not_where_it_was_made(folder):
    config = json.loads((folder / "config.json").read_text())

    assert config["architectures"] == ["TransformerLensNative"]
    assert config["dtype"] == "float32"
    assert config["normalization_type"] == "LN"
    assert not {"device", "seed", "model_name", "is_visual_model"} & config.keys()


def test_two_names_of_a_tensor_must_not_differ(folder):
    edit_tensors(
        folder, lambda tensors: tensors.update({"blocks.0.attn.q.weight": torch.ones(32, 32)})
    )

    assert refusal(folder) == (
        f"{folder}: blocks.0.attn.q.weight and layers.0.attn.q.weight differ, "
        f"and are names of the same tensor.\n"
        f"Save the model again with pytest_circuits.models.save_native."
    )


def test_tensors_too_many_too_few_and_of_another_shape_are_named(bridge, folder):
    by_bridge_names(bridge, folder / "model.safetensors")

    def misfit(tensors):
        tensors["blocks.9.attn.q.weight"] = torch.ones(1)
        del tensors["blocks.1.attn.q.weight"]
        tensors["unembed.weight"] = torch.ones(3, 2)

    edit_tensors(folder, misfit)

    assert refusal(folder) == (
        f"{folder}: the tensors don't fit config.json.\n"
        "wrong shape: unembed.weight is 3 × 2, should be 40 × 32\n"
        "missing: layers.1.attn.q.weight\n"
        "not in the config's model: blocks.9.attn.q.weight\n"
        "Use the config.json that was saved with these weights."
    )


def test_a_field_that_transformer_lens_does_not_know_is_named(folder):
    edit_config(folder, n_wavelets=3, kind_of_wavelet="haar")

    assert refusal(folder) == (
        f"{folder}: config.json has fields that TransformerBridgeConfig doesn't have: "
        f"kind_of_wavelet, n_wavelets.\n"
        f"Take them out, or install the transformer-lens that the model was trained with."
    )


def test_a_field_that_is_missing_is_named(folder):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    del config["n_layers"]
    path.write_text(json.dumps(config))

    first, *rest = refusal(folder).splitlines()
    assert first == f"{folder}: transformer-lens can't build it:"
    assert "n_layers" in rest[0]


def test_a_folder_without_tokenizer_is_refused(folder):
    (folder / "tokenizer.json").unlink()

    assert refusal(folder) == (
        f"{folder}: there is no tokenizer (tokenizer.json).\n"
        f"Save the model's there: tokenizer.save_pretrained(folder)"
    )


def test_weights_cut_short_are_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:500])

    assert refusal(folder).startswith(f"{folder}: its weights can't be read:\n")


def test_only_native_models_are_saved(tmp_path):
    llama = load_folder(tiny_checkpoint(tmp_path / "llama")).bridge

    with pytest.raises(ValueError, match=r"LlamaForCausalLM: use its own save_pretrained"):
        save_native(llama, tmp_path / "saved")

    assert not (tmp_path / "saved").exists()


def test_a_model_without_tokenizer_is_not_saved(tmp_path):
    config = TransformerBridgeConfig(d_model=8, d_head=4, n_layers=1, n_ctx=8, d_vocab=9)

    with pytest.raises(ValueError, match="the model has no tokenizer"):
        save_native(TransformerBridge.boot_native(config), tmp_path)


def test_folded_weights_are_not_saved(tmp_path):
    folded = native()
    folded.enable_compatibility_mode()

    with pytest.raises(ValueError, match="its weights were folded"):
        save_native(folded, tmp_path)


def test_a_tensor_that_two_files_have_is_refused(tmp_path):
    folder = save_native(native(0), tmp_path)
    shutil.copy(folder / "model.safetensors", folder / "old.safetensors")

    with pytest.raises(ModelError, match=r"is in old\.safetensors and in another file too"):
        load_folder(folder)
