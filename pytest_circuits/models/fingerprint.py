"""A checkpoint's fingerprint: the same for the same tensors, however they are cut into files."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import nn

_CHUNK = 1 << 24


def fingerprint(folder: Path) -> str:
    """SHA-256 over every tensor's name, dtype, shape and bytes, in the order of names.

    Reads the safetensors files directly: no torch, and one chunk in memory at a time. The
    format is an 8-byte little-endian header length, a JSON header, then the tensors' bytes.
    """
    tensors: dict[str, list[tuple[Path, int, int, str, list[int]]]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                start = 8 + length + begin
                place = (path, start, end - begin, entry["dtype"], entry["shape"])
                tensors.setdefault(name, []).append(place)
    total = hashlib.sha256()
    # Of a name that several files have, nobody here knows which one is loaded: all of them count.
    for name in sorted(tensors):
        for path, start, size, dtype, shape in tensors[name]:
            total.update(json.dumps([name, dtype, shape]).encode())
            for chunk in _chunks(path, start, size):
                total.update(chunk)
    return f"sha256:{total.hexdigest()}"


def _chunks(path: Path, start: int, size: int) -> Iterator[bytes]:
    """So many bytes of a file, as far as it has them."""
    with path.open("rb") as file:
        file.seek(start)
        while size > 0 and (chunk := file.read(min(size, _CHUNK))):
            yield chunk
            size -= len(chunk)


def live_fingerprint(model: nn.Module) -> str:
    """SHA-256 over the parameters of a model in memory: their names, dtypes, shapes and bytes.

    Not comparable with :func:`fingerprint`: a hooked model names its parameters differently.
    """
    import torch

    total = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        total.update(json.dumps([name, str(parameter.dtype), list(parameter.shape)]).encode())
        total.update(
            parameter.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        )
    return f"live-sha256:{total.hexdigest()}"
