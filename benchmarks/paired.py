"""Measuring two ways of doing a thing beside each other, so that the machine's mood cancels out."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

T = TypeVar("T")


@dataclass(frozen=True)
class Clock:
    """What is measured: ``CPU`` seconds of all threads, or ``wall`` seconds.

    Attributes:
        name: how it is called in what is printed.
        now: the time.
    """

    name: str
    now: Callable[[], float]

    def time(self, work: Callable[[], T]) -> tuple[T, float]:
        """What the work gives, and the seconds that it took."""
        begun = self.now()
        result = work()
        return result, self.now() - begun


CPU = Clock("CPU", time.process_time)
WALL = Clock("wall", time.perf_counter)


def clock_of(device: torch.device, threads: int) -> Clock:
    """CPU seconds where one thread does all the work, and wall seconds elsewhere."""
    if device.type != "cuda":
        return CPU if threads == 1 else WALL
    from torch import cuda

    def now() -> float:
        cuda.synchronize(device)
        return time.perf_counter()

    return Clock("wall", now)


def rounds(count: int, *ways: Callable[[], float]) -> list[tuple[float, ...]]:
    """The seconds of every way in every round, each round in the other order than the last.

    Args:
        count: how many rounds.
        ways: each does the work and gives the seconds that it took.
    """
    times = []
    for number in range(count):
        order = range(len(ways)) if number % 2 == 0 else reversed(range(len(ways)))
        taken = {place: ways[place]() for place in order}
        times.append(tuple(taken[place] for place in range(len(ways))))
    return times


def ratios(times: Sequence[tuple[float, ...]], of: int, to: int) -> list[float]:
    """How many times as long one way took as another, for every round."""
    return [taken[of] / taken[to] for taken in times]


def spread(numbers: Sequence[float], digits: int) -> str:
    """The median, the least and the most."""
    shown = (statistics.median(numbers), min(numbers), max(numbers))
    median, least, most = (f"{number:.{digits}f}" for number in shown)
    return f"{median} ({least} … {most})"


def show(*lines: str) -> None:
    """Print lines as soon as they are known: a benchmark takes minutes."""
    print(*lines, sep="\n", flush=True)  # noqa: T201
