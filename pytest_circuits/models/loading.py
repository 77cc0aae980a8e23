"""A folder of checkpoint files → a hooked model on a device, ready to measure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.devices import resolve_device, resolve_dtype
from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fingerprint import fingerprint
from pytest_circuits.models.libraries import import_libraries
from pytest_circuits.models.sources import Source, checkpoint_folder
from pytest_circuits.models.stamps import loaded_files, stamps_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import torch
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.models.stamps import Stamp

#: Masks and rotary tables that older checkpoints carry; models compute them themselves.
_BUFFER = re.compile(r"\.(attn|attention)\.(masked_)?bias$|rotary_emb\.inv_freq$")
_NATIVE = "TransformerLensNative"


@dataclass(frozen=True)
class LoadedModel:
    """A hooked model and where it came from.

    Attributes:
        source: the source it was loaded from.
        folder: the folder of its files.
        bridge: transformer-lens' hooked model: eval mode, gradients off.
        device: the device it is on.
        dtype: the dtype of its weights, for example ``float32``.
        stamps: what the folder listed before anything of it was read.
    """

    source: Source
    folder: Path
    bridge: TransformerBridge
    device: str
    dtype: str
    stamps: tuple[Stamp, ...]

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the checkpoint's weights."""
        return fingerprint(self.folder)


def load(source: Source, device: str = "auto", dtype: str = "auto") -> LoadedModel:
    """Load a model.

    Args:
        source: what to load.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        dtype: ``auto`` (the checkpoint's own) or a float type's name.

    Raises:
        ModelError: if that can't be done.
    """
    try:
        return _load(source, device, dtype)
    except ModelError:
        raise
    except Exception as error:
        # Whatever a library says of a damaged file or an impossible name is for its own users.
        raise ModelError(
            f"{source.text}: can't be loaded ({type(error).__name__}):\n{_first_lines(error)}"
        ) from error


def _load(source: Source, device: str, dtype: str) -> LoadedModel:
    folder = checkpoint_folder(source)
    stamps = stamps_of(loaded_files(folder))
    config = _read_config(source, folder)
    import_libraries()
    used_device = resolve_device(device)
    used_dtype = resolve_dtype(dtype, folder)
    architectures = config.get("architectures") or []
    build = _load_native if architectures == [_NATIVE] else _load_transformers
    bridge = build(source, folder, used_device, used_dtype)
    bridge.eval()
    bridge.requires_grad_(requires_grad=False)
    name = str(used_dtype).removeprefix("torch.")
    return LoadedModel(source, folder, bridge, used_device, name, stamps)


def _read_config(source: Source, folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{source.text}: config.json is not JSON ({error}).") from error
    if not isinstance(config, dict):
        raise ModelError(f"{source.text}: config.json holds no JSON object.")
    return config


def _load_transformers(
    source: Source, folder: Path, device: str, dtype: torch.dtype
) -> TransformerBridge:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        # Sizes that don't fit are let through here, to be reported by name below.
        # With output_loading_info the call returns a pair, which its annotation leaves out.
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation="eager",
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise ModelError(
            f"{source.text}: transformers can't load it:\n{_first_lines(error)}"
        ) from error
    model, report = loaded
    _check_fit(
        source,
        missing=report["missing_keys"],
        unexpected=report["unexpected_keys"],
        wrong_shape=[
            f"{name} is {_shape(stored)}, should be {_shape(wanted)}"
            for name, stored, wanted in report["mismatched_keys"]
        ],
    )
    try:
        return TransformerBridge.boot_transformers(
            source.location, hf_model=model.to(device), tokenizer=tokenizer, dtype=dtype
        )
    except Exception as error:
        raise ModelError(
            f"{source.text}: transformer-lens can't hook a {type(model).__name__}:\n"
            f"{_first_lines(error)}"
        ) from error


def _load_native(
    source: Source, folder: Path, device: str, dtype: torch.dtype
) -> TransformerBridge:
    """Load a folder of a native transformer-lens model.

    Its config.json holds the arguments of ``TransformerBridgeConfig``, and the names of its
    tensors are those of the native model's parameters.
    """
    from safetensors.torch import load_file
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedTokenizerFast

    config = _read_config(source, folder)
    for key in ("architectures", "model_type", "dtype"):
        config.pop(key, None)
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        # Without this the bridge reads the tokenizer again, by a model type it doesn't know.
        tokenizer.init_kwargs["add_bos_token"] = True
        boot: Any = TransformerBridge
        bridge: TransformerBridge = boot.boot_native(
            TransformerBridgeConfig(**config, dtype=dtype, init_weights=False),
            tokenizer=tokenizer,
            device=device,
            dtype=dtype,
            model_name=folder.name,
        )
        stored = {
            name: tensor
            for path in sorted(folder.glob("*.safetensors"))
            for name, tensor in load_file(path, device=device).items()
        }
    except Exception as error:
        raise ModelError(
            f"{source.text}: transformer-lens can't build it:\n{_first_lines(error)}"
        ) from error
    # The bridge wraps modules in place, which shows in its parameters' names only.
    wanted = {
        name.replace("_original_component.", ""): parameter
        for name, parameter in bridge.original_model.named_parameters()
    }
    _check_fit(
        source,
        missing=wanted.keys() - stored.keys(),
        unexpected=stored.keys() - wanted.keys(),
        wrong_shape=[
            f"{name} is {_shape(stored[name].shape)}, should be {_shape(wanted[name].shape)}"
            for name in sorted(wanted.keys() & stored.keys())
            if stored[name].shape != wanted[name].shape
        ],
    )
    for name, parameter in wanted.items():
        parameter.data.copy_(stored[name])
    return bridge


def _check_fit(
    source: Source,
    missing: Iterable[str],
    unexpected: Iterable[str],
    wrong_shape: Iterable[str],
) -> None:
    """Refuse weights that aren't those of the config: the rest would be random or left out."""
    problems = [
        f"{kind}: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        for kind, names in (
            ("wrong shape", sorted(wrong_shape)),
            ("missing", sorted(missing)),
            ("not in the config's model", sorted(n for n in unexpected if not _BUFFER.search(n))),
        )
        if names
    ]
    if problems:
        raise ModelError(
            f"{source.text}: the tensors don't fit config.json.\n"
            + "\n".join(problems)
            + "\nUse the config.json that was saved with these weights."
        )


def _shape(shape: Iterable[int]) -> str:
    return " × ".join(map(str, shape))


def _first_lines(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "\n".join(line[:200] for line in lines[:3]) or type(error).__name__
