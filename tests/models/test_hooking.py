"""What transformer-lens makes of a Hugging Face model, and what is said where it can't."""

from __future__ import annotations

import json
import sys

import pytest
import torch
import transformers
from models.folders import load_folder, refusal
from transformer_lens.model_bridge.architecture_adapter import ArchitectureAdapter
from transformers import AutoModelForCausalLM, FalconConfig, FalconForCausalLM

from pytest_circuits.models import load, parse_source
from pytest_circuits.testing import draw_parameters, tiny_checkpoint, word_tokenizer

TOKENS = torch.arange(1, 31).reshape(2, 15)
INSTEAD = (
    "Name a model of another architecture, or a function that gives it hooked, with an adapter of "
    "your own."
)
#: Architectures whose code lies beside the weights, and transformer-lens would run.
CODE_OF_ITS_OWN = {
    "BaichuanForCausalLM": "modeling_baichuan",
    "InternLM2ForCausalLM": "modeling_internlm2",
    "OpenELMForCausalLM": "modeling_openelm",
}


def save(folder, model):
    draw_parameters(model)
    model.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


def falcon(**options):
    usual = {"num_hidden_layers": 2, "num_attention_heads": 4, "alibi": False, "bias": True}
    return FalconForCausalLM(FalconConfig(vocab_size=40, hidden_size=48, **usual, **options))


def plain_logits(folder):
    plain = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    with torch.no_grad():
        return plain(TOKENS).logits


def logits(loaded):
    with torch.no_grad():
        return loaded.bridge(TOKENS, return_type="logits")


@pytest.mark.parametrize("options", [{}, {"multi_query": False}], ids=["multi query", "heads"])
def test_falcons_first_decoder_is_hooked(tmp_path, options):
    save(tmp_path, falcon(**options))

    torch.testing.assert_close(
        logits(load_folder(tmp_path)), plain_logits(tmp_path), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("options", [{}, {"num_ln_in_parallel_attn": 1, "multi_query": False}])
def test_an_adapter_that_does_not_fit_a_config_is_said_without_torchs_words(tmp_path, options):
    save(tmp_path, falcon(new_decoder_architecture=True, num_kv_heads=2, **options))

    assert refusal(tmp_path) == (
        f"{tmp_path}: transformer-lens can't hook this FalconForCausalLM:\n"
        f"its adapter for this architecture doesn't fit the model's config.\n{INSTEAD}"
    )


def test_a_model_that_computes_something_else_once_it_is_hooked_is_refused(tmp_path):
    options = {"num_kv_heads": 2, "multi_query": False}  # which transformer-lens splits elsewhere
    save(tmp_path, falcon(new_decoder_architecture=True, **options))

    first, second, last = refusal(tmp_path).splitlines()

    assert first == (
        f"{tmp_path}: hooked by transformer-lens, the FalconForCausalLM gives other logits than "
        f"by itself"
    )
    assert second.endswith(
        " standard deviations): it isn't the FalconForCausalLM that transformer-lens knows."
    )
    assert last == INSTEAD


def test_what_transformer_lens_refuses_by_intent_is_quoted(tmp_path, monkeypatch):
    monkeypatch.setattr(ArchitectureAdapter, "required_libraries", ["no_such_library"])
    tiny_checkpoint(tmp_path)

    assert refusal(tmp_path) == (
        f"{tmp_path}: transformer-lens can't hook this LlamaForCausalLM:\n"
        f"LlamaArchitectureAdapter needs the optional no_such_library library. "
        f"Install with `pip install no_such_library`.\n{INSTEAD}"
    )


def test_an_architecture_that_transformer_lens_does_not_know_is_named_alone(tmp_path):
    config = transformers.BioGptConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=1, num_attention_heads=4
    )
    save(tmp_path, transformers.BioGptForCausalLM(config))

    assert refusal(tmp_path) == (
        f"{tmp_path}: transformer-lens doesn't know the architecture BioGptForCausalLM.\n{INSTEAD}"
    )


@pytest.mark.parametrize("architectures", [None, [], ["MyOwn"]])
def test_the_class_that_is_loaded_says_the_architecture(tmp_path, monkeypatch, architectures):
    tiny_checkpoint(tmp_path / "llama")
    (tmp_path / "nameless_maker.py").write_text(
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        f"FOLDER = {str(tmp_path / 'llama')!r}\n"
        "def make():\n"
        "    model = AutoModelForCausalLM.from_pretrained(FOLDER)\n"
        f"    model.config.architectures = {architectures}\n"
        "    model.config.model_type = 'own'\n"
        "    return model, AutoTokenizer.from_pretrained(FOLDER)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nameless_maker", raising=False)

    loaded = load(parse_source("nameless_maker:make"), "cpu")

    torch.testing.assert_close(logits(loaded), plain_logits(tmp_path / "llama"), atol=1e-5, rtol=0)


def test_a_model_without_attention_is_loaded(tmp_path):
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    state = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1}
    config = transformers.BambaConfig(vocab_size=40, **sizes, **heads, **state)
    save(tmp_path, transformers.BambaForCausalLM(config))

    with torch.no_grad():
        logits = load_folder(tmp_path).bridge(TOKENS, return_type="logits", use_cache=False)
        plain = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager")
        expected = plain(TOKENS, use_cache=False).logits
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


def test_a_class_whose_name_differs_in_case_alone_is_known(tmp_path):
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_local_experts": 2}
    config = transformers.PhimoeConfig(vocab_size=40, **sizes, **heads, lm_head_bias=True)
    save(tmp_path, transformers.PhimoeForCausalLM(config))

    torch.testing.assert_close(
        logits(load_folder(tmp_path)), plain_logits(tmp_path), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("architecture", CODE_OF_ITS_OWN)
def test_code_beside_the_weights_is_not_run_whatever_the_config_names(tmp_path, architecture):
    tiny_checkpoint(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text()) | {"architectures": [architecture]}
    path.write_text(json.dumps(config))
    code = tmp_path / f"{CODE_OF_ITS_OWN[architecture]}.py"
    code.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass {architecture}: pass\n")

    loaded = load_folder(tmp_path)

    assert not (tmp_path / "ran").exists()
    torch.testing.assert_close(logits(loaded), plain_logits(tmp_path), atol=1e-5, rtol=0)
