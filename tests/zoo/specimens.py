"""The architectures, each as a small family of models."""

from __future__ import annotations

from typing import Any

from zoo.family import D_HEAD, GPT, GROUPED, HEADS, SIZES, USUAL, WIDTH, WINDOW, Family, fused

_GEMMA = GROUPED | {"head_dim": D_HEAD, "sliding_window": WINDOW, "query_pre_attn_scalar": 8}
_POST: dict[str, Any] = {
    "attention_norm": "post_attention_layernorm",
    "mlp": "post_feedforward_layernorm",
}
_GEMMA_NAMES: dict[str, Any] = _POST | {"offset": True}
_WINDOWS = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]}
_OLMO: dict[str, Any] = _POST | {"queries": "self_attn.q_norm", "keys": "self_attn.k_norm"}
_MLA = USUAL | {
    "num_key_value_heads": HEADS,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 12,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
    "n_shared_experts": 1,
}

SPECIMENS: dict[str, Family] = {
    "llama": Family("LlamaForCausalLM", "LlamaConfig", GROUPED),
    "gpt2": Family(
        "GPT2LMHeadModel",
        "GPT2Config",
        GPT,
        "transformer.h.{}",
        "transformer.ln_f",
        "attn.c_proj",
        layout="stacked",
        **fused("attn.c_attn"),
    ),
    "gpt-neox": Family(
        "GPTNeoXForCausalLM",
        "GPTNeoXConfig",
        USUAL,
        "gpt_neox.layers.{}",
        "gpt_neox.final_layer_norm",
        "attention.dense",
        layout="interleaved",
        parallel=True,
        dtype="float64",
        **fused("attention.query_key_value"),
    ),
    "gemma2": Family(
        "Gemma2ForCausalLM",
        "Gemma2Config",
        _GEMMA | {"final_logit_softcapping": 3.0, "attn_logit_softcapping": 5.0},
        **_GEMMA_NAMES,
    ),
    "olmo2": Family("Olmo2ForCausalLM", "Olmo2Config", GROUPED, **_OLMO),
    "granite": Family(
        "GraniteForCausalLM",
        "GraniteConfig",
        GROUPED
        | {
            "residual_multiplier": 0.22,
            "embedding_multiplier": 3.0,
            "attention_multiplier": 0.1,
            "logits_scaling": 4.0,
        },
        scales={"attn": 0.22, "mlp": 0.22},
        logit_scale=0.25,
    ),
    "cohere": Family(
        "CohereForCausalLM",
        "CohereConfig",
        GROUPED | {"logit_scale": 0.25},
        parallel=True,
        logit_scale=0.25,
    ),
    "deepseek-v3": Family(
        "DeepseekV3ForCausalLM", "DeepseekV3Config", _MLA | {"q_lora_rank": 24}, assembled=True
    ),
    "qwen3-next": Family(
        "Qwen3NextForCausalLM",
        "Qwen3NextConfig",
        GROUPED
        | {
            "num_hidden_layers": 4,
            "head_dim": D_HEAD,
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "layer_types": ["linear_attention", "full_attention"] * 2,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "shared_expert_intermediate_size": 32,
        },
        queries="self_attn.q_norm",
        mixer="linear_attn",
    ),
    "mamba": Family(
        "MambaForCausalLM",
        "MambaConfig",
        SIZES | {"hidden_size": WIDTH, "num_hidden_layers": 2, "state_size": 8, "num_heads": HEADS},
        "backbone.layers.{}",
        "backbone.norm_f",
        output="",
        mlp="",
        mixer="mixer",
    ),
    "lfm2": Family(
        "Lfm2ForCausalLM",
        "Lfm2Config",
        GROUPED
        | {
            "num_hidden_layers": 3,
            "layer_types": ["conv", "full_attention", "conv"],
            "block_multiple_of": 8,
        },
        norm="model.embedding_norm",
        output="self_attn.out_proj",
        mlp="feed_forward",
        mixer="conv",
    ),
    "falcon-h1": Family(
        "FalconH1ForCausalLM",
        "FalconH1Config",
        GROUPED
        | {
            "head_dim": D_HEAD,
            "mamba_d_ssm": 64,
            "mamba_n_heads": 4,
            "mamba_d_head": 16,
            "mamba_n_groups": 1,
            "mamba_d_state": 8,
            "mamba_chunk_size": 8,
            "attention_out_multiplier": 0.7,
            "ssm_out_multiplier": 1.3,
            "lm_head_multiplier": 0.5,
        },
        norm="model.final_layernorm",
        mlp="feed_forward",
        mixer="mamba",
        scales={"attn": 0.7, "mixer": 1.3},
        logit_scale=0.5,
    ),
}
