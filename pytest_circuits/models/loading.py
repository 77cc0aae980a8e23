"""A source → a hooked model on a device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_circuits.models.devices import resolve_device
from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fingerprint import live_fingerprint
from pytest_circuits.models.fit import first_lines
from pytest_circuits.models.libraries import import_libraries
from pytest_circuits.models.sources.opening import open_checkpoint
from pytest_circuits.models.stamps import stamps_of

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.models.sources.checkpoint import Checkpoint
    from pytest_circuits.models.sources.opening import Others
    from pytest_circuits.models.sources.sources import Source
    from pytest_circuits.models.stamps import Stamp


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
    try:
        return _load(source, device, dtype, others)
    except ModelError:
        raise
    except Exception as error:
        # Whatever a library says of a damaged file or an impossible name is for its own users.
        raise ModelError(
            f"{source.text}: can't be loaded ({type(error).__name__}):\n{first_lines(error)}"
        ) from error


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
