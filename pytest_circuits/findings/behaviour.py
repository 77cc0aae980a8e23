"""What a model does, in one number with its error, and which way that gets better."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pytest_circuits.findings.statistics import t95

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Direction(StrEnum):
    """Which way a number gets better."""

    HIGHER = "higher"
    LOWER = "lower"
    #: Neither way is better (attribution, recovered fractions): moving towards zero or across
    #: it weakens, moving away from it strengthens.
    TWO_SIDED = "two-sided"


@dataclass(frozen=True, eq=False)
class Behaviour:
    """What a mechanism is for, measured in the same forward passes.

    Attributes:
        name: for example ``repeat_loss``.
        value: its mean.
        error: standard error over clusters; NaN with a single cluster.
        clusters: how many clusters the error counts.
        direction: which way it gets better.
        unit: for example ``nats``.
        vital: whether the behaviour is gone when this value falls to nothing.
        judged: whether a change of it counts by itself. A value that also moves for reasons that
            are no concern of the mechanism is shown, and counts only when it is gone.
        interval: 95 % interval, where the value has an exact one (Clopper–Pearson for a share, with
            clusters as trials).
        profile: per-sequence or per-prompt values ``[sample]``, where they are kept.
        chance: the value of a model that can't do it at all, such as the loss ln(vocabulary) of one
            for which all tokens are equally likely; None where that is not known.
    """

    name: str
    value: float
    error: float
    clusters: int
    direction: Direction
    unit: str
    vital: bool = False
    judged: bool = True
    interval: tuple[float, float] | None = None
    profile: NDArray[np.float64] | None = None
    chance: float | None = None

    @property
    def margin(self) -> float:
        """How far its interval reaches each way (t over clusters, 95 %); 0 with one cluster."""
        return t95(self.clusters) * self.error if self.clusters > 1 else 0.0

    @property
    def indistinct(self) -> bool:
        """Whether a vital behaviour's interval contains 0."""
        return self.vital and bool(abs(self.value) <= self.margin)

    @property
    def at_chance(self) -> bool:
        """Whether its interval reaches chance, or it is worse: then there is no behaviour."""
        if self.chance is None:
            return False
        better = self.chance - self.value
        return (-better if self.direction is Direction.HIGHER else better) <= self.margin

    @property
    def held(self) -> bool:
        """Whether anything of it is held against a baseline: its value, or that it is there."""
        return (self.judged or self.vital) and not self.at_chance
