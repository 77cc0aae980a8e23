"""A whole run: what every report is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_circuits.report.rows import Row


@dataclass(frozen=True)
class Model:
    """A model of a run.

    Attributes:
        alias: its stable name.
        source: its source, as its user wrote it.
        owners: the aliases whose baselines serve for it, nearest first.
    """

    alias: str
    source: str
    owners: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """What a run found.

    Attributes:
        models: the models that were asked for, in the order they were named.
        rows: a row a finding, in any order.
        gate: which verdicts fail, a value of :class:`~pytest_circuits.verdicts.Gate`.
        unfinished: tests that never came to measure (a failed setup, a lost worker).
    """

    models: tuple[Model, ...]
    rows: tuple[Row, ...]
    gate: str = "regression"
    unfinished: int = 0

    def of(self, model: Model) -> list[Row]:
        """A model's rows."""
        return [row for row in self.rows if row.alias == model.alias]
