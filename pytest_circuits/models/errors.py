"""What can be wrong with a model's source, in words for the person who named it."""

from __future__ import annotations

from pytest_circuits.models.secrets import redacted


class ModelError(Exception):
    """A model can't be loaded or used as asked; the message says why and what to do.

    It may quote what a library or a hub said, and has no secrets all the same.
    """

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))
