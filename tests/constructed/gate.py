"""A suite of circuit tests, and what ``pytest --circuits`` says of models."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from circuit_suites import QUIET, Suite
from constructed.subjects import Subject, Wording, as_json

from pytest_circuits.baselines import baseline_path, find
from pytest_circuits.report.rows import PROPERTY, REFUSED, Row
from pytest_circuits.verdicts import SEVERITY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

    from pytest_circuits.findings import Head

#: What is said of a model on which no finding was judged.
NO_VERDICT = "none"
REFERENCE = "reference"

_MODULE = "test_suite.py"

_SUITE = """
import json
from pathlib import Path

from pytest_circuits import PromptPairs, prompts

HERE = Path(__file__).parent
PAIRS = PromptPairs.from_json(HERE / "pairs.json")
REPEATED = prompts.repeated_tokens(**json.loads((HERE / "repeated.json").read_text()))


def test_induction_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores(REPEATED) == circuit_snapshot


def test_previous_token_heads(circuits, circuit_snapshot):
    assert circuits.previous_token_scores(REPEATED) == circuit_snapshot


def test_answer_writers(circuits, circuit_snapshot):
    assert circuits.head_attribution(PAIRS) == circuit_snapshot


def test_logit_difference(circuits, circuit_snapshot):
    assert circuits.logit_diff(PAIRS) == circuit_snapshot
"""

_ORDER = (REFUSED, *(kind.value for kind in SEVERITY))


@dataclass
class Outcome:
    """What a run said of one model.

    Attributes:
        rows: a row for each finding that was judged.
        failures: the texts of failed tests.
    """

    rows: list[Row] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """The worst verdict."""
        return min((row.verdict for row in self.rows), key=_ORDER.index, default=NO_VERDICT)

    @property
    def complete(self) -> bool:
        """Whether every test was judged, and those failed that the gate does not let pass."""
        failed = sum(not row.passes for row in self.rows)
        return len(self.rows) == _SUITE.count("def test_") and len(self.failures) == failed

    @property
    def exit(self) -> int:
        """pytest's exit status, had it been the only model."""
        return int(bool(self.failures))


class _Collector:
    """A plugin that gathers rows and failures by the model's alias."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        alias = report.nodeid.rpartition("[")[2].removesuffix("]")
        outcome = self.outcomes.setdefault(alias, Outcome())
        if report.failed:
            outcome.failures.append(report.longreprtext)
        if report.when == "teardown":
            outcome.rows += [
                Row.from_json(str(value), report.outcome)
                for name, value in report.user_properties
                if name == PROPERTY
            ]


class GateSuite:
    """The suite in a folder of its own."""

    def __init__(self, pytester: pytest.Pytester, subject: Subject) -> None:
        self._suite = Suite(pytester)
        self._subject = subject

    def write(self, reference: Path, wording: Wording) -> None:
        """Write the suite for a reference and prompts."""
        self._suite.ini(f"{REFERENCE} = {reference}")
        self._suite.write(_MODULE, _SUITE)
        repeated = self._subject.repeated(wording)
        self._suite.write(
            "repeated.json",
            json.dumps({"batch": repeated.batch, "block": repeated.block, "seed": repeated.seed}),
        )
        self._suite.write("pairs.json", as_json(self._subject.pairs(wording)))

    def put(self, baselines: Mapping[str, bytes]) -> None:
        """Lay baselines down, by their path under the suite."""
        for name, content in baselines.items():
            path = self._suite.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def baselines(self) -> dict[str, bytes]:
        """The baselines that lie there."""
        files = self._suite.path.glob("__circuits__/**/*.json")
        return {path.relative_to(self._suite.path).as_posix(): path.read_bytes() for path in files}

    def members(self, test: str) -> tuple[Head, ...]:
        """The heads of a test's approved role, strongest first."""
        path = baseline_path(self._suite.path / _MODULE, REFERENCE, test)
        found = find(path, (REFERENCE,), "")
        assert found is not None
        return tuple(found.baseline.finding.members())

    def approve(self) -> Outcome:
        """Approve what is measured on the reference."""
        return self._run("--snapshot-update")[REFERENCE]

    def judge(self, models: Mapping[str, Path], *, threads: int = 1) -> dict[str, Outcome]:
        """Hold models against the baselines, by alias."""
        arguments = [f"--circuits-model={alias}={folder}" for alias, folder in models.items()]
        return self._run(*arguments, threads=threads)

    def _run(self, *arguments: str, threads: int = 1) -> dict[str, Outcome]:
        collector = _Collector()
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            result: Any = self._suite.pytester.runpytest_inprocess(
                *QUIET, "-W", "error", "--circuits", *arguments, plugins=[collector]
            )
        finally:
            torch.set_num_threads(before)
        text = result.stdout.str()
        assert result.ret == max(outcome.exit for outcome in collector.outcomes.values()), text
        return collector.outcomes
