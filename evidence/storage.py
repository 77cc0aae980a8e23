"""Where evidence is cached, and how a file or folder appears there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: The environment variable that names another folder.
VARIABLE = "CIRCUITS_EVIDENCE"
DEFAULT = "~/.cache/pytest-circuits/evidence"


def cache_folder(*parts: str) -> Path:
    """A folder of the cache, made if it isn't there."""
    folder = Path(os.environ.get(VARIABLE, DEFAULT)).expanduser().joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sources(files: Iterable[Path]) -> str:
    """A hash of source files, as a key of the cache: a change of the code gives another."""
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()[:8]


def write_whole(place: Path, write: Callable[[Path], object]) -> None:
    """Have a file or folder written beside its place, and put it there once it is complete.

    Where another process was first, its folder stays.
    """
    unfinished = place.with_name(f"{place.name}.unfinished-{os.getpid()}")
    try:
        write(unfinished)
        try:
            unfinished.rename(place)
        except OSError:
            if not place.is_dir():
                raise
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        else:
            unfinished.unlink(missing_ok=True)


def measured_once(place: Path, measure: Callable[[], object]) -> Any:  # noqa: ANN401 — JSON
    """What a JSON file of the cache holds; measured and written first where there is no file."""
    if not place.exists():
        text = json.dumps(measure(), indent=1)
        write_whole(place, lambda path: path.write_text(text, "utf-8"))
    return json.loads(place.read_text("utf-8"))


@contextmanager
def passing_folder(name: str, fill: Callable[[Path], object]) -> Iterator[Path]:
    """A folder of this name that something is written into, and that is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=cache_folder("scratch")) as place:
        folder = Path(place) / name
        fill(folder)
        yield folder
