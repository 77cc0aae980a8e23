"""Findings in files, each by the key of what it was measured with."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors import safe_open
from safetensors.numpy import save

from pytest_circuits.baselines.files import write_bytes
from pytest_circuits.findings.exact import put_together, take_apart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_circuits.findings import Finding

#: Bytes that all entries together may have at the end of a run.
BUDGET = 1 << 28


@dataclass(frozen=True)
class Entry:
    """What is remembered of a measurement.

    Attributes:
        finding: what it found.
        warnings: what it warned of.
    """

    finding: Finding
    warnings: tuple[str, ...] = ()


class Store:
    """A folder of entries, a safetensors file each.

    A file that is damaged is no entry, and neither is one that can't be written: the measurement
    is made again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"

    def get(self, key: str) -> Entry | None:
        """The entry of a key, which is the last that has to leave now; None if there is none."""
        path = self._path(key)
        try:
            entry = _read(path)
            os.utime(path)
        except Exception:  # noqa: BLE001 — whatever it is: no file, no safetensors, not ours
            return None
        return entry

    def put(self, key: str, entry: Entry) -> None:
        """Store an entry in place of any other of its key."""
        try:
            write_bytes(self._path(key), _dumps(entry))
        except (OSError, TypeError):  # no room; or a finding of parts that can't be stored
            return

    def shrink(self, budget: int = BUDGET) -> None:
        """Delete the entries that were not used for longest, until the rest fits the budget."""
        files = sorted(self._files(), reverse=True)
        total = 0
        for _, size, path in files:
            total += size
            if total > budget:
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """Time of last use, size and path of every file, unfinished ones among them."""
        for path in self._folder.glob("*"):
            try:
                stat = path.stat()
            except OSError:  # another run deleted it
                continue
            yield stat.st_mtime_ns, stat.st_size, path


def _dumps(entry: Entry) -> bytes:
    document, arrays = take_apart(entry.finding)
    text = json.dumps({"finding": document, "warnings": entry.warnings})
    # One field: safetensors keeps several in no order, and an entry has the same bytes every time.
    return save(arrays, {"entry": json.dumps([text, _digest(text, arrays)])})


def _read(path: Path) -> Entry:
    """The entry in a file.

    Raises:
        Exception: of any kind, if it is none.
    """
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 — no mapping
    text, digest = json.loads(metadata["entry"])
    if digest != _digest(text, arrays):
        raise ValueError(f"{path} is damaged")
    document: dict[str, Any] = json.loads(text)
    return Entry(put_together(document["finding"], arrays), tuple(document["warnings"]))


def _digest(text: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    total = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        total.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        total.update(array.tobytes())
    return total.hexdigest()
