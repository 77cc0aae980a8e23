"""A source → a hooked model on a device. Importing this imports no torch, and no module of ours."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_circuits.models.devices import DEVICE_PATTERN, DTYPES
    from pytest_circuits.models.errors import ModelError
    from pytest_circuits.models.hygiene import Clean
    from pytest_circuits.models.loading import LoadedModel, load
    from pytest_circuits.models.pool import ModelPool, parse_size
    from pytest_circuits.models.sources.native import save_native
    from pytest_circuits.models.sources.source import (
        Source,
        SourceKind,
        bundled_names,
        parse_source,
    )

__all__ = [
    "DEVICE_PATTERN",
    "DTYPES",
    "Clean",
    "LoadedModel",
    "ModelError",
    "ModelPool",
    "Source",
    "SourceKind",
    "bundled_names",
    "load",
    "parse_size",
    "parse_source",
    "save_native",
]

_HOMES = {
    "DEVICE_PATTERN": "devices",
    "DTYPES": "devices",
    "Clean": "hygiene",
    "LoadedModel": "loading",
    "ModelError": "errors",
    "ModelPool": "pool",
    "Source": "sources.source",
    "SourceKind": "sources.source",
    "bundled_names": "sources.source",
    "load": "loading",
    "parse_size": "pool",
    "parse_source": "sources.source",
    "save_native": "sources.native",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 — the modules' own names
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
