"""What the commands share: exit statuses, and how they speak."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path

EXIT_OK = 0
EXIT_PENDING = 1
EXIT_USAGE = 2
EXIT_UNREADABLE = 3

NO_BREAK = "\N{NO-BREAK SPACE}"


def say(text: str) -> None:
    """Print what was asked for."""
    print(text)  # noqa: T201


def complain(text: str) -> None:
    """Print what went wrong."""
    print(text, file=sys.stderr)  # noqa: T201


def refuse(text: str) -> int:
    """Say why nothing was done; gives the exit status of a usage error."""
    complain(f"pytest-circuits: {text}")
    return EXIT_USAGE


def width() -> int:
    """The terminal's width in columns; 80 where there is none."""
    return shutil.get_terminal_size().columns


def wrapped(text: str, indent: str) -> str:
    """The text on as many lines as the terminal needs, those after the first further indented.

    Lines end at no no-break space; it is printed as any other.
    """
    filled = textwrap.fill(
        text,
        width(),
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(NO_BREAK, " ")


def cut(text: str, room: int) -> str:
    """The text, with an ellipsis for what does not fit."""
    return text if len(text) <= room else f"{text[: room - 1]}…"


def no_folder(path: Path) -> str | None:
    """What is wrong with a path that should be a folder's; None if it is one's."""
    if path.is_dir():
        return None
    return f"{path} is a file: name a folder" if path.exists() else f"there is no folder {path}"


def shown(path: Path) -> Path:
    """A path as it is best read: from the working directory, where it lies below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
