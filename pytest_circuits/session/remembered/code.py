"""The code that makes a finding: ours, the libraries', the test's."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.session.remembered.arguments import UnknownError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_circuits.findings import Json

_PACKAGE = Path(__file__).parents[2]
#: What of this package a finding comes from.
_OURS = ("findings", "forward", "measures", "models", "prompts", "session")
_OWN = "pytest-circuits"
_LIBRARIES = (
    "torch", "transformers", "transformer-lens", "tokenizers", "sentencepiece", "tiktoken",
    "safetensors", "numpy", "accelerate", "peft", "gguf", "bitsandbytes", "compressed-tensors",
    "gptqmodel", "hqq", "kernels", "optimum-quanto", "torchao",
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


def hash_of_files(paths: Iterable[Path]) -> str:
    """A hash of the contents of files, wherever they lie.

    Raises:
        OSError: if one can't be read.
    """
    return hashlib.sha256("\n".join(map(_hash, paths)).encode()).hexdigest()


def versions() -> dict[str, Json]:
    """The versions of Python, of this package and of the libraries that it measures with.

    Raises:
        UnknownError: if one of them is installed editable, so that its version says nothing.
    """
    packages = (_OWN, *_LIBRARIES)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {
        "python": python,
        "machine": platform.machine(),
        **{package: _version(package) for package in packages},
    }


def _version(package: str) -> str | None:
    try:
        installed = distribution(package)
    except PackageNotFoundError:
        return None
    # Ours is hashed; of others, what lies in somebody's checkout has no version that tells.
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if package != _OWN and origin.get("dir_info", {}).get("editable"):
        raise UnknownError(f"{package} is installed editable")
    return installed.version


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
