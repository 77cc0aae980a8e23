"""What long loops tell while they run, and who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Who is told how far a long loop is.

    Loops lie in each other: what began last ends first, and is what advances.
    """

    def begin(self, what: str, total: int, unit: str) -> None:
        """A loop begins.

        Args:
            what: what it does, for example ``patch head_out``.
            total: how many steps it has.
            unit: what a step is, in the plural, for example ``cells``.
        """

    def advance(self, steps: float) -> None:
        """So many more steps are done; of a step for all prompts, the share done for some."""

    def end(self) -> None:
        """The loop is over, or was left by an error."""


class Nobody:
    """Nobody listens: what runs have unless somebody else is put there."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """Nothing."""

    def advance(self, steps: float) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""
