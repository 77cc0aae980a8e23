"""The loaded models of a run: loaded when they are needed, kept while there is room for them."""

from __future__ import annotations

import gc
import re
from collections import OrderedDict
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import ref

from pytest_circuits.models.devices import resolve_device
from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.hygiene import plain_parts
from pytest_circuits.models.loading import LoadedModel, load, open_checkpoint
from pytest_circuits.models.sources.folders import FLOATS, WEIGHTS, stored_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from torch import nn
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.models.sources.source import Checkpoint, Others, Source

    #: Told which model leaves, to let go of it too.
    OnLeave = Callable[[Source, TransformerBridge], None]

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:([KMGT]i?)?B)?", re.ASCII | re.IGNORECASE)
_UNITS = {None: 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
#: The share of a machine's or a device's memory that models may take; runs need the rest.
_SHARE = 0.5
#: Where Linux says how much memory a container may use: control groups of version 2 and 1.
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
#: The bytes of a float, by its dtype's name in torch.
_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


class ModelPool:
    """Loads models, and keeps those that were used last, as many as fit into its memory.

    One that is larger than all of that is loaded too, and so are all that are in use at once: the
    budget says what is kept beside them.

    Attributes:
        loads: how many models were loaded so far.
    """

    def __init__(
        self,
        device: str = "auto",
        dtype: str = "auto",
        others: Others | None = None,
        *,
        memory: str = "auto",
        processes: int = 1,
        on_leave: OnLeave | None = None,
    ) -> None:
        """Make a pool.

        Args:
            device: ``auto``, ``cpu``, ``mps``, ``cuda``, ``cuda:N``, several with commas, or
                ``balanced``.
            dtype: ``auto`` (the checkpoint's own) or a float type's name.
            others: who else may know a source, as for :func:`.open_checkpoint`.
            memory: the budget, as for :func:`.memory_budget`.
            processes: how many processes share the machine.
            on_leave: told of every model that leaves.
        """
        self.loads = 0
        self._device, self._dtype, self._others = device, dtype, others
        self._memory, self._processes = memory, processes
        self._on_leave = on_leave
        #: The least recently used first.
        self._models: OrderedDict[Source, LoadedModel] = OrderedDict()
        #: Also of those that have left.
        self._sizes: dict[Source, int] = {}
        #: Words alone: an error itself holds all that its frames hold, models among it.
        self._errors: dict[Source, str] = {}
        #: Those that have left, but are in memory still.
        self._left: list[ref[TransformerBridge]] = []

    def get(self, source: Source, in_use: Collection[Source] = ()) -> LoadedModel:
        """The source's model, loaded now if it isn't.

        Args:
            source: the source.
            in_use: those whose models don't leave for it.

        Raises:
            ModelError: if it can't be loaded; asked again, it is not tried again.
        """
        if source in self._errors:
            raise ModelError(self._errors[source])
        if source in self._models:
            self._models.move_to_end(source)
            return self._models[source]
        self._make_room(source, in_use)
        self.loads += 1
        try:
            loaded = self._models[source] = self._load(source)
        except ModelError as error:
            self._errors[source] = str(error)
            raise
        self._sizes[source] = size_of(loaded.bridge)
        # Not every model has files that tell its size.
        self._shrink(self._budget(loaded.device), {source, *in_use})
        return loaded

    def renew(self, source: Source, in_use: Collection[Source] = ()) -> TransformerBridge:
        """Give a model that a test has changed its weights back; it stays the same object.

        Gives the model that it took them from, which was loaded for that.

        Args:
            source: the source of a loaded model.
            in_use: those whose models don't leave for what is loaded once more meanwhile.

        Raises:
            ModelError: if it can't be loaded again; it isn't given to anybody then.
        """
        loaded = self._models[source]
        self._shrink(self._budget(loaded.device) - self._sizes[source], {source, *in_use})
        try:
            fresh = self._load(source)
        except ModelError as error:
            self._errors[source] = str(error)
            self._leave(source)
            raise
        weights = dict(fresh.bridge.named_parameters()) | dict(fresh.bridge.named_buffers())
        own = dict(loaded.bridge.named_parameters()) | dict(loaded.bridge.named_buffers())
        for name in own.keys() & weights.keys():
            if own[name].shape == weights[name].shape:
                own[name].data.copy_(weights[name])
        return fresh.bridge

    def private(self, source: Source) -> TransformerBridge:
        """A model of a source that is nobody else's, and is not kept.

        Raises:
            ModelError: if it can't be loaded.
        """
        self.loads += 1
        return self._load(source).bridge

    def source_of(self, bridge: object) -> Source | None:
        """The source whose model this is; None if it isn't from here."""
        return next((s for s, loaded in self._models.items() if loaded.bridge is bridge), None)

    def loaded(self, source: Source) -> LoadedModel | None:
        """The source's model if it is loaded."""
        return self._models.get(source)

    def _load(self, source: Source) -> LoadedModel:
        return load(source, self._device, self._dtype, self._others)

    def _budget(self, device: str) -> int:
        return memory_budget(self._memory, device, self._processes)

    def _make_room(self, source: Source, in_use: Collection[Source]) -> None:
        """Let models go until one that isn't loaded yet should fit."""
        if self._models.keys() <= set(in_use):
            return
        try:
            device = resolve_device(self._device)
            needed = self._sizes.get(source) or expected_size(
                open_checkpoint(source, self._others), self._dtype
            )
        except Exception:  # noqa: BLE001 — loading it will say what is wrong with it
            return
        self._shrink(self._budget(device) - needed, in_use)

    def _shrink(self, size: int, in_use: Collection[Source]) -> None:
        """Let models go that aren't in use, least recently used first, down to a size."""
        idle = [source for source in self._models if source not in in_use]
        while idle and sum(self._sizes[each] for each in self._models) > size:
            self._leave(idle.pop(0))
        if self._left:
            self._free()

    def _leave(self, source: Source) -> None:
        bridge = self._models.pop(source).bridge
        self._left.append(ref(bridge))
        if self._on_leave is not None:
            self._on_leave(source, bridge)

    def _free(self) -> None:
        """Free models that have left: their modules hold each other, so they are garbage at best.

        One that a failed test's traceback holds is freed later, when that is gone.
        """
        import torch

        gc.collect()
        if any(model() is not None for model in self._left):
            # Garbage from the time when libraries were imported, which was frozen with them, may
            # hold what was running then, down to the first model's test.
            gc.unfreeze()
            gc.collect()
        self._left = [model for model in self._left if model() is not None]
        torch.cuda.empty_cache()


def parse_size(text: str) -> int | None:
    """Bytes from ``8GB``, ``800 MB``, ``1.5GiB`` or a plain number; None if it is none of these."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    number, unit = match.groups()
    return int(float(number) * _UNITS[unit and unit.lower()])


def memory_budget(asked: str, device: str, processes: int = 1) -> int:
    """Bytes that the loaded models of a process may take together.

    Args:
        asked: a size as :func:`parse_size` reads it, or ``auto``: half of the memory that is there.
        device: where they are; several devices with commas in between.
        processes: how many processes share what is there.
    """
    size = parse_size(asked)
    if size is not None:
        return size
    return int(_memory_of(device) * _SHARE) // processes


def _memory_of(device: str) -> int:
    """All memory of a device: of GPUs their own, else the machine's that a container may use."""
    if device.startswith("cuda"):
        import torch

        properties = map(torch.cuda.get_device_properties, device.split(","))
        return sum(int(each.total_memory) for each in properties)
    import psutil

    return min([int(psutil.virtual_memory().total), *_container_limits(_LIMITS)])


def _container_limits(files: Iterable[Path]) -> list[int]:
    limits = []
    for file in files:
        try:
            limits.append(int(file.read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such control group, or "max"
            continue
    return limits


def size_of(model: nn.Module) -> int:
    """Bytes of a model's parameters and buffers; what is tied counts once."""
    every = (*model.parameters(), *model.buffers())
    tensors = [part for tensor in every for part in plain_parts(tensor)]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in tensors}
    return sum(storage.nbytes() for storage in storages.values())


def expected_size(checkpoint: Checkpoint, dtype: str) -> int:
    """Bytes that a checkpoint's weights should take when it is loaded, by its files; 0 without.

    Of safetensors files that is known. A GGUF file may take a few times as much as is said here.

    Args:
        checkpoint: the checkpoint.
        dtype: ``auto`` or a float type's name.

    Raises:
        ModelError: for what is missing or damaged.
    """
    width = _BYTES.get(checkpoint.dtype(dtype))
    return sum(
        path.stat().st_size if width is None or path.suffix != WEIGHTS else _size_in(path, width)
        for path in checkpoint.weights() or checkpoint.files()
    )


def _size_in(path: Path, width: int) -> int:
    """Bytes of a safetensors file, if its floats took so many each."""
    wider = sum(
        prod(shape) * (width - _BYTES[FLOATS[dtype]])
        for dtype, shape in stored_tensors(path).values()
        if dtype in FLOATS
    )
    return path.stat().st_size + wider
