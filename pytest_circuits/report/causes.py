"""One cause once: the findings of a model that changed because of one behaviour, put together.

A behaviour stands beside many findings: the logit difference of one set of prompts is a finding,
and the companion of an attribution, a patch, an ablation and a circuit's faithfulness. Where it
moved, all of them changed. A report tells it once, with what each finding has to say besides, and
counts it once. That is display: every finding keeps its verdict, whatever else was selected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits.report.run import badness, changed, fails, marks, title
from pytest_circuits.verdicts import About, Outcome, reason_text
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run
    from pytest_circuits.verdicts import Reason


@dataclass(frozen=True)
class Cause:
    """Findings of one model that changed because of one behaviour; or one finding by itself.

    Attributes:
        rows: the findings, the one that says most first.
        reason: what became of the behaviour that moved most; None where none moved, or the findings
            got worse and it did not.
    """

    rows: tuple[Row, ...]
    reason: Reason | None

    @property
    def lead(self) -> Row:
        """The finding that tells of it."""
        return self.rows[0]

    @property
    def others(self) -> list[Row]:
        """Further findings that have something of their own to tell."""
        return [row for row in self.rows[1:] if not _restates(row)]

    @property
    def also_in(self) -> list[Row]:
        """Further findings that only restate it."""
        return [row for row in self.rows[1:] if _restates(row)]

    def headline(self, row: Row) -> str:
        """What one of its findings has to say: the first tells of the cause, the others don't."""
        if row is self.lead or not row.own:
            return row.headline
        return f"{Term.SAME_CAUSE}: {row.own}"

    @property
    def text(self) -> str:
        """It in words."""
        return self.lead.headline if self.reason is None else reason_text(self.reason)


def causes(run: Run, rows: Iterable[Row] | None = None) -> list[Cause]:
    """The causes behind a run's rows, worst first; a finding that shares none is one by itself.

    Args:
        run: the run. Between two states of baselines every change is one by itself.
        rows: those of the run's that are asked for, by default all.
    """
    every = sorted(run.rows if rows is None else rows, key=_order)
    groups: list[list[Row]] = []
    of_behaviour: dict[tuple[str, str], list[Row]] = {}
    for row in every:
        keys = [] if run.compared is not None else _keys(row)
        known = [of_behaviour[key] for key in keys if key in of_behaviour]
        group = known[0] if known else []
        if not known:
            groups.append(group)
        for other in known[1:]:
            # The row shares one behaviour with the one group and another with the other.
            if other is not group:
                group += other
                groups = [each for each in groups if each is not other]
                of_behaviour |= {key: group for key, each in of_behaviour.items() if each is other}
        group.append(row)
        of_behaviour |= dict.fromkeys(keys, group)
    return [_cause(group) for group in groups]


def also_in(cause: Cause, called: Mapping[str, str], write: Callable[[str], str] = str) -> str:
    """``also in: name_movers, patching (lost)``; empty where no finding only restates it.

    Args:
        cause: the cause.
        called: what tests are called.
        write: makes a name safe for where it is shown.
    """
    told = [
        write(title(row, called))
        + (f" ({row.verdict})" if row.verdict != cause.lead.verdict else "")
        for row in cause.also_in
    ]
    return f"{Term.ALSO_IN}: {', '.join(told)}" if told else ""


def number_of_causes(run: Run) -> int:
    """How many causes there are behind the findings that changed."""
    return len(causes(run, filter(changed, run.rows)))


def behaviours_of(rows: Sequence[Row], *, good: bool) -> list[tuple[Row, Reason]]:
    """The behaviours that got better, or worse, the largest change first.

    Each once, with its own finding where there is one; and of those that changed in one finding
    only one, as they have one cause.
    """
    every = [
        (row, reason)
        for row in sorted(rows, key=_order)
        for reason in row.reasons
        if reason.of_whole_model and (reason.good if good else reason.bad)
    ]
    every.sort(key=lambda pair: (pair[1].about is not About.VALUE, -pair[1].size))
    together: dict[tuple[str, str], set[str]] = {}
    for row, reason in every:
        together.setdefault((row.test, row.name), set()).add(reason.identity)
    told: list[tuple[Row, Reason]] = []
    known: set[str] = set()
    for row, reason in every:
        alike = together[row.test, row.name]
        if not alike & known:
            told.append((row, reason))
        known |= alike
    return sorted(told, key=lambda pair: -pair[1].size)


def _keys(row: Row) -> list[tuple[str, str]]:
    """The behaviours by which a finding shares its cause with others.

    Only worse ones count where anything got worse: an improved behaviour does not explain that.
    """
    worse = any(reason.bad for reason in row.reasons)
    shared = [r.identity for r in row.reasons if r.identity and r.bad is worse]
    if row.settlement is not None and row.settlement.outcome is Outcome.FAILS:
        shared.append(row.settlement.identity)
    return [(row.alias, identity) for identity in shared]


def _cause(rows: Sequence[Row]) -> Cause:
    behaviours = [reason for row in rows for reason in row.reasons if reason.of_behaviour]
    worst = min(behaviours, key=lambda r: (not r.bad, not r.of_whole_model, -r.size), default=None)

    def order(row: Row) -> tuple[object, ...]:
        # Of findings with another tokenizer the first is one that knows its tokens; else a
        # behaviour's own finding leads those that have it beside their heads.
        known = any(reason.identity and reason.before for reason in row.reasons)
        own = any(r.about is About.VALUE and r.of_whole_model for r in row.reasons)
        return not known, not fails(row), not own, _order(row)

    ordered = tuple(sorted(rows, key=order))
    lead = ordered[0]
    worse = any(r.bad for r in lead.reasons) or (lead.settlement and lead.settlement.size)
    if worst is not None and worse and not worst.bad:
        # The behaviour that improved is no cause of what got worse.
        worst = None
    return Cause(ordered, worst)


def _order(row: Row) -> tuple[object, ...]:
    return (*badness(row), row.test, row.name, row.alias, row.measure)


def _restates(row: Row) -> bool:
    """Whether there is nothing to tell of a finding but the behaviour that it shares."""
    return not (row.own or row.waiver or marks(row))
