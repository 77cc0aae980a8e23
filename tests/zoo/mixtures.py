"""Architectures with mixtures of experts, or with compressed keys and values (MLA)."""

from __future__ import annotations

from typing import Any

from zoo.decoders import POST_NORMS, WHOLE_NORMS, WINDOWS
from zoo.family import D_HEAD, GROUPED, HEADS, USUAL, WINDOW, Family

_HEAD_DIM = GROUPED | {"head_dim": D_HEAD}
#: How many experts there are, as different configurations call it.
_EXPERTS: dict[str, Any] = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
}
_LOCAL_EXPERTS: dict[str, Any] = {"num_local_experts": 4, "num_experts_per_tok": 2}
_ROUTED_EXPERTS: dict[str, Any] = {
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
}
#: Widths of a head's query without position, its part with position, and its value.
_MLA = (
    USUAL
    | _ROUTED_EXPERTS
    | {
        "num_key_value_heads": HEADS,
        "q_lora_rank": 24,
        "kv_lora_rank": 16,
        "qk_nope_head_dim": 16,
        "qk_rope_head_dim": 8,
        "v_head_dim": 12,
    }
)
_V2 = {"q_lora_rank": None, "topk_method": "greedy"}
_SAME_WIDTH = {"v_head_dim": 16}

MIXTURES: dict[str, Family] = {
    "mixtral": Family(
        "MixtralForCausalLM",
        "MixtralConfig",
        GROUPED | _LOCAL_EXPERTS | {"sliding_window": WINDOW},
    ),
    "phi3.5-moe": Family(
        "PhimoeForCausalLM",
        "PhimoeConfig",
        GROUPED | {"num_local_experts": 4, "num_experts_per_tok": 2, "lm_head_bias": True},
    ),
    "qwen2-moe": Family(
        "Qwen2MoeForCausalLM",
        "Qwen2MoeConfig",
        GROUPED | _EXPERTS | {"shared_expert_intermediate_size": 32},
    ),
    "qwen3-moe": Family(
        "Qwen3MoeForCausalLM", "Qwen3MoeConfig", _HEAD_DIM | _EXPERTS | {"decoder_sparse_step": 2}
    ),
    "olmoe": Family("OlmoeForCausalLM", "OlmoeConfig", GROUPED | _EXPERTS, **WHOLE_NORMS),
    "flex-olmo": Family(
        "FlexOlmoForCausalLM",
        "FlexOlmoConfig",
        GROUPED | _EXPERTS | {"pad_token_id": 1},
        **POST_NORMS,
        **WHOLE_NORMS,
    ),
    "gpt-oss": Family(
        "GptOssForCausalLM",
        "GptOssConfig",
        _HEAD_DIM
        | _LOCAL_EXPERTS
        | WINDOWS
        | {
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 10000.0,
                "factor": 4.0,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
                "original_max_position_embeddings": 16,
                "truncate": False,
            }
        },
    ),
    "granite-moe": Family(
        "GraniteMoeForCausalLM",
        "GraniteMoeConfig",
        GROUPED
        | _LOCAL_EXPERTS
        | {
            "residual_multiplier": 0.22,
            "embedding_multiplier": 3.0,
            "attention_multiplier": 0.1,
            "logits_scaling": 4.0,
        },
        mlp="block_sparse_moe",
        scales={"attn": 0.22, "mlp": 0.22},
        logit_scale=0.25,
    ),
    "ernie4.5-moe": Family(
        "Ernie4_5_MoeForCausalLM",
        "Ernie4_5_MoeConfig",
        GROUPED
        | {
            "moe_num_experts": 4,
            "moe_k": 2,
            "moe_intermediate_size": 32,
            "moe_num_shared_experts": 1,
            "moe_layer_start_index": 1,
        },
    ),
    "llama4": Family(
        "Llama4ForCausalLM",
        "Llama4TextConfig",
        _HEAD_DIM
        | {
            "num_hidden_layers": 3,
            "intermediate_size_mlp": 48,
            "num_local_experts": 2,
            "num_experts_per_tok": 1,
            "attention_chunk_size": WINDOW,
            "no_rope_layers": [1, 0, 1],
            "moe_layers": [1],
            "attn_temperature_tuning": True,
            "floor_scale": 4,
            "attn_scale": 0.5,
            "use_qk_norm": True,
        },
        mlp="feed_forward",
    ),
    "glm4-moe": Family(
        "Glm4MoeForCausalLM",
        "Glm4MoeConfig",
        _HEAD_DIM | _ROUTED_EXPERTS | {"use_qk_norm": True},
    ),
    "minimax-m2": Family(
        "MiniMaxM2ForCausalLM",
        "MiniMaxM2Config",
        _HEAD_DIM | _LOCAL_EXPERTS,
        **WHOLE_NORMS,
    ),
    "afmoe": Family(
        "AfmoeForCausalLM",
        "AfmoeConfig",
        _HEAD_DIM | _EXPERTS | WINDOWS | {"num_dense_layers": 1, "num_shared_experts": 1},
        attention_norm="post_attention_layernorm",
        mlp="post_mlp_layernorm",
    ),
    "laguna": Family(
        "LagunaForCausalLM",
        "LagunaConfig",
        _HEAD_DIM | _EXPERTS | WINDOWS | {"shared_expert_intermediate_size": 32},
    ),
    "laguna, fewer heads in some layers": Family(
        "LagunaForCausalLM",
        "LagunaConfig",
        _HEAD_DIM
        | _EXPERTS
        | WINDOWS
        | {
            "shared_expert_intermediate_size": 32,
            "num_attention_heads_per_layer": [HEADS, 2],
        },
        heads_by_layer=(HEADS, 2),
    ),
    "jetmoe": Family(
        "JetMoeForCausalLM",
        "JetMoeConfig",
        USUAL
        | _LOCAL_EXPERTS
        | {"num_key_value_heads": 2, "kv_channels": D_HEAD, "num_attention_heads": HEADS},
        output="",
        attention="self_attention",
        queries="",
        keys="",
        values="self_attention.kv_proj",
        unlooped=("head_out", "head_q", "head_k", "head_v"),
    ),
    # Keys and values from one compressed vector.
    "deepseek-v2": Family("DeepseekV2ForCausalLM", "DeepseekV2Config", _MLA | _V2, assembled=True),
    "deepseek-v2, values as wide as queries": Family(
        "DeepseekV2ForCausalLM", "DeepseekV2Config", _MLA | _V2 | _SAME_WIDTH, assembled=True
    ),
    "deepseek-v3": Family("DeepseekV3ForCausalLM", "DeepseekV3Config", _MLA, assembled=True),
    "deepseek-v3, values as wide as queries": Family(
        "DeepseekV3ForCausalLM", "DeepseekV3Config", _MLA | _SAME_WIDTH, assembled=True
    ),
    "deepseek-v4": Family(
        "DeepseekV4ForCausalLM",
        "DeepseekV4Config",
        USUAL
        | {
            "num_key_value_heads": 1,
            "head_dim": 16,
            "q_lora_rank": 16,
            "moe_intermediate_size": 32,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "num_local_experts": 4,
            "o_groups": 2,
            "o_lora_rank": 8,
            "sliding_window": 8,
            "index_n_heads": 2,
            "index_head_dim": 8,
            "index_topk": 4,
        },
        output="",
        attention="self_attn",
        queries="",
        keys="",
        values="self_attn.kv_proj",
        end="model.hc_head",
        mlp="",
        unlooped=("attn_out", "mlp_out", "head_out", "head_q", "head_k", "head_v", "head_pattern"),
        joins=False,
        direct=False,
    ),
    "youtu": Family("YoutuForCausalLM", "YoutuConfig", _MLA, assembled=True),
    "glm4-moe-lite": Family("Glm4MoeLiteForCausalLM", "Glm4MoeLiteConfig", _MLA, assembled=True),
    "glm-moe-dsa": Family(
        "GlmMoeDsaForCausalLM",
        "GlmMoeDsaConfig",
        _MLA | {"index_topk": 16, "index_head_dim": 8, "index_n_heads": 2},
        assembled=True,
    ),
}
