"""How much memory loaded models may take, and how much they do."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.models.hygiene import plain_parts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from pytest_circuits.models.sources.checkpoint import Checkpoint

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:([KMGT]i?)?B)?", re.ASCII | re.IGNORECASE)
_UNITS = {None: 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
#: The share of a machine's or a device's memory that models may take; runs need the rest.
_SHARE = 0.5
#: Where Linux says how much memory a container may use: control groups of version 2 and 1.
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
#: The bytes of a float, by its dtype's name in torch and in safetensors files.
_LOADED = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
_STORED = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_WEIGHTS = ".safetensors"


def parse_size(text: str) -> int | None:
    """Bytes from ``8GB``, ``800 MB``, ``1.5GiB`` or a plain number; None if it is none of these."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    number, unit = match.groups()
    return int(float(number) * _UNITS[unit and unit.lower()])


def memory_budget(asked: str, device: str, processes: int = 1) -> int:
    """Bytes that the loaded models of a process may take together.

    Args:
        asked: a size as :func:`parse_size` reads it, or ``auto``: half of the memory that is there.
        device: where they are; several devices with commas in between.
        processes: how many processes share what is there.
    """
    size = parse_size(asked)
    if size is not None:
        return size
    return int(_memory_of(device) * _SHARE) // processes


def _memory_of(device: str) -> int:
    """All memory of a device: of GPUs their own, else the machine's that a container may use."""
    if device.startswith("cuda"):
        import torch

        properties = map(torch.cuda.get_device_properties, device.split(","))
        return sum(int(each.total_memory) for each in properties)
    import psutil

    return min([int(psutil.virtual_memory().total), *_container_limits(_LIMITS)])


def _container_limits(files: Iterable[Path]) -> list[int]:
    limits = []
    for file in files:
        try:
            limits.append(int(file.read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such control group, or "max"
            continue
    return limits


def size_of(model: nn.Module) -> int:
    """Bytes of a model's parameters and buffers; what is tied counts once."""
    every = (*model.parameters(), *model.buffers())
    tensors = [part for tensor in every for part in plain_parts(tensor)]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in tensors}
    return sum(storage.nbytes() for storage in storages.values())


def expected_size(checkpoint: Checkpoint, dtype: str) -> int:
    """Bytes that a checkpoint's weights should take when it is loaded, by its files; 0 without.

    Of safetensors files that is known. A GGUF file may take a few times as much as is said here.

    Args:
        checkpoint: the checkpoint.
        dtype: ``auto`` or a float type's name.

    Raises:
        ModelError: for what is missing or damaged.
    """
    width = _LOADED.get(checkpoint.dtype(dtype))
    return sum(
        path.stat().st_size if width is None or path.suffix != _WEIGHTS else _size_in(path, width)
        for path in checkpoint.weights() or checkpoint.files()
    )


def _size_in(path: Path, width: int) -> int:
    """Bytes of a safetensors file, if its floats took so many each."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        tensors = [file.get_slice(name) for name in file.keys()]  # noqa: SIM118 — it is no mapping
        wider = sum(
            prod(tensor.get_shape()) * (width - _STORED[tensor.get_dtype()])
            for tensor in tensors
            if tensor.get_dtype() in _STORED
        )
    return int(path.stat().st_size + wider)
