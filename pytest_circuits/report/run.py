"""A whole run: what every report is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pytest_circuits.report.rows import Row


@dataclass(frozen=True)
class Model:
    """A model of a run.

    Attributes:
        alias: its stable name.
        source: its source, as its user wrote it.
        owners: the aliases whose baselines serve for it, nearest first.
        declared: whether it owns baselines, which can be approved.
        options: further options of its own, where runs of several are put together.
    """

    alias: str
    source: str
    owners: tuple[str, ...]
    declared: bool = True
    options: tuple[str, ...] = ()


class FailedTest(NamedTuple):
    """A circuit test that failed and gave no finding, so that no row tells of it.

    Or a module that could not be collected, so that nobody knows of its tests.

    Attributes:
        test: its node id; of a module, its file.
        alias: its model's alias; empty for a test that can't run once for every model.
        message: why it failed, in a line.
        line: where in its file it failed, or else begins, counted from 1; None if unknown.
    """

    test: str
    alias: str
    message: str = ""
    line: int | None = None

    @property
    def of_test(self) -> bool:
        """Whether it is a test, and no module."""
        return "::" in self.test


@dataclass(frozen=True)
class Run:
    """What a run found.

    Attributes:
        models: the models that were asked for, in the order they were named.
        rows: a row a finding, in any order.
        gate: which verdicts fail, a value of :class:`~pytest_circuits.verdicts.Gate`.
        failed: tests that failed without a finding, also in their setup, and modules that could
            not be collected, in any order.
        unfinished: tests that never ran to an end (a run that stopped, a lost worker).
        exit_status: pytest's.
        options: options of the command line that the numbers depend on, as they would be typed.
        root: where the tests' paths start, from the folder that pytest ran in; empty where it ran
            there.
        compared: the names of two states of the baselines, where rows tell what became of them
            from the one to the other; None for a run that measured models.
    """

    models: tuple[Model, ...]
    rows: tuple[Row, ...]
    gate: str = "regression"
    failed: tuple[FailedTest, ...] = ()
    unfinished: int = 0
    exit_status: int = 0
    options: tuple[str, ...] = ()
    root: str = ""
    compared: tuple[str, str] | None = None

    def of(self, model: Model) -> list[Row]:
        """A model's rows."""
        return [row for row in self.rows if row.alias == model.alias]

    def failed_on(self, model: Model) -> list[FailedTest]:
        """A model's tests that failed without a finding."""
        return [failed for failed in self.failed if failed.alias == model.alias]
