"""Whether weights are the same: by their tensors, or by what a folder lists of its files."""

from __future__ import annotations

import hashlib
import json
import mmap
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pytest_circuits.findings.strict_json import parse_json
from pytest_circuits.models.hygiene import plain_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from torch import nn

    #: A file as its folder lists it: path, size, times of change, number.
    Stamp = tuple[str, int, int, int, int]


def fingerprint(files: Iterable[Path]) -> str:
    """SHA-256 over every tensor's name, dtype, shape and bytes, in the order of names.

    Reads safetensors files directly: no torch, the files mapped into memory, tensors hashed side by
    side in the order in which they lie there. The format is an 8-byte little-endian header length,
    a JSON header, then the tensors' bytes.
    """
    digests: list[tuple[str, int, Future[bytes]]] = []
    # The pool ends first: nothing looks at a file any more when it is closed.
    with ExitStack() as mapped, ThreadPoolExecutor() as pool:
        for number, path in enumerate(files):
            data = mapped.enter_context(_mapped(path))
            length = int.from_bytes(data[:8], "little")
            header = parse_json(bytes(data[8 : 8 + length]))
            header.pop("__metadata__", None)
            for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
                begin, end = (8 + length + offset for offset in entry["data_offsets"])
                what = json.dumps([name, entry["dtype"], entry["shape"]]).encode()
                digests.append((name, number, pool.submit(_digest, what, data, begin, end)))
    return combined((name, number, digest.result()) for name, number, digest in digests)


def combined(digests: Iterable[tuple[str, int, bytes]]) -> str:
    """The fingerprint of tensors: their names, their files' numbers, their digests.

    Of a name that several files have, nobody here knows which one is loaded: all of them count.
    """
    total = hashlib.sha256()
    for _, _, digest in sorted(digests):
        total.update(digest)
    return f"sha256:{total.hexdigest()}"


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        yield view


def _digest(what: bytes, data: memoryview, begin: int, end: int) -> bytes:
    digest = hashlib.sha256(what)
    with data[begin:end] as tensor:
        digest.update(tensor)
    return digest.digest()


def live_fingerprint(model: nn.Module) -> str:
    """SHA-256 over the parameters of a model in memory: their names, dtypes, shapes and bytes.

    Not comparable with :func:`fingerprint`: a hooked model names its parameters differently.
    """
    import torch

    total = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        total.update(json.dumps([name, str(parameter.dtype), list(parameter.shape)]).encode())
        for part in plain_parts(parameter.detach()):
            total.update(part.cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return f"live-sha256:{total.hexdigest()}"


def stamps_of(files: Iterable[Path]) -> tuple[Stamp, ...]:
    """What the files' folder lists now: by it a change shows without reading a file."""
    listed = ((str(path), path.stat()) for path in files)
    return tuple(
        (name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        for name, stat in listed
    )
