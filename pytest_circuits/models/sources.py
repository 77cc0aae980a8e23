"""Sources: how a user names a model, and the folder of files that the name stands for.

Reading a source needs no torch, so that a wrong name is told before anything heavy is imported.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pytest_circuits.models.errors import ModelError

_BUNDLED = Path(__file__).parent / "bundled"
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)

#: What a checkpoint needs from a hub; weights as safetensors only.
_HUB_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
#: Endings of weights that are pickled, which could run code when loaded.
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


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
    return sorted(path.name for path in _BUNDLED.iterdir() if path.is_dir())


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


def checkpoint_folder(source: Source) -> Path:
    """The folder with the source's files, fetched from the hub if need be.

    Raises:
        ModelError: if the hub doesn't give them, or they hold no safetensors weights.
    """
    if source.kind is SourceKind.BUNDLED:
        folder = _BUNDLED / source.location
    elif source.kind is SourceKind.DIRECTORY:
        folder = Path(source.location)
    else:
        folder = _from_hub(source)
    _check_files(source, folder)
    return folder


def _from_hub(source: Source) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(
            snapshot_download(
                source.location, revision=source.revision, allow_patterns=list(_HUB_FILES)
            )
        )
    except GatedRepoError as error:
        raise ModelError(
            f"{source.location} is gated on the hub.\n"
            f"Ask for access on its page, then log in with `hf auth login` or set HF_TOKEN."
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(
            f"{source.location} has no revision {source.revision!r} on the hub.\n"
            f"A revision is a branch, a tag or a commit's full hash."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"the hub knows no model {source.location!r} (or it is private: set HF_TOKEN).\n"
            f"A local checkpoint is named by its folder, for example ./{source.location}."
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        wanted = f"revision {source.revision!r}" if source.revision else "the default revision"
        raise ModelError(
            f"{source.location}: {wanted} is not in the local hub cache, "
            f"and the hub can't be reached.\n"
            f"Check the id and the revision, fetch it once with network, or name a local folder."
        ) from error


def _check_files(source: Source, folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if "config.json" not in names:
        raise ModelError(
            f"{source.text}: there is no config.json, so this is no checkpoint.\n"
            f"Name the folder that `save_pretrained` wrote."
        )
    if any(name.endswith(".safetensors") for name in names):
        return
    pickled = [name for name in names if name.endswith(_PICKLED)]
    if pickled:
        raise ModelError(
            f"{source.text}: the weights are pickled ({', '.join(pickled[:3])}), "
            f"which could run any code; they are not loaded.\n"
            f"Save them as safetensors, as model.save_pretrained(folder) does today."
        )
    raise ModelError(
        f"{source.text}: there are no weights (*.safetensors).\n"
        f"Pickled weights are not loaded; save the model with `save_pretrained`."
    )
