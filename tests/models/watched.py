"""A process that is watched: it may compute and read, and write into a few folders.

Python tells an audit hook of every program that is started, every address that is looked up or
connected to, and every file that Python code writes. What a library's native code does by itself is
not told.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PROGRAMS = (
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system",
    "pty.spawn", "subprocess.Popen",
)  # fmt: skip
_NETWORK = (
    "socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
)  # fmt: skip
#: Events of files, and which of their arguments are paths.
_FILES = {
    "open": (0,),
    "os.chmod": (0,),
    "os.link": (1,),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.utime": (0,),
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """From now on, what this process must not do is noted, and raises where it is done.

    Attributes:
        seen: the violations so far; code that catches the error can't remove them.
    """

    def __init__(self, *folders: str) -> None:
        self.seen: list[str] = []
        self._folders = [Path(folder).resolve() for folder in folders]
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        # Python asks ldconfig where a shared library lies, when torch is one for GPUs.
        if event in _NETWORK or (event in _PROGRAMS and "ldconfig" not in str(arguments[:1])):
            self._note(event, arguments)
        elif event in _FILES and (event != "open" or self._opens_to_write(*arguments)):
            # A folder that is opened itself may come last, to which the path is relative.
            paths = [arguments[number] for number in _FILES[event]]
            if not all(self._allowed(event, path, arguments[-1]) for path in paths):
                self._note(event, paths)

    def _opens_to_write(self, path: object, _mode: object, flags: int) -> bool:
        return isinstance(path, (str, bytes)) and bool(flags & _WRITES)

    def _allowed(self, event: str, path: object, folder: object) -> bool:
        where = Path(os.fsdecode(path)) if isinstance(path, (str, bytes, os.PathLike)) else None
        if where is None or str(where) == os.devnull:
            return True
        if isinstance(folder, int) and not where.is_absolute() and folder > 0:
            where = Path(f"/proc/self/fd/{folder}").resolve() / where
        if event == "os.mkdir" and where.is_dir():  # which does nothing
            return True
        return any(where.resolve().is_relative_to(each) for each in self._folders)

    def _note(self, event: str, what: object) -> None:
        self.seen.append(f"{event} {what}")
        raise PermissionError(f"not allowed while a model is loaded: {event} {what}")
