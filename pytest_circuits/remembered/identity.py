"""Which model a source is: its weights, its other files, how and on what it is loaded."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.baselines.atomic import write_text
from pytest_circuits.models import SourceKind
from pytest_circuits.models.devices import device_type, dtype_name
from pytest_circuits.models.fingerprint import fingerprint
from pytest_circuits.models.sources import checkpoint_folder
from pytest_circuits.models.stamps import loaded_files, stamps_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_circuits.findings import Json
    from pytest_circuits.models import Source
    from pytest_circuits.models.loading import LoadedModel
    from pytest_circuits.models.stamps import Stamp

#: The kinds of source whose files are all of the model. Any other, such as a function that makes
#: a model, has no identity, and what is measured on it is never remembered.
_ALL_FILES = frozenset({SourceKind.BUNDLED, SourceKind.DIRECTORY, SourceKind.HUB})
_WEIGHTS = ".safetensors"
#: Times of change are told apart from one to the next after this many nanoseconds at the latest.
_TICK = 2 * 10**9


@dataclass(frozen=True)
class Identity:
    """A model, as far as its numbers depend on it.

    Attributes:
        folder: the folder of its files.
        weights: the fingerprint of its weights.
        files: a hash of its other files: config, tokenizer and whatever lies beside them.
        dtype: the dtype that it is loaded in.
        device: the type of the device that it is loaded on.
        stamps: what its folder listed when these were told.
    """

    folder: Path
    weights: str
    files: str
    dtype: str
    device: str
    stamps: tuple[Stamp, ...]

    def document(self) -> dict[str, Json]:
        """The identity as part of a key; the folder's place is none of it."""
        return {
            "weights": self.weights,
            "files": self.files,
            "dtype": self.dtype,
            "device": self.device,
        }

    def is_of(self, model: LoadedModel) -> bool:
        """Whether it is what a model was loaded from, and lies there still."""
        now = stamps_of(loaded_files(self.folder))
        return model.folder == self.folder and model.stamps == self.stamps == now


def identify(source: Source, device: str, dtype: str, notes: Path | None = None) -> Identity | None:
    """The model that a source is now; None if that can't be told.

    Args:
        source: the source.
        device: the device that is asked for.
        dtype: the dtype that is asked for.
        notes: a folder of notes on weights, by which those that their folder lists as it did are
            taken for what they were; without it they are read.
    """
    if source.kind not in _ALL_FILES:
        return None
    try:
        folder = checkpoint_folder(source)
        files = loaded_files(folder)
        if _has_weights_elsewhere(folder, files):
            return None
        return Identity(
            folder=folder,
            # Before they are read: what changes meanwhile is noticed.
            stamps=stamps_of(files),
            weights=fingerprint(folder) if notes is None else _noted(folder, files, notes),
            files=_hash(path for path in files if path.suffix != _WEIGHTS),
            dtype=dtype_name(dtype, folder),
            device=device_type(device),
        )
    except Exception:  # noqa: BLE001 — loading it will say what is wrong with it
        return None


def _has_weights_elsewhere(folder: Path, files: Iterable[Path]) -> bool:
    """Whether weights are loaded that lie in another folder: an adapter's base, a distant shard."""
    if (folder / "adapter_config.json").exists():
        return True
    shards = [
        shard
        for path in files
        if path.name.endswith(f"{_WEIGHTS}.index.json")
        for shard in json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()
    ]
    return any(Path(shard).name != shard for shard in shards)


def _hash(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.name}\0{content}\n".encode())
    return total.hexdigest()


def _noted(folder: Path, files: Iterable[Path], notes: Path) -> str:
    """The fingerprint of weights: noted when their folder listed them as it does, or noted now."""
    note = notes / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()}.json"
    stamps = stamps_of(path for path in files if path.suffix == _WEIGHTS)
    listed = [list(stamp) for stamp in stamps]
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["stamps"] == listed:
            return str(known["weights"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    weights = fingerprint(folder)
    # What changed just now may change again without another time of change.
    if all(mtime < time.time_ns() - _TICK for _, _, mtime, *_ in stamps):
        write_text(note, json.dumps({"stamps": listed, "weights": weights}))
    return weights
