"""Where the metadata of a GGUF file are, without making an object of every token in them."""

from __future__ import annotations

import hashlib
import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_STRING, _ARRAY = 8, 9
#: Bytes of a value by its type: integers, floats and booleans.
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
#: Magic and version; how many tensors there are, how many pairs of key and value.
_START = struct.Struct("<4sIQQ")


def metadata_hash(path: Path) -> str:
    """SHA-256 over the metadata of a GGUF file, which hold its config and its tokenizer.

    They are counted pairs of a key (a string) and a value, whose type comes first; a string is its
    length and its bytes, an array its elements' type, their count, and they. The library ``gguf``
    reads them too, but takes seconds for a large vocabulary, and this is asked for in every run.

    Raises:
        ValueError: if they don't end within the file.
        KeyError: for a value of unknown type.
        struct.error: if the file ends in the middle of a number.
    """
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        end = _end(view)
        if end > len(view):
            raise ValueError(f"its metadata end at byte {end}, the file at byte {len(view)}")
        with view[:end] as metadata:
            return hashlib.sha256(metadata).hexdigest()


def _end(data: memoryview) -> int:
    """Where the metadata end."""
    *_, pairs = _START.unpack_from(data)
    position = _START.size
    for _ in range(pairs):
        position = _after(data, position, _STRING)
        (kind,) = struct.unpack_from("<I", data, position)
        position = _after(data, position + 4, kind)
    return position


def _after(data: memoryview, position: int, kind: int) -> int:
    """Where a value of some type ends that begins at a position."""
    if kind == _STRING:
        (length,) = struct.unpack_from("<Q", data, position)
        return position + 8 + int(length)
    if kind != _ARRAY:
        return position + _SIZES[kind]
    inner, count = struct.unpack_from("<IQ", data, position)
    position += 12
    if inner in _SIZES:
        return position + int(count) * _SIZES[inner]
    for _ in range(count):
        position = _after(data, position, inner)
    return position
