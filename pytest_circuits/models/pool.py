"""The loaded models of a run: loaded when they are needed, kept while there is room for them."""

from __future__ import annotations

import gc
from collections import OrderedDict
from typing import TYPE_CHECKING
from weakref import ref

from pytest_circuits.models.budget import expected_size, memory_budget, size_of
from pytest_circuits.models.devices import resolve_device
from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.loading import LoadedModel, load
from pytest_circuits.models.sources.opening import open_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.models.sources.opening import Others
    from pytest_circuits.models.sources.sources import Source

    #: Told which model leaves, to let go of it too.
    OnLeave = Callable[[Source, TransformerBridge], None]


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

    def renew(self, source: Source, in_use: Collection[Source] = ()) -> None:
        """Give a model that a test has changed its weights back; it stays the same object.

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
            own[name].data.copy_(weights[name])

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
