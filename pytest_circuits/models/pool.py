"""Every model of a run, loaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.loading import LoadedModel, load

if TYPE_CHECKING:
    from pytest_circuits.models.opening import Others
    from pytest_circuits.models.sources import Source


class ModelPool:
    """Loads models, and keeps them for the run.

    Attributes:
        loads: how many models were loaded so far.
    """

    def __init__(
        self, device: str = "auto", dtype: str = "auto", others: Others | None = None
    ) -> None:
        self.loads = 0
        self._others = others
        self._device = device
        self._dtype = dtype
        self._models: dict[Source, LoadedModel] = {}
        self._errors: dict[Source, ModelError] = {}

    def get(self, source: Source) -> LoadedModel:
        """The source's model, loaded now if it wasn't.

        Raises:
            ModelError: if it can't be loaded; asked again, it is not tried again.
        """
        if source in self._errors:
            raise self._errors[source]
        if source not in self._models:
            self.loads += 1
            try:
                self._models[source] = load(source, self._device, self._dtype, self._others)
            except ModelError as error:
                self._errors[source] = error
                raise
        return self._models[source]

    def renew(self, source: Source) -> None:
        """Give a model that a test has changed its weights back; it stays the same object."""
        loaded = self._models[source]
        fresh = load(source, self._device, self._dtype, self._others)
        weights = dict(fresh.bridge.named_parameters()) | dict(fresh.bridge.named_buffers())
        own = dict(loaded.bridge.named_parameters()) | dict(loaded.bridge.named_buffers())
        for name in own.keys() & weights.keys():
            own[name].data.copy_(weights[name])

    def __contains__(self, bridge: object) -> bool:
        return any(loaded.bridge is bridge for loaded in self._models.values())

    def loaded(self, source: Source) -> LoadedModel | None:
        """The source's model if it is loaded."""
        return self._models.get(source)
