"""What a run comes to: its figures, and the words that every report has for them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.report.causes import behaviours_of, number_of_causes
from pytest_circuits.report.rows import NOT_JUDGED, REFUSED
from pytest_circuits.report.run import (
    VERDICTS,
    changed,
    compared,
    exception,
    failed_claims,
    fails,
    judged,
    labels,
    title,
)
from pytest_circuits.report.text import counted
from pytest_circuits.verdicts import Kind, Scope, brief, canary_move
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Model, Run
    from pytest_circuits.verdicts import Reason

_EXCEPTIONS = ("", Term.WAIVED.value, "xfailed", "xpassed")
#: pytest's exit statuses of a run that went well: all passed, or there was nothing to run.
_WELL = (0, 5)
_SOME_FAILED = 1
#: What is said of a run without an exit status: it is running, or somebody ended it.
NOT_ENDED = "the run has not come to its end"


@dataclass(frozen=True)
class Summary:
    """A run in figures.

    Attributes:
        findings: how many there are.
        counts: how many of each verdict, worst first. What a waiver or a marker excuses is no
            news and counts apart, by verdict and exception.
        causes: how many causes there are behind the findings that changed.
        changed: how many of them changed.
        failing: how many count against the run.
        judged: how many were held against a baseline, or by an assertion.
        remembered: how many an earlier run measured.
        silent: tests that failed without a finding.
        uncollected: modules that could not be collected, so that their tests are unknown.
        claims: tests that failed though all of their findings pass.
        incomplete: tests that never ran to an end.
        ended: whether the run came to its end.
    """

    findings: int
    counts: Mapping[tuple[str, str], int]
    causes: int
    changed: int
    failing: int
    judged: int
    remembered: int
    silent: int
    uncollected: int
    claims: int
    incomplete: int
    ended: bool

    @property
    def kinds(self) -> str:
        """How many findings of which verdicts, in words: ``2 lost, 1 lost (waived)``."""
        return ", ".join(
            f"{count} {verdict}{f' ({exception})' if exception else ''}"
            for (verdict, exception), count in self.counts.items()
        )

    @property
    def shared(self) -> str:
        """How many causes there are, in words; empty where each change has its own."""
        return counted(self.causes, "cause") if self.causes < self.changed else ""

    @property
    def failures(self) -> list[str]:
        """What failed or is missing beside findings that fail, a clause each."""
        clauses = [
            (self.silent, silent(self.silent)),
            (self.uncollected, uncollected(self.uncollected)),
            (self.claims, failed_all_the_same(self.claims)),
            (self.incomplete, f"{counted(self.incomplete, 'test')} did not run to a verdict"),
            (not self.ended, NOT_ENDED),
        ]
        return [clause for number, clause in clauses if number]


def summarise_run(run: Run) -> Summary:
    """The figures of a run."""
    counts = Counter((row.verdict, exception(row)) for row in run.rows)
    modules = sum(not each.of_test for each in run.failed)
    kinds = [(verdict, reason) for reason in _EXCEPTIONS for verdict in VERDICTS]
    return Summary(
        findings=len(run.rows),
        counts={kind: counts[kind] for kind in kinds if counts[kind]},
        causes=number_of_causes(run),
        changed=sum(map(changed, run.rows)),
        failing=sum(map(fails, run.rows)),
        judged=sum(map(judged, run.rows)),
        remembered=sum(row.remembered for row in run.rows),
        silent=len(run.failed) - modules,
        uncollected=modules,
        claims=len(failed_claims(run)),
        incomplete=len(run.unfinished),
        ended=run.exit_status is not None,
    )


# Clauses


def silent(number: int) -> str:
    """So many tests of which no finding tells."""
    return f"{counted(number, 'test')} failed without a finding"


def failed_all_the_same(number: int) -> str:
    """So many tests that claim more than the gate asks for."""
    return f"{counted(number, 'test')} failed whose findings all pass"


def uncollected(number: int) -> str:
    """So many modules whose circuit tests, if they have any, are unknown."""
    return f"{counted(number, 'module')} could not be collected"


def remembered(summary: Summary) -> str:
    """How many findings an earlier run measured; empty where this run measured all."""
    if not summary.remembered:
        return ""
    return f"{_of_all(summary.remembered, summary.findings)}, measured by an earlier run"


def judged_in_words(run: Run, summary: Summary) -> str:
    """How many findings were judged; empty where all were, or none was measured."""
    if run.compared is not None or summary.judged == summary.findings:
        return ""
    return _of_all(summary.judged, summary.findings)


def nothing_judged(run: Run, summary: Summary) -> bool:
    """Whether a run held nothing, and neither failed nor approved anything: it isn't green."""
    told = summary.judged or summary.failing or summary.failures
    return run.compared is None and not told and not any(row.written for row in run.rows)


def unexplained(run: Run, summary: Summary) -> bool:
    """Whether pytest ended red though nothing that the run reports explains it."""
    told = summary.failing or summary.failures
    return run.compared is None and run.exit_status not in _WELL and not told


def ended(run: Run, summary: Summary) -> str:
    """How pytest ended, where a reader can't tell that from the rest; empty elsewhere."""
    if run.compared is not None or run.exit_status in (None, *_WELL):
        return ""
    how = f"pytest ended with status {run.exit_status}"
    if unexplained(run, summary):
        # An ordinary test that failed, or what another plugin asks for.
        outside = run.exit_status == _SOME_FAILED
        return f"{how}, for a reason {'outside the circuits' if outside else 'not told here'}"
    return "" if run.exit_status == _SOME_FAILED else how


def news_in_words(run: Run) -> list[str]:
    """What a run tells beside what it preserved, where no finding fails; a clause each.

    How findings came to pass stands in brackets where it is not the gate that let them.
    """
    of_kinds = [
        ([row for row in run.rows if changed(row)], "changed", "changed"),
        ([row for row in run.rows if row.verdict == Kind.NEW], "is new", "are new"),
        (_uncompared(run), "could not be compared", "could not be compared"),
        ([row for row in run.rows if row.verdict == NOT_JUDGED], "was not judged",
         "were not judged"),
    ]  # fmt: skip
    clauses: list[str] = []
    for rows, one, several in of_kinds:
        if rows:
            number = str(len(rows)) if clauses else all_or_some(len(rows), len(run.rows))
            clauses.append(f"{number} {one if len(rows) == 1 else several}{_excused(rows)}")
    return clauses


def all_or_some(number: int, of: int) -> str:
    """So many of all findings: ``3 findings``, or ``1 of 3 findings``."""
    return counted(of, "finding") if number == of else _of_all(number, of)


def _of_all(number: int, of: int) -> str:
    return f"{number} of {counted(of, 'finding')}"


def _uncompared(run: Run) -> list[Row]:
    return [row for row in run.rows if row.verdict in (Kind.INCOMPARABLE, REFUSED)]


def _excused(rows: Sequence[Row]) -> str:
    """What let rows pass that is not the gate, in brackets; empty where there is none."""
    ways = Counter(exception(row) for row in rows)
    if len(ways) == 1:
        (way,) = ways
        return f" ({way})" if way else ""
    return f" ({', '.join(f'{number} {way}' for way, number in sorted(ways.items()) if way)})"


def gate_lets_pass(run: Run) -> str:
    """What the gate lets pass of a run in which no finding fails; empty where it is nothing."""
    told = [row for row in run.rows if changed(row)] + _uncompared(run)
    left = [row for row in told if not exception(row)]
    if not left:
        return ""
    return f"the gate lets {'that' if len(left) == len(told) else 'the rest'} pass"


# Models


class CanaryChange(NamedTuple):
    """The loss on a fixed text, in the baselines and now, and what it says of changes."""

    name: str
    before: float
    after: float
    scope: Scope


def canary_of(rows: Sequence[Row]) -> CanaryChange | None:
    """What the canary says of the model that the rows are of; None where it can't be compared.

    Baselines of several owners can hold several losses. That of a finding that changed counts
    more than that of a preserved one, and then the one that moved furthest.
    """
    known = [row for row in rows if row.canary]
    if not known:
        return None

    def weight(row: Row) -> tuple[bool, bool, float]:
        before, after = row.canary
        return changed(row), row.scope == Scope.WHOLE_MODEL, abs(after - before)

    return canary_beside(max(known, key=weight))


def canary_beside(row: Row) -> CanaryChange | None:
    """What the canary says beside one finding; None where it can't be compared."""
    if not row.canary:
        return None
    before, after = row.canary
    return CanaryChange(row.canary_of, before, after, Scope(row.scope))


def canary_in_words(canary: CanaryChange) -> str:
    """What became of the canary: ``the loss on a fixed text rose 3.94 → 4.22``."""
    moved = canary.scope is Scope.WHOLE_MODEL
    return canary_move(canary.name, canary.before, canary.after, moved=moved)


def model_facts(model: Model, rows: Sequence[Row]) -> list[list[str]]:
    """What there is to say of a model that doesn't hold of every model, a line of facts each.

    What it was measured with, whose baselines served, and whether the whole model moved; then
    how many of its own baselines need not be there.
    """
    every = (_options(model), _whose(model, rows), traded(rows), _reach(rows))
    facts = [fact for fact in every if fact]
    redundant = sum(row.redundant for row in rows)
    if not redundant:
        return [facts] if facts else []
    equal = "baseline equals its parent's" if redundant == 1 else "baselines equal their parent's"
    own = [f"{redundant} {equal}: pytest-circuits prune"]
    return [facts, own] if facts else [own]


def model_lines(model: Model, rows: Sequence[Row]) -> list[str]:
    """The same as lines that begin with the model's alias."""
    return [f"{model.alias}: {'; '.join(facts)}" for facts in model_facts(model, rows)]


def traded(rows: Sequence[Row]) -> str:
    """What a model got worse at, and what better, beyond tolerance; empty where it is no trade."""
    sides = {
        word: behaviours_of([row for row in rows if compared(row)], good=good)
        for word, good in (("worse", False), ("better", True))
    }
    if not all(sides.values()):
        return ""
    called = labels(rows)
    told = [
        f"{word}: {', '.join(_behaviour(row, reason, called) for row, reason in side)}"
        for word, side in sides.items()
    ]
    return f"{Term.TRADED}, {'; '.join(told)}"


def _behaviour(row: Row, reason: Reason, called: Mapping[str, str]) -> str:
    return f"{brief(reason)} ({title(row, called).removeprefix('test_')})"


def _options(model: Model) -> str:
    return f"measured with {' '.join(model.options)}" if model.options else ""


def _whose(model: Model, rows: Sequence[Row]) -> str:
    served = Counter(row.owner for row in rows)
    used = [owner for owner in model.owners if served[owner]]
    if used in ([], [model.alias]):
        return ""
    if len(used) == 1:
        return f"held against {used[0]}"
    first, *others = [
        (served[owner], "its own" if owner == model.alias else owner) for owner in used
    ]
    count, whose = first
    return ", ".join(
        [f"{counted(count, 'baseline')} of {whose}", *(f"{n} of {who}" for n, who in others)]
    )


def _reach(rows: Sequence[Row]) -> str:
    """How far the changes reach, or why that can't be said.

    Empty where nothing changed, the canary neither: one that moved is told also where every
    finding is preserved.
    """
    news = [row for row in rows if changed(row)]
    canary = canary_of(rows)
    if canary and canary.scope is Scope.WHOLE_MODEL:
        return f"{Term.WHOLE_MODEL}: {canary_in_words(canary)}"
    if news and canary:
        return f"changes are {Term.SPECIFIC}: {canary_in_words(canary)}"
    if any(row.no_canary for row in news):
        return "its baselines hold no canary (approve anew to get one)"
    return ""
