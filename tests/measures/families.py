"""Small random models of many families: plain Hugging Face ones, and the same with hooks."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
import transformers
from measures.families_native import NativeTwin, hooked_native
from transformer_lens.model_bridge import TransformerBridge

from pytest_circuits.testing import WORDS, draw_parameters, word_tokenizer

if TYPE_CHECKING:
    from torch import nn

LAYERS, HEADS, KEY_VALUE_HEADS, D_HEAD, WINDOW = 2, 4, 2, 8, 4

_SIZES: dict[str, Any] = {
    "vocab_size": 1 + len(WORDS),
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}
_USUAL = _SIZES | {
    "hidden_size": HEADS * D_HEAD,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "max_position_embeddings": 64,
    "tie_word_embeddings": False,
}
_GROUPED = _USUAL | {"num_key_value_heads": KEY_VALUE_HEADS}
_GPT = _SIZES | {
    "n_positions": 64,
    "n_embd": HEADS * D_HEAD,
    "n_layer": LAYERS,
    "n_head": HEADS,
}
_GEMMA = _GROUPED | {
    "head_dim": D_HEAD,
    "sliding_window": WINDOW,
    "query_pre_attn_scalar": 8,
}


@dataclass(frozen=True)
class Family:
    """A family of models, and the names of its models' modules.

    Attributes:
        model: the class of its models.
        config: the class of its configurations.
        options: the configuration's.
        block: a layer.
        norm: the final norm.
        output: within a layer, the output projection of what all heads have mixed.
        attention_norm: the norm behind the attention, where there is one.
        mlp: what gives what the MLP adds to the residual stream; empty without MLPs.
        queries, keys, values: what they come from.
        layout: how they lie there: one ``separate`` module each, ``stacked`` queries, keys and
            values, or ``interleaved`` by heads.
        parallel: whether attention and MLP read the same stream.
        offset: whether its norms store γ − 1.
    """

    model: str
    config: str
    options: dict[str, Any]
    block: str = "model.layers.{}"
    norm: str = "model.norm"
    output: str = "self_attn.o_proj"
    attention_norm: str = ""
    mlp: str = "mlp"
    queries: str = "self_attn.q_proj"
    keys: str = "self_attn.k_proj"
    values: str = "self_attn.v_proj"
    layout: str = "separate"
    parallel: bool = False
    offset: bool = False

    @property
    def key_value_heads(self) -> int:
        """How many heads keys and values have."""
        return int(self.options.get("num_key_value_heads", HEADS))

    def but(self, **options: object) -> Family:
        """The same with other options."""
        return replace(self, options=self.options | options)


def _fused(name: str) -> dict[str, str]:
    return dict.fromkeys(("queries", "keys", "values"), name)


def _native(**options: object) -> Family:
    parts = {part: f"attn.{part[0]}_proj" for part in ("queries", "keys", "values")}
    options = {"num_key_value_heads": KEY_VALUE_HEADS, **options}
    mlp = "mlp" if options["mlps"] else ""
    return Family("native", "", options, "layers.{}", "ln_out", "attn.o_proj", mlp=mlp, **parts)


_GEMMA_NAMES: dict[str, Any] = {
    "attention_norm": "post_attention_layernorm",
    "mlp": "post_feedforward_layernorm",
    "offset": True,
}

FAMILIES = {
    "gpt2": Family(
        "GPT2LMHeadModel",
        "GPT2Config",
        _GPT,
        "transformer.h.{}",
        "transformer.ln_f",
        "attn.c_proj",
        layout="stacked",
        **_fused("attn.c_attn"),
    ),
    "gpt-neo": Family(
        "GPTNeoForCausalLM",
        "GPTNeoConfig",
        _SIZES
        | {
            "max_position_embeddings": 64,
            "hidden_size": HEADS * D_HEAD,
            "num_layers": LAYERS,
            "num_heads": HEADS,
            "intermediate_size": 48,
            "attention_types": [[["global", "local"], 1]],
            "window_size": WINDOW,
        },
        "transformer.h.{}",
        "transformer.ln_f",
        "attn.attention.out_proj",
        queries="attn.attention.q_proj",
        keys="attn.attention.k_proj",
        values="attn.attention.v_proj",
    ),
    "gpt-j": Family(
        "GPTJForCausalLM",
        "GPTJConfig",
        _GPT | {"rotary_dim": 4, "tie_word_embeddings": False},
        "transformer.h.{}",
        "transformer.ln_f",
        "attn.out_proj",
        queries="attn.q_proj",
        keys="attn.k_proj",
        values="attn.v_proj",
        parallel=True,
    ),
    "neox": Family(
        "GPTNeoXForCausalLM",
        "GPTNeoXConfig",
        _USUAL,
        "gpt_neox.layers.{}",
        "gpt_neox.final_layer_norm",
        "attention.dense",
        layout="interleaved",
        parallel=True,
        **_fused("attention.query_key_value"),
    ),
    "opt": Family(
        "OPTForCausalLM",
        "OPTConfig",
        _USUAL | {"ffn_dim": 48, "word_embed_proj_dim": HEADS * D_HEAD, "pad_token_id": 1},
        "model.decoder.layers.{}",
        "model.decoder.final_layer_norm",
        "self_attn.out_proj",
        mlp="fc2",
    ),
    "llama": Family("LlamaForCausalLM", "LlamaConfig", _GROUPED),
    "mistral": Family("MistralForCausalLM", "MistralConfig", _GROUPED | {"sliding_window": WINDOW}),
    "mixtral": Family(
        "MixtralForCausalLM",
        "MixtralConfig",
        _GROUPED | {"num_local_experts": 2, "num_experts_per_tok": 1},
    ),
    "qwen2": Family("Qwen2ForCausalLM", "Qwen2Config", _GROUPED),
    "qwen3": Family("Qwen3ForCausalLM", "Qwen3Config", _GROUPED | {"head_dim": D_HEAD}),
    "gemma2": Family(
        "Gemma2ForCausalLM",
        "Gemma2Config",
        _GEMMA | {"final_logit_softcapping": 3.0, "attn_logit_softcapping": 5.0},
        **_GEMMA_NAMES,
    ),
    "gemma3": Family("Gemma3ForCausalLM", "Gemma3TextConfig", _GEMMA, **_GEMMA_NAMES),
    "phi": Family(
        "PhiForCausalLM",
        "PhiConfig",
        _USUAL,
        norm="model.final_layernorm",
        output="self_attn.dense",
        parallel=True,
    ),
    "phi3": Family(
        "Phi3ForCausalLM",
        "Phi3Config",
        _GROUPED,
        layout="stacked",
        **_fused("self_attn.qkv_proj"),
    ),
    "native": _native(mlps=True),
    "native, attention only": _native(mlps=False),
}

_PADDED = {"vocab_size": 64}

#: The other way of tying the unembedding to the embedding, and vocabularies with more rows than
#: the tokenizer has tokens.
VARIANTS = {
    "gpt2, untied, padded": FAMILIES["gpt2"].but(tie_word_embeddings=False, **_PADDED),
    "llama, tied, padded": FAMILIES["llama"].but(tie_word_embeddings=True, **_PADDED),
    "gemma2, tied": FAMILIES["gemma2"].but(tie_word_embeddings=True),
}


def random_model(family: Family, seed: int) -> nn.Module:
    """A plain model in which every parameter is drawn, so that none hides a mistake."""
    with torch.random.fork_rng(devices=[]):  # weights are initialised only to be replaced
        if family.model == "native":
            model = NativeTwin(**family.options)
        else:
            config = getattr(transformers, family.config)(
                architectures=[family.model], **family.options
            )
            model = getattr(transformers, family.model)(config)
    model.set_attn_implementation("eager")
    redraw(model, seed)
    return model.eval().requires_grad_(requires_grad=False)


def redraw(model: nn.Module, seed: int) -> None:
    """Draw every parameter again, such that attention is sharp."""
    draw_parameters(model, seed, variance=3.0)


def hooked(model: nn.Module) -> TransformerBridge:
    """A copy of the model, hooked by transformer-lens."""
    tokenizer = word_tokenizer()
    # Without this the bridge would look for the tokenizer's files, and there are none.
    tokenizer.init_kwargs["add_bos_token"] = True
    if isinstance(model, NativeTwin):
        return hooked_native(model, tokenizer)
    bridge = TransformerBridge.boot_transformers(
        "tiny", hf_model=copy.deepcopy(model), tokenizer=tokenizer, device="cpu"
    )
    bridge.eval()
    return bridge
