"""Sources: how a user names a model.

Reading a source needs no torch, so that a wrong name is told before anything heavy is imported.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pytest_circuits.models.errors import ModelError

BUNDLED = Path(__file__).parent / "bundled"
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


class SourceKind(StrEnum):
    """The kinds of source."""

    BUNDLED = "bundled"
    DIRECTORY = "directory"
    HUB = "hub"


@dataclass(frozen=True)
class Source:
    """A model's name, understood.

    Attributes:
        text: the source as the user wrote it.
        kind: which kind of source it is.
        location: the bundled name, the folder, or the hub id.
        revision: the hub revision, or None for the default one.
    """

    text: str
    kind: SourceKind
    location: str
    revision: str | None = None

    @property
    def public_name(self) -> str:
        """The source without this machine's folders, for files that others read."""
        if self.kind is SourceKind.DIRECTORY:
            return f"directory:{Path(self.location).name}"
        return self.text


def bundled_names() -> list[str]:
    """The models that come with this package."""
    return sorted(path.name for path in BUNDLED.iterdir() if path.is_dir())


def parse_source(text: str, base: Path | None = None) -> Source:
    """Understand a source.

    Args:
        text: ``bundled:NAME``, a checkpoint folder (``~`` and ``$VARIABLES`` are expanded), or
            a hub id, perhaps with ``@revision``.
        base: the folder that a relative path starts from; by default the working directory.

    Raises:
        ModelError: if it is none of these.
    """
    text = text.strip()
    if text.startswith("bundled:"):
        name = text.removeprefix("bundled:")
        if name not in bundled_names():
            raise ModelError(
                f"no bundled model is called {name!r}.\nThere are: {', '.join(bundled_names())}."
            )
        return Source(text, SourceKind.BUNDLED, name)
    expanded = Path(os.path.expandvars(text)).expanduser()
    path = (base or Path.cwd()) / expanded
    if text and path.is_dir():
        return Source(text, SourceKind.DIRECTORY, str(path))
    identifier, _, revision = text.partition("@")
    looks_like_path = (
        text.startswith((".", "/", "~", "$")) or "\\" in text or expanded.is_absolute()
    )
    if not looks_like_path and _HUB_ID.fullmatch(identifier) and (revision or "@" not in text):
        return Source(text, SourceKind.HUB, identifier, revision or None)
    what = "is a file" if path.is_file() else "there is no such folder"
    raise ModelError(
        f"{text!r} is no model source: {what}.\n"
        f"A source is bundled:NAME ({', '.join(bundled_names())}), the folder of a checkpoint,\n"
        f"or a hub id with or without a revision (org/name@revision)."
    )
