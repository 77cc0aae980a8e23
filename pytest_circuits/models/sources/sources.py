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
from pytest_circuits.models.secrets import redacted

BUNDLED = Path(__file__).parents[1] / "bundled"
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
_FACTORY = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
#: How names begin that only a plugin can know: ``s3://…``, ``registry:…``.
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:.", re.ASCII | re.IGNORECASE)


class SourceKind(StrEnum):
    """The kinds of source."""

    BUNDLED = "bundled"
    DIRECTORY = "directory"
    GGUF = "gguf"
    HUB = "hub"
    FACTORY = "factory"
    OTHER = "other"


@dataclass(frozen=True)
class Source:
    """A model's name, understood.

    Attributes:
        text: the source as the user wrote it.
        kind: which kind of source it is.
        location: the bundled name, the folder or file, the hub id, or else the text.
        revision: the hub revision, or None for the default one.
    """

    text: str
    kind: SourceKind
    location: str
    revision: str | None = None

    @property
    def public_name(self) -> str:
        """The source without this machine's folders and without secrets, for what others read."""
        if self.kind in (SourceKind.DIRECTORY, SourceKind.GGUF):
            return f"{self.kind}:{Path(self.location).name}"
        return redacted(self.text)


def bundled_names() -> list[str]:
    """The models that come with this package."""
    return sorted(path.name for path in BUNDLED.iterdir() if path.is_dir())


def parse_source(text: str, base: Path | None = None) -> Source:
    """Understand a source.

    Args:
        text: ``bundled:NAME``, the folder of a checkpoint or an adapter or a GGUF file (``~`` and
            ``$VARIABLES`` are expanded), a hub id, perhaps with ``@revision``,
            ``package.module:factory``, or anything with a scheme, which a plugin may know.
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
    if path.is_file() and path.suffix.lower() == ".gguf":
        return Source(text, SourceKind.GGUF, str(path))
    identifier, _, revision = text.partition("@")
    looks_like_path = (
        text.startswith((".", "/", "~", "$")) or "\\" in text or expanded.is_absolute()
    )
    if not looks_like_path and _HUB_ID.fullmatch(identifier) and (revision or "@" not in text):
        return Source(text, SourceKind.HUB, identifier, revision or None)
    if not looks_like_path and _FACTORY.fullmatch(text):
        return Source(text, SourceKind.FACTORY, text)
    if not path.exists() and not looks_like_path and _SCHEME.match(text):
        return Source(text, SourceKind.OTHER, text)
    what = "is a file" if path.is_file() else "there is no such file or folder"
    raise ModelError(
        f"{text!r} is no model source: {what}.\n"
        f"A source is bundled:NAME ({', '.join(bundled_names())}), the folder of a checkpoint or\n"
        f"of an adapter, a .gguf file, a hub id with or without a revision (org/name@revision),\n"
        f"or package.module:factory."
    )
