"""What a step of an action tells the steps behind it."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_outputs(outputs: Mapping[str, str]) -> None:
    """Append to the file that GitHub reads a step's outputs from.

    A value may hold anything: it ends with a line that nobody can guess, so that no value can
    pass for another output.
    """
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        for name, value in outputs.items():
            end = f"end_of_{name}_{uuid.uuid4().hex}"
            file.write(f"{name}<<{end}\n{value}\n{end}\n")
