"""What a sweep puts into its runs, and what it reads off them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.forward.runs import Hook


class Edits(Protocol):
    """Runs of a group's prompts, and what is put into each."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """The prompt that each runs, by its row in the group, ``[run]``."""

    @property
    def first(self) -> NDArray[np.int64]:
        """The first layer in which something is put in, ``[run]``.

        The number of layers for what is put in after the last one.
        """

    @property
    def start(self) -> NDArray[np.int64]:
        """The first position that can differ for it, ``[run]``."""

    def hooks(self, layer: int, chosen: NDArray[np.int64], start: int) -> list[Hook]:
        """What puts things into a layer, or after the last one.

        Args:
            layer: which; the number of layers for the stream after the last one.
            chosen: the runs that go through it together.
            start: the position that their tensors begin at.
        """


@dataclass(frozen=True)
class Reading:
    """One number of each run, and how much of its logits that takes.

    Attributes:
        of: from logits and the rows' prompt indices to one number each, ``[row]``. Logits are
            those at the last position, ``[row, vocabulary]``.
        tokens: the tokens of each prompt that it looks at, ``[prompt, token]``; then logits are
            ``[row, token]``. None for the whole vocabulary.
        since: the first of several positions that it looks at; then logits are
            ``[row, position, vocabulary]``. None for the last one alone.
    """

    of: Callable[[Tensor, tuple[int, ...]], Tensor]
    tokens: Sequence[Sequence[int]] | None = None
    since: int | None = None

    def columns(self, rows: Sequence[int], device: torch.device) -> Tensor | None:
        """The tokens that it looks at in these rows, ``[row, token]``; None for all."""
        if self.tokens is None:
            return None
        return torch.tensor([list(self.tokens[row]) for row in rows], device=device)

    def of_run(self, logits: Tensor, rows: tuple[int, ...]) -> Tensor:
        """The numbers of whole runs, from logits ``[row, position, vocabulary]``."""
        if self.since is not None:
            return self.of(logits[:, self.since :], rows)
        last = logits[:, -1]
        columns = self.columns(rows, logits.device)
        return self.of(last if columns is None else last.gather(1, columns), rows)
