"""A source → the checkpoint that it names → a hooked model on a device.

Each kind of checkpoint is a module of :mod:`pytest_circuits.models.sources`. None of them imports
this one: those that are made from other sources are given what opens these. And this one imports a
kind's module only for a source of that kind.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_circuits.models.devices import resolve_device
from pytest_circuits.models.errors import (
    ModelError,
    OutOfMemoryError,
    first_lines,
    is_out_of_memory,
)
from pytest_circuits.models.fingerprint import live_fingerprint, stamps_of
from pytest_circuits.models.secrets import redacted, secrets_of
from pytest_circuits.models.sources.folders import (
    ADAPTER_CONFIG,
    NATIVE,
    checkpoint_folder,
    read_config,
)
from pytest_circuits.models.sources.source import SourceKind, collecting_later

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.models.fingerprint import Stamp
    from pytest_circuits.models.sources.source import Checkpoint, Others, Source

#: What others are asked for before we look ourselves: whatever does not lie on this machine.
_ELSEWHERE = (SourceKind.HUB, SourceKind.FACTORY, SourceKind.OTHER)


def open_checkpoint(source: Source, others: Others | None = None) -> Checkpoint:
    """What a source stands for; fetched from the hub if need be, but not loaded.

    Args:
        source: the source.
        others: who is asked first for sources that don't lie on this machine.

    Raises:
        ModelError: if there is none, or it is damaged.
    """
    if source.kind is SourceKind.OTHER or (others is not None and source.kind in _ELSEWHERE):
        from pytest_circuits.models.sources.others import OtherCheckpoint

        return OtherCheckpoint(source, others, lambda own: _open_own(own, others))
    return _open_own(source, others)


def _open_own(source: Source, others: Others | None) -> Checkpoint:
    """As :func:`open_checkpoint`, but others are asked only for what the source is made from."""
    if source.kind is SourceKind.GGUF:
        from pytest_circuits.models.sources.gguf import GgufCheckpoint

        return GgufCheckpoint(source)
    if source.kind is SourceKind.FACTORY:
        from pytest_circuits.models.sources.factories import FactoryCheckpoint

        return FactoryCheckpoint(source)
    folder = checkpoint_folder(source)
    if (folder / ADAPTER_CONFIG).exists():
        from pytest_circuits.models.sources.adapters import AdapterCheckpoint

        return AdapterCheckpoint(source, folder, lambda base: open_checkpoint(base, others))
    if (read_config(source, folder).get("architectures") or []) == [NATIVE]:
        from pytest_circuits.models.sources.native import NativeCheckpoint

        return NativeCheckpoint(source, folder)
    from pytest_circuits.models.sources.huggingface import HuggingFaceCheckpoint

    return HuggingFaceCheckpoint(source, folder)


@dataclass(frozen=True)
class LoadedModel:
    """A hooked model and where it came from.

    Attributes:
        checkpoint: what it was loaded from.
        bridge: transformer-lens' hooked model: eval mode, gradients off.
        device: the device it is on.
        dtype: the dtype of its weights, for example ``float32``.
        stamps: what its folder listed before anything of it was read.
    """

    checkpoint: Checkpoint
    bridge: TransformerBridge
    device: str
    dtype: str
    stamps: tuple[Stamp, ...]

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of its weights: of its files, or where it has none of what was loaded."""
        told = self.checkpoint.fingerprint()
        # Whoever trains may write the next checkpoint over the one that was loaded.
        if told is None or stamps_of(self.checkpoint.files()) != self.stamps:
            return live_fingerprint(self.bridge)
        return told


def load(
    source: Source, device: str = "auto", dtype: str = "auto", others: Others | None = None
) -> LoadedModel:
    """Load a model.

    Args:
        source: what to load.
        device: ``auto``, ``cpu``, ``mps``, ``cuda``, ``cuda:N``, several with commas, or
            ``balanced``.
        dtype: ``auto`` (the checkpoint's own) or a float type's name.
        others: who else may know the source, as for :func:`.open_checkpoint`.

    Raises:
        ModelError: if that can't be done.
    """
    secrets = secrets_of(source.text)
    try:
        return _load(source, device, dtype, others)
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                f"{source.shown}: there is no room for it on this {device} device.\n"
                f"Choose a smaller --circuits-dtype or another --circuits-device, or let fewer "
                f"models be kept beside it (--circuits-memory)."
            ) from None
        if not isinstance(error, ModelError):
            # Whatever a library says of a damaged file or an impossible name is for its own users.
            raise ModelError(
                f"{source.shown}: can't be loaded ({type(error).__name__}):\n"
                f"{first_lines(error, secrets)}"
            ) from error
        said = redacted(str(error), secrets)
        if said == str(error):
            raise
        # Nor may the first error stay in the chain, which pytest shows.
        raise ModelError(said) from None


def _load(source: Source, device: str, dtype: str, others: Others | None) -> LoadedModel:
    checkpoint = open_checkpoint(source, others)
    stamps = stamps_of(checkpoint.files())
    import_libraries()
    used_device = resolve_device(device)
    bridge = checkpoint.load(used_device, dtype)
    bridge.eval()
    bridge.requires_grad_(requires_grad=False)
    floats = (each.dtype for each in bridge.parameters() if each.is_floating_point())
    name = str(next(floats)).removeprefix("torch.")
    return LoadedModel(checkpoint, bridge, used_device, name, stamps)


def import_libraries() -> None:
    """Import torch, transformers and transformer-lens' hooked models.

    Python's collector would go through what they bring again and again: while they are imported,
    when a test or a run ends, when the interpreter does. Modules are no garbage, so it is told to
    leave alone what there is now (``gc.freeze``), unless somebody holds a tensor already: a model
    of theirs may become garbage later, and is to be collected then. ``gc.unfreeze`` undoes it.
    """
    before = len(sys.modules)
    with collecting_later():
        import torch
        import transformer_lens.model_bridge.sources.native  # noqa: F401 — the bridge, boot_native
        from transformers import AutoModelForCausalLM  # noqa: F401 — transformers imports it lazily

        if len(sys.modules) > before:
            kinds = {type(each) for each in gc.get_objects()}
            if not any(issubclass(kind, torch.Tensor) for kind in kinds):
                gc.freeze()
