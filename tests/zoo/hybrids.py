"""Architectures that mix tokens by other means than attention, in some layers or in all."""

from __future__ import annotations

from typing import Any

from zoo.decoders import WHOLE_NORMS
from zoo.family import D_HEAD, GROUPED, HEAD_SITES, HEADS, LAYER_SITES, SIZES, USUAL, WIDTH, Family

_HEAD_DIM = GROUPED | {"head_dim": D_HEAD}
_EVERY_OTHER = {"num_hidden_layers": 4, "layer_types": ["linear_attention", "full_attention"] * 2}
_DELTA: dict[str, Any] = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
_EXPERTS: dict[str, Any] = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
}
#: Query and gate come from one projection: the query is taken after its own norm.
_GATED: dict[str, Any] = {"queries": "self_attn.q_norm", "mixer": "linear_attn"}
_MAMBA2: dict[str, Any] = {
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_n_groups": 1,
    "mamba_d_state": 8,
    "mamba_chunk_size": 8,
}
_GRANITE = (
    GROUPED
    | _MAMBA2
    | {
        "num_hidden_layers": 3,
        "layer_types": ["linear_attention", "full_attention", "linear_attention"],
        "num_local_experts": 0,
        "shared_intermediate_size": 48,
        "residual_multiplier": 0.22,
        "embedding_multiplier": 3.0,
        "attention_multiplier": 0.1,
        "logits_scaling": 4.0,
    }
)
_STATE = SIZES | {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "state_size": 8,
    "pad_token_id": 1,
}
_NO_ATTENTION: dict[str, Any] = {"output": "", "mlp": ""}

HYBRIDS: dict[str, Family] = {
    # No attention at all.
    "mamba": Family(
        "MambaForCausalLM",
        "MambaConfig",
        _STATE,
        "backbone.layers.{}",
        "backbone.norm_f",
        mixer="mixer",
        **_NO_ATTENTION,
    ),
    "mamba2": Family(
        "Mamba2ForCausalLM",
        "Mamba2Config",
        _STATE | {"num_heads": 4, "head_dim": 16, "n_groups": 1, "chunk_size": 8},
        "backbone.layers.{}",
        "backbone.norm_f",
        mixer="mixer",
        **_NO_ATTENTION,
    ),
    "falcon-mamba": Family(
        "FalconMambaForCausalLM",
        "FalconMambaConfig",
        _STATE,
        "backbone.layers.{}",
        "backbone.norm_f",
        mixer="mixer",
        **_NO_ATTENTION,
    ),
    "rwkv": Family(
        "RwkvForCausalLM",
        "RwkvConfig",
        SIZES
        | {
            "hidden_size": WIDTH,
            "num_hidden_layers": 2,
            "attention_hidden_size": WIDTH,
            "intermediate_size": 48,
            "context_length": 64,
        },
        "rwkv.blocks.{}",
        "rwkv.ln_out",
        output="",
        mlp="feed_forward",
        mixer="attention",
        first_norm="pre_ln",
    ),
    # Attention in some layers.
    "qwen3-next": Family(
        "Qwen3NextForCausalLM",
        "Qwen3NextConfig",
        _HEAD_DIM | _EVERY_OTHER | _DELTA | _EXPERTS,
        **_GATED,
    ),
    "qwen3.5": Family(
        "Qwen3_5ForCausalLM", "Qwen3_5TextConfig", _HEAD_DIM | _EVERY_OTHER | _DELTA, **_GATED
    ),
    "qwen3.5-moe": Family(
        "Qwen3_5MoeForCausalLM",
        "Qwen3_5MoeTextConfig",
        _HEAD_DIM | _EVERY_OTHER | _DELTA | _EXPERTS,
        **_GATED,
    ),
    "olmo-hybrid": Family(
        "OlmoHybridForCausalLM",
        "OlmoHybridConfig",
        GROUPED | _EVERY_OTHER | _DELTA | {"pad_token_id": 1, "linear_num_key_heads": 4},
        attention_norm="post_attention_layernorm",
        mlp="post_feedforward_layernorm|mlp",
        mixer="linear_attn",
        **WHOLE_NORMS,
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
    "lfm2-moe": Family(
        "Lfm2MoeForCausalLM",
        "Lfm2MoeConfig",
        GROUPED
        | {
            "num_hidden_layers": 3,
            "layer_types": ["conv", "full_attention", "conv"],
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "num_dense_layers": 1,
        },
        norm="model.embedding_norm",
        output="self_attn.out_proj",
        mlp="feed_forward",
        mixer="conv",
    ),
    "jamba": Family(
        "JambaForCausalLM",
        "JambaConfig",
        GROUPED
        | {
            "num_hidden_layers": 4,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "mamba_d_state": 8,
            "mamba_dt_rank": 4,
            "use_mamba_kernels": False,
            "pad_token_id": 1,
        },
        norm="model.final_layernorm",
        mlp="feed_forward",
        mixer="mamba",
    ),
    "bamba": Family(
        "BambaForCausalLM",
        "BambaConfig",
        GROUPED | _MAMBA2 | {"num_hidden_layers": 3, "attn_layer_indices": [1]},
        norm="model.final_layernorm",
        mlp="feed_forward",
        mixer="mamba",
    ),
    "granite-moe-hybrid": Family(
        "GraniteMoeHybridForCausalLM",
        "GraniteMoeHybridConfig",
        _GRANITE,
        mlp="shared_mlp",
        mixer="mamba",
        scales={"attn": 0.22, "mlp": 0.22, "mixer": 0.22},
        logit_scale=0.25,
    ),
    "granite-moe-hybrid, experts": Family(
        "GraniteMoeHybridForCausalLM",
        "GraniteMoeHybridConfig",
        _GRANITE | {"num_local_experts": 4, "num_experts_per_tok": 2},
        mlp="shared_mlp",
        mlp_beside="block_sparse_moe",
        mixer="mamba",
        scales={"attn": 0.22, "mlp": 0.22, "mixer": 0.22},
        logit_scale=0.25,
    ),
    "nemotron-h": Family(
        "NemotronHForCausalLM",
        "NemotronHConfig",
        GROUPED
        | {
            "num_hidden_layers": 4,
            "layers_block_type": ["linear_attention", "mlp", "full_attention", "mlp"],
            "head_dim": D_HEAD,
            "mamba_num_heads": 4,
            "mamba_head_dim": 16,
            "ssm_state_size": 8,
            "n_groups": 1,
            "chunk_size": 8,
        },
        norm="model.norm_f",
        output="mixer.o_proj",
        mlp="mixer.down_proj",
        mixer="mixer.out_proj",
        all_mixers=True,
        queries="mixer.q_proj",
        keys="mixer.k_proj",
        values="mixer.v_proj",
    ),
    "recurrent-gemma": Family(
        "RecurrentGemmaForCausalLM",
        "RecurrentGemmaConfig",
        USUAL
        | {
            "num_key_value_heads": 1,
            "num_hidden_layers": 3,
            "block_types": ["recurrent", "attention"],
            "lru_width": WIDTH,
            "attention_window_size": 8,
            "head_dim": D_HEAD,
        },
        norm="model.final_norm",
        output="temporal_block.o_proj",
        mlp="mlp_block",
        mixer="temporal_block.linear_out",
        queries="temporal_block.q_proj",
        keys="temporal_block.k_proj",
        values="temporal_block.v_proj",
    ),
    # Attention and a state-space model in one layer.
    "falcon-h1": Family(
        "FalconH1ForCausalLM",
        "FalconH1Config",
        _HEAD_DIM
        | _MAMBA2
        | {
            "mamba_d_ssm": 64,
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
    "zamba2": Family(
        "Zamba2ForCausalLM",
        "Zamba2Config",
        USUAL
        | {
            "num_key_value_heads": HEADS,
            "num_hidden_layers": 4,
            "layers_block_type": ["linear_attention", "hybrid"] * 2,
            "num_mem_blocks": 2,
            "mamba_d_state": 8,
            "mamba_headdim": 16,
            "n_mamba_heads": 4,
            "mamba_ngroups": 1,
            "chunk_size": 8,
            "adapter_rank": 4,
            "use_mem_rope": True,
        },
        norm="model.final_layernorm",
        output="shared_transformer.self_attn.o_proj",
        mlp="",
        mixer="mamba|mamba_decoder.mamba",
        queries="shared_transformer.self_attn.q_proj",
        keys="shared_transformer.self_attn.k_proj",
        values="shared_transformer.self_attn.v_proj",
        joins=False,
        direct=False,
    ),
    "hrm-text": Family(
        "HrmTextForCausalLM",
        "HrmTextConfig",
        USUAL | {"head_dim": D_HEAD, "H_cycles": 1, "L_cycles": 1, "num_hidden_layers": 2},
        "model.H_module.layers.{}",
        "model.H_module.final_norm",
        output="",
        mlp="",
        direct=False,
        unlooped=(*LAYER_SITES, *HEAD_SITES),
    ),
}
