"""Folders of files: fetched from the hub if need be, listed, and checked against their config."""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.findings.strict_json import JsonError, parse_json
from pytest_circuits.models.claims import Stored
from pytest_circuits.models.errors import ModelError, first_lines, first_of, problem_lines
from pytest_circuits.models.fingerprint import fingerprint
from pytest_circuits.models.sources.source import BUNDLED, Checkpoint, SourceKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_circuits.models.sources.source import Source

#: What a checkpoint needs from a hub; weights as safetensors only.
_HUB_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
#: Endings of weights that are pickled, which could run code when loaded.
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
#: What an adapter's folder has in place of config.json, and its weights.
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
#: What the config.json of a native transformer-lens model names as its architecture.
NATIVE = "TransformerLensNative"
#: The names of floats in safetensors files → in torch.
FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
#: Endings of what is never loaded, and may be large: weights of other formats, and training's.
_NEVER_LOADED = frozenset({*_PICKLED, ".gguf", ".h5", ".msgpack", ".onnx"})
#: Masks and rotary tables that older checkpoints carry; models compute them themselves.
_BUFFER = re.compile(r"\.(attn|attention)\.(masked_)?bias$|rotary_emb\.inv_freq$")
#: The ending of files that hold nothing but tensors.
WEIGHTS = ".safetensors"
#: How many of several names a message has.
_NAMED = 3
#: How a file begins that Git LFS puts in another's place.
_POINTER = b"version https://git-lfs.github.com/spec/"


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
            f"{_in_folders(source, folder) or 'Name the folder that `save_pretrained` wrote.'}"
        )
    read = [name for name in names if any(fnmatchcase(name, kind) for kind in _HUB_FILES)]
    refuse_pointers(source, (folder / name for name in read))
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


def _in_folders(source: Source, folder: Path) -> str:
    """What to name in place of a folder whose sub-folders hold adapters or checkpoints."""
    # A hub id names no folder within a repository; where it lies on this machine does.
    above = Path(source.text) if source.kind is SourceKind.DIRECTORY else folder
    for what, config in (("adapters", ADAPTER_CONFIG), ("checkpoints", "config.json")):
        found = [path.parent.name for path in folder.glob(f"*/{config}")]
        if found:
            # checkpoint-500 comes before checkpoint-1000.
            found.sort(key=lambda name: (int("".join(filter(str.isdecimal, name)) or 0), name))
            return (
                f"Its sub-folders hold {what}: {_some(found)}.\n"
                f"Name one of them, as in {above / found[0]}."
            )
    return ""


def _some(names: Sequence[str]) -> str:
    """The first of some names."""
    return ", ".join(names[:_NAMED]) + " …" * (len(names) > _NAMED)


def refuse_pointers(source: Source, paths: Iterable[Path]) -> None:
    """Refuse files that git left where Git LFS keeps the files themselves elsewhere.

    Raises:
        ModelError: naming them.
    """
    found = [path.name for path in paths if _is_pointer(path)]
    if found:
        are = "is a Git LFS pointer" if len(found) == 1 else "are Git LFS pointers"
        raise ModelError(
            f"{source.text}: {first_of(found)} {are}, not the file itself.\n"
            f"Run `git lfs pull` where it was cloned."
        )


def _is_pointer(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def read_config(source: Source, folder: Path, name: str = "config.json") -> dict[str, Any]:
    """A folder's config, a JSON file of that name.

    Raises:
        ModelError: if it holds no JSON object.
    """
    try:
        config = parse_json((folder / name).read_bytes(), strict=False)
    except JsonError as error:
        line = "" if error.line is None else f", in line {error.line}"
        raise ModelError(f"{source.text}: {name} {error.problem}{line}.") from error
    if not isinstance(config, dict):
        raise ModelError(f"{source.text}: {name} holds no JSON object.")
    return config


def loaded_files(folder: Path) -> list[Path]:
    """The files of a checkpoint that a model may be made from."""
    return sorted(
        path for path in folder.iterdir() if path.is_file() and path.suffix not in _NEVER_LOADED
    )


class FolderCheckpoint(Checkpoint):
    """A folder whose files are all of the model.

    Attributes:
        folder: where they are.
    """

    def __init__(self, source: Source, folder: Path) -> None:
        super().__init__(source)
        self.folder = folder

    def files(self) -> list[Path]:
        """Every file in the folder that isn't of another format, and shards elsewhere."""
        listed = loaded_files(self.folder)
        return [*listed, *(path for path in self._shards(listed) if path not in listed)]

    def weights(self) -> list[Path]:
        """The safetensors files."""
        return [path for path in self.files() if path.suffix == WEIGHTS]

    def fingerprint(self) -> str:
        """The fingerprint of all tensors in the safetensors files."""
        return fingerprint(self.weights())

    def stored(self, *, packed: bool = False) -> Stored:
        """What the safetensors files hold, by their headers.

        Args:
            packed: whether a number of theirs may hold several weights.

        Raises:
            Exception: the library's own, for a file that can't be read.
        """
        tensors = (each for path in self.weights() for each in stored_tensors(path).values())
        return Stored.of(tensors, packed=packed)

    def dtype(self, asked: str) -> str:
        """What was asked for, else what the config says, else what most tensors have."""
        return dtype_name(asked, self.folder)

    def _shards(self, files: list[Path]) -> list[Path]:
        """The files that an index names."""
        indexes = [path for path in files if path.name.endswith(f"{WEIGHTS}.index.json")]
        named = {self.folder / shard for path in indexes for shard in self._named_in(path)}
        absent = sorted(path.name for path in named if not path.exists())
        if absent:
            raise ModelError(
                f"{self.source.text}: {len(absent)} of {len(named)} shards that "
                f"{indexes[0].name} names are not there: {_some(absent)}.\n"
                f"Fetch or copy the whole checkpoint."
            )
        return sorted(named)

    def _named_in(self, index: Path) -> Iterable[str]:
        try:
            shards: dict[str, str] = parse_json(index.read_bytes())["weight_map"]
            return set(shards.values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{self.source.text}: {index.name} is damaged ({type(error).__name__}: {error}).\n"
                f"Fetch or copy the whole checkpoint."
            ) from error


def dtype_name(asked: str, folder: Path) -> str:
    """The name of the dtype to use: the one asked for, else the checkpoint's own.

    The checkpoint's own is what its config says, or else what most of its tensors have.
    """
    if asked == "auto":
        config = parse_json((folder / "config.json").read_bytes(), strict=False)
        asked = config.get("dtype") or config.get("torch_dtype") or _stored_dtype(folder)
    return str(asked).removeprefix("torch.")


def _stored_dtype(folder: Path) -> str:
    files = sorted(folder.glob(f"*{WEIGHTS}"))
    counts = Counter(dtype for path in files for dtype, _ in stored_tensors(path).values())
    most = max(counts, key=lambda name: counts[name], default="F32")
    return FLOATS.get(most, most)


def stored_tensors(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Every tensor of a safetensors file by name: its dtype as it is called there, and its shape.

    Raises:
        Exception: the library's own, for a file that can't be read.
    """
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 — no mapping
        return {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in parts.items()}


def check_fit(
    source: Source,
    missing: Iterable[str],
    unexpected: Iterable[str],
    shapes: Iterable[tuple[str, Iterable[int], Iterable[int]]],
) -> None:
    """Refuse weights that aren't those of the config: the rest would be random or left out.

    Args:
        source: how the user named them.
        missing: names of tensors that the config asks for and the files don't have.
        unexpected: names of tensors that it doesn't ask for.
        shapes: names of tensors whose shape is not the one that it asks for, with both.

    Raises:
        ModelError: naming what doesn't fit.
    """
    problems = problem_lines(
        {
            "wrong shape": [
                f"{name} is {_shape_text(stored)}, should be {_shape_text(asked)}"
                for name, stored, asked in shapes
            ],
            "missing": missing,
            "not in the config's model": (n for n in unexpected if not _BUFFER.search(n)),
        }
    )
    if problems:
        raise ModelError(
            f"{source.text}: the tensors don't fit config.json.\n"
            + "\n".join(problems)
            + "\nUse the config.json that was saved with these weights."
        )


def _shape_text(shape: Iterable[int]) -> str:
    """A shape as people write it."""
    return " × ".join(map(str, shape))
