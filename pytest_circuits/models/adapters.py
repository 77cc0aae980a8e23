"""LoRA adapters: a folder with an adapter_config.json, merged into its base."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.models.checkpoint import Checkpoint
from pytest_circuits.models.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.models.sources import Source


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter."""
    return (folder / "adapter_config.json").exists()


class AdapterCheckpoint(Checkpoint):
    """STUB."""

    def __init__(self, source: Source, folder: Path) -> None:
        super().__init__(source)
        self.folder = folder

    def files(self) -> list[Path]:
        """STUB."""
        raise ModelError("stub")

    def weights(self) -> list[Path]:
        """STUB."""
        raise ModelError("stub")

    def fingerprint(self) -> str | None:
        """STUB."""
        raise ModelError("stub")

    def dtype(self, asked: str) -> str:
        """STUB."""
        raise ModelError(asked)

    def load(self, device: str, dtype: str) -> TransformerBridge:
        """STUB."""
        raise ModelError(device + dtype)
