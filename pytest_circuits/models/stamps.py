"""What a checkpoint's folder lists: by it a file that was changed shows, without being read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    #: A file as its folder lists it: path, size, times of change, number.
    Stamp = tuple[str, int, int, int, int]

#: Endings of what is never loaded, and may be large: weights of other formats, and training's.
_NEVER_LOADED = frozenset(
    {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".gguf", ".h5", ".msgpack", ".onnx"}
)


def loaded_files(folder: Path) -> list[Path]:
    """The files of a checkpoint that a model may be made from."""
    return sorted(
        path for path in folder.iterdir() if path.is_file() and path.suffix not in _NEVER_LOADED
    )


def stamps_of(files: Iterable[Path]) -> tuple[Stamp, ...]:
    """What the files' folder lists now."""
    listed = ((str(path), path.stat()) for path in files)
    return tuple(
        (name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        for name, stat in listed
    )
