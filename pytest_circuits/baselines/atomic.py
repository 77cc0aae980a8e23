"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import uuid4


def write_text(path: Path, text: str) -> None:
    """Put text into a file as UTF-8, whole or not at all; otherwise as :func:`write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Put bytes into a file, whole or not at all; its folder is made where there is none.

    A file that is there keeps its permissions, a new one gets those that the umask allows. Where
    the path is a symbolic link, what it points to is written.

    Raises:
        OSError: if it can't be written; what was there before is still there.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem[:40]}-{uuid4().hex[:12]}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
