"""Checkpoints that transformers saved: a folder with a config, safetensors and a tokenizer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.checkpoint import Checkpoint
from pytest_circuits.models.devices import dtype_name, resolve_dtype
from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fingerprint import fingerprint
from pytest_circuits.models.fit import check_fit, first_lines, shape_text
from pytest_circuits.models.hooking import hooked
from pytest_circuits.models.stamps import loaded_files

if TYPE_CHECKING:
    from pathlib import Path

    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources import Source

_WEIGHTS = ".safetensors"


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
        named = {
            self.folder / shard
            for path in indexes
            for shard in json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()
        }
        return sorted(named)


class HuggingFaceCheckpoint(FolderCheckpoint):
    """A folder that ``save_pretrained`` wrote, or the hub has."""

    def load(self, device: str, dtype: str) -> TransformerBridge:
        """The model, hooked."""
        model, tokenizer = self.plain(dtype)
        place: Any = device  # transformers' own annotation of .to() knows torch.device only
        return hooked(self.source, self.source.location, model.to(place), tokenizer)

    def plain(self, dtype: str) -> tuple[PreTrainedModel, Any]:
        """The model and its tokenizer, as transformers loads them."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        name = self.folder.name
        try:
            # Sizes that don't fit are let through here, to be reported by name below.
            # With output_loading_info the call returns a pair, which its annotation leaves out.
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                self.folder,
                dtype=resolve_dtype(self.dtype(dtype), f"{name}: config.json asks for"),
                attn_implementation="eager",
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(
                self.folder, local_files_only=True, trust_remote_code=False
            )
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"{self.source.text}: transformers can't load it:\n{first_lines(error)}"
            ) from error
        model, report = loaded
        check_fit(
            self.source,
            missing=report["missing_keys"],
            unexpected=report["unexpected_keys"],
            wrong_shape=[
                f"{name} is {shape_text(stored)}, should be {shape_text(wanted)}"
                for name, stored, wanted in report["mismatched_keys"]
            ],
        )
        return model, tokenizer
