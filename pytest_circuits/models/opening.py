"""Which kind of checkpoint a source stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.models.folders import checkpoint_folder, read_config
from pytest_circuits.models.huggingface import HuggingFaceCheckpoint
from pytest_circuits.models.native import ARCHITECTURE, NativeCheckpoint

if TYPE_CHECKING:
    from pytest_circuits.models.checkpoint import Checkpoint
    from pytest_circuits.models.sources import Source


def open_checkpoint(source: Source) -> Checkpoint:
    """What a source stands for; fetched from the hub if need be, but not loaded.

    Raises:
        ModelError: if there is none, or it is damaged.
    """
    folder = checkpoint_folder(source)
    if (read_config(source, folder).get("architectures") or []) == [ARCHITECTURE]:
        return NativeCheckpoint(source, folder)
    return HuggingFaceCheckpoint(source, folder)
