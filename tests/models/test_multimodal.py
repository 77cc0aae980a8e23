"""Multimodal checkpoints: their text models are measured."""

from __future__ import annotations

import sys

import pytest
import torch
from models.folders import load_folder, refusal
from models.multimodal import save_multimodal
from models.small_adapters import small_adapter
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    BitsAndBytesConfig,
    T5Config,
    T5EncoderModel,
)

from pytest_circuits import measures
from pytest_circuits.models import load, parse_source
from pytest_circuits.testing import word_tokenizer

TOKENS = torch.arange(1, 31).reshape(2, 15)

# peft asks transformers for what that calls deprecated, when it makes an adapter.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")

#: Types of multimodal models, and the classes of their text models.
TEXT_MODELS = {
    "gemma3": "Gemma3ForCausalLM",
    "gemma4": "Gemma4ForCausalLM",
    "idefics3": "LlamaForCausalLM",
    "internvl": "Qwen2ForCausalLM",
    "llama4": "Llama4ForCausalLM",
    "llava": "LlamaForCausalLM",
    "llava_next": "LlamaForCausalLM",
    "mistral3": "MistralForCausalLM",
    "qwen2_5_vl": "Qwen2ForCausalLM",
    "qwen2_audio": "Qwen2ForCausalLM",
    "qwen2_vl": "Qwen2ForCausalLM",
    "qwen3_5": "Qwen3_5ForCausalLM",
    "qwen3_vl": "Qwen3ForCausalLM",
    "qwen3_vl_moe": "Qwen3MoeForCausalLM",
    "smolvlm": "LlamaForCausalLM",
}


def whole_logits(folder):
    whole = AutoModelForMultimodalLM.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        return whole(input_ids=TOKENS).logits


def logits(loaded):
    with torch.no_grad():
        return loaded.bridge(TOKENS, return_type="logits")


@pytest.fixture
def gemma(tmp_path):
    """A multimodal Gemma 3, whose head is tied to its embedding."""
    save_multimodal(tmp_path / "gemma", "gemma3")
    return tmp_path / "gemma"


#: Of each way in which a text model lies in the whole one; all are tried nightly.
OFTEN = ("gemma3", "llava", "qwen2_5_vl", "llama4")


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[] if kind in OFTEN else [pytest.mark.nightly])
        for kind in TEXT_MODELS
    ],
)
def test_the_text_model_is_loaded_and_computes_what_the_whole_does_on_text(kind, tmp_path):
    whole = save_multimodal(tmp_path, kind)

    loaded = load_folder(tmp_path)

    expected = whole_logits(tmp_path)
    assert type(loaded.bridge.original_model).__name__ == TEXT_MODELS[kind]
    assert expected.std() > 0.5
    torch.testing.assert_close(logits(loaded), expected, atol=2e-5, rtol=0)
    others = ("vision", "visual", "image", "audio", "projector", "connector")
    names = [name for name, _ in loaded.bridge.original_model.named_parameters()]
    assert not [name for name in names if any(other in name for other in others)]
    assert sum(weight.numel() for weight in loaded.bridge.parameters()) < whole.num_parameters()
    assert measures.text_loss(loaded.bridge, ["a b c d"]).values > 0


def test_what_a_function_gives_is_taken_apart_too(gemma, tmp_path, monkeypatch):
    (tmp_path / "multimodal_maker.py").write_text(
        "from transformers import AutoModelForMultimodalLM, AutoTokenizer\n"
        f"FOLDER = {str(gemma)!r}\n"
        "def make():\n"
        "    model = AutoModelForMultimodalLM.from_pretrained(FOLDER)\n"
        "    return model, AutoTokenizer.from_pretrained(FOLDER)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "multimodal_maker", raising=False)

    loaded = load(parse_source("multimodal_maker:make"), "cpu")

    assert type(loaded.bridge.original_model).__name__ == "Gemma3ForCausalLM"
    assert torch.equal(logits(loaded), logits(load_folder(gemma)))


def test_a_head_that_is_tied_stays_tied(gemma):
    model = load_folder(gemma).bridge.original_model

    assert model.config.tie_word_embeddings
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_weights_take_the_dtype_that_was_asked_for(gemma):
    loaded = load_folder(gemma, dtype="float64")

    assert loaded.dtype == "float64"
    torch.testing.assert_close(logits(loaded).float(), whole_logits(gemma), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["gemma3", "qwen2_5_vl"])
def test_packed_weights_stay_packed(kind, tmp_path):
    pytest.importorskip("bitsandbytes")
    save_multimodal(tmp_path / "plain", kind)
    packed = BitsAndBytesConfig(load_in_8bit=True)
    whole = AutoModelForMultimodalLM.from_pretrained(tmp_path / "plain", quantization_config=packed)
    whole.save_pretrained(tmp_path / "packed")
    word_tokenizer().save_pretrained(tmp_path / "packed")

    loaded = load_folder(tmp_path / "packed")

    assert torch.int8 in {weight.dtype for weight in loaded.bridge.parameters()}
    torch.testing.assert_close(logits(loaded), whole_logits(tmp_path / "packed"), atol=1e-5, rtol=0)


def test_an_adapter_that_was_trained_on_the_whole_model_is_merged_into_it(gemma, tmp_path):
    adapter = small_adapter(tmp_path / "adapter", gemma)

    loaded = load_folder(adapter)

    whole = AutoModelForMultimodalLM.from_pretrained(gemma, attn_implementation="eager")
    with torch.no_grad():
        expected = PeftModel.from_pretrained(whole, adapter)(input_ids=TOKENS).logits
    assert (expected - whole_logits(gemma)).abs().max() > 0.1
    torch.testing.assert_close(logits(loaded), expected, atol=1e-4, rtol=0)


def test_an_adapter_that_was_trained_on_the_text_model_is_merged_into_that(tmp_path):
    save_multimodal(tmp_path / "whole", "qwen3_5")
    # transformers loads its text model alone as a causal one.
    adapter = small_adapter(tmp_path / "adapter", tmp_path / "whole")

    loaded = load_folder(adapter)

    text = AutoModelForCausalLM.from_pretrained(tmp_path / "whole", attn_implementation="eager")
    with torch.no_grad():
        before = text(input_ids=TOKENS).logits
        expected = PeftModel.from_pretrained(text, adapter)(input_ids=TOKENS).logits
    assert type(text).__name__ == "Qwen3_5ForCausalLM"
    assert (expected - before).abs().max() > 0.1
    torch.testing.assert_close(logits(loaded), expected, atol=1e-4, rtol=0)


def test_weights_that_are_missing_are_named(gemma):
    tensors = load_file(gemma / "model.safetensors")
    del tensors["language_model.model.layers.1.self_attn.q_proj.weight"]
    save_file(tensors, gemma / "model.safetensors", {"format": "pt"})

    assert "missing: model.language_model.layers.1.self_attn.q_proj.weight" in refusal(gemma)


def test_a_text_model_that_is_another_by_itself_is_refused(tmp_path):
    save_multimodal(tmp_path, "aya_vision")  # its text model scales its logits, the whole doesn't

    first, second, _ = refusal(tmp_path).splitlines()

    assert first == (
        f"{tmp_path}: the Cohere2ForCausalLM in this AyaVisionForConditionalGeneration gives other "
        f"logits than the whole model does on the same text"
    )
    assert "standard deviations), so it can't be measured in its place" in second


def test_one_that_transformer_lens_knows_neither_in_whole_nor_in_part_is_refused(tmp_path):
    save_multimodal(tmp_path, "aria")

    assert refusal(tmp_path) == (
        f"{tmp_path}: transformer-lens doesn't know the architecture AriaForConditionalGeneration, "
        f"nor AriaTextForCausalLM, its text model.\n"
        f"Name a model of another architecture, or a function that gives it hooked, with an "
        f"adapter of your own."
    )


def test_a_checkpoint_that_is_no_language_model_is_refused(tmp_path):
    model = T5EncoderModel(T5Config(vocab_size=40, d_model=16, d_ff=16, num_layers=1, num_heads=2))
    model.save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)

    assert refusal(tmp_path) == (
        f"{tmp_path}: transformers has no causal language model for the architecture "
        f"T5EncoderModel (of type 't5'), and only such models are measured."
    )
