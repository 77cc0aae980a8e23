"""Passes over texts: the loss of every next token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.runs.canary import next_token_losses
from pytest_circuits.runs.prompted import grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_circuits.runs.runs import Runs


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
            found = next_token_losses(runs.forward(tokens), tokens).numpy()
            for row, of_row in zip(rows, found, strict=True):
                losses[row] = of_row
            advance(len(rows))
    return TextRun(tuple(losses))
