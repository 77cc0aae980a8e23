"""Adapters (LoRA and its relatives): a folder that peft wrote, merged into its base.

The base is whatever ``base_model_name_or_path`` in adapter_config.json names: any source of a
Hugging Face model, another adapter too. A relative path starts from the adapter's own folder, or
from the working directory where there is no such path.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.extras import require
from pytest_circuits.models.fingerprint import fingerprint
from pytest_circuits.models.hooking import hooked
from pytest_circuits.models.sources.checkpoint import Checkpoint
from pytest_circuits.models.sources.folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from pytest_circuits.models.sources.sources import SourceKind, parse_source
from pytest_circuits.models.stamps import loaded_files
from pytest_circuits.models.tokenizers import read_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources.opening import Others
    from pytest_circuits.models.sources.sources import Source

#: Where the base is, which is no part of what it is.
_WHERE = ("base_model_name_or_path", "revision")
#: Lines of what is wrong with a base, in an adapter's own error.
_LINES = 4


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter."""
    return (folder / ADAPTER_CONFIG).exists()


class AdapterCheckpoint(Checkpoint):
    """A folder with an adapter_config.json and an adapter_model.safetensors.

    Attributes:
        folder: where they are.
        above: the folders of adapters whose base it is.
    """

    def __init__(self, source: Source, folder: Path, others: Others | None = None) -> None:
        super().__init__(source)
        self.folder = folder
        self._others = others
        self.above: tuple[Path, ...] = ()

    def files(self) -> list[Path]:
        """Those in the adapter's folder, then the base's."""
        return [*self._own_files(), *self._base.files()]

    def weights(self) -> list[Path]:
        """The adapter's tensors, then the base's."""
        return [self.folder / ADAPTER_WEIGHTS, *self._base.weights()]

    @property
    def is_all_in_files(self) -> bool:
        """If its base is."""
        return self._base.is_all_in_files

    def fingerprint(self) -> str | None:
        """SHA-256 over the fingerprints of the base and of the adapter's tensors."""
        base = self._base.fingerprint()
        if base is None:
            return None
        own = fingerprint([self.folder / ADAPTER_WEIGHTS])
        both = hashlib.sha256(f"{base}\n{own}".encode())
        kind, _, _ = base.partition(":")  # what the base's is made of
        return f"{kind}:{both.hexdigest()}"

    def rest(self) -> str:
        """As for all, but not where the base is, nor in which order peft listed a set of names."""
        config = {key: value for key, value in self._config.items() if key not in _WHERE}
        total = hashlib.sha256(self._base.rest().encode())
        total.update(json.dumps(_in_order(config), sort_keys=True).encode())
        for path in self._own_files():
            if path.name not in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                total.update(f"{path.name}\0{content}\n".encode())
        return total.hexdigest()

    def dtype(self, asked: str) -> str:
        """The base's."""
        return self._base.dtype(asked)

    def load(self, device: str, dtype: str) -> TransformerBridge:
        """The merged model, hooked."""
        model, tokenizer = self.plain(dtype)
        return hooked(self.source, self.source.location, model, tokenizer, device)

    def plain(self, dtype: str) -> tuple[PreTrainedModel, Any]:
        """The merged model, and the adapter's own tokenizer if it has one."""
        require(self.source, "an adapter", "peft", "peft")
        # What peft's neighbours say while they are imported is for their own developers.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import peft  # noqa: F401
        from pytest_circuits.models.sources.merging import merged, read_mergeable

        config = read_mergeable(self.source, self.folder)
        base = self._base
        with self._says_whose_base():
            model, tokenizer = base.plain(dtype)
        own = self._own_tokenizer()
        model = merged(self.source, self.folder, config, model, base.source.text)
        return model, tokenizer if own is None else own

    @cached_property
    def _config(self) -> dict[str, Any]:
        try:
            config = json.loads((self.folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ModelError(
                f"{self.source.text}: {ADAPTER_CONFIG} is not JSON ({error})."
            ) from error
        if not isinstance(config, dict):
            raise ModelError(f"{self.source.text}: {ADAPTER_CONFIG} holds no JSON object.")
        return config

    @cached_property
    def _base(self) -> Checkpoint:
        # It opens adapters itself.
        from pytest_circuits.models.sources.opening import open_checkpoint

        config = self._config
        with self._says_whose_base():
            base = open_checkpoint(self._base_source(config), self._others)
            if isinstance(base, AdapterCheckpoint):
                base.above = (*self.above, self.folder.resolve())
                if base.folder.resolve() in base.above:
                    raise ModelError(f"{base.folder}: this adapter is a base of itself.")
        return base

    def _base_source(self, config: dict[str, Any]) -> Source:
        named = config.get("base_model_name_or_path")
        if not named or not isinstance(named, str):
            raise ModelError("There is none: base_model_name_or_path is empty.")
        beside = (self.folder / Path(named).expanduser()).exists()
        source = parse_source(named, self.folder if beside else None)
        if source.kind in (SourceKind.FACTORY, SourceKind.OTHER) and (
            self.source.kind is SourceKind.HUB
        ):
            raise ModelError(f"{named}: an adapter from the hub can't say which code to run.")
        revision = config.get("revision")
        if source.kind is SourceKind.HUB and revision and not source.revision:
            return replace(source, text=f"{named}@{revision}", revision=revision)
        return source

    @contextmanager
    def _says_whose_base(self) -> Iterator[None]:
        try:
            yield
        except ModelError as error:
            said = "\n".join(str(error).splitlines()[:_LINES])
            raise ModelError(
                f"{self.source.text}: the base of this adapter can't be used.\n{said}\n"
                f"Name its base as base_model_name_or_path in {self.folder / ADAPTER_CONFIG}."
            ) from error

    def _own_files(self) -> list[Path]:
        # The model card, which is of no effect, names the base's path.
        return [path for path in loaded_files(self.folder) if path.suffix != ".md"]

    def _own_tokenizer(self) -> Any:  # noqa: ANN401 — any Hugging Face tokenizer
        if not (self.folder / "tokenizer_config.json").exists():
            return None
        return read_tokenizer(self.source, self.folder)


def _in_order(value: Any) -> Any:  # noqa: ANN401 — JSON
    """JSON with every list of names sorted."""
    if isinstance(value, dict):
        return {key: _in_order(item) for key, item in value.items()}
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return sorted(value)
    return value
