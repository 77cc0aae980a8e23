"""Baseline files: where they lie, who owns them, and how they are written."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.baselines.canonical import dumps
from pytest_circuits.baselines.envelope import SCHEMA_VERSION, Baseline, loads, read_entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.findings import Json

#: The folder beside a test file that holds its baselines.
ROOT = "__circuits__"

_MAX_NAME = 200
_ILLEGAL = re.compile(r"[^\w .()+,;=@#%&!\[\]{}~^-]", re.ASCII)


def file_name(test: str, parameters: str) -> str:
    """A test's file name without its ending: legal everywhere, stable, and at most 200 long.

    A short hash of the true name is added where the name had to be changed, or where another
    test's name could differ from it only in case (which some file systems do not tell apart).

    Args:
        test: class and function, ``TestHeads.test_induction``.
        parameters: the id of the test's own parameters; the model's alias is not one of them.
    """
    true = f"{test}[{parameters}]" if parameters else test
    name = _ILLEGAL.sub("_", true)
    # Classes have capitals by custom; elsewhere they are what two names could differ in.
    cased = f"{test.rpartition('.')[2]}{parameters}"
    if name == true and cased == cased.lower() and len(name) <= _MAX_NAME:
        return name
    digest = hashlib.sha256(true.encode()).hexdigest()[:8]
    return f"{name[: _MAX_NAME - len(digest) - 1]}-{digest}"


def baseline_path(test_file: Path, alias: str, name: str) -> Path:
    """A test's baselines for an alias: ``__circuits__/<alias>/<module>/<name>.json``."""
    return test_file.parent / ROOT / alias / test_file.stem / f"{name}.json"


def find(path: Path, owners: Sequence[str], name: str) -> tuple[str, str] | None:
    """The first owner's baseline of that name.

    Args:
        path: the path of the test's baselines for any one alias.
        owners: aliases to look for, nearest first.
        name: the finding's name in the file.

    Returns:
        the owner's alias and the baseline as canonical JSON, or None.

    Raises:
        BaselineError: if a file on the way can't be read.
    """
    for owner in owners:
        own = path.parents[2] / owner / path.parent.name / path.name
        for entry in read_entries(own):
            if entry["name"] == name:
                text = dumps(entry)
                # Decoded once here, so that damage is reported with the file's own name.
                loads(text, own)
                return owner, text
    return None


def write(path: Path, baselines: Sequence[Baseline]) -> None:
    """Put baselines into a file, leaving its others as they are and in their order.

    The file appears whole or not at all; a file that would not change is not touched.

    Raises:
        BaselineError: if there is a file that can't be read: nothing is repaired silently.
    """
    entries: dict[str, Json] = {entry["name"]: entry for entry in read_entries(path)}
    entries |= {baseline.name: baseline.document() for baseline in baselines}
    text = dumps({"schema_version": SCHEMA_VERSION, "findings": list(entries.values())})
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=".tmp"
    )
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        # mkstemp makes files that only their owner may read; baselines are source files.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
