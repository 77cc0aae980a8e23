"""The two base models, and the folders in which they lie."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from evidence.storage import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable

#: Where the example's suite has it.
_SMOLLM2 = "~/.cache/pytest-circuits/SmolLM2-135M-Instruct-Q4_1"
_PREPARE = "example_suites/smollm2/prepare_model.py"


@dataclass(frozen=True)
class Base:
    """A base model.

    Attributes:
        name: what cases and the command line call it.
        where: its folder, whether or not it is there.
        make: writes that folder.
    """

    name: str
    where: Callable[[], Path]
    make: Callable[[Path], None]

    def folder(self) -> Path:
        """The checkpoint's folder, made first if it isn't there."""
        folder = self.where()
        if not (folder / "config.json").exists():
            self.make(folder)
        return folder

    def digest(self) -> str:
        """The hash of its weights: what was made from other ones is made anew."""
        return _digest(self.folder() / "model.safetensors")


@cache
def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _smollm2() -> Path:
    return Path(_SMOLLM2).expanduser()


def _missing(folder: Path) -> None:
    raise SystemExit(f"there is no SmolLM2 in {folder}: run python {_PREPARE} first")


def _second() -> Path:
    from evidence import second_model

    return cache_folder("models") / f"second-{second_model.VERSION}"


def _train_second(folder: Path) -> None:
    from evidence import second_model

    second_model.train(folder)


BASES = {
    base.name: base
    for base in (Base("smollm2", _smollm2, _missing), Base("second", _second, _train_second))
}
