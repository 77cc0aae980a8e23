"""Devices and dtypes: which are asked for, and which are there."""

from __future__ import annotations

import ast
import ctypes
import importlib.util
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError

if TYPE_CHECKING:
    import torch

    from pytest_circuits.models.sources.source import Source

#: What may be asked for; ``auto`` takes the first of cuda, mps, cpu that is there, ``balanced``
#: all CUDA devices.
DEVICE_PATTERN = re.compile(r"auto|balanced|cpu|mps|cuda(:\d+(,cuda:\d+)*)?", re.ASCII)
#: What may be asked for; ``auto`` is the checkpoint's own.
DTYPES = ("auto", "float32", "bfloat16", "float16", "float64")
#: The CUDA driver's library, by platform.
_DRIVERS = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}
_SUCCESS, _NO_DEVICE = 0, 100


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


def is_spread(device: str) -> bool:
    """Whether this names several devices."""
    return "," in device


def refuse_spread(source: Source, device: str) -> None:
    """Refuse several devices for a model that is not plainly a Hugging Face one.

    Raises:
        ModelError: if there are several.
    """
    if is_spread(device):
        raise ModelError(
            f"{source.text}: only Hugging Face models can be spread over several devices "
            f"({device}).\n"
            f"Choose one device with --circuits-device."
        )


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


def first_device() -> str | None:
    """The type of torch's first device, cuda or cpu; None where only torch itself can tell.

    A torch that was built for CPUs has no other. One for CUDA has the devices of the driver, if
    that is new enough for it. Of all other builds and platforms nothing is said.
    """
    built = _build()
    if built is None or sys.platform not in _DRIVERS or any(built.get(k) for k in ("hip", "xpu")):
        return None
    needed = built["cuda"]
    return "cpu" if needed is None else _of_driver(needed)


def _build() -> dict[str, str | None] | None:
    """What torch's ``version.py`` says it was built for; None if there is no such file."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        module = ast.parse(Path(spec.origin).with_name("version.py").read_text(encoding="utf-8"))
        built = {
            target.id: ast.literal_eval(value)
            for node in module.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and (value := node.value) is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name) and not target.id.startswith("__")
        }
    except (OSError, ValueError, SyntaxError):
        return None
    return built if "cuda" in built else None


def _of_driver(needed: str) -> str | None:
    """As :func:`first_device`, of a torch that was built for that version of CUDA."""
    try:
        driver: Any = ctypes.CDLL(_DRIVERS[sys.platform])
    except OSError:
        return "cpu"  # no driver, no device
    count, version = ctypes.c_int(), ctypes.c_int()
    began = driver.cuInit(0)
    if began == _NO_DEVICE:
        return "cpu"
    if began != _SUCCESS or driver.cuDeviceGetCount(ctypes.byref(count)) != _SUCCESS:
        return None
    if count.value == 0:
        return "cpu"
    major, minor = (int(part) for part in needed.split(".")[:2])
    if driver.cuDriverGetVersion(ctypes.byref(version)) != _SUCCESS:
        return None
    return "cuda" if version.value >= 1000 * major + 10 * minor else None
