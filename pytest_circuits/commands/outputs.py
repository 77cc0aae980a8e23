"""Where commands write reports: files, or the standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.baselines.files import write_text
from pytest_circuits.commands.console import say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: What stands for the standard output in place of a file.
STDOUT = "-"


def too_many(places: Mapping[str, str]) -> str:
    """What is wrong where several reports go to the standard output; empty if it is one at most."""
    several = [kind for kind, place in places.items() if place == STDOUT]
    return f"only one of {', '.join(several)} fits on standard output" if len(several) > 1 else ""


def write_outputs(places: Mapping[str, str], rendered: Callable[[str], str]) -> str:
    """Write reports; gives what went wrong, or nothing.

    Args:
        places: where each kind goes; ``-`` is the standard output, which then gets nothing else.
        rendered: the text of a kind.
    """
    for kind, place in places.items():
        text = rendered(kind)
        if place == STDOUT:
            sys.stdout.flush()
            # Reports are UTF-8, whatever a terminal would be.
            sys.stdout.buffer.write(text.encode())
            sys.stdout.buffer.flush()
            continue
        try:
            write_text(Path(place), text)
        except OSError as error:
            return f"{place} could not be written: {error.strerror}"
        if STDOUT not in places.values():
            say(f"report: {place}")
    return ""
