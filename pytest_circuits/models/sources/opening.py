"""Which kind of checkpoint a source stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.models.sources.adapters import AdapterCheckpoint, is_adapter
from pytest_circuits.models.sources.factories import FactoryCheckpoint
from pytest_circuits.models.sources.folders import checkpoint_folder, read_config
from pytest_circuits.models.sources.gguf import GgufCheckpoint
from pytest_circuits.models.sources.huggingface import HuggingFaceCheckpoint
from pytest_circuits.models.sources.native import ARCHITECTURE, NativeCheckpoint
from pytest_circuits.models.sources.others import OtherCheckpoint
from pytest_circuits.models.sources.sources import SourceKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_circuits.models.sources.checkpoint import Checkpoint
    from pytest_circuits.models.sources.sources import Source

    #: Whoever knows further kinds of source: given a source, a device and a dtype as they are asked
    #: for, a model as a factory may return it; None for a source that is unknown there too.
    Others = Callable[[Source, str, str], object]

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
        return OtherCheckpoint(source, others)
    return open_own(source, others)


def open_own(source: Source, others: Others | None = None) -> Checkpoint:
    """As :func:`open_checkpoint`, but others are asked only for what the source is made from."""
    if source.kind is SourceKind.GGUF:
        return GgufCheckpoint(source)
    if source.kind is SourceKind.FACTORY:
        return FactoryCheckpoint(source)
    folder = checkpoint_folder(source)
    if is_adapter(folder):
        return AdapterCheckpoint(source, folder, others)
    if (read_config(source, folder).get("architectures") or []) == [ARCHITECTURE]:
        return NativeCheckpoint(source, folder)
    return HuggingFaceCheckpoint(source, folder)
