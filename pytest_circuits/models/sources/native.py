"""Folders of native transformer-lens models: their config as JSON, their weights as safetensors.

Such models have no ``save_pretrained`` of their own, so that they are written here too.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.claims import check_claims, no_larger_than
from pytest_circuits.models.devices import refuse_spread, resolve_dtype
from pytest_circuits.models.errors import ModelError, first_lines
from pytest_circuits.models.sources.folders import (
    NATIVE,
    FolderCheckpoint,
    check_fit,
    read_config,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

#: What the bridge, which wraps modules in place, adds to the names of their tensors.
_WRAPPED = "_original_component."
#: Fields of a config that say where and how a model was made, not what it is.
_OF_THE_RUN = frozenset(
    {
        "architecture", "device", "init_mode", "init_weights", "initializer_range", "model_name",
        "n_params", "seed", "split_attention_weights", "tokenizer_appends_eos",
        "tokenizer_prepends_bos",
    }
)  # fmt: skip
_TOKENIZER = "tokenizer.json"


class NativeCheckpoint(FolderCheckpoint):
    """A folder of a native transformer-lens model.

    Its config.json holds arguments of ``TransformerBridgeConfig``. Its tensors go by any names that
    the model has for them: the native model's (``layers.0.attn.q.weight``), wrapped or not, or the
    bridge's (``blocks.0.attn.q.weight``); all of them after the same prefix if need be.
    """

    def load(self, device: str, dtype: str) -> TransformerBridge:
        """The model, which is hooked from the start."""
        import torch
        from safetensors.torch import load_file

        refuse_spread(self.source, device)
        try:
            there = self.stored()
        except Exception as error:
            raise self._unreadable(error) from error
        fields = read_config(self.source, self.folder)
        check_claims(self.source, fields, there)
        sizes = (fields[name] for name in fields if name.startswith(("d_", "n_")))
        if any(isinstance(size, int) and size > there.longest for size in sizes):
            # It makes its weights and masks as large as it is told to: first where they take no
            # memory.
            with no_larger_than(self.source, there), torch.device("meta"):
                self._bridge("meta", dtype)
        bridge = self._bridge(device, dtype)
        try:
            files = [(path, load_file(path, device=device)) for path in self.weights()]
        except Exception as error:
            raise self._unreadable(error) from error
        stored: dict[str, Tensor] = {}
        for path, tensors in files:
            twice = sorted(stored.keys() & tensors.keys())
            if twice:
                raise ModelError(
                    f"{self.source.text}: {twice[0]} is in {path.name} and in another file too.\n"
                    f"Take the files away that don't belong to the model."
                )
            stored |= tensors
        self._fill(bridge, stored)
        return bridge

    def _bridge(self, device: str, dtype: str) -> TransformerBridge:
        """The model with weights that are nobody's."""
        import transformer_lens.model_bridge.sources.native  # noqa: F401 — brings boot_native
        from transformer_lens.config import TransformerBridgeConfig
        from transformer_lens.model_bridge import TransformerBridge
        from transformers import PreTrainedTokenizerFast

        source, folder = self.source, self.folder
        kind = resolve_dtype(self.dtype(dtype), f"{folder.name}: config.json asks for")
        fields = read_config(source, folder)
        for key in ("architectures", "model_type", "torch_dtype"):
            fields.pop(key, None)
        if not (folder / _TOKENIZER).is_file():
            raise ModelError(
                f"{source.text}: there is no tokenizer ({_TOKENIZER}).\n"
                f"Save the model's there: tokenizer.save_pretrained(folder)"
            )
        try:
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
            # Without this the bridge reads the tokenizer again, by a model type it doesn't know.
            tokenizer.init_kwargs["add_bos_token"] = True
            given = {"dtype": kind, "device": device, "init_weights": False}
            config: Any = TransformerBridgeConfig.from_dict(fields | given)
            self._check_fields(fields, config.to_dict())
            boot: Any = TransformerBridge
            bridge: TransformerBridge = boot.boot_native(
                config, tokenizer=tokenizer, device=device, dtype=kind, model_name=folder.name
            )
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"{source.text}: transformer-lens can't build it:\n{first_lines(error)}"
            ) from error
        return bridge

    def _unreadable(self, error: Exception) -> ModelError:
        said = first_lines(error)
        return ModelError(f"{self.source.text}: its weights can't be read:\n{said}")

    def _check_fields(self, fields: Iterable[str], known: Iterable[str]) -> None:
        """Refuse fields that transformer-lens would leave out without a word."""
        unknown = sorted(set(fields) - set(known))
        if unknown:
            raise ModelError(
                f"{self.source.text}: config.json has fields that TransformerBridgeConfig doesn't "
                f"have: {', '.join(unknown)}.\n"
                f"Take them out, or install the transformer-lens that the model was trained with."
            )

    def _fill(self, bridge: TransformerBridge, stored: dict[str, Tensor]) -> None:
        """Put stored tensors into a model, whatever names of the model's own they go by."""
        places = _names_of_tensors(bridge)
        names = _without_prefix(stored, places)
        fitting = {full: name for full, name in names.items() if name in places}
        filled = {id(places[name]) for name in fitting.values()}
        check_fit(
            self.source,
            missing=[
                name.replace(_WRAPPED, "")
                for name, parameter in bridge.original_model.named_parameters()
                if id(parameter) not in filled
            ],
            unexpected=names.keys() - fitting.keys(),
            shapes=[
                (full, stored[full].shape, places[name].shape)
                for full, name in fitting.items()
                if stored[full].shape != places[name].shape
            ],
        )
        first: dict[int, str] = {}
        for full, name in fitting.items():
            other = first.setdefault(id(places[name]), full)
            if full != other and not stored[full].equal(stored[other]):
                raise ModelError(
                    f"{self.source.text}: {other} and {full} differ, "
                    f"and are names of the same tensor.\n"
                    f"Save the model again with pytest_circuits.models.save_native."
                )
            places[name].data.copy_(stored[full])


def _names_of_tensors(bridge: TransformerBridge) -> dict[str, Tensor]:
    """Every name that a tensor of the model goes by."""
    return {
        name.replace(_WRAPPED, ""): tensor
        for module in (bridge.original_model, bridge)
        for name, tensor in module.state_dict(keep_vars=True).items()
    }


def _without_prefix(stored: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Stored names → themselves unwrapped, and without a prefix that all of them have."""
    names = {name: name.replace(_WRAPPED, "") for name in stored}
    common = os.path.commonprefix(list(names.values()))  # noqa: RUF071 — they are no paths
    prefix = common.rpartition(".")[0]
    if prefix and not set(names.values()) & set(known):
        return {name: plain.removeprefix(f"{prefix}.") for name, plain in names.items()}
    return names


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
    if bridge.cfg.architecture != NATIVE:
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
        name.replace(_WRAPPED, ""): parameter.detach()
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
    kind = {"architectures": [NATIVE], "model_type": "transformer_lens_native"}
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
