"""Architectures of which every layer has attention and a dense MLP."""

from __future__ import annotations

from typing import Any

from zoo.family import D_HEAD, GPT, GROUPED, HEADS, SIZES, USUAL, WIDTH, WINDOW, Family, fused

#: A window in some layers.
WINDOWS: dict[str, Any] = {
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention"],
}
#: A norm after attention and MLP, whatever comes before them.
POST_NORMS: dict[str, Any] = {
    "attention_norm": "post_attention_layernorm",
    "mlp": "post_feedforward_layernorm",
}
#: A norm over all heads' queries, and keys, together.
WHOLE_NORMS: dict[str, Any] = {"queries": "self_attn.q_norm", "keys": "self_attn.k_norm"}
_HEAD_DIM = GROUPED | {"head_dim": D_HEAD}
_GEMMA = _HEAD_DIM | WINDOWS | {"query_pre_attn_scalar": 8}
_GEMMA4 = _HEAD_DIM | {
    "global_head_dim": D_HEAD,
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention"],
    "num_kv_shared_layers": 0,
    "hidden_size_per_layer_input": 0,
    "final_logit_softcapping": 3.0,
    "pad_token_id": 1,
}
#: What a model of images has besides: its text's part is what is measured.
_WITH_IMAGES = {
    "block": "model.language_model.layers.{}",
    "norm": "model.language_model.norm",
}
_VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
_CAPS = {"final_logit_softcapping": 3.0, "attn_logit_softcapping": 5.0}

_FALCON_NAMES: dict[str, Any] = {
    "block": "transformer.h.{}",
    "norm": "transformer.ln_f",
    "output": "self_attention.dense",
    **fused("self_attention.query_key_value"),
}
_GPT_NAMES: dict[str, Any] = {"block": "transformer.h.{}", "norm": "transformer.ln_f"}


def _projections(attention: str) -> dict[str, str]:
    """Queries, keys and values that come from a module each."""
    return {name: f"{attention}.{name[0]}_proj" for name in ("queries", "keys", "values")}


DECODERS: dict[str, Family] = {
    # GPT-2 and those that came before Llama.
    "gpt2": Family(
        "GPT2LMHeadModel",
        "GPT2Config",
        GPT,
        output="attn.c_proj",
        layout="stacked",
        **_GPT_NAMES,
        **fused("attn.c_attn"),
    ),
    "gpt-neo": Family(
        "GPTNeoForCausalLM",
        "GPTNeoConfig",
        SIZES
        | {
            "max_position_embeddings": 64,
            "hidden_size": WIDTH,
            "num_layers": 2,
            "num_heads": HEADS,
            "intermediate_size": 48,
            "attention_types": [[["global", "local"], 1]],
            "window_size": WINDOW,
        },
        output="attn.attention.out_proj",
        **_GPT_NAMES,
        **_projections("attn.attention"),
    ),
    "gpt-j": Family(
        "GPTJForCausalLM",
        "GPTJConfig",
        GPT | {"rotary_dim": 4, "tie_word_embeddings": False},
        output="attn.out_proj",
        parallel=True,
        **_GPT_NAMES,
        **_projections("attn"),
    ),
    "codegen": Family(
        "CodeGenForCausalLM",
        "CodeGenConfig",
        GPT | {"rotary_dim": 4, "tie_word_embeddings": False},
        output="attn.out_proj",
        layout="parts",
        parallel=True,
        **_GPT_NAMES,
        **fused("attn.qkv_proj"),
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
        **fused("attention.query_key_value"),
    ),
    "gpt-neox, one after the other, float64": Family(
        "GPTNeoXForCausalLM",
        "GPTNeoXConfig",
        USUAL | {"use_parallel_residual": False},
        "gpt_neox.layers.{}",
        "gpt_neox.final_layer_norm",
        "attention.dense",
        layout="interleaved",
        dtype="float64",
        **fused("attention.query_key_value"),
    ),
    "gpt-bigcode": Family(
        "GPTBigCodeForCausalLM",
        "GPTBigCodeConfig",
        GPT | {"multi_query": True},
        output="attn.c_proj",
        layout="stacked",
        **_GPT_NAMES,
        **fused("attn.c_attn"),
    ),
    "opt": Family(
        "OPTForCausalLM",
        "OPTConfig",
        USUAL | {"ffn_dim": 48, "word_embed_proj_dim": WIDTH, "pad_token_id": 1},
        "model.decoder.layers.{}",
        "model.decoder.final_layer_norm",
        "self_attn.out_proj",
        mlp="fc2",
    ),
    "xglm": Family(
        "XGLMForCausalLM",
        "XGLMConfig",
        SIZES
        | {
            "d_model": WIDTH,
            "ffn_dim": 48,
            "num_layers": 2,
            "attention_heads": HEADS,
            "num_heads": HEADS,
            "max_position_embeddings": 64,
            "pad_token_id": 1,
        },
        norm="model.layer_norm",
        output="self_attn.out_proj",
        mlp="fc2",
    ),
    "bloom": Family(
        "BloomForCausalLM",
        "BloomConfig",
        SIZES | {"hidden_size": WIDTH, "n_layer": 2, "n_head": HEADS},
        layout="interleaved",
        mlp="mlp.dense_4h_to_h",
        **_FALCON_NAMES,
    ),
    "mpt": Family(
        "MptForCausalLM",
        "MptConfig",
        SIZES
        | {
            "d_model": WIDTH,
            "n_layers": 2,
            "n_heads": HEADS,
            "expansion_ratio": 2,
            "max_seq_len": 64,
        },
        "transformer.blocks.{}",
        "transformer.norm_f",
        "attn.out_proj",
        layout="stacked",
        mlp="ffn.down_proj",
        **fused("attn.Wqkv"),
    ),
    "falcon, one key-value head": Family(
        "FalconForCausalLM",
        "FalconConfig",
        USUAL | {"multi_query": True, "parallel_attn": True, "alibi": False, "bias": False},
        layout="stacked",
        parallel=True,
        **_FALCON_NAMES,
    ),
    "falcon, alibi": Family(
        "FalconForCausalLM",
        "FalconConfig",
        USUAL | {"multi_query": False, "parallel_attn": False, "alibi": True, "bias": True},
        layout="interleaved",
        **_FALCON_NAMES,
    ),
    "falcon, new decoder": Family(
        "FalconForCausalLM",
        "FalconConfig",
        USUAL | {"new_decoder_architecture": True, "num_kv_heads": 2, "bias": True},
        layout="grouped",
        parallel=True,
        **_FALCON_NAMES,
    ),
    "openai-gpt": Family(
        "OpenAIGPTLMHeadModel",
        "OpenAIGPTConfig",
        GPT,
        "transformer.h.{}",
        "",
        "attn.c_proj",
        layout="stacked",
        after=True,
        direct=False,
        **fused("attn.c_attn"),
    ),
    "bert, decoding": Family(
        "BertLMHeadModel",
        "BertConfig",
        USUAL | {"is_decoder": True, "pad_token_id": 1, "type_vocab_size": 1},
        "bert.encoder.layer.{}",
        "",
        "attention.output.dense",
        mlp="output.dense",
        queries="attention.self.query",
        keys="attention.self.key",
        values="attention.self.value",
        end="cls",
        after=True,
        direct=False,
    ),
    "modernbert-decoder": Family(
        "ModernBertDecoderForCausalLM",
        "ModernBertDecoderConfig",
        USUAL
        | WINDOWS
        | {"local_attention": 2 * WINDOW, "pad_token_id": 1, "cls_token_id": 0, "sep_token_id": 0},
        norm="model.final_norm",
        output="attn.Wo",
        direct=False,
        **_projections("attn"),
    ),
    # Llama's shape.
    "llama": Family("LlamaForCausalLM", "LlamaConfig", GROUPED),
    "llama, tied": Family(
        "LlamaForCausalLM", "LlamaConfig", GROUPED | {"tie_word_embeddings": True}
    ),
    "llama 3": Family(
        "LlamaForCausalLM",
        "LlamaConfig",
        GROUPED
        | {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 10000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 16,
            }
        },
    ),
    "mistral": Family("MistralForCausalLM", "MistralConfig", GROUPED | {"sliding_window": WINDOW}),
    "ministral3": Family(
        "Ministral3ForCausalLM",
        "Ministral3Config",
        _HEAD_DIM
        | {
            "sliding_window": None,
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 10000.0,
                "factor": 4.0,
                "original_max_position_embeddings": 4,
                "llama_4_scaling_beta": 0.5,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
                "mscale": 1.0,
                "mscale_all_dim": 1.0,
            },
        },
    ),
    "qwen2": Family("Qwen2ForCausalLM", "Qwen2Config", GROUPED),
    "qwen3": Family("Qwen3ForCausalLM", "Qwen3Config", _HEAD_DIM),
    "smollm3": Family(
        "SmolLM3ForCausalLM",
        "SmolLM3Config",
        GROUPED
        | {"num_hidden_layers": 3, "no_rope_layers": [1, 0, 1], "no_rope_layer_interval": 2},
    ),
    "seed-oss": Family(
        "SeedOssForCausalLM",
        "SeedOssConfig",
        _HEAD_DIM | {"attention_bias": True, "attention_out_bias": True},
    ),
    "arcee": Family("ArceeForCausalLM", "ArceeConfig", GROUPED),
    "apertus": Family("ApertusForCausalLM", "ApertusConfig", GROUPED),
    "bitnet": Family("BitNetForCausalLM", "BitNetConfig", GROUPED),
    "ernie4.5": Family("Ernie4_5ForCausalLM", "Ernie4_5Config", _HEAD_DIM | {"use_bias": True}),
    "hunyuan": Family("HunYuanDenseV1ForCausalLM", "HunYuanDenseV1Config", _HEAD_DIM),
    "glm": Family("GlmForCausalLM", "GlmConfig", _HEAD_DIM),
    "glm4": Family(
        "Glm4ForCausalLM",
        "Glm4Config",
        _HEAD_DIM,
        attention_norm="post_self_attn_layernorm",
        mlp="post_mlp_layernorm",
    ),
    "nanochat": Family(
        "NanoChatForCausalLM",
        "NanoChatConfig",
        USUAL | {"num_key_value_heads": HEADS, "final_logit_softcapping": 3.0},
    ),
    "jais2": Family("Jais2ForCausalLM", "Jais2Config", _HEAD_DIM),
    "nemotron": Family("NemotronForCausalLM", "NemotronConfig", GROUPED),
    "starcoder2": Family(
        "Starcoder2ForCausalLM",
        "Starcoder2Config",
        GROUPED | {"sliding_window": WINDOW, "use_bias": True},
    ),
    "stablelm": Family(
        "StableLmForCausalLM",
        "StableLmConfig",
        GROUPED | {"use_qkv_bias": True, "partial_rotary_factor": 0.5},
    ),
    "stablelm, parallel": Family(
        "StableLmForCausalLM",
        "StableLmConfig",
        GROUPED
        | {"use_parallel_residual": True, "qk_layernorm": True, "partial_rotary_factor": 0.5},
        parallel=True,
    ),
    "phi": Family(
        "PhiForCausalLM",
        "PhiConfig",
        USUAL | {"partial_rotary_factor": 0.5, "qk_layernorm": False},
        norm="model.final_layernorm",
        output="self_attn.dense",
        parallel=True,
    ),
    "phi3": Family(
        "Phi3ForCausalLM",
        "Phi3Config",
        GROUPED,
        layout="stacked",
        **fused("self_attn.qkv_proj"),
    ),
    "phi3, long": Family(
        "Phi3ForCausalLM",
        "Phi3Config",
        GROUPED
        | {
            "original_max_position_embeddings": 4,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "short_factor": [1.0] * (D_HEAD // 2),
                "long_factor": [4.0] * (D_HEAD // 2),
                "partial_rotary_factor": 1.0,
                "original_max_position_embeddings": 4,
            },
        },
        layout="stacked",
        **fused("self_attn.qkv_proj"),
    ),
    "phi4, partly rotary": Family(
        "Phi3ForCausalLM",
        "Phi3Config",
        GROUPED | {"partial_rotary_factor": 0.5},
        layout="stacked",
        **fused("self_attn.qkv_proj"),
    ),
    # Multiplied logits, streams or embeddings.
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
        GROUPED | {"logit_scale": 0.25, "use_qk_norm": True},
        parallel=True,
        logit_scale=0.25,
    ),
    "cohere2": Family(
        "Cohere2ForCausalLM",
        "Cohere2Config",
        GROUPED | WINDOWS | {"logit_scale": 0.25},
        parallel=True,
        logit_scale=0.25,
        draw=1,  # patched queries move little in the first
    ),
    # Norms after attention and MLP, over heads together, or without a weight.
    "gemma": Family("GemmaForCausalLM", "GemmaConfig", _HEAD_DIM),
    "gemma2": Family("Gemma2ForCausalLM", "Gemma2Config", _GEMMA | _CAPS, **POST_NORMS),
    "gemma3": Family("Gemma3ForCausalLM", "Gemma3TextConfig", _GEMMA, **POST_NORMS),
    "vaultgemma": Family("VaultGemmaForCausalLM", "VaultGemmaConfig", _GEMMA | _CAPS),
    "gemma4": Family(
        "Gemma4ForCausalLM",
        "Gemma4TextConfig",
        _HEAD_DIM
        | {
            "num_hidden_layers": 4,
            "global_head_dim": 2 * D_HEAD,
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "num_kv_shared_layers": 2,
            "hidden_size_per_layer_input": 8,
            "vocab_size_per_layer_input": SIZES["vocab_size"],
            "final_logit_softcapping": 3.0,
        },
        gain="layer_scalar",
        direct=False,
        **POST_NORMS,
    ),
    "gemma4, no embeddings of layers": Family(
        "Gemma4ForCausalLM",
        "Gemma4TextConfig",
        _GEMMA4,
        gain="layer_scalar",
        **POST_NORMS,
    ),
    "gemma4, experts": Family(
        "Gemma4ForCausalLM",
        "Gemma4TextConfig",
        _GEMMA4
        | {
            "enable_moe_block": True,
            "num_experts": 4,
            "top_k_experts": 2,
            "moe_intermediate_size": 32,
        },
        gain="layer_scalar",
        **POST_NORMS,
    ),
    "gemma3, with images": Family(
        "Gemma3ForConditionalGeneration",
        "Gemma3Config",
        {"text_config": _GEMMA, "vision_config": _VISION, "mm_tokens_per_image": 4},
        **_WITH_IMAGES,
        **POST_NORMS,
    ),
    "gemma4, with images": Family(
        "Gemma4ForConditionalGeneration",
        "Gemma4Config",
        {"text_config": _GEMMA4, "vision_config": _VISION, "audio_config": None},
        gain="layer_scalar",
        **_WITH_IMAGES,
        **POST_NORMS,
    ),
    "gemma4, with images and sound": Family(
        "Gemma4UnifiedForConditionalGeneration",
        "Gemma4UnifiedConfig",
        {"text_config": _GEMMA4, "vision_config": None, "audio_config": None},
        gain="layer_scalar",
        **_WITH_IMAGES,
        **POST_NORMS,
    ),
    "olmo": Family("OlmoForCausalLM", "OlmoConfig", GROUPED),
    "olmo2": Family("Olmo2ForCausalLM", "Olmo2Config", GROUPED, **POST_NORMS, **WHOLE_NORMS),
    "olmo3": Family(
        "Olmo3ForCausalLM", "Olmo3Config", GROUPED | WINDOWS, **POST_NORMS, **WHOLE_NORMS
    ),
    "exaone4": Family(
        "Exaone4ForCausalLM",
        "Exaone4Config",
        GROUPED | WINDOWS | {"sliding_window_pattern": None},
        **POST_NORMS,
    ),
}
