"""Our sweep against one that makes a whole forward pass for every cell."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from paired import ratios, rounds

from pytest_circuits import measures
from pytest_circuits.forward import Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from paired import Clock
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.prompts import PromptPairs, TokenizedPairs

#: How far two sweeps may be apart, as a share of the largest effect.
CLOSE = 1e-4


class CellByCell(ABC):
    """A sweep over pairs of one length, denoising, that passes once for every cell.

    Attributes:
        pairs: the prompts, as the model's tokens.
        sizes: how many there are of each axis of a cell: layers, positions, heads.
    """

    def __init__(self, pairs: TokenizedPairs, sizes: tuple[int, ...]) -> None:
        self.pairs = pairs
        self.sizes = sizes

    @abstractmethod
    def unpatched(self) -> tuple[Any, Any, Any]:
        """The metric of the corrupted and of the clean prompts, and the clean activations."""

    @abstractmethod
    def patched(self, cells: NDArray[np.int64], clean: Any) -> Any:  # noqa: ANN401
        """The metric with each of some cells put in, given the clean activations."""

    def metric(self, logits: torch.Tensor) -> torch.Tensor:
        """The mean logit difference, from the last position's logits ``[pair, vocabulary]``."""
        rows = range(len(self.pairs))
        return (logits[rows, self.pairs.answers] - logits[rows, self.pairs.wrong_answers]).mean()

    def cells(self, share: int, seed: int) -> NDArray[np.int64]:
        """One in ``share`` of the cells, drawn at random, ``[cell, axis]``."""
        total = int(np.prod(self.sizes))
        chosen = random.Random(seed).sample(range(total), -(-total // share))  # noqa: S311
        return np.stack(np.unravel_index(sorted(chosen), self.sizes), axis=1)

    def run(self, cells: NDArray[np.int64], clock: Clock) -> tuple[NDArray[np.float64], float]:
        """What each cell recovers, and the seconds that a sweep of all cells takes.

        The seconds are scaled up from those of the cells given; the unpatched runs are no part of
        them.
        """
        with torch.no_grad():
            low, high, clean = self.unpatched()
            patched, each = clock.time(lambda: self.patched(cells, clean))
        numbers, low, high = (np.asarray(torch.as_tensor(n).cpu()) for n in (patched, low, high))
        return (numbers - low) / (high - low), each * np.prod(self.sizes) / len(cells)


@dataclass(frozen=True)
class Comparison:
    """What came of the rounds.

    Attributes:
        ours: seconds of our sweep, for every round.
        first: seconds of our first one, which makes the prompts' own runs, and finds out whether
            the model can be replayed.
        theirs: seconds of the other one.
        faster: how many times as long the other one took.
        deviation: how far the two were apart at most, as a share of the largest effect.
    """

    ours: list[float]
    first: float
    theirs: list[float]
    faster: list[float]
    deviation: float


def compare(
    bridge: TransformerBridge,
    pairs: PromptPairs,
    other: CellByCell,
    clock: Clock,
    *,
    site: str,
    positions: str,
    repeat: int,
    share: int,
) -> Comparison:
    """Sweep with both, in turn.

    Ours is the whole measure, from texts to a finding with its errors. Both have the prompts' own
    runs at hand, which all measures of a run share.

    Args:
        bridge: the model.
        pairs: the prompts.
        other: the other sweep over them.
        clock: what is measured.
        site: where is patched.
        positions: ``each`` by itself, or ``all`` together.
        repeat: how many rounds.
        share: the other one sweeps one in so many cells.
    """
    runs = Runs(bridge)

    def sweep() -> tuple[NDArray[np.float64], float]:
        finding, seconds = clock.time(
            lambda: measures.patch(runs, pairs, site=site, positions=positions)
        )
        return finding.values, seconds

    values, first = sweep()
    other.run(other.cells(share, seed=0)[:2], clock)
    deviations: list[float] = []

    def theirs() -> float:
        cells = other.cells(share, seed=len(deviations))
        fractions, seconds = other.run(cells, clock)
        # A finding's heads stand before its positions.
        layer, *rest = cells.T
        apart = np.abs(values[(layer, *reversed(rest))] - fractions).max()
        deviations.append(float(apart / np.abs(values).max()))
        return seconds

    times = rounds(repeat, lambda: sweep()[1], theirs)
    mine, other_seconds = ([taken[way] for taken in times] for way in (0, 1))
    return Comparison(mine, first, other_seconds, ratios(times, of=1, to=0), max(deviations))
