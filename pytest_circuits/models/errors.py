"""What can be wrong with a model's source, in words for the person who named it."""

from __future__ import annotations


class ModelError(Exception):
    """A model can't be loaded or used as asked; the message says why and what to do."""
