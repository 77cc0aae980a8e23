"""A source → a hooked model on a device. Importing this imports no torch."""

from pytest_circuits.models.budget import parse_size
from pytest_circuits.models.devices import DEVICE_PATTERN, DTYPES
from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.hygiene import Clean
from pytest_circuits.models.loading import LoadedModel, load
from pytest_circuits.models.pool import ModelPool
from pytest_circuits.models.sources.saving import save_native
from pytest_circuits.models.sources.sources import Source, SourceKind, bundled_names, parse_source

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
