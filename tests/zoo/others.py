"""Classes of models that transformer-lens has no adapter for, and those that are not built."""

from __future__ import annotations

from typing import Any

import torch
import transformers

from pytest_circuits.testing import WORDS

#: Small sizes, as configurations call them; a configuration is given those that it knows.
_SMALL: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "embedding_size", "lru_width"), 32),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "d_ff", "d_inner", "feed_forward_size"), 48),
    **dict.fromkeys(("decoder_ffn_dim", "encoder_ffn_dim"), 48),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 2),
    **dict.fromkeys(("decoder_layers", "encoder_layers", "num_blocks"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("decoder_attention_heads", "encoder_attention_heads"), 4),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 64),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 32),
    **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), 0),
    **dict.fromkeys(("n_group", "topk_group", "n_shared_experts"), 1),
    **dict.fromkeys(("head_dim", "qk_rope_head_dim", "state_size", "mamba_d_state"), 8),
    "vocab_size": 1 + len(WORDS),
    "num_key_value_heads": 2,
    "num_experts_per_tok": 2,
    "kv_lora_rank": 16,
    "q_lora_rank": 24,
    "qk_nope_head_dim": 16,
    "v_head_dim": 12,
    "conv_kernel": 4,
    "time_step_rank": 4,
    "is_decoder": True,
}
_PROPHETNET = {
    "num_hidden_layers": None,
    **dict.fromkeys(("num_encoder_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("num_encoder_attention_heads", "num_decoder_attention_heads"), 4),
}
_ROCBERT = {
    **dict.fromkeys(("pronunciation_vocab_size", "shape_vocab_size"), 40),
    **dict.fromkeys(("pronunciation_embed_dim", "shape_embed_dim"), 8),
}

_WITHOUT_ADAPTER = (
    "AXK1ForCausalLM",
    "AXK2ForCausalLM",
    "AriaTextForCausalLM",
    "BailingHybridForCausalLM",
    "BartForCausalLM",
    "BeamForCausalLM",
    "BertGenerationDecoder",
    "BigBirdForCausalLM",
    "BigBirdPegasusForCausalLM",
    "BioGptForCausalLM",
    "BlenderbotForCausalLM",
    "BlenderbotSmallForCausalLM",
    "CTRLLMHeadModel",
    "CamembertForCausalLM",
    "Cohere2MoeForCausalLM",
    "CpmAntForCausalLM",
    "CwmForCausalLM",
    "Data2VecTextForCausalLM",
    "DeepseekV32ForCausalLM",
    "DiffLlamaForCausalLM",
    "DogeForCausalLM",
    "Dots1ForCausalLM",
    "ElectraForCausalLM",
    "ErnieForCausalLM",
    "ExaoneMoeForCausalLM",
    "FlintForCausalLM",
    "GPTNeoXJapaneseForCausalLM",
    "Gemma4UnifiedForCausalLM",
    "GraniteMoeSWAForCausalLM",
    "GraniteMoeSharedForCausalLM",
    "GraniteSWAForCausalLM",
    "HYV3ForCausalLM",
    "HYV4ForCausalLM",
    "HeliumForCausalLM",
    "HunYuanMoEV1ForCausalLM",
    "HyperCLOVAXForCausalLM",
    "Inkling2ForCausalLM",
    "InklingForCausalLM",
    "KimiLinearForCausalLM",
    "Kolibri1ForCausalLM",
    "Lfm3ForCausalLM",
    "LongcatFlashForCausalLM",
    "MBartForCausalLM",
    "MarianForCausalLM",
    "MegatronBertForCausalLM",
    "MellumForCausalLM",
    "MiMoV2FlashForCausalLM",
    "MiniCPM3ForCausalLM",
    "MiniMaxForCausalLM",
    "MiniMaxM3VLForCausalLM",
    "MinistralForCausalLM",
    "MoshiForCausalLM",
    "MvpForCausalLM",
    "PLBartForCausalLM",
    "PegasusForCausalLM",
    "PersimmonForCausalLM",
    "Qwen4ExpForCausalLM",
    "RemBertForCausalLM",
    "RoFormerForCausalLM",
    "RobertaForCausalLM",
    "RobertaPreLayerNormForCausalLM",
    "SolarOpenForCausalLM",
    "TrOCRForCausalLM",
    "WhisperForCausalLM",
    "XLMRobertaForCausalLM",
    "XLMRobertaXLForCausalLM",
    "XLMWithLMHeadModel",
    "XmodForCausalLM",
)
#: Classes without an adapter, with what their configurations need besides (None: not that).
WITHOUT_ADAPTER: dict[str, dict[str, Any]] = {
    **{name: {} for name in _WITHOUT_ADAPTER},
    "Dots3NoteForCausalLM": {"num_key_value_heads": 4},
    "Gemma3nForCausalLM": {
        "num_kv_shared_layers": 0,
        "layer_types": ["sliding_attention", "full_attention"],
        "activation_sparsity_pattern": [0.0, 0.0],
        "intermediate_size": [48, 48],
        "vocab_size_per_layer_input": 1 + len(WORDS),
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 8,
        "altup_num_inputs": 2,
    },
    "ProphetNetForCausalLM": _PROPHETNET,
    "ReformerModelWithLMHead": {
        "axial_pos_embds_dim": (16, 16),
        "axial_pos_shape": (8, 8),
        "attention_head_size": 8,
    },
    "RoCBertForCausalLM": _ROCBERT,
    "XLNetLMHeadModel": {"max_position_embeddings": None, "n_positions": None},
    "ZayaForCausalLM": {"num_experts_per_tok": 1},
    "xLSTMForCausalLM": {"v_head_dim": None},
}

_PART = "its text model has a configuration that no checkpoint is loaded by"
_DRAFTS = "it drafts tokens for another model, whose states it reads"

#: Classes of which no small model is built here, and why.
UNBUILT: dict[str, str] = {
    "BltForCausalLM": "its default configuration holds four models of billions of parameters",
    "CohereCompassForCausalLM": "its rotary positions want a configuration of their own",
    "DbrxForCausalLM": "transformers reads rope_theta off a configuration that has none",
    "Emu3ForCausalLM": _PART,
    "FuyuForCausalLM": "a model of images and text, nine billion parameters by default",
    "Gemma3nForConditionalGeneration": "a model of images, sound and text, which needs timm",
    "Gemma4AssistantForCausalLM": _DRAFTS,
    "Gemma4UnifiedAssistantForCausalLM": _DRAFTS,
    "GitForCausalLM": "a model of images and text",
    "GotOcr2ForConditionalGeneration": "a model of images and text",
    "MllamaForCausalLM": _PART,
    "MossTranscribeDiarizeForConditionalGeneration": "a model of sound and text",
    "MusicgenForCausalLM": _PART,
    "MusicgenMelodyForCausalLM": _PART,
    "Phi4MultimodalForCausalLM": "a model of images, sound and text",
    "ZambaForCausalLM": "its shared layers tie weights by patterns that few layers don't match",
}


def small_model(name: str) -> torch.nn.Module:
    """A small model of a class without an adapter."""
    model_class = getattr(transformers, name)
    config_class = model_class.config_class
    default = config_class()
    known = {*default.to_dict(), *dir(default), *getattr(config_class, "attribute_map", {})}
    options = {key: value for key, value in _SMALL.items() if key in known}
    options |= WITHOUT_ADAPTER[name]
    config = config_class(**{key: value for key, value in options.items() if value is not None})
    config.architectures = [name]
    with torch.random.fork_rng(devices=[]):
        model: torch.nn.Module = model_class(config)
    return model
