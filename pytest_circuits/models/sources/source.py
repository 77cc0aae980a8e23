"""Sources: how a user names a model, and what every kind of them answers before it is loaded.

Reading a source needs no torch, so that a wrong name is told before anything heavy is imported.
"""

from __future__ import annotations

import gc
import hashlib
import os
import re
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError, did_you_mean
from pytest_circuits.models.secrets import shown_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

    #: Whoever knows further kinds of source: given a source, a device and a dtype as they are asked
    #: for, a model as a factory may return it; None for a source that is unknown there too.
    Others = Callable[["Source", str, str], object]
    #: What opens another source for one that is made from it.
    Opener = Callable[["Source"], "Checkpoint"]

#: Characters of a source that a message shows.
_SHOWN = 200
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
        text: the source as the user wrote it, which may hold secrets.
        kind: which kind of source it is.
        location: the bundled name, the folder or file, the hub id, or else the text.
        revision: the hub revision, or None for the default one.
    """

    text: str
    kind: SourceKind
    location: str
    revision: str | None = None

    def __repr__(self) -> str:
        """As pytest shows a test's arguments: without secrets."""
        return f"Source({self.shown!r})"

    @property
    def shown(self) -> str:
        """The source as the user wrote it, without secrets: whatever is printed shows this."""
        return shown_address(self.text)

    @property
    def public_name(self) -> str:
        """The source without this machine's folders and without secrets, for what others read."""
        if self.kind in (SourceKind.DIRECTORY, SourceKind.GGUF):
            return f"{self.kind}:{shown_address(f'./{Path(self.location).name}')[2:]}"
        return self.shown


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
    try:
        return _parsed(text, base)
    # No such user, a name too long or that no system has, a folder that nobody lets us look into.
    except (OSError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
        shown = shown_address(text)
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
        raise ModelError(
            f"{shown!r} is no model source: its path can't be looked at ({why}).\n"
            f"Name another path, or write out what ~ or $VARIABLE stands for."
        ) from error


def is_path(text: str, folder: Path) -> bool:
    """Whether a text names something that is there, as seen from a folder."""
    try:
        return (folder / Path(text).expanduser()).exists()
    except (OSError, RuntimeError, ValueError):
        return False


def _parsed(text: str, base: Path | None) -> Source:
    if text.startswith("bundled:"):
        name = text.removeprefix("bundled:")
        if name not in bundled_names():
            raise ModelError(
                f"no bundled model is called {name!r}{did_you_mean(name, bundled_names()) or '.'}\n"
                f"There are: {', '.join(bundled_names())}."
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
        f"{shown_address(text)!r} is no model source: {what}.\n"
        f"A source is bundled:NAME ({', '.join(bundled_names())}), the folder of a checkpoint or\n"
        f"of an adapter, a .gguf file, a hub id with or without a revision (org/name@revision),\n"
        f"or package.module:factory."
    )


class Checkpoint(ABC):
    """A model that isn't loaded yet. Each kind is a module of its own.

    Making one imports no torch and reads no weights. All methods raise :class:`ModelError` for
    what is missing or damaged.

    Attributes:
        source: how the user named it.
    """

    def __init__(self, source: Source) -> None:
        self.source = source

    @abstractmethod
    def files(self) -> list[Path]:
        """Every file that the model may be made from, as listed now."""

    def weights(self) -> list[Path]:
        """Those of the files that hold nothing but tensors: none, or none that anybody knows of."""
        return []

    @property
    def is_all_in_files(self) -> bool:
        """Whether it is the same model as long as its files are the same."""
        return True

    @abstractmethod
    def fingerprint(self) -> str | None:
        """The fingerprint of the weights; None if only the loaded model can tell it."""

    @abstractmethod
    def dtype(self, asked: str) -> str:
        """The name of the dtype that the weights get: the one asked for, or with ``auto`` its own.

        Without importing torch.
        """

    def load(self, device: str, dtype: str) -> TransformerBridge:
        """The hooked model: by default the Hugging Face model, hooked.

        Args:
            device: a device that is there.
            dtype: ``auto`` or a float type's name.
        """
        from pytest_circuits.models.hooking import hooked

        model, tokenizer = self.plain(dtype)
        return hooked(self.source, self.source.location, model, tokenizer, device)

    def plain(self, dtype: str) -> tuple[PreTrainedModel, Any]:
        """The Hugging Face model on the CPU, which an adapter can be merged into; its tokenizer."""
        del dtype
        raise ModelError(
            f"{self.source.shown}: this is no Hugging Face model, so no adapter can be put on it."
        )

    def rest(self) -> str:
        """A hash of all that the numbers depend on beside the weights: config, tokenizer."""
        total = hashlib.sha256()
        weights = set(self.weights())
        hash_files(total, (path for path in self.files() if path not in weights))
        return total.hexdigest()


def hash_files(total: hashlib._Hash, paths: Iterable[Path]) -> None:
    """Put the names and contents of files into a hash."""
    for path in paths:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.name}\0{content}\n".encode())


@contextmanager
def collecting_later() -> Iterator[None]:
    """Meanwhile no garbage is collected."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
