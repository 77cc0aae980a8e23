"""Sources that somebody else is asked for first: a plugin, a conftest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.sources.given import hooked_given, plain_given
from pytest_circuits.models.sources.source import Checkpoint, SourceKind

if TYPE_CHECKING:
    from pathlib import Path

    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources.source import Opener, Others, Source

HOOK = "pytest_circuits_load_model"


class OtherCheckpoint(Checkpoint):
    """A model that others may know: whether they do shows only when it is loaded.

    So nothing of it can be told before. Who doesn't know a source leaves it to us.
    """

    def __init__(self, source: Source, others: Others | None, open_own: Opener) -> None:
        super().__init__(source)
        self._others = others
        self._open_own = open_own
        self._own: Checkpoint | None = None

    def files(self) -> list[Path]:
        """None that anybody here knows of."""
        return []

    @property
    def is_all_in_files(self) -> bool:
        """No: nobody knows what else it is made from."""
        return False

    def fingerprint(self) -> str | None:
        """None, unless we have loaded it ourselves."""
        return None if self._own is None else self._own.fingerprint()

    def dtype(self, asked: str) -> str:
        """What was asked for."""
        return asked

    def load(self, device: str, dtype: str) -> TransformerBridge:
        """The model that others give, hooked, or else our own."""
        given = self._given(device, dtype)
        if given is None:
            return self._opened().load(device, dtype)
        return hooked_given(self.source, f"the hook {HOOK}", given, device, dtype)

    def plain(self, dtype: str) -> tuple[PreTrainedModel, Any]:
        """The Hugging Face model that others give, or else our own, and its tokenizer."""
        given = self._given("cpu", dtype)
        if given is None:
            return self._opened().plain(dtype)
        return plain_given(self.source, f"the hook {HOOK}", given, dtype)

    def _given(self, device: str, dtype: str) -> object:
        return self._others and self._others(self.source, device, dtype)

    def _opened(self) -> Checkpoint:
        """What the source stands for here."""
        if self.source.kind is SourceKind.OTHER:
            raise ModelError(
                f"{self.source.text}: no plugin here knows such a source.\n"
                f"A plugin that does implements {HOOK}(source, device, dtype), and so may a\n"
                f"conftest.py, if it lies in a folder that pytest is called with, or in one above."
            )
        self._own = self._open_own(self.source)
        return self._own
