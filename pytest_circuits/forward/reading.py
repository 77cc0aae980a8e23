"""What is read off the runs of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


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
