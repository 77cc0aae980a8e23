"""Devices and dtypes: which are asked for, and which are there."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

from pytest_circuits.models.drivers import first_device
from pytest_circuits.models.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

#: What may be asked for; ``auto`` takes the first of cuda, mps, cpu that is there, ``balanced``
#: all CUDA devices.
DEVICE_PATTERN = re.compile(r"auto|balanced|cpu|mps|cuda(:\d+(,cuda:\d+)*)?", re.ASCII)
#: What may be asked for; ``auto`` is the checkpoint's own.
DTYPES = ("auto", "float32", "bfloat16", "float16", "float64")


def resolve_device(asked: str) -> str:
    """The device to use; several, for a model that is spread over them, with commas in between.

    Raises:
        ModelError: if one that is asked for is not there.
    """
    import torch

    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    numbered = []
    if torch.cuda.is_available():
        numbered = [f"cuda:{n}" for n in range(torch.cuda.device_count())]
        there[:0] = ["cuda", *numbered]
    sees = f"torch {torch.__version__} sees {', '.join(there)}"
    if asked == "auto":
        return there[0]
    if asked == "balanced":
        if not numbered:
            raise ModelError(
                f"balanced spreads a model over all CUDA devices, and there is none here: "
                f"{sees}.\n"
                f"Choose one of these, or auto, with --circuits-device."
            )
        return ",".join(numbered)
    wanted = asked.split(",")
    for device in wanted:
        if device not in there:
            raise ModelError(
                f"there is no device {device!r} here: {sees}.\n"
                f"Choose one of these, or auto, with --circuits-device."
            )
    if len(set(wanted)) < len(wanted):
        raise ModelError(f"{asked!r} names a device twice.\nName each once with --circuits-device.")
    return asked


def device_type(asked: str) -> str:
    """The type of the device to use, without its number; torch is imported only in doubt.

    Raises:
        ModelError: as :func:`resolve_device`.
    """
    if asked == "cpu":
        return asked
    known = first_device() if asked == "auto" and "torch" not in sys.modules else None
    return known or resolve_device(asked).partition(":")[0]


def dtype_name(asked: str, folder: Path) -> str:
    """The name of the dtype to use: the one asked for, else the checkpoint's own.

    The checkpoint's own is what its config says, or else what most of its tensors have.
    """
    if asked == "auto":
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        asked = config.get("dtype") or config.get("torch_dtype") or _stored_dtype(folder)
    return str(asked).removeprefix("torch.")


def resolve_dtype(name: str, where: str) -> torch.dtype:
    """The dtype of a name.

    Args:
        name: its name.
        where: who names it, as the beginning of a message.

    Raises:
        ModelError: if it is no float type.
    """
    import torch

    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ModelError(
            f"{where} dtype {name!r}, which is no float type.\n"
            f"Choose one with --circuits-dtype ({', '.join(DTYPES[1:])})."
        )
    return dtype


def _stored_dtype(folder: Path) -> str:
    from safetensors import safe_open

    names = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    counts: dict[str, int] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as file:
            for key in file.keys():  # noqa: SIM118 — safe_open is no mapping
                dtype = file.get_slice(key).get_dtype()
                counts[dtype] = counts.get(dtype, 0) + 1
    most = max(counts, key=lambda name: counts[name], default="F32")
    return names.get(most, most)
