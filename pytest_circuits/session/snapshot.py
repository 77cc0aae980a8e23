"""``circuit_snapshot``: syrupy counts and reports; what a comparison means is ours.

A comparison gives a verdict, the gate decides whether it passes, and a file is written after its
test has passed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from syrupy.assertion import AssertionResult, DiffMode, SnapshotAssertion
from syrupy.location import PyTestLocation

from pytest_circuits.baselines import (
    BaselineError,
    BaselineReader,
    Comparison,
    Location,
    Served,
    check_first,
    compare,
    find,
    storable,
    write,
)
from pytest_circuits.report import Row
from pytest_circuits.session.checks import check_finding
from pytest_circuits.session.extension import SEPARATOR, CircuitExtension, path_of
from pytest_circuits.session.gating import Refusal
from pytest_circuits.session.outcomes import STATE, CircuitSource, ItemState, failure
from pytest_circuits.verdicts import Gate, Kind, Outcome, damage_not_approved, lines, passes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pytest
    from syrupy.types import SerializableData, SnapshotIndex

    from pytest_circuits.baselines.pending import Pending
    from pytest_circuits.findings import Finding
    from pytest_circuits.session.settings import Settings
    from pytest_circuits.verdicts import Verdict, Waiver

#: pytest shows about eight lines of an explanation.
_REASONS_SHOWN = 6


class TooFewPromptsWarning(UserWarning):
    """What was approved has a tolerance that is below twice its paired standard error."""


@dataclass(eq=False, order=False, repr=False)
class CircuitSnapshot(SnapshotAssertion):
    """The approved findings of one test: ``assert finding == circuit_snapshot``.

    True means that the gate lets the finding pass. A test's second finding needs a name:
    ``assert other == circuit_snapshot(name="other")``.
    """

    source: CircuitSource | None = None
    reader: BaselineReader = field(default_factory=BaselineReader)
    lets_pass: Callable[[Verdict], bool] = field(default=lambda _: False)
    settle: Callable[[Comparison], Comparison] = field(default=lambda comparison: comparison)
    always_settle: bool = False
    origin: Callable[[Finding], dict[str, str]] = field(default=lambda _: {})
    altered: Callable[[Finding], tuple[str, ...]] = field(default=lambda _: ())
    waiver: Waiver | None = None
    whole_findings: bool = False
    update: bool = False
    update_new: bool = False
    pending: bool = False
    _explained: list[str] = field(init=False, default_factory=list)
    _approved: Finding | None = field(init=False, default=None)
    _approving: dict[str, Comparison] = field(init=False, default_factory=dict)
    _is_checked: bool = field(init=False, default=False)

    @property
    def extension(self) -> CircuitExtension:
        """The extension, which knows whose baselines serve."""
        extension = super().extension
        assert isinstance(extension, CircuitExtension)
        assert self.source is not None
        extension.owners, extension.reader = self.source.owners, self.reader
        return extension

    def __repr__(self) -> str:
        return f"<circuit_snapshot of {self.source.alias if self.source else '?'}>"

    def __ne__(self, other: object) -> NoReturn:
        raise TypeError(
            "circuit_snapshot has no `!=`, which would pass by what the gate refuses: "
            "`circuit_snapshot.judge(finding).kind` is the verdict without the gate"
        )

    def __call__(self, *, name: SnapshotIndex | None = None, **other: object) -> CircuitSnapshot:
        """The snapshot of a test's further finding, by its name."""
        if other:
            self.with_defaults()
        if not isinstance(name, str) or SEPARATOR in name:
            raise ValueError(f"a finding's name is a text without {SEPARATOR!r}, not {name!r}")
        super().__call__(name=name)
        return self

    def with_defaults(self, **_: object) -> NoReturn:
        """Refused: baselines have one format."""
        raise TypeError("circuit_snapshot has one format; it takes no other extension or filter")

    @property
    def approved(self) -> Finding:
        """What the last comparison was held against; the finding itself if it is new, or approved.

        It is there to claim shares of: ``assert_behaviour(loss, at_most=1.1,
        of=circuit_snapshot.approved)``.

        Raises:
            AttributeError: before anything was compared.
        """
        if self._approved is None:
            raise AttributeError("compare a finding first: `assert finding == circuit_snapshot`")
        return self._approved

    def explanation(self) -> list[str]:
        """Why the last comparison failed, worst first; an assertion is going to show it."""
        for refusal in self._state.refusals:
            refusal.shown = refusal.shown or refusal.lines is self._explained
        return self._explained

    def get_assert_diff(self, *, diff_mode: DiffMode = DiffMode.DETAILED) -> list[str]:
        """The same, for syrupy."""
        del diff_mode
        return self._explained

    def judge(self, finding: Finding) -> Verdict:
        """The verdict on a finding, without the gate: it fails nothing and writes nothing.

        For tests of what a verdict should be: it is one on the baseline of that name, or on what
        this test has just approved in its place. The finding is none of the run's judged ones.
        """
        check_finding(finding)
        name = self._custom_index or ""
        self._post_assert()  # the name was for this one only
        assert self.source is not None
        try:
            served = self._approved_now(name) or find(
                path_of(self.test_location), self.source.owners, name, self.reader
            )
            comparison = compare(name, finding, storable(finding), served)
        except BaselineError as error:
            raise failure("\n".join(self._words(error))) from None
        self._state.looked_at.append(finding)
        self._state.names.add(name)
        return comparison.verdict

    def _approved_now(self, name: str) -> Served | None:
        """What this test approves under a name, which is written when it has passed."""
        comparison = self._approving.get(name)
        if comparison is None:
            return None
        from pytest_circuits.baselines.approving import approval

        assert self.source is not None
        made = approval(name, comparison.found, comparison.baseline)
        return Served(self.source.owners[0], made)

    def _assert(self, data: SerializableData) -> bool:
        state, name = self._state, self._custom_index or ""
        try:
            return self._compare(data)
        except Exception as error:
            # Also an error that the test catches: its comparison was never made.
            title = name or getattr(data, "measure", "comparison")
            state.refusals.append(
                Refusal(title, str(error).splitlines() or [repr(error)], shown=True)
            )
            raise

    def _compare(self, data: SerializableData) -> bool:
        if self._state.over:
            raise RuntimeError("this circuit_snapshot belongs to a test that is over")
        check_finding(data)
        name = self._custom_index or ""
        self._check_name(name)
        self._state.names.add(name)
        super()._assert(data)
        result = self.executions[self.num_executions - 1]
        if result.exception is not None:
            return self._refuse(data, result, result.exception)
        comparison = self.extension.comparison
        if comparison is None:
            comparison = compare(name, data, cast("Any", result.asserted_data), None)
        verdict = comparison.verdict
        compared = verdict.kind not in (Kind.NEW, Kind.INCOMPARABLE)
        if verdict.asks or (self.always_settle and compared):
            comparison = self.settle(comparison)
        return self._decide(comparison, result)

    def _decide(self, comparison: Comparison, result: AssertionResult) -> bool:
        """Whether the gate or a waiver lets a finding pass; what is approved is written later."""
        baseline, kind = comparison.baseline, comparison.kind
        approve = comparison.differs and (
            self.update or (self.update_new and comparison.served is None)
        )
        # What is approved now is what claims hold from now on.
        held = comparison.measured if baseline is None or approve else baseline.finding
        self._approved = held
        offer = self.pending and comparison.differs
        waiver = "" if self.waiver is None else self.waiver.text(date.today())
        waived = self.waiver is not None and self.waiver.covers(kind, date.today())
        nothing = self._why_not_approved(comparison.measured) if approve or offer else None
        if approve and not waived and comparison.verdict.outcome is Outcome.FAILS:
            nothing = nothing or damage_not_approved(comparison.verdict)
        if nothing and approve:
            return self._refuse(comparison.measured, result, BaselineError(nothing))
        offer = offer and not nothing
        gated = approve or self.lets_pass(comparison.verdict)
        self._explained = lines(comparison.verdict, limit=_REASONS_SHOWN)
        if waiver and not gated and not waived:
            self._explained.insert(1, f"  waiver {waiver}")
        result.success = passing = gated or waived
        if not passing:
            self._state.refusals.append(
                Refusal(comparison.name or comparison.found.measure, self._explained)
            )
        self._note(
            comparison,
            passes=passing,
            written=approve,
            pending=offer,
            waiver=waiver,
            waived=waived and not gated,
        )
        if not approve:
            self._hold_claims(comparison, passes=passing)
        if approve:
            self._warn(comparison)
            self._approve_later(result, comparison)
        if offer:
            self._offer_later(comparison)
        return passing

    def _hold_claims(self, comparison: Comparison, *, passes: bool) -> None:
        """Let claims go by a comparison; those that the test made before it may hold no more."""
        state = self._state
        first = all(each.kind is not Kind.INCOMPARABLE for each in state.comparisons)
        state.comparisons.append(comparison)
        if comparison.kind is not Kind.INCOMPARABLE or not (first and passes):
            return
        from pytest_circuits.session.claimed import why_not_claimed

        for finding in state.claimed:
            if said := why_not_claimed(finding, state.comparisons):
                state.refusals.append(Refusal(finding.measure, said, by_gate=False))

    def _why_not_approved(self, finding: Finding) -> str | None:
        from pytest_circuits.baselines.approving import nothing_to_approve

        altered = self.altered(finding)
        if altered:
            return (
                f"measured on what the test had changed ({', '.join(altered[:3])}), which is never "
                f"approved.\nOf a model: change a private_circuit_model, and measure it with "
                f"pytest_circuits.measures.\nOf torch: use monkeypatch, or a context manager that "
                f"is closed, and measure afterwards."
            )
        return nothing_to_approve(finding)

    def _with_origin(self, comparison: Comparison, finding: Finding) -> Finding:
        """A form of what was measured, with where the weights came from."""
        return finding.derived(
            provenance={**self.origin(comparison.measured), **finding.provenance}
        )

    def _warn(self, comparison: Comparison) -> None:
        """Warn of a tolerance that rests on too few prompts, which a new baseline can't show."""
        from pytest_circuits.baselines.approving import too_few_prompts

        if comparison.baseline is None:
            return
        warning = too_few_prompts(comparison.measured, comparison.baseline)
        if warning is not None:
            self.test_location.item.warn(TooFewPromptsWarning(warning))

    def _is_redundant(self, comparison: Comparison) -> bool:
        """Whether the alias's own baseline equals the nearest parent's."""
        assert self.source is not None
        own, *parents = self.source.owners
        if comparison.baseline is None or comparison.owner != own or not parents:
            return False
        from pytest_circuits.baselines.approving import says_the_same

        inherited = find(path_of(self.test_location), parents, comparison.name, self.reader)
        return inherited is not None and says_the_same(comparison.baseline, inherited.baseline)

    @property
    def _config(self) -> pytest.Config:
        return self.test_location.item.config

    def _check_name(self, name: str) -> None:
        used = [
            result.snapshot_name.rpartition(SEPARATOR)[2] for result in self.executions.values()
        ]
        if name in used:
            self._post_assert()  # the name was for this comparison only
            what = f"is called {name!r} too" if name else "has no name"
            raise ValueError(
                f"this test compares another finding, which {what}: give each after the first a "
                f'name of its own, as in `finding == circuit_snapshot(name="other")`'
            )

    def _refuse(self, finding: Finding, result: AssertionResult, error: Exception) -> bool:
        """Fail with our own words; anything unforeseen is raised, never shown as a change."""
        if not isinstance(error, BaselineError):
            raise error
        self._explained = self._words(error)
        result.success = False
        name = result.snapshot_name.rpartition(SEPARATOR)[2]
        self._state.refusals.append(Refusal(name or finding.measure, self._explained))
        row = self._refused(finding.measure, name)
        self._record(finding, replace(row, remembered=self._state.is_remembered(finding)))
        return False

    def _words(self, error: BaselineError) -> list[str]:
        """What an error says, with files named from the suite's folder."""
        return str(error).replace(f"{self._config.rootpath}{os.sep}", "").splitlines()

    def _refused(self, measure: str, name: str) -> Row:
        assert self.source is not None
        nodeid = self.test_location.item.nodeid
        return Row.refused(nodeid, self.source.alias, measure, self._explained[0], name=name)

    def check(self, measure: str) -> None:
        """Fail a test whose baseline can't be read, before anything is measured for it.

        Looks at what a comparison would read for the test's first finding.

        Args:
            measure: what the test is about to measure.
        """
        if self.executions or self._is_checked:
            return
        assert self.source is not None
        self._is_checked = True
        try:
            check_first(path_of(self.test_location), self.source.owners, self.reader)
        except BaselineError as error:
            self._explained = self._words(error)
            self._state.refusals.append(Refusal(measure, self._explained, shown=True))
            self._state.rows.append(self._refused(measure, ""))
            raise failure("\n".join(self._explained)) from None

    def stored_for_others(self) -> Iterator[Mapping[str, Any]]:
        """The documents of baselines that serve the test and are of another model, nearest first.

        What is the model's own was measured as it would be measured now.
        """
        assert self.source is not None
        location = Location.of(path_of(self.test_location))
        assert location is not None
        for owner in self.source.owners:
            with suppress(BaselineError):  # it is told of where it is compared
                documents = self.reader(location.of_alias(owner).path).documents
                if documents and owner == self.source.alias:
                    return
                yield from documents.values()

    @property
    def _state(self) -> ItemState:
        return self.test_location.item.stash[STATE]

    def _record(self, finding: Finding, row: Row) -> None:
        self._state.judged[row.name] = finding
        self._state.rows.append(row)

    def _note(self, comparison: Comparison, **decided: Any) -> None:  # noqa: ANN401 — fields of a row
        item, baseline = self.test_location.item, comparison.baseline
        assert self.source is not None
        details = None
        if self.whole_findings:
            from pytest_circuits.report import Details

            shown = self._with_origin(comparison, comparison.measured)
            details = Details.of(comparison.name, shown, baseline)
        altered = self.altered(comparison.measured)
        row = Row.judged(
            item.nodeid,
            self.source.alias,
            comparison,
            remembered=self._state.is_remembered(comparison.measured),
            no_canary=baseline is not None and baseline.finding.canary is None,
            own_tolerance=comparison.own_tolerance,
            redundant=self._is_redundant(comparison),
            details=details,
            **decided,
        )
        if altered:
            headline = f"{row.headline}; after the test changed {altered[0]}"
            row = replace(row, headline=headline, altered=True)
        self._record(comparison.measured, row)
        item.ihook.pytest_circuits_verdict(item=item, verdict=comparison.verdict)

    def _approve_later(self, result: AssertionResult, comparison: Comparison) -> None:
        """Have the finding written once its test has passed."""

        def write_now() -> None:
            from pytest_circuits.baselines.approving import approval

            finding = self._with_origin(comparison, comparison.found)
            made = approval(comparison.name, finding, comparison.baseline)
            write(Path(result.snapshot_location), [made], self.reader)
            # syrupy counts what was written, when the run is over.
            result.created = comparison.baseline is None
            result.updated = not result.created

        self._approving[comparison.name] = comparison
        self._state.approve[comparison.name] = write_now
        if self._state.passed:  # a comparison in a fixture's teardown
            self._state.write_approved()

    def _offer_later(self, comparison: Comparison) -> None:
        """Have the finding left to be decided on, as it would be written, when its test is over."""
        assert self.source is not None
        owners = self.source.owners

        def offer() -> Pending:
            from pytest_circuits.baselines.pending import Pending

            finding = self._with_origin(comparison, comparison.found)
            return Pending.of(comparison, finding, owners)

        self._state.pending.append(offer)


def make_snapshot(
    request: pytest.FixtureRequest,
    source: CircuitSource,
    settings: Settings,
    reader: BaselineReader,
    *,
    origin: Callable[[Finding], dict[str, str]],
    altered: Callable[[Finding], tuple[str, ...]],
    settle: Callable[[Comparison], Comparison],
    waiver: Waiver | None,
) -> CircuitSnapshot:
    """The snapshot of the test that asks for it.

    Args:
        request: the fixture's.
        source: the model under test.
        settings: the run's settings.
        reader: reads the run's baseline files.
        origin: where the weights came from that a finding was measured on.
        altered: what the test had changed then of what tests are given.
        settle: asks new prompts what a comparison means.
        waiver: what the test's marker accepts until when.
    """
    option: Any = request.config.option
    config: Any = request.config
    gate, in_ci = Gate(settings.gate.value), settings.in_ci
    return CircuitSnapshot(
        session=config._syrupy,  # noqa: SLF001 — syrupy's own fixture has no other way
        extension_class=CircuitExtension,
        test_location=PyTestLocation(request.node),
        # syrupy would write at once; what is approved here is written when the test has passed.
        update_snapshots=False,
        update_new_snapshots_only=False,
        source=source,
        reader=reader,
        lets_pass=lambda verdict: passes(verdict, gate, in_ci=in_ci),
        settle=settle,
        always_settle=settings.new_prompts.value == "always",
        origin=origin,
        altered=altered,
        waiver=waiver,
        whole_findings=settings.whole_findings,
        update=option.update_snapshots,
        update_new=option.update_new_snapshots_only,
        pending=settings.pending,
    )
