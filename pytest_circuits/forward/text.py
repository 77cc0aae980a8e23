"""Passes over texts: the loss of every next token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.forward.canary import next_token_losses
from pytest_circuits.forward.fitting import in_parts
from pytest_circuits.forward.prompted import grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.forward.runs import Runs


@dataclass(frozen=True)
class TextRun:
    """Passes over token sequences.

    Attributes:
        losses: negative log-likelihood (nats) of each next token of each sequence, ``[position]``.
    """

    losses: tuple[NDArray[np.float64], ...]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(losses.nbytes for losses in self.losses)


def run_texts(runs: Runs, sequences: Sequence[Sequence[int]]) -> TextRun:
    """The passes over these sequences, made once; each length is a pass of its own."""
    key = ("texts", tuple(map(tuple, sequences)))
    return runs.remember(key, lambda: _run(runs, sequences))


def _run(runs: Runs, sequences: Sequence[Sequence[int]]) -> TextRun:
    losses: list[NDArray[np.float64]] = [np.zeros(0)] * len(sequences)
    with runs.watched("losses", len(sequences), "texts") as advance:
        for rows, tokens in grouped(runs, sequences):

            def run(
                part: NDArray[np.int64], rows: tuple[int, ...] = rows, tokens: Tensor = tokens
            ) -> None:
                found = next_token_losses(runs.forward(tokens[part]), tokens[part]).numpy()
                for place, of_row in zip(part, found, strict=True):
                    losses[rows[place]] = of_row
                advance(len(part))

            in_parts(runs, np.arange(len(rows)), runs.rows_at_once(tokens.shape[1]), run)
    return TextRun(tuple(losses))
