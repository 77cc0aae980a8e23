"""The gate decides: what it doesn't let pass fails its test, whatever the test made of the answer.

And a test that holds nothing is no gate: in CI it fails.
"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, field, replace
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_circuits.findings.claims import heard_by
from pytest_circuits.report import Row
from pytest_circuits.report.run import fails
from pytest_circuits.report.text import counted, plain
from pytest_circuits.session.outcomes import STATE, ItemState, failure
from pytest_circuits.session.variants import alias_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from pytest_circuits.findings import Finding
    from pytest_circuits.session.session import CircuitsSession

#: What reports carry of a test's model, which can't be told by every id.
ALIAS = "circuits_alias"
_HINT = (
    "The test went on after this. For a verdict without the gate ask "
    "`circuit_snapshot.judge(finding)`."
)
#: Whose frames, between a test and its comparison, are of no use to who reads a failure.
_INTERNAL = ("pytest_circuits", "syrupy")
#: What xdist's workers tell of refusals by.
_UNTOLD = "circuits_untold"
#: Where the frames of a test begin.
_RUNNERS = ("_pytest", "pluggy")


def _way_here() -> TracebackType | None:
    """The frames from a test, a fixture or a thread down to where it compares."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 — the only way to a caller's frame
    while frame is not None and _package(frame) in _INTERNAL:
        frame = frame.f_back
    way: TracebackType | None = None
    while frame is not None and _package(frame) not in _RUNNERS:
        way = TracebackType(way, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return way


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


@dataclass
class Refusal:
    """A comparison that neither the gate nor a waiver lets pass, or that came to an error.

    Attributes:
        title: the finding's name within its test, or its measure.
        lines: why, as an assertion of it says.
        shown: whether an assertion, or the error, has told of it.
        by_gate: whether it is the gate that refuses, and no claim that does not hold.
        traceback: the way from the test to the comparison.
    """

    title: str
    lines: Sequence[str]
    shown: bool = False
    by_gate: bool = True
    traceback: TracebackType | None = field(default_factory=_way_here)


def _failure_for(refusals: Sequence[Refusal]) -> AssertionError:
    """The failure that an assertion would have been, of the first; the others are told below."""
    several = len(refusals) > 1
    blocks = [_block(refusal, several=several) for refusal in refusals]
    hint = [_HINT] if any(refusal.by_gate for refusal in refusals) else []
    error = AssertionError("\n".join([*blocks, *hint]))
    return error.with_traceback(refusals[0].traceback)


def _block(refusal: Refusal, *, several: bool) -> str:
    first, *others = refusal.lines
    title = f"{refusal.title} " if several else ""
    # Begun like this, pytest shows it as it shows an assertion.
    return "\n".join([f"assert {title}{first}", *others])


class GateDecides:
    """Fails tests by their verdicts; registered for a run with ``--circuits``."""

    def __init__(self, session: CircuitsSession) -> None:
        self._session = session
        self._untold: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note which findings the test makes claims of."""

        def listen(finding: Finding, *, as_reference: bool) -> Finding | None:
            __tracebackhide__ = True
            state = item.stash.get(STATE, ItemState())
            (state.referred_to if as_reference else state.claimed).append(finding)
            if not state.comparisons:
                return None if as_reference else self._stored(item, finding)
            from pytest_circuits.session.claimed import baseline_of, why_not_claimed

            said = why_not_claimed(finding, state.comparisons, as_reference=as_reference)
            if said:
                # Also where the test expects the claim to fail, or catches what it raises.
                state.refusals.append(Refusal(finding.measure, said, shown=True, by_gate=False))
                raise AssertionError("\n".join(said))
            if as_reference:
                return None
            return baseline_of(finding, state.comparisons) or self._stored(item, finding)

        with heard_by(listen):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Let no skip hide a comparison that a fixture made; what else it made is for the call."""
        __tracebackhide__ = True
        try:
            return (yield)
        except BaseException as error:
            ended = self._ended(item, error)
            if ended is None or ended is error:
                raise
            raise ended from None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fail a test whose finding is refused, where it doesn't do so itself."""
        __tracebackhide__ = True
        try:
            return (yield from self._held(item))
        finally:
            item.stash.get(STATE, ItemState()).called = True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """The same of comparisons in fixtures' teardown; then note what was never compared."""
        __tracebackhide__ = True
        try:
            result = yield from self._held(item)
            if self._must_judge(item) and _compares_in_teardown(item):
                problem = self._unjudged(item)
                if problem:
                    raise failure(problem)
            return result
        finally:
            state = item.stash.get(STATE, ItemState())
            state.over = True
            self._note_claims(state)
            self._note_uncompared(item, state)

    def _held(self, item: pytest.Item) -> Generator[None, object, object]:
        __tracebackhide__ = True
        try:
            result = yield
        except BaseException as error:
            ended = self._ended(item, error)
            if ended is None or ended is error:
                raise
            raise ended from None
        if (failed := self._ended(item, None)) is not None:
            raise failed
        return result

    def _ended(self, item: pytest.Item, error: BaseException | None) -> BaseException | None:
        """What a phase of a test ends in that raised an error, or none."""
        state = item.stash.get(STATE, ItemState())
        if isinstance(error, pytest.exit.Exception):
            # Nothing is reported of a test that ends the run: the run has to tell.
            return error
        # They hold the test's frames, and with them all that it had.
        refusals, state.refusals = state.refusals, []
        if self._session.has_failed_subtest(item):
            refusals = [refusal for refusal in refusals if not refusal.shown]
        if refusals and (error is None or _is_skip(error) or _is_expected(item, error)):
            return _failure_for(refusals)
        if isinstance(error, Exception):
            for refusal in refusals:
                if not refusal.shown:
                    error.add_note(_block(refusal, several=True))
        return error

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail a test that passed and left something unjudged, where that is to fail."""
        report = yield
        setattr(report, ALIAS, alias_of(item))
        state = item.stash.get(STATE, ItemState())
        if report.when == "call" and state.called:
            state.passed = report.passed and not hasattr(report, "wasxfail")
            if self._must_judge(item) and not _compares_in_teardown(item):
                problem = self._unjudged(item)
                if problem:
                    report.outcome = "failed"
                    report.longrepr = item.repr_failure(_raised(problem))
        return report

    def _must_judge(self, item: pytest.Item) -> bool:
        """Whether a test has to have judged something, as it passed."""
        return (
            self._session.settings.must_judge
            and item.stash.get(STATE, ItemState()).passed
            and not self._session.has_failed_subtest(item)
        )

    def _unjudged(self, item: pytest.Item) -> str:
        """What a test that passed left unjudged; empty where it is nothing, or no circuit test."""
        alias, state = alias_of(item), item.stash[STATE]
        if alias is None:
            return ""
        if not (state.judged or state.looked_at or state.claimed):
            return _nothing_judged(len(state.measured))
        left = self._left(item, alias, state)
        if not left:
            return ""
        noun = "finding is" if len(left) == 1 else "findings are"
        names = ", ".join(repr(name) if name else "one without a name" for name in left)
        removals = (shlex.join([file, name] if name else [file]) for name, file in left.items())
        return "\n".join(
            [
                f"{len(left)} stored {noun} not compared by this test: {names}.",
                "Compare what is still wanted, and remove what isn't:",
                *(f"  pytest-circuits remove {removal}" for removal in removals),
            ]
        )

    def _stored(self, item: pytest.Item, finding: Finding) -> Finding | None:
        """The test's baseline of the same quantity, where it was not compared, or not yet.

        None while baselines are being replaced: then what is measured is what holds from now on.
        """
        from pytest_circuits.baselines import BaselineError, Location
        from pytest_circuits.findings.quantity import differing
        from pytest_circuits.session.extension import baseline_file

        alias, path = alias_of(item), baseline_file(item)
        location = None if path is None else Location.of(path)
        if alias is None or location is None or item.config.option.update_snapshots:
            return None
        for owner in self._session.sources[alias].owners:
            try:
                stored = [
                    each.finding for each in self._session.reader(location.of_alias(owner).path)
                ]
            except BaselineError:
                continue  # its comparison says so
            same = (each for each in stored if not differing(finding, each))
            if (found := next(same, None)) is not None:
                return found
        return None

    def _left(self, item: pytest.Item, alias: str, state: ItemState) -> dict[str, str]:
        """The names of the stored findings that a test did not compare, and their files."""
        from pytest_circuits.baselines import BaselineError, Location
        from pytest_circuits.session.extension import baseline_file

        path = baseline_file(item)
        location = None if path is None else Location.of(path)
        left: dict[str, str] = {}
        if location is None:
            return left
        for owner in self._session.sources[alias].owners:
            file = location.of_alias(owner).path
            try:
                names = list(self._session.reader(file).documents)
            except BaselineError:
                # Nothing compared it, or the test would have failed.
                names = ["(damaged)"]
            shown = os.path.relpath(file, item.config.invocation_params.dir)
            left |= {n: shown for n in names if n not in state.names and n not in left}
        return left

    def _note_claims(self, state: ItemState) -> None:
        """Say in the rows of compared findings which of them an assertion held too."""
        claims = [*state.claimed, *state.referred_to]
        names = {name for name, finding in state.judged.items() if _among(finding, claims)}
        state.rows[:] = [
            replace(row, claimed=row.is_judged and row.name in names) for row in state.rows
        ]

    def _note_uncompared(self, item: pytest.Item, state: ItemState) -> None:
        """Add rows for the findings that no baseline was asked for."""
        alias = alias_of(item)
        if alias is None:
            return
        seen = [*state.judged.values(), *state.looked_at]
        for finding in [*(each.finding for each in state.measured), *state.claimed]:
            if _among(finding, seen):
                continue
            seen.append(finding)
            row = Row.uncompared(
                item.nodeid,
                alias,
                finding,
                asserted=_among(finding, [*state.claimed, *state.referred_to]),
                remembered=state.is_remembered(finding),
                details=self._session.details("", finding, None),
            )
            state.rows.append(row)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 — xdist's
        """Take from xdist's worker what no test of it failed by."""
        self._untold += getattr(node, "workeroutput", {}).get(_UNTOLD, [])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Note refusals of a test that ended the run, or compared in a thread when it was over."""
        self._untold += [
            f"{item.nodeid}: {refusal.lines[0]}"
            for item in getattr(session, "items", ())
            for refusal in item.stash.get(STATE, ItemState()).refusals
        ]
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_UNTOLD] = self._untold

    @property
    def fails(self) -> bool:
        """Whether a finding fails, whatever plugins made of its test."""
        rows = (row for of_test in self._session.rows.values() for row in of_test)
        return bool(self._untold) or any(map(fails, rows))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell of refused findings that no test failed by."""
        for line in self._untold:
            terminalreporter.write_line(plain(line), red=True)


def _compares_in_teardown(item: pytest.Item) -> bool:
    """Whether a fixture of the test's may compare when the test is over."""
    known: Any = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    return any("circuit_snapshot" in fixture.argnames for *_, fixture in known.values())


def _is_expected(item: pytest.Item, error: BaseException) -> bool:
    """Whether a test is expected to raise what it raised, which a refused finding is not."""
    raises = (marker.kwargs.get("raises") for marker in item.iter_markers("xfail"))
    return any(isinstance(error, kinds) for kinds in raises if kinds)


def _nothing_judged(measured: int) -> str:
    """Why a test fails that judged nothing, and what to do."""
    found = f"of the {counted(measured, 'finding')} that `circuits` measured none was held"
    return "\n".join(
        [
            f"nothing was judged: {found if measured else '`circuits` measured no finding'}.",
            "A finding is judged where it is held",
            "  against its baseline:  assert finding == circuit_snapshot",
            "  by a claim:            assert_behaviour(finding, at_most=…), or another assert_*",
            "  by its verdict alone:  circuit_snapshot.judge(finding).kind",
            "A bare assert of its number, as in `assert float(finding) < 1`, holds no finding.",
            "To allow it to all tests of the suite, set `circuits_unjudged = allow` in the ini.",
        ]
    )


def _is_skip(error: BaseException) -> bool:
    if isinstance(error, pytest.skip.Exception):
        return True
    from unittest import SkipTest

    return isinstance(error, SkipTest)


def _raised(problem: str) -> pytest.ExceptionInfo[BaseException]:
    try:
        pytest.fail(problem, pytrace=False)
    except pytest.fail.Exception as error:
        return pytest.ExceptionInfo.from_exception(error)


def _among(finding: Finding, others: Iterable[Finding]) -> bool:
    return any(finding is other for other in others)
