"""What a finding depends on: a measure's arguments, the code that makes it, the model.

What can't be known for certain is no part of a key: then the finding is measured again.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.baselines.writing import write_text
from pytest_circuits.findings import Circuit, Head
from pytest_circuits.models.devices import device_type
from pytest_circuits.models.fingerprint import stamps_of
from pytest_circuits.models.loading import open_checkpoint
from pytest_circuits.prompts import PromptPairs, RepeatedTokens
from pytest_circuits.prompts.drawn import DrawnPairs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_circuits.findings import Json
    from pytest_circuits.models import Source
    from pytest_circuits.models.fingerprint import Stamp
    from pytest_circuits.models.loading import LoadedModel
    from pytest_circuits.models.sources.source import Checkpoint, Others

_BUILDERS = "pytest_circuits.prompts."


class UnknownError(Exception):
    """An argument's content can't be told: a function, a model, an object of somebody's own."""


def described(value: object) -> Json:
    """An argument by its content: equal for two only if a measure can't tell them apart.

    Raises:
        UnknownError: if that can't be told. A subclass may do anything, so types are exact.
    """
    if value is None or type(value) in (str, bool, int, float):
        return value  # type: ignore[return-value]
    describe = _TYPES.get(type(value)) or _BY_NAME.get(type(value).__module__)
    if describe is None:
        raise UnknownError(type(value).__name__)
    return [type(value).__name__, describe(value)]


def _items(value: Any) -> Json:  # noqa: ANN401
    return [described(item) for item in value]


def _pairs_of(value: Any) -> Json:  # noqa: ANN401
    return [[described(key), described(item)] for key, item in value.items()]


def _range(value: range) -> Json:
    return [value.start, value.stop, value.step]


def _array(value: np.ndarray[Any, Any]) -> Json:
    if value.dtype.hasobject:
        raise UnknownError("an array of objects")
    content = hashlib.sha256(value.tobytes()).hexdigest()
    return [value.dtype.str, list(value.shape), content]


def _fields(value: Any) -> Json:  # noqa: ANN401
    """All that an instance holds: whatever a class has in future is in it."""
    return _pairs_of(vars(value))


def _partial(value: partial[Any]) -> Json:
    return [described(value.func), described(value.args), described(value.keywords)]


def _function(value: FunctionType) -> Json:
    # The code of prompt builders is part of every key; a function within one may hold anything.
    if not value.__module__.startswith(_BUILDERS) or "<" in value.__qualname__:
        raise UnknownError(f"the function {value.__qualname__}")
    return [value.__module__, value.__qualname__]


_TYPES: dict[type, Any] = {
    list: _items,
    tuple: _items,
    dict: _pairs_of,
    range: _range,
    Head: _items,
    np.ndarray: _array,
    Circuit: _fields,
    PromptPairs: _fields,
    DrawnPairs: _fields,
    RepeatedTokens: _fields,
    partial: _partial,
    FunctionType: _function,
}

#: The one type of a module that is not imported before it is needed.
_BY_NAME: dict[str, Any] = {f"{_BUILDERS}chat": _fields}

_PACKAGE = Path(__file__).parents[1]
#: What of this package a finding comes from.
_OURS = (
    "findings", "forward", "measures", "models", "prompts", "session/cache.py",
    "session/cache_keys.py", "session/circuits.py", "session/measuring.py",
)  # fmt: skip
_OWN = "pytest-circuits"
_LIBRARIES = (
    "torch", "transformers", "transformer-lens", "tokenizers", "sentencepiece", "tiktoken",
    "safetensors", "numpy", "accelerate", "peft", "gguf", "bitsandbytes", "compressed-tensors",
    "gptqmodel", "hqq", "kernels", "optimum-quanto", "torchao",
)  # fmt: skip


def own_code() -> str:
    """A hash of every source and data file of ours that a finding comes from."""
    paths = [_PACKAGE / name for name in _OURS]
    files = sorted(
        file
        for path in paths
        for file in ([path] if path.is_file() else path.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    )
    total = hashlib.sha256()
    for file in files:
        name = file.relative_to(_PACKAGE).as_posix()
        total.update(f"{name}\0{_hash(file)}\n".encode())
    return total.hexdigest()


def hash_of_files(paths: Iterable[Path]) -> str:
    """A hash of the contents of files, wherever they lie.

    Raises:
        OSError: if one can't be read.
    """
    return hashlib.sha256("\n".join(map(_hash, paths)).encode()).hexdigest()


def versions() -> dict[str, Json]:
    """The versions of Python, of this package and of the libraries that it measures with.

    Raises:
        UnknownError: if one of them is installed editable, so that its version says nothing.
    """
    packages = (_OWN, *_LIBRARIES)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {
        "python": python,
        "machine": platform.machine(),
        **{package: _version(package) for package in packages},
    }


def _version(package: str) -> str | None:
    try:
        installed = distribution(package)
    except PackageNotFoundError:
        return None
    # Ours is hashed; of others, what lies in somebody's checkout has no version that tells.
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if package != _OWN and origin.get("dir_info", {}).get("editable"):
        raise UnknownError(f"{package} is installed editable")
    return installed.version


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


#: Times of change are told apart from one to the next after this many nanoseconds at the latest.
_TICK = 2 * 10**9


@dataclass(frozen=True)
class Identity:
    """A model, as far as its numbers depend on it.

    Attributes:
        weights: the fingerprint of its weights.
        rest: a hash of all else that its numbers depend on: config, tokenizer, other files.
        dtype: the dtype that it is loaded in.
        device: the type of the device that it is loaded on.
        stamps: what its folder listed when these were told.
    """

    weights: str
    rest: str
    dtype: str
    device: str
    stamps: tuple[Stamp, ...]

    def document(self) -> dict[str, Json]:
        """The identity as part of a key; the folder's place is none of it."""
        return {
            "weights": self.weights,
            "files": self.rest,
            "dtype": self.dtype,
            "device": self.device,
        }

    def is_of(self, model: LoadedModel) -> bool:
        """Whether it is what a model was loaded from, and lies there still."""
        return model.stamps == self.stamps == stamps_of(model.checkpoint.files())


def identify(
    source: Source,
    device: str,
    dtype: str,
    *,
    notes: Path | None = None,
    others: Others | None = None,
) -> Identity | None:
    """The model that a source is now; None if that can't be told.

    Args:
        source: the source.
        device: the device that is asked for.
        dtype: the dtype that is asked for.
        notes: a folder of notes on weights, by which those that their folder lists as it did are
            taken for what they were; without it they are read.
        others: who may know the source, as for :func:`.open_checkpoint`: of what they may have,
            nobody can tell what it is.
    """
    try:
        checkpoint = open_checkpoint(source, others)
        # Before they are read: what changes meanwhile is noticed.
        stamps = stamps_of(checkpoint.files())
        weights = (
            _noted(checkpoint, stamps, notes)
            if notes is not None and checkpoint.is_all_in_files
            else checkpoint.fingerprint()
        )
        if weights is None:
            return None
        return Identity(
            weights=weights,
            rest=checkpoint.rest(),
            dtype=checkpoint.dtype(dtype),
            device=device_type(device),
            stamps=stamps,
        )
    except Exception:  # noqa: BLE001 — loading it will say what is wrong with it
        return None


def _noted(checkpoint: Checkpoint, stamps: tuple[Stamp, ...], notes: Path) -> str | None:
    """The fingerprint of weights: noted when their folder listed them as it does, or noted now."""
    note = notes / f"{hashlib.sha256(checkpoint.source.location.encode()).hexdigest()}.json"
    listed = [list(stamp) for stamp in stamps]
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["stamps"] == listed:
            return str(known["weights"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    weights = checkpoint.fingerprint()
    # What changed just now may change again without another time of change.
    if stamps and all(mtime < time.time_ns() - _TICK for _, _, mtime, *_ in stamps):
        with suppress(OSError):  # then they are read again
            write_text(note, json.dumps({"stamps": listed, "weights": weights}))
    return weights
