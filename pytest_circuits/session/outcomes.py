"""What one test did so far, and why it failed, as pytest's report of it says."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_circuits.baselines import Comparison
    from pytest_circuits.baselines.pending import Pending
    from pytest_circuits.findings import Finding
    from pytest_circuits.models import Source
    from pytest_circuits.report.rows import Row
    from pytest_circuits.session.gating import Refusal
    from pytest_circuits.session.measuring import Measurement


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


class Measured(NamedTuple):
    """A finding, and how it came about.

    Attributes:
        finding: what was found.
        origin: the source and the weights that an earlier run measured it on; None if this run
            measured it.
        on_cpu_instead: whether it was measured on the CPU, as there was no room where its model is.
        measurement: what the test had asked for.
    """

    finding: Finding
    origin: Mapping[str, str] | None = None
    on_cpu_instead: bool = False
    measurement: Measurement | None = None


@dataclass
class ItemState:
    """What one test did so far.

    Attributes:
        judged: findings that were compared with a baseline, by their names within the test.
        looked_at: findings of which a test had only the verdict, without the gate.
        claimed: findings that an ``assert_*`` helper was given to hold.
        referred_to: findings that one held others against.
        names: what the compared findings, and those looked at, are called within the test.
        measured: what was measured for it, by this run or an earlier one.
        comparisons: those of its findings with baselines that hold, which what is approved does
            not: it takes its baseline's place.
        rows: what there is to report.
        refusals: comparisons that don't pass, and did not fail the test yet.
        approve: each writes one finding's baseline, once the test has passed; by the finding's
            name.
        written: the names of the findings that were written.
        pending: each gives one finding that is left to be decided on.
        passed: whether its call phase passed.
        failure: why its call phase did not pass, in a line; empty where it did.
        left: the names of the findings that were left to be decided on.
        called: whether its call is over. Subtests have reports of their own before.
        over: whether its fixtures are torn down.
    """

    judged: dict[str, Finding] = field(default_factory=dict)
    looked_at: list[Finding] = field(default_factory=list)
    claimed: list[Finding] = field(default_factory=list)
    referred_to: list[Finding] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    measured: list[Measured] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    approve: dict[str, Callable[[], None]] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    pending: list[Callable[[], Pending]] = field(default_factory=list)
    passed: bool = False
    failure: str = ""
    left: set[str] = field(default_factory=set)
    called: bool = False
    over: bool = False

    def measured_as(self, finding: Finding) -> Measured | None:
        """How this very finding came about; None if a measure was called directly."""
        return next((each for each in self.measured if each.finding is finding), None)

    def origin(self, finding: Finding) -> Mapping[str, str] | None:
        """What an earlier run measured this very finding on; None if this run measured it."""
        measured = self.measured_as(finding)
        return None if measured is None else measured.origin

    def is_remembered(self, finding: Finding) -> bool:
        """Whether it was an earlier run that measured this very finding."""
        return self.origin(finding) is not None

    def write_approved(self) -> None:
        """Write what was approved and is not written yet."""
        for name in list(self.approve):
            self.approve.pop(name)()
            self.written.add(name)


STATE = pytest.StashKey[ItemState]()


def failure(message: str) -> BaseException:
    """The message alone: where in our code it arose is of no use to who reads it."""
    from pytest_circuits.session.shown import said

    return pytest.fail.Exception(said(message), pytrace=False)


class Failure(NamedTuple):
    """Why a test failed, in a line, and where in its file; or where it begins."""

    message: str = ""
    line: int | None = None


def failure_of(report: pytest.TestReport, config: pytest.Config) -> Failure:
    """Why a test failed, and the line in its file that the failure's traceback goes through last.

    A test that fails elsewhere, in a fixture or before it begins, has the line where it begins.
    """
    test = os.path.realpath(config.rootpath / report.nodeid.partition("::")[0])
    file, begins, _ = report.location
    # A test that a class inherits begins in another file.
    here = begins is not None and os.path.realpath(config.rootpath / file) == test
    line = begins + 1 if here and begins is not None else None
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        # Of a test that passed, xdist's reports tell on which worker.
        return Failure(last_words(report.longreprtext) if report.failed else "", line)
    places = [(crash.path, crash.lineno), *_places(report.longrepr)]
    own = [
        at for path, at in places if os.path.realpath(config.invocation_params.dir / path) == test
    ]
    return Failure(crash.message.partition("\n")[0], int(own[-1]) if own else line)


def why_not_passed(report: pytest.TestReport, config: pytest.Config) -> str:
    """Why a test did not pass, in a line; empty where it did."""
    if not report.skipped:
        return failure_of(report, config).message
    if hasattr(report, "wasxfail"):
        # What `pytest.xfail` is given stands behind a word.
        reason = report.wasxfail.removeprefix("reason: ")
        return f"xfailed: {reason or failure_of(report, config).message}"
    words = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longreprtext
    return f"skipped: {words.removeprefix('Skipped: ')}"


def _places(longrepr: Any) -> Iterator[tuple[str, int]]:  # noqa: ANN401 — pytest's
    """Files and lines that a failure's traceback goes through, the innermost last.

    Files are named from the folder that pytest was called in, or in full. Traceback styles that
    show no code have none of them.
    """
    for entry in getattr(getattr(longrepr, "reprtraceback", None), "reprentries", []):
        place = getattr(entry, "reprfileloc", None)
        if place is not None:
            yield place.path, place.lineno


def last_words(text: str) -> str:
    """The line of a failure without traceback that says what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = [line.removeprefix("E ").strip() for line in lines if line.startswith("E ")]
    return next(iter(marked or lines[-1:]), "")


def model_of(nodeid: str, aliases: frozenset[str]) -> str | None:
    """The alias that a node id ends in: the alias is always the last part of its parameters.

    Aliases may contain ``-``, so the longest one that fits is meant.
    """
    _, bracket, parameters = nodeid.rpartition("[")
    if not bracket or not parameters.endswith("]"):
        return None
    parameters = parameters[:-1]
    fitting = [a for a in aliases if parameters == a or parameters.endswith(f"-{a}")]
    return max(fitting, key=len, default=None)
