"""Sources that somebody else is asked for first: a plugin, a conftest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.sources.given import GivenCheckpoint
from pytest_circuits.models.sources.source import SourceKind

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_circuits.models.sources.source import Checkpoint, Opener, Others, Source

_HOOK = "pytest_circuits_load_model"


class OtherCheckpoint(GivenCheckpoint):
    """A model that others may know: whether they do shows only when it is loaded.

    So nothing of it can be told before. Who doesn't know a source leaves it to us.
    """

    giver = f"the hook {_HOOK}"

    def __init__(self, source: Source, others: Others | None, open_own: Opener) -> None:
        super().__init__(source)
        self._others = others
        self._open_own = open_own
        self._own: Checkpoint | None = None

    def files(self) -> list[Path]:
        """None that anybody here knows of."""
        return []

    def fingerprint(self) -> str | None:
        """None, unless we have loaded it ourselves."""
        return None if self._own is None else self._own.fingerprint()

    def given(self, device: str, dtype: str) -> object:
        """What the first of the others gives that knows the source; our own if none does."""
        given = self._others and self._others(self.source, device, dtype)
        return self._opened() if given is None else given

    def _opened(self) -> Checkpoint:
        """What the source stands for here."""
        if self.source.kind is SourceKind.OTHER:
            raise ModelError(
                f"{self.source.text}: no plugin here knows such a source.\n"
                f"A plugin that does implements {_HOOK}(source, device, dtype), and so may a\n"
                f"conftest.py, if it lies in a folder that pytest is called with, or in one above."
            )
        self._own = self._open_own(self.source)
        return self._own
