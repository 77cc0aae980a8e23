"""Checkpoints that transformers saved: a folder with a config, safetensors and a tokenizer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.devices import dtype_name, resolve_dtype
from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fingerprint import fingerprint
from pytest_circuits.models.fit import check_fit, shape_text
from pytest_circuits.models.hooking import hooked
from pytest_circuits.models.sources.checkpoint import Checkpoint
from pytest_circuits.models.sources.folders import read_config
from pytest_circuits.models.sources.pretrained import read_model, unreadable
from pytest_circuits.models.sources.quantised import (
    become_floats,
    check_dtype,
    lacks_library,
    scheme_of,
)
from pytest_circuits.models.stamps import loaded_files
from pytest_circuits.models.tokenizers import read_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources.sources import Source

_WEIGHTS = ".safetensors"
#: How many missing shards a message names.
_NAMED = 3


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
        return [path for path in self.files() if path.suffix == _WEIGHTS]

    def fingerprint(self) -> str:
        """The fingerprint of all tensors in the safetensors files."""
        return fingerprint(self.weights())

    def dtype(self, asked: str) -> str:
        """What was asked for, else what the config says, else what most tensors have."""
        return dtype_name(asked, self.folder)

    def _shards(self, files: list[Path]) -> list[Path]:
        """The files that an index names."""
        indexes = [path for path in files if path.name.endswith(f"{_WEIGHTS}.index.json")]
        named = {self.folder / shard for path in indexes for shard in self._named_in(path)}
        absent = sorted(path.name for path in named if not path.exists())
        if absent:
            raise ModelError(
                f"{self.source.text}: {len(absent)} of {len(named)} shards that "
                f"{indexes[0].name} names are not there: {', '.join(absent[:_NAMED])}"
                f"{' …' if len(absent) > _NAMED else ''}.\n"
                f"Fetch or copy the whole checkpoint."
            )
        return sorted(named)

    def _named_in(self, index: Path) -> Iterable[str]:
        try:
            shards: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
            return set(shards.values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{self.source.text}: {index.name} is damaged ({type(error).__name__}: {error}).\n"
                f"Fetch or copy the whole checkpoint."
            ) from error


class HuggingFaceCheckpoint(FolderCheckpoint):
    """A folder that ``save_pretrained`` wrote, or the hub has."""

    def load(self, device: str, dtype: str) -> TransformerBridge:
        """The model, hooked."""
        model, tokenizer = self.plain(dtype)
        return hooked(self.source, self.source.location, model, tokenizer, device)

    def plain(self, dtype: str) -> tuple[PreTrainedModel, Any]:
        """The model and its tokenizer, as transformers loads them."""
        from transformers import AutoConfig

        name = self.folder.name
        scheme = scheme_of(read_config(self.source, self.folder))
        check_dtype(self.source, scheme, dtype, self.dtype("auto"))
        wanted = resolve_dtype(self.dtype(dtype), f"{name}: config.json asks for")
        try:
            config = AutoConfig.from_pretrained(
                self.folder, local_files_only=True, trust_remote_code=False
            )
            if become_floats(scheme):
                config.quantization_config["dequantize"] = True
            model, report = read_model(self.folder, wanted, config=config)
        except Exception as error:
            if scheme is not None and isinstance(error, ImportError):
                raise lacks_library(self.source, scheme, error) from error
            raise unreadable(self.source, error) from error
        if dtype != "auto" and become_floats(scheme):
            # transformers leaves as it is stored what wasn't quantised.
            mover: Any = model  # transformers' own annotation of .to() is not to be relied on
            model = mover.to(wanted)
        check_fit(
            self.source,
            missing=report["missing_keys"],
            unexpected=report["unexpected_keys"],
            wrong_shape=[
                f"{name} is {shape_text(stored)}, should be {shape_text(asked)}"
                for name, stored, asked in report["mismatched_keys"]
            ],
        )
        return model, read_tokenizer(self.source, self.folder)
