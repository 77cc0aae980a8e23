"""What a finding depends on: a measure's arguments, the code that makes it, the model.

What can't be known for certain is no part of a key: then the finding is measured again.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import site
import sys
import sysconfig
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
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
    from collections.abc import Iterator

    from pytest_circuits.findings import Json
    from pytest_circuits.models import Source
    from pytest_circuits.models.fingerprint import Stamp
    from pytest_circuits.models.loading import LoadedModel
    from pytest_circuits.models.sources.source import Checkpoint, Others

_BUILDERS = "pytest_circuits.prompts."


class UnknownError(Exception):
    """An argument's content can't be told: a function, a model, an object of somebody's own."""


class UncertainError(UnknownError):
    """What a finding depends on can't be known, for a reason that whoever runs the test is told."""


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
    "session/cache_code.py", "session/cache_environment.py", "session/cache_keys.py",
    "session/circuits.py", "session/measuring.py", "session/remembering.py",
)  # fmt: skip
#: What computes; it is measured with what is installed of these.
_LIBRARIES = (
    "torch", "transformers", "transformer_lens", "tokenizers", "sentencepiece", "tiktoken",
    "safetensors", "numpy", "accelerate", "peft", "gguf", "bitsandbytes", "compressed_tensors",
    "gptqmodel", "hqq", "kernels", "optimum", "torchao",
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


def hash_of(content: bytes) -> str:
    """A hash of a file's content."""
    return hashlib.sha256(content).hexdigest()


def versions() -> dict[str, Json]:
    """The versions of Python, and of all that is installed beside it.

    Raises:
        UncertainError: if something that computes lies where its version says nothing of its code.
    """
    for library in _LIBRARIES:
        spec = find_spec(library)
        if spec is not None and spec.origin is not None and not is_installed(spec.origin):
            raise UncertainError(
                f"{library} is not installed, but lies in {Path(spec.origin).parent} (an editable "
                f"installation, perhaps): its version says nothing of its code"
            )
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": platform.machine(),
        "installed": [*sorted({each for folder in sys.path for each in _installed(Path(folder))})],
    }


def is_installed(file: str) -> bool:
    """Whether a file was installed as a part of a distribution, which has a version.

    That its folder has the name of one for distributions is not enough: somebody's own copies of
    libraries may lie in such a folder, and somebody's own modules in a real one.
    """
    for folder in package_folders():
        if file.startswith(folder):
            name = re.split(r"[/\\.]", file[len(folder) :], maxsplit=1)[0]
            return _is_owned(folder, name)
    return False


def package_folders() -> tuple[str, ...]:
    """The folders that distributions are installed in, each with a separator at its end."""
    return _package_folders(tuple(sys.path))


@lru_cache(maxsize=8)
def _package_folders(paths: tuple[str, ...]) -> tuple[str, ...]:
    names = ("purelib", "platlib")
    user = sysconfig.get_preferred_scheme("user")
    found = [sysconfig.get_path(name) for name in names]
    found += [sysconfig.get_path(name, user) for name in names]
    found += site.getsitepackages()
    # A virtual environment may have those of another one: of the one that it was made over.
    found += [path for path in paths if _is_of_environment(Path(path))]
    both = (each for folder in found for each in (Path(folder), Path(folder).resolve()))
    return tuple(dict.fromkeys(f"{folder}{os.sep}" for folder in both))


def _is_of_environment(folder: Path) -> bool:
    """Whether a folder is the one for distributions of a virtual environment."""
    # lib/python3.x/site-packages, or Lib/site-packages on Windows
    return folder.name == "site-packages" and any(
        (parent / "pyvenv.cfg").is_file() for parent in [*folder.parents][1:3]
    )


@lru_cache(maxsize=4096)
def _is_owned(folder: str, name: str) -> bool:
    """Whether a distribution in a folder brought the module or package of a name."""
    if name == "_virtualenv":  # tools that make environments put it there
        return True
    records: list[tuple[int, Path]] = []
    for each in _metadata(Path(folder)):
        if re.sub(r"[-.]", "_", each.name.partition("-")[0]).lower() == name.lower():
            return True
        for record in ("RECORD", "top_level.txt"):
            with suppress(OSError):
                records.append(((each / record).stat().st_size, each / record))
    # The small ones first: those of the largest distributions have their names.
    line = re.compile(rf"^{re.escape(name)}\s*(?:[/.]|$)".encode(), re.MULTILINE)
    return any(line.search(record.read_bytes()) for _, record in sorted(records))


def _metadata(folder: Path) -> list[Path]:
    """What tells of the distributions in a folder."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 — paths of all that lies there take long
    except OSError:  # no folder
        return []
    return [folder / each for each in names if each.endswith((".dist-info", ".egg-info"))]


def _installed(folder: Path) -> Iterator[str]:
    """The distributions in a folder: each its name and version, which the name of a folder says."""
    for each in _metadata(folder):
        record = each / "RECORD"
        # Of what was installed from somebody's folder or repository the version may stay the same.
        if (each / "direct_url.json").is_file() and record.is_file():
            yield f"{each.name} {_hash(record)}"
        else:
            yield each.name


def _hash(path: Path) -> str:
    return hash_of(path.read_bytes())


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
