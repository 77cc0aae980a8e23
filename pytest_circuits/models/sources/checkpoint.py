"""What a source stands for, before anything heavy of it is read."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources.sources import Source


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

    @abstractmethod
    def load(self, device: str, dtype: str) -> TransformerBridge:
        """The hooked model.

        Args:
            device: a device that is there.
            dtype: ``auto`` or a float type's name.
        """

    def plain(self, dtype: str) -> tuple[PreTrainedModel, Any]:
        """The Hugging Face model on the CPU, which an adapter can be merged into; its tokenizer."""
        del dtype
        raise ModelError(
            f"{self.source.text}: this is no Hugging Face model, so no adapter can be put on it."
        )

    def rest(self) -> str:
        """A hash of all that the numbers depend on beside the weights: config, tokenizer."""
        total = hashlib.sha256()
        weights = set(self.weights())
        for path in self.files():
            if path not in weights:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                total.update(f"{path.name}\0{content}\n".encode())
        return total.hexdigest()
