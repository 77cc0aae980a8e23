"""Quantised checkpoints, of schemes that transformers loads on a CPU."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    GptOssConfig,
    GptOssForCausalLM,
)

from pytest_circuits import measures
from pytest_circuits.forward import Runs
from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.prompts import PromptPairs
from pytest_circuits.session.watched import Watched
from pytest_circuits.testing import draw_parameters, tiny_checkpoint, word_tokenizer

TOKENS = torch.arange(1, 31).reshape(2, 15)
PAIRS = PromptPairs(["a b c d"], ["a x c d"], ["e"], ["f"])
#: fp8's weights have a scale for each block of so many rows and columns.
BLOCK = 16
BITS_AND_BYTES = {"int8": {"load_in_8bit": True}}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("plain"))


def save_fp8(plain, folder):
    """As fine-grained fp8 checkpoints are: weights as float8, their scales beside them."""
    shutil.copytree(plain, folder)
    tensors = {}
    for name, tensor in load_file(plain / "model.safetensors").items():
        tensors[name] = tensor
        if name.endswith("proj.weight"):
            rows, columns = tensor.shape
            blocks = tensor.reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
            scales = blocks.abs().amax((1, 3)) / torch.finfo(torch.float8_e4m3fn).max
            packed = (blocks / scales[:, None, :, None]).reshape(rows, columns)
            tensors[name] = packed.to(torch.float8_e4m3fn)
            tensors[f"{name}_scale_inv"] = scales
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    set_scheme(folder, quant_method="fp8", activation_scheme="dynamic", fmt="e4m3")
    return folder


def save_mxfp4(folder):
    """As GPT-OSS checkpoints are: experts in blocks of 4-bit floats, a power of two for each."""
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    experts = {"num_local_experts": 2, "num_experts_per_tok": 1, "intermediate_size": 32}
    sizes = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 2}
    model = GptOssForCausalLM(GptOssConfig(**sizes, **heads, **experts))
    draw_parameters(model)
    model.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    draw, tensors = torch.Generator().manual_seed(0), {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if name.endswith(("gate_up_proj", "down_proj")):
            count, inputs, outputs = tensor.shape
            blocks = (count, outputs, inputs // 32)
            for part, shape, low, high in (
                ("blocks", (*blocks, 16), 0, 256),
                ("scales", blocks, 118, 126),
            ):
                drawn = torch.randint(low, high, shape, generator=draw, dtype=torch.uint8)
                tensors[f"{name}_{part}"] = drawn
        else:
            tensors[name] = tensor
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    set_scheme(folder, quant_method="mxfp4", modules_to_not_convert=["self_attn", "router"])
    return folder


def set_scheme(folder, **scheme):
    path = folder / "config.json"
    scheme.setdefault("weight_block_size", [BLOCK, BLOCK])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": scheme}))


def save_bits_and_bytes(plain, folder, kind):
    pytest.importorskip("bitsandbytes")
    config = BitsAndBytesConfig(**BITS_AND_BYTES[kind])
    model = AutoModelForCausalLM.from_pretrained(plain, quantization_config=config)
    model.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(params=["fp8", *BITS_AND_BYTES])
def quantised(request, plain, tmp_path):
    folder = tmp_path / "quantised"
    if request.param == "fp8":
        return save_fp8(plain, folder)
    return save_bits_and_bytes(plain, folder, request.param)


def loaded(folder, **choices):
    return load(parse_source(str(folder)), device="cpu", **choices)


def test_it_is_measured_as_transformers_runs_it(plain, quantised):
    model = loaded(quantised)

    with torch.no_grad():
        expected = AutoModelForCausalLM.from_pretrained(quantised)(TOKENS).logits
        before = AutoModelForCausalLM.from_pretrained(plain)(TOKENS).logits
        logits = model.bridge(TOKENS, return_type="logits")
    assert 1e-3 < (logits - before).abs().max() < 3
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    runs = Runs(model.bridge)
    assert np.isfinite(measures.induction_scores(runs).values).all()
    assert np.isfinite(measures.patch(runs, PAIRS, site="head_out").values).all()
    assert bool(runs.replayed) == runs.causal
    assert runs.pristine
    assert model.fingerprint == loaded(quantised).fingerprint != loaded(plain).fingerprint


def test_a_pass_of_it_is_no_change_and_another_type_is(quantised):
    runs = Runs(loaded(quantised).bridge)
    watched = Watched(runs, None, tuple)
    runs.forward(torch.tensor([[1, 2, 3, 4]]))
    runs.forward(torch.tensor([[4, 2, 3], [1, 2, 3]]))
    assert watched.changes(deep=True) == ()
    next(iter(runs.bridge.original_model.buffers())).data.mul_(2)
    assert watched.changes(deep=True) != ()


def test_weights_that_are_made_floats_take_any_dtype(plain, tmp_path):
    model = loaded(save_fp8(plain, tmp_path / "fp8"), dtype="bfloat16")

    assert model.dtype == "bfloat16"
    assert {parameter.dtype for parameter in model.bridge.parameters()} == {torch.bfloat16}


def test_mxfp4_is_made_floats_on_whatever_machine(tmp_path, monkeypatch):
    folder = save_mxfp4(tmp_path)
    with torch.no_grad():
        expected = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")(TOKENS)
    asked = []
    # Here transformers finds out what the machine can do, and on some fetches kernels later.
    monkeypatch.setattr(
        "transformers.quantizers.quantizer_mxfp4.Mxfp4HfQuantizer.validate_environment",
        lambda quantizer, *_, **__: asked.append(quantizer.quantization_config.dequantize),
    )

    model = loaded(folder)

    with torch.no_grad():
        logits = model.bridge(TOKENS, return_type="logits")
    assert asked == [True]
    assert expected.logits.std() > 0.5
    torch.testing.assert_close(logits, expected.logits, atol=1e-5, rtol=0)


def test_packed_weights_take_no_other_dtype(plain, tmp_path):
    folder = save_bits_and_bytes(plain, tmp_path, "int8")

    with pytest.raises(ModelError) as error:
        loaded(folder, dtype="bfloat16")

    assert str(error.value) == (
        f"{folder}: its weights are quantised (bitsandbytes) and can't be made bfloat16.\n"
        "Load it in its own dtype (float32): --circuits-dtype=auto."
    )


def test_a_scheme_whose_library_is_missing_says_so(plain, tmp_path):
    folder = shutil.copytree(plain, tmp_path / "quantised")
    set_scheme(folder, quant_method="hqq", nbits=4, group_size=64)

    with pytest.raises(ModelError) as error:
        loaded(folder)

    first, *rest = str(error.value).splitlines()
    assert first == (
        f"{folder}: its weights are quantised (hqq), and what reads them is not installed:"
    )
    assert "hqq" in "".join(rest).lower()


def test_what_heads_write_cannot_be_read_from_packed_weights(plain, tmp_path):
    bridge = loaded(save_bits_and_bytes(plain, tmp_path, "int8")).bridge

    with pytest.raises(ModelError, match="quantised and stay packed"):
        measures.head_attribution(bridge, PAIRS)
    with pytest.raises(ModelError, match="quantised and stay packed"):
        measures.copying_scores(bridge, PAIRS, at=[1, 2])


def test_int8_rows_do_not_depend_on_what_is_run_with_them(plain, tmp_path):
    loud = shutil.copytree(plain, tmp_path / "loud")
    tensors = load_file(loud / "model.safetensors")
    for layer in range(2):  # beyond the threshold in some rows, and not in others
        tensors[f"model.layers.{layer}.input_layernorm.weight"][3] = 6
    save_file(tensors, loud / "model.safetensors", {"format": "pt"})
    runs = Runs(loaded(save_bits_and_bytes(loud, tmp_path / "int8", "int8")).bridge)
    texts = ["a b c d", "k l m n", "x y z a"]
    pairs = [PromptPairs([text], ["g b h d"], ["e"], ["f"]) for text in texts]
    together = PromptPairs(texts, ["g b h d"] * 3, ["e"] * 3, ["f"] * 3)

    alone = [measures.logit_diff(runs, each).values for each in pairs]
    with torch.no_grad():
        tokens = torch.tensor(together.check(runs.tokenizer).clean)
        mixed = runs.bridge(tokens, return_type="logits")[:, -1]
        single = torch.cat([runs.bridge(row[None], return_type="logits")[:, -1] for row in tokens])

    assert (mixed - single).abs().max() > 1e-3
    assert float(measures.logit_diff(runs, together)) == pytest.approx(np.mean(alone), abs=1e-6)
    assert not runs.causal
