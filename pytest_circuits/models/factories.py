"""Functions of the user's own that make a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.models.checkpoint import Checkpoint
from pytest_circuits.models.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from transformer_lens.model_bridge import TransformerBridge


class FactoryCheckpoint(Checkpoint):
    """STUB."""

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
