"""Which device torch would find here, told without importing it."""

from __future__ import annotations

import ast
import ctypes
import importlib.util
import sys
from pathlib import Path
from typing import Any

#: The CUDA driver's library, by platform.
_DRIVERS = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}
_SUCCESS, _NO_DEVICE = 0, 100


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
