"""Small multimodal checkpoints with random weights, as transformers saves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import CONFIG_MAPPING, MODEL_FOR_MULTIMODAL_LM_MAPPING, PreTrainedConfig

from pytest_circuits.testing import WORDS, draw_parameters, word_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

_TEXT: dict[str, Any] = {
    "vocab_size": 1 + len(WORDS),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}
#: Of whatever reads images or sound, by the names that the kinds of them have.
_TOWER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
    "depth": 1,
    "num_heads": 2,
    "embed_dim": 32,
    "out_hidden_size": 32,
    "d_model": 32,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
}
_THREE_PARTS = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
#: What else the text model of a type needs to be small.
_OF_ITS_OWN: dict[str, dict[str, Any]] = {
    "qwen2_vl": {"rope_parameters": _THREE_PARTS},
    "qwen2_5_vl": {"rope_parameters": _THREE_PARTS},
    "qwen3_vl": {"rope_parameters": _THREE_PARTS | {"mrope_interleaved": True}},
    "qwen3_vl_moe": {
        "rope_parameters": _THREE_PARTS | {"mrope_interleaved": True},
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
    },
    "qwen3_5": {
        "layer_types": ["linear_attention", "full_attention"],
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [1, 1, 0],
            "mrope_interleaved": True,
            "partial_rotary_factor": 0.5,
        },
    },
    "gemma4": {
        "pad_token_id": 0,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": _TEXT["vocab_size"],
        "num_kv_shared_layers": 0,
        "layer_types": ["sliding_attention", "full_attention"],
        "global_head_dim": 8,
    },
    "llama4": {"num_local_experts": 2, "intermediate_size_mlp": 48},
}


def small_multimodal(model_type: str, seed: int = 0) -> Any:
    """A multimodal model of a type, every parameter of it drawn."""
    plain = CONFIG_MAPPING[model_type]()
    parts = {name: getattr(plain, name, None) for name in plain.sub_configs}
    if parts.get("vision_config", plain) is None:  # Gemma 4 may be without
        parts["vision_config"] = plain.sub_configs["vision_config"]()
    config = CONFIG_MAPPING[model_type](
        **{
            name: _small(part, _TEXT | _OF_ITS_OWN.get(model_type, {}))
            if name == "text_config"
            else _small(part, _TOWER)
            for name, part in parts.items()
            if isinstance(part, PreTrainedConfig)
        }
    )
    with torch.random.fork_rng(devices=[]):
        model = MODEL_FOR_MULTIMODAL_LM_MAPPING[type(config)](config)
    draw_parameters(model, seed)
    return model.eval()


def _small(config: PreTrainedConfig, wanted: dict[str, Any]) -> dict[str, Any]:
    known = config.to_dict()
    return {"model_type": config.model_type} | {
        name: value for name, value in wanted.items() if name in known
    }


def save_multimodal(folder: Path, model_type: str) -> Any:
    """Save a small multimodal model and a tokenizer; returns the model."""
    model = small_multimodal(model_type)
    model.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return model
