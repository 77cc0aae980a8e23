"""What fixtures, snapshots and the session tell each other about one test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_circuits.baselines.pending import Pending
    from pytest_circuits.findings import Finding
    from pytest_circuits.models import Source
    from pytest_circuits.report.rows import Row


@dataclass(frozen=True)
class CircuitSource:
    """A model under test, by name.

    Attributes:
        alias: its stable name.
        source: what is loaded.
        owners: the aliases whose baselines serve for it, nearest first.
    """

    alias: str
    source: Source
    owners: tuple[str, ...]


@dataclass
class ItemState:
    """What one test did so far.

    Attributes:
        judged: findings that were compared with a baseline.
        remembered: findings that an earlier run measured.
        rows: what there is to report.
        approve: each writes one finding's baseline, once the test has passed.
        pending: each gives one finding that is left to be decided on.
        passed: whether its call phase passed.
        failure: why its call phase did not pass, in a line; empty where it did.
    """

    judged: list[Finding] = field(default_factory=list)
    remembered: list[Finding] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    approve: list[Callable[[], None]] = field(default_factory=list)
    pending: list[Callable[[], Pending]] = field(default_factory=list)
    passed: bool = False
    failure: str = ""

    def is_remembered(self, finding: Finding) -> bool:
        """Whether it was an earlier run that measured this very finding."""
        return any(finding is each for each in self.remembered)


STATE = pytest.StashKey[ItemState]()
