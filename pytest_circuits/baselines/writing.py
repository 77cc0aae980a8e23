"""Writing a file whole or not at all, and what a process that was killed leaves of that.

A file is written beside its place first and takes it in one step. Until then it lies in a folder of
its own that hides itself from git, so that nobody commits what a killed process left. Such folders
are deleted by the next run, by the next report that is written there, and by ``prune``.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from pytest_circuits.baselines.locations import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What folders of unfinished files begin with; then comes the process that made them.
SCRATCH = ".pytest-circuits-"
_HIDDEN = b"*\n"
#: How often a file is written whose scratch folder another process took for one that was left.
_TRIES = 3
#: Seconds after which a folder was left, whatever processes there are: of another machine, say.
_LEFT = 3600.0


def write_text(path: Path, text: str) -> None:
    """Put text into a file as UTF-8, whole or not at all; otherwise as :func:`write_bytes`.

    What killed processes left there is deleted.
    """
    write_bytes(path, text.encode("utf-8"))
    sweep(_scratch_folder(Path(os.path.realpath(path))))


def write_bytes(path: Path, data: bytes) -> None:
    """Put bytes into a file, whole or not at all; its folder is made where there is none.

    A file that is there keeps its permissions, a new one gets those that the umask allows. Where
    the path is a symbolic link, what it points to is written.

    Raises:
        OSError: if it can't be written, with the file's name; what was there before is still there.
    """
    with _naming(path):
        target = Path(os.path.realpath(path))
        for attempt in range(1, _TRIES + 1):
            try:
                _put(target, data)
            except FileNotFoundError:
                if attempt == _TRIES:
                    raise
            else:
                return


def why_not(error: OSError) -> str:
    """Why a file could not be read or written, in a few words."""
    return error.strerror or str(error) or type(error).__name__


def sweep(folder: Path) -> None:
    """Delete what killed processes left of files that were to be written here.

    Args:
        folder: a folder of baselines (``__circuits__``), or one that holds reports. There need not
            be one, and what can't be deleted stays.
    """
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(SCRATCH)]
    except OSError:
        return
    for name in names:
        if _is_left(folder / name):
            shutil.rmtree(folder / name, ignore_errors=True)


def _is_left(scratch: Path) -> bool:
    """Whether nobody will finish what is in a scratch folder."""
    process = scratch.name.removeprefix(SCRATCH).partition("-")[0]
    # Needed only where something was left.
    import psutil

    try:
        is_running = process.isdigit() and psutil.pid_exists(int(process))
        return not is_running or scratch.stat().st_mtime < time.time() - _LEFT
    except (OSError, OverflowError):
        return False


def _put(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = _scratch_folder(target) / f"{SCRATCH}{os.getpid()}-{uuid4().hex[:12]}"
    unfinished, hidden = scratch / "unfinished", scratch / ".gitignore"
    try:
        scratch.mkdir()
        _hide(hidden)
        with unfinished.open("xb") as file:
            file.write(data)
        if target.exists():
            shutil.copymode(target, unfinished)
        unfinished.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _hide(path: Path) -> None:
    """Make a ``.gitignore`` that hides all beside it and itself.

    Without a buffer: the shorter it is there and empty, the less a kill at that moment is likely.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(descriptor, _HIDDEN)
    finally:
        os.close(descriptor)


def _scratch_folder(target: Path) -> Path:
    """Where a file is made: in the folder of all baselines, or beside it.

    What lies on another file system could not take the file's place in one step.
    """
    root = next((folder for folder in target.parents if folder.name == ROOT), target.parent)
    is_near = root.stat().st_dev == target.parent.stat().st_dev
    return root if is_near else target.parent


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error of the system name a file, and not what it was made of."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
