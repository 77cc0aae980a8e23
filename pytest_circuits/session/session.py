"""A run with ``--circuits``: the verdicts it gathers, and what it says at the end."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_circuits.baselines import BaselineReader
from pytest_circuits.findings.circumstances import noted_by
from pytest_circuits.report import FailedTest, Model, Row, Run, terminal_lines
from pytest_circuits.report.rows import PROPERTY
from pytest_circuits.report.text import plain_lines
from pytest_circuits.session import remembering
from pytest_circuits.session.cache import caching
from pytest_circuits.session.checks import Overrides, check_usage, refusals
from pytest_circuits.session.ending import Ending
from pytest_circuits.session.gating import ALIAS, GateDecides
from pytest_circuits.session.isolation import Isolation
from pytest_circuits.session.leaving import Sweeping, leave
from pytest_circuits.session.measuring import ModelMeasurer
from pytest_circuits.session.models import MODEL, RunModels
from pytest_circuits.session.outcomes import (
    STATE,
    CircuitSource,
    Failure,
    ItemState,
    failure_of,
    last_words,
    model_of,
    why_not_passed,
)
from pytest_circuits.session.shown import ShownReports
from pytest_circuits.verdicts import Kind

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from pytest_circuits.baselines import Baseline
    from pytest_circuits.findings import Finding
    from pytest_circuits.models import Source
    from pytest_circuits.report import Details
    from pytest_circuits.session.cache import CachingMeasurer
    from pytest_circuits.session.measuring import Measurer
    from pytest_circuits.session.reporting import Said
    from pytest_circuits.session.settings import Settings


class CircuitsSession:
    """Registered as a plugin for a run with ``--circuits``, and in no other.

    Attributes:
        settings: the run's settings.
        sources: the models under test, by alias.
        models: the models that are loaded.
        reader: reads baseline files, each once.
        rows: the verdicts so far, by test.
        ending: how the run ends.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.settings = settings
        self.sources = {
            alias: CircuitSource(alias, line.parse(), settings.owners(alias))
            for alias, line in settings.measured.items()
        }
        self.models = RunModels(config, settings)
        self.isolation = Isolation(self.models, fails=settings.isolation.value == "fail")
        self.reader = BaselineReader()
        self.gate = GateDecides(self)
        self.ending = Ending(config, self)
        self._overrides = Overrides()
        self.rows: dict[str, list[Row]] = {}
        self._outcomes: dict[str, str] = {}
        self._aliases: dict[str, str | None] = {}
        self._selected: set[str] = set()
        self._finished: set[str] = set()
        self._failed: set[str] = set()
        self._failed_subtests: set[str] = set()
        self._refused: dict[str, str] = {}
        self._to_run = False
        self._said: list[Said] = []
        #: What stands in the step summary of GitHub Actions until the run has come to its end.
        self.begun_summary = b""
        self._failures: dict[str, Failure] = {}
        self._uncollected: dict[str, str] = {}
        self._config = config

    @cached_property
    def _cache(self) -> CachingMeasurer | None:
        measurer = ModelMeasurer(self.models)
        return caching(measurer, self.models, self.settings, self.reference, self._config)

    @property
    def measurer(self) -> Measurer:
        """Answers what tests ask for, from pytest's cache where there is one, or by measuring."""
        return self._cache or ModelMeasurer(self.models)

    @cached_property
    def reference(self) -> Source | None:
        """The source of the model that owns the approved baselines, if it is there."""
        line = self.settings.declared.get(self.settings.reference or "")
        try:
            return line and line.parse()
        except pytest.UsageError:
            return None

    def origin(
        self, finding: Finding, source: CircuitSource, request: pytest.FixtureRequest
    ) -> dict[str, str]:
        """Where the weights came from that a test's finding was measured on."""
        measured = request.node.stash[STATE].measured_as(finding)
        if measured is not None and measured.origin is not None:
            return dict(measured.origin)
        if measured is None and finding.circumstances is not None:
            # A measure was called directly, on whatever model.
            return self.models.provenance(source.source, finding.circumstances.model())
        own = self.models.private.get(request.node.nodeid) if measured is None else None
        model = own or self.models.of_test(source.source, request)
        return self.models.provenance(source.source, model)

    def altered(self, finding: Finding, request: pytest.FixtureRequest) -> tuple[str, ...]:
        """What the test had changed of what tests are given when a finding was measured."""
        if finding.circumstances is not None:
            return finding.circumstances.altered
        if request.node.stash[STATE].is_remembered(finding):
            return ()
        # Of one that was made by hand nobody knows what it came from.
        held = request.getfixturevalue(MODEL) if MODEL in request.fixturenames else None
        return self.isolation.altered(held)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Have it noted of every finding what it is measured on."""
        with noted_by(self.isolation.circumstances):
            return (yield)

    def has_failed_subtest(self, item: pytest.Item) -> bool:
        """Whether a part of a test failed, for which pytest is going to fail the test."""
        return item.nodeid in self._failed_subtests

    def details(self, name: str, finding: Finding, approved: Baseline | None) -> Details | None:
        """A finding whole, where anything shows it; None elsewhere."""
        if not self.settings.whole_findings:
            return None
        from pytest_circuits.report import Details

        return Details.of(name, finding, approved)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module that can't be collected: nobody knows of its circuit tests."""
        if report.failed:
            file = report.nodeid.partition("::")[0]
            self._uncollected.setdefault(file, last_words(report.longreprtext))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the tests that can't run as they are written.

        They fail when their turn comes: an error here would reach nobody from an xdist worker.
        """
        for item in session.items:
            if _is_circuit_test(item):
                self._selected.add(item.nodeid)
        self._refused = refusals(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note the circuit tests that xdist's workers are going to run."""
        # xdist's controller has no more than node ids; a circuit test's ends in its model.
        aliases = frozenset(self.sources)
        self._selected.update(nodeid for nodeid in ids if model_of(nodeid, aliases))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Note what is on a model when its fixture gives it out: that belongs to the model."""
        self._overrides.look_at(fixturedef, request)
        model: Any = yield
        if fixturedef.argname == "circuit_model" and hasattr(model, "hook_dict"):
            self.models.given_out(fixturedef, model)
        return model

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Take an override's hooks off a model of ours, and let go of a model of its own."""
        if fixturedef.argname == "circuit_model" and fixturedef.cached_result is not None:
            self.models.taken_back(fixturedef, fixturedef.cached_result[0])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Note whether tests are to run, which --fixtures, --collect-only and others don't want."""
        option: Any = session.config.option
        self._to_run = not (option.collectonly or option.setuponly)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin a test afresh, also when it is run again."""
        item.stash[STATE] = ItemState()
        self._failed_subtests.discard(item.nodeid)
        ours = (PROPERTY, remembering.PROPERTY)
        item.user_properties[:] = [p for p in item.user_properties if p[0] not in ours]
        if item.nodeid in self._refused:
            pytest.fail(self._refused[item.nodeid], pytrace=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note whether the test passed, when everybody else has had a say (a strict xfail)."""
        report = yield
        state = item.stash.get(STATE, ItemState())
        if report.when == "call" and state.called:
            state.passed = report.passed
            state.failure = why_not_passed(report, self._config)
            # pytest fails a test for its subtests only after everybody has seen its report.
            if state.passed and self.has_failed_subtest(item):
                state.passed, state.failure = False, "a subtest failed"
            leave(item, report, state, pending=self.settings.pending)
        if report.when == "teardown":
            # Too long for a property.
            setattr(report, _DETAILS, [row.details for row in state.rows])
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
        """Let xdist carry whole findings from a worker, as JSON."""
        carried = vars(report)
        details: list[Details | None] = carried.pop(_DETAILS, [])
        data = yield
        if details:
            carried[_DETAILS] = details
        if data is not None and any(details):
            data[_DETAILS] = json.dumps([each and each.document() for each in details])
        return data

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Give the models on as they were, and tell the test's verdicts."""
        state = item.stash.get(STATE, ItemState())
        try:
            return (yield)
        finally:
            if _is_circuit_test(item):
                self.models.clean_up()
            item.user_properties += [
                (
                    PROPERTY,
                    replace(
                        row,
                        written=row.written and row.name in state.written,
                        pending=row.pending and row.name in state.left,
                    ).to_json(),
                )
                for row in state.rows
            ]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather a test's verdicts, here or from an xdist worker, when it is over."""
        if isinstance(report, pytest.SubtestReport):
            if report.failed:
                self._failed_subtests.add(report.nodeid)
            return
        self._aliases.setdefault(report.nodeid, getattr(report, ALIAS, None))
        if report.when == "setup":
            self._failed.discard(report.nodeid)  # by an earlier attempt
            self._failures.pop(report.nodeid, None)
        if report.when == "call":
            self._outcomes[report.nodeid] = _outcome(report)
        # Of a test whose worker was lost there is a report too, for no part of it.
        if report.failed and report.when in ("setup", "call", "teardown"):
            self._failed.add(report.nodeid)
            self._failures.setdefault(report.nodeid, failure_of(report, self._config))
        if report.when == "call" or report.skipped:
            self._finished.add(report.nodeid)
        if report.when == "teardown":
            outcome = self._outcomes.get(report.nodeid, "")
            # A test that runs again reports again: its last attempt counts.
            rows = [str(value) for name, value in report.user_properties if name == PROPERTY]
            whole = _details_of(report) or [None] * len(rows)
            failure = self._failures.get(report.nodeid) or failure_of(report, self._config)
            self.rows[report.nodeid] = [
                Row.from_json(
                    row,
                    outcome,
                    line=failure.line,
                    failure=failure.message,
                    details=details,
                )
                for row, details in zip(rows, whole, strict=True)
            ]

    @pytest.hookimpl(tryfirst=True)
    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> list[str] | None:
        """Explain a failed ``finding == circuit_snapshot`` by its verdict."""
        from pytest_circuits.findings import Finding

        pair = (left, right) if isinstance(left, Finding) else (right, left)
        explain = getattr(pair[1], "explanation", None)
        if op != "==" or not isinstance(pair[0], Finding) or explain is None:
            return None
        return [plain_lines(line) for line in explain()]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports, when everybody else has had a say in the exit status."""
        if not self._to_run or hasattr(self._config, "workerinput"):
            return
        session.exitstatus = self.ending.exit_status(session.exitstatus)
        if self._cache is not None:
            self._cache.end()
        if not (self.settings.reports or self.settings.on_github):
            return
        from pytest_circuits.session.reporting import write_reports, write_summary

        run = self.run_so_far(int(session.exitstatus))
        self._said = list(write_reports(run, self.settings))
        if self.settings.on_github:
            self._said += write_summary(run, self.begun_summary)
        if any(said.failed for said in self._said):
            session.exitstatus = session.exitstatus or pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What the run found, worst first."""
        if not self._to_run:
            return
        width = self._config.get_terminal_writer().fullwidth
        terminalreporter.write_sep("=", "circuits")
        for line in terminal_lines(self.run_so_far(), width, verbose=self.settings.verbose):
            for part in line.parts:
                terminalreporter.write(part.text, **{part.colour: True} if part.colour else {})
            terminalreporter.line("")
        for text in self._pending():
            terminalreporter.write_line(plain_lines(text))
        for said in self._said:
            text = plain_lines(said.text)
            terminalreporter.write_line(text, **{"red": True} if said.failed else {})
        if self.settings.on_github:
            from pytest_circuits.session.reporting import annotation_lines

            for command in annotation_lines(self.run_so_far(), self._config.rootpath):
                terminalreporter.write_line(command)

    def _pending(self) -> Iterator[str]:
        """How many findings wait for a decision, and how to come to it; and which never will."""
        if not self.settings.pending:
            yield from self._new()
            return
        differ = [row for rows in self.rows.values() for row in rows if row.differs]
        tests = [row.test for row in differ if row.pending]
        for altered, why in (
            (False, "there would be nothing to hold"),
            (True, "its test had changed what it was measured on"),
        ):
            count = sum(not row.pending and row.altered is altered for row in differ)
            noun = "finding that differs" if count == 1 else "findings that differ"
            if count:
                yield f"{count} {noun} can't be approved: {why}"
        if tests:
            here, root = self._config.invocation_params.dir.resolve(), self._config.rootpath
            below = all((root / test.partition("::")[0]).is_relative_to(here) for test in tests)
            where = "" if below else f" {os.path.relpath(root, here)}"
            noun = "finding" if len(tests) == 1 else "findings"
            yield f"{len(tests)} {noun} pending: pytest-circuits review{where}"

    def _new(self) -> Iterator[str]:
        """How to go on with findings that have no baseline."""
        new = [row for rows in self.rows.values() for row in rows if row.verdict == Kind.NEW]
        if new:
            from pytest_circuits.session.pending import how_to_approve

            yield from how_to_approve(new, self.settings)

    def run_so_far(self, exit_status: int | None = 0) -> Run:
        """What there is to report, with the exit status that pytest ends with, once it does."""
        return Run(
            models=tuple(
                Model(
                    line.alias,
                    line.public,
                    self.settings.owners(line.alias),
                    line.alias in self.settings.declared,
                )
                for line in self.settings.measured.values()
            ),
            rows=tuple(row for rows in self.rows.values() for row in rows),
            gate=self.settings.gate.value,
            failed=(*self._failed_without_finding(), *self._failed_modules()),
            unfinished=tuple(sorted(self._selected - self._finished - self._failed)),
            exit_status=exit_status,
            options=self.settings.options,
            root=self._root(),
        )

    def _root(self) -> str:
        """The folder that node ids start from, as seen from where pytest was called."""
        here = self._config.invocation_params.dir
        try:
            root = Path(os.path.relpath(self._config.rootpath, here)).as_posix()
        except ValueError:  # on another drive
            return ""
        return "" if root == "." else root

    def _failed_without_finding(self) -> Iterator[FailedTest]:
        aliases = frozenset(self.sources)
        for nodeid in self._failed & self._selected:
            if not self.rows.get(nodeid):
                failure = self._failures.get(nodeid, Failure())
                alias = self._aliases.get(nodeid) or model_of(nodeid, aliases)
                yield FailedTest(nodeid, alias or "", *failure)

    def _failed_modules(self) -> Iterator[FailedTest]:
        for file, message in self._uncollected.items():
            yield FailedTest(file, "", message)


#: What a report carries beside its properties: the findings whole.
_DETAILS = "circuits_details"
SESSION = pytest.StashKey[CircuitsSession]()


def circuits_session(config: pytest.Config) -> CircuitsSession:
    """The session of a run with ``--circuits``."""
    return config.stash[SESSION]


def _details_of(report: pytest.TestReport) -> list[Details | None]:
    """The findings that a report carries, which are JSON if it came from an xdist worker."""
    carried: str | list[Details | None] = getattr(report, _DETAILS, [])
    if not isinstance(carried, str):
        return carried
    from pytest_circuits.report import Details

    return [
        document and Details.from_document(document, report.nodeid)
        for document in json.loads(carried)
    ]


def _is_circuit_test(item: pytest.Item) -> bool:
    return item.get_closest_marker("circuits") is not None


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return report.outcome


def begin(config: pytest.Config, settings: Settings, *, distribute: bool) -> None:
    """Begin a session.

    Args:
        config: pytest's configuration.
        settings: the run's settings.
        distribute: whether to tell xdist which worker gets which model.

    Raises:
        pytest.UsageError: if the run can't be what was asked for.
    """
    check_usage(config, settings)
    session = config.stash[SESSION] = CircuitsSession(config, settings)
    # The gate before the session, which gathers what tests end in by it.
    _register(config, session.gate, "circuits-gate")
    _register(config, session, "circuits-session")
    _register(config, Sweeping(), "circuits-sweeping")
    _register(config, ShownReports(settings), "circuits-shown")
    config.pluginmanager.register(session.isolation, "circuits-isolation")
    remembering.begin(config)
    _register(config, session.ending, "circuits-ending")
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        from pytest_circuits.session.scheduling import OneModelPerWorker, Watchdog

        _register(config, Watchdog(), "circuits-watchdog")
        if distribute:
            scheduling = OneModelPerWorker(frozenset(settings.measured))
            _register(config, scheduling, "circuits-scheduling")


def _register(config: pytest.Config, plugin: object, name: str) -> None:
    if config.pluginmanager.is_blocked(name):
        # pytest would leave it out in silence, and with it what makes a run red.
        raise pytest.UsageError(f"--circuits does not run without its own parts: no -p no:{name}")
    config.pluginmanager.register(plugin, name)
