"""Small random models of many families: plain Hugging Face ones, and the same with hooks."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from measures.families_native import NativeTwin, hooked_native
from transformer_lens.model_bridge import TransformerBridge
from zoo.family import (
    D_HEAD,
    HEADS,
    KEY_VALUE_HEADS,
    LAYERS,
    WINDOW,
    Family,
    random_model as random_hugging_face_model,
    redraw,
)
from zoo.specimens import SPECIMENS

from pytest_circuits.testing import word_tokenizer

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "D_HEAD", "FAMILIES", "HEADS", "KEY_VALUE_HEADS", "LAYERS", "VARIANTS", "WINDOW", "Family",
    "hooked", "random_model", "redraw",
]  # fmt: skip


def _native(**options: object) -> Family:
    parts = {part: f"attn.{part[0]}_proj" for part in ("queries", "keys", "values")}
    options = {"num_key_value_heads": KEY_VALUE_HEADS, **options}
    mlp = "mlp" if options["mlps"] else ""
    return Family("native", "", options, "layers.{}", "ln_out", "attn.o_proj", mlp=mlp, **parts)


#: Those that every test of a detail may rely on: of two layers, alike in all heads.
FAMILIES = {
    "gpt2": SPECIMENS["gpt2"],
    "gpt-neo": SPECIMENS["gpt-neo"],
    "gpt-j": SPECIMENS["gpt-j"],
    "neox": SPECIMENS["gpt-neox"],
    "opt": SPECIMENS["opt"],
    "llama": SPECIMENS["llama"],
    "mistral": SPECIMENS["mistral"],
    "mixtral": SPECIMENS["mixtral"],
    "qwen2": SPECIMENS["qwen2"],
    "qwen3": SPECIMENS["qwen3"],
    "gemma2": SPECIMENS["gemma2"],
    "gemma3": SPECIMENS["gemma3"],
    "phi": SPECIMENS["phi"],
    "phi3": SPECIMENS["phi3"],
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
    if family.model != "native":
        return random_hugging_face_model(family, seed)
    with torch.random.fork_rng(devices=[]):  # weights are initialised only to be replaced
        model = NativeTwin(**family.options)
    redraw(model, seed)
    return model.eval().requires_grad_(requires_grad=False)


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
