"""Saving native transformer-lens models, which have no ``save_pretrained`` of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.sources.native import ARCHITECTURE, WRAPPED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

#: Fields of a config that say where and how a model was made, not what it is.
_OF_THE_RUN = frozenset(
    {
        "architecture", "device", "init_mode", "init_weights", "initializer_range", "model_name",
        "n_params", "seed", "split_attention_weights", "tokenizer_appends_eos",
        "tokenizer_prepends_bos",
    }
)  # fmt: skip


def save_native(bridge: TransformerBridge, folder: str | Path) -> Path:
    """Save a native transformer-lens model as a checkpoint that can be named as a source.

    The folder gets config.json, model.safetensors and the tokenizer's files; what it had by these
    names is replaced. The same model gives the same bytes.

    Args:
        bridge: what ``TransformerBridge.boot_native(config, tokenizer=...)`` made, trained or not.
        folder: where to; made if need be.

    Returns:
        the folder.

    Raises:
        ValueError: if the model isn't a native one, has no tokenizer, or is in compatibility mode,
            where its weights aren't those that were trained.
    """
    if bridge.cfg.architecture != ARCHITECTURE:
        raise ValueError(
            f"save_native saves native transformer-lens models, and this is a "
            f"{type(bridge.original_model).__name__}: use its own save_pretrained(folder)"
        )
    if bridge.tokenizer is None:
        raise ValueError("the model has no tokenizer: give one to boot_native(..., tokenizer=...)")
    if bridge.compatibility_mode:
        raise ValueError(
            "its weights were folded: save the model before enable_compatibility_mode()"
        )
    weights = {
        name.replace(WRAPPED, ""): parameter.detach()
        for name, parameter in bridge.original_model.named_parameters()
    }
    return write_native(folder, weights, _fields(bridge.cfg), bridge.tokenizer)


def write_native(
    folder: str | Path,
    weights: Mapping[str, Tensor],
    config: Mapping[str, Any],
    tokenizer: Any,  # noqa: ANN401 — any Hugging Face tokenizer
) -> Path:
    """Write the files of a native model's checkpoint.

    Args:
        folder: where to; made if need be.
        weights: by the native model's names of its parameters.
        config: arguments of ``TransformerBridgeConfig``, as JSON has them.
        tokenizer: the model's tokenizer.

    Returns:
        the folder.
    """
    from safetensors.torch import save

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kind = {"architectures": [ARCHITECTURE], "model_type": "transformer_lens_native"}
    text = json.dumps({**kind, **config}, indent=2, sort_keys=True)
    (folder / "config.json").write_text(f"{text}\n", encoding="utf-8")
    # Not save_file(), which makes a file that only its owner can read.
    tensors = {name: tensor.contiguous() for name, tensor in weights.items()}
    (folder / "model.safetensors").write_bytes(save(tensors, metadata={"format": "pt"}))
    tokenizer.save_pretrained(folder)
    return folder


def _fields(config: TransformerBridgeConfig) -> dict[str, Any]:
    """What a config says of the model.

    What is switched off stays unsaid where that is what a config says of itself; all else is
    spelled out, so that another default can't change the model.
    """
    values = config.to_dict()
    silent = type(config)(d_model=1, d_head=1, n_layers=1, n_ctx=1).to_dict()
    return {
        name: str(value).removeprefix("torch.") if name == "dtype" else value
        for name, value in values.items()
        if name not in _OF_THE_RUN and not (value in (None, False) and value is silent[name])
    }
