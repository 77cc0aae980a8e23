"""The folder of files that a source stands for, fetched from the hub if need be."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fit import first_lines
from pytest_circuits.models.sources.sources import BUNDLED, Source, SourceKind

#: What a checkpoint needs from a hub; weights as safetensors only.
_HUB_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
#: Endings of weights that are pickled, which could run code when loaded.
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
#: What an adapter's folder has in place of config.json, and its weights.
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


def checkpoint_folder(source: Source) -> Path:
    """The folder with the source's files, fetched from the hub if need be.

    Raises:
        ModelError: if the hub doesn't give them, or they hold no safetensors weights.
    """
    if source.kind is SourceKind.BUNDLED:
        folder = BUNDLED / source.location
    elif source.kind is SourceKind.DIRECTORY:
        folder = Path(source.location)
    else:
        folder = _from_hub(source)
    _check_files(source, folder)
    return folder


def _from_hub(source: Source) -> Path:
    # None of the hub's own errors stays in the chain: their frames hold the token, and pytest shows
    # what frames hold when it is asked to.
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
    except GatedRepoError:
        raise ModelError(
            f"{source.location} is gated on the hub.\n"
            f"Ask for access on its page, then log in with `hf auth login` or set HF_TOKEN."
        ) from None
    except RevisionNotFoundError:
        raise ModelError(
            f"{source.location} has no revision {source.revision!r} on the hub.\n"
            f"A revision is a branch, a tag or a commit's full hash."
        ) from None
    except RepositoryNotFoundError:
        raise ModelError(
            f"the hub knows no model {source.location!r} (or it is private: set HF_TOKEN).\n"
            f"A local checkpoint is named by its folder, for example ./{source.location}."
        ) from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError):
        wanted = f"revision {source.revision!r}" if source.revision else "the default revision"
        raise ModelError(
            f"{source.location}: {wanted} is not in the local hub cache, "
            f"and the hub can't be reached.\n"
            f"Check the id and the revision, fetch it once with network, or name a local folder."
        ) from None
    except Exception as error:  # noqa: BLE001 — a token that no header can hold, for one
        raise ModelError(
            f"{source.text}: can't be loaded ({type(error).__name__}):\n{first_lines(error)}"
        ) from None


def _check_files(source: Source, folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    is_adapter = ADAPTER_CONFIG in names
    if "config.json" not in names and not is_adapter:
        raise ModelError(
            f"{source.text}: there is no config.json, so this is no checkpoint.\n"
            f"Name the folder that `save_pretrained` wrote."
        )
    wanted = ADAPTER_WEIGHTS if is_adapter else "*.safetensors"
    if any(fnmatchcase(name, wanted) for name in names):
        return
    pickled = [name for name in names if name.endswith(_PICKLED)]
    if pickled:
        raise ModelError(
            f"{source.text}: the weights are pickled ({', '.join(pickled[:3])}), "
            f"which could run any code; they are not loaded.\n"
            f"Save them as safetensors, as model.save_pretrained(folder) does today."
        )
    raise ModelError(
        f"{source.text}: there are no weights ({wanted}).\n"
        f"Pickled weights are not loaded; save the model with `save_pretrained`."
    )


def read_config(source: Source, folder: Path) -> dict[str, Any]:
    """A folder's config.json.

    Raises:
        ModelError: if it holds no JSON object.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{source.text}: config.json is not JSON ({error}).") from error
    if not isinstance(config, dict):
        raise ModelError(f"{source.text}: config.json holds no JSON object.")
    return config
