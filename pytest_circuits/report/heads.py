"""What there is to tell of a finding, head by head: the heads that matter, worst first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings import Direction, Head
from pytest_circuits.report.entries import Entry, Story
from pytest_circuits.report.reading import compared
from pytest_circuits.report.rows import NOT_JUDGED
from pytest_circuits.verdicts import (
    About,
    Change,
    Kind,
    headline_number,
    mechanism_change,
    readable,
    reason_text,
    whole_gone,
)
from pytest_circuits.verdicts.verdict import HAIR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_circuits.baselines import Baseline
    from pytest_circuits.findings import Behaviour, Finding, Null
    from pytest_circuits.report.rows import Row
    from pytest_circuits.verdicts import MechanismChange, Reason

#: Heads or cells that are shown of a finding that is news, and of one that isn't.
_MOST, _FEW = 10, 4
_UNDEFINED = float("nan")
#: What happened to a head.
_OF_HEADS = {
    Change.LEFT: "left the role",
    Change.JOINED: "joined the role",
    Change.OPPOSES: "now against the behaviour",
    Change.WORSE: "weaker",
    Change.BETTER: "stronger",
}
#: What happened to a behaviour, or to what is no head.
_OF_OTHERS = {Change.WORSE: "worse", Change.BETTER: "better", Change.GONE: "gone"}


def story(row: Row) -> Story | None:
    """What there is to tell of a row's finding; None where the row doesn't hold it whole.

    Of a finding that is preserved, the strongest heads are enough.
    """
    if row.details is None:
        return None
    side = _Side(row, row.details.found, row.details.approved)
    kind, every = side.entries()
    quiet = row.verdict == Kind.PRESERVED
    shown, rest = every[: _FEW if quiet else _MOST], every[_FEW if quiet else _MOST :]
    return Story(
        about=_about(side.found),
        kind=kind,
        entries=tuple(shown),
        more=(len(rest), sum(entry.beyond for entry in rest)),
        together=() if quiet else tuple(side.together()),
        behaviours=() if quiet else tuple(side.behaviours()),
        notes=tuple(side.notes()),
    )


def _about(finding: Finding) -> str:
    what = f"{finding.quantity} ({finding.unit})"
    if finding.role is not None:
        size = " in magnitude" if finding.direction is Direction.TWO_SIDED else ""
        return f"{what}; {finding.role.name}: {finding.role.threshold:.2f} or more{size}"
    return f"{what} by {' × '.join(finding.axes)}" if finding.axes else what


class _Side:
    """A finding, beside its baseline where the two can be compared."""

    def __init__(self, row: Row, found: Baseline, approved: Baseline | None) -> None:
        self.row, self.found = row, found.finding
        self.baseline = approved if compared(row) else None
        self.approved = None if self.baseline is None else self.baseline.finding
        self.tolerance = (
            None if self.baseline is None else self.baseline.tolerance.among(self.baseline.finding)
        )
        #: As the baseline has it, by which the finding was judged.
        self.role = (self.approved or self.found).role
        # As they were judged: fractions of what is gone mean nothing, whatever they are.
        self.undefined = self.found.undefined or whole_gone(self.found, row.reasons) is not None
        self.change = self._change()

    def _change(self) -> MechanismChange | None:
        """What the verdict says of the heads; None where it says nothing of them."""
        if self.approved is None or self.baseline is None or self.undefined or self.role is None:
            return None
        if self.approved.undefined:
            return None
        return mechanism_change(self.found, self.approved, self.baseline.tolerance)

    def entries(self) -> tuple[str, list[Entry]]:
        """What an entry is called, and all that matter, worst first."""
        if not self.found.axes:
            return "", [self._number()]
        if self.role is None:
            return "cell", self._cells()
        return "head", self._heads()

    def notes(self) -> Iterator[str]:
        """What else must be known."""
        if self.undefined:
            what = readable(self.found.relative_to or "behaviour")
            yield f"undefined: fractions of the {what}, which is gone, mean nothing"
        elif self.approved is None and self.role and not self.found.members():
            yield "no head has the role"
        if self.row.verdict == Kind.INCOMPARABLE:
            yield "not the quantity that the baseline holds, so only what was measured now:"
            yield from map(reason_text, self.row.reasons)
        elif self.row.verdict == NOT_JUDGED:
            yield "it was never compared with a baseline"
        elif self.approved is None:
            yield "there is no baseline to compare it with"

    def together(self) -> Iterator[Entry]:
        """The whole: of a role its strength, of a matrix what happened to it."""
        reasons = [r for r in self.row.reasons if r.about in (About.ROLE, About.MATRIX)]
        words = next(map(_of_the_whole, reasons), "")
        if self.approved is None or self.baseline is None or self.undefined:
            return
        if self.role is not None:
            size = sum(map(abs, self.approved.members().values()))
            before = headline_number(self.approved)
            yield Entry(
                "summed strength",
                _UNDEFINED if self.row.number is None else self.row.number,
                _UNDEFINED if before is None else before,
                self.baseline.tolerance.role.of(size),
                happened=words,
            )
            return
        for reason in reasons:
            if isinstance(reason.before, float) and isinstance(reason.after, float):
                yield Entry(
                    "as a whole", reason.after, reason.before, reason.tolerance, happened=words
                )

    def behaviours(self) -> Iterator[Entry]:
        """The companion behaviours."""
        happened = self._what_happened(About.BEHAVIOUR, _OF_OTHERS)
        for behaviour in self.found.companion:
            before, tolerance = self._behaviour_before(behaviour)
            yield Entry(
                readable(behaviour.name),
                behaviour.value,
                before,
                tolerance,
                _known(behaviour.error),
                happened=happened.get(behaviour.name, ""),
                unit=behaviour.unit,
            )

    def _behaviour_before(self, behaviour: Behaviour) -> tuple[float | None, float | None]:
        known = () if self.approved is None else self.approved.companion
        # A baseline may be older than a behaviour that is measured now.
        before = next((b.value for b in known if b.name == behaviour.name), None)
        if before is None or self.baseline is None or not behaviour.judged:
            return before, None
        return before, self.baseline.tolerance.behaviours[behaviour.name].of(before)

    def _number(self) -> Entry:
        happened = self._what_happened(About.VALUE, _OF_OTHERS)
        name, null = self.found.quantity, self.found.nulls.get(self.found.measure)
        return self._entry(name, (), null, happened.get(name, ""))

    def _heads(self) -> list[Entry]:
        """Those that something happened to, worst first, then the others of the role."""
        now, before = self._members_now(), self._members_before()
        happened = self._what_happened(About.HEAD, _OF_HEADS)
        strength = {h: max(abs(before.get(h, 0)), abs(now.get(h, 0))) for h in {*before, *now}}
        others = sorted(strength, key=lambda head: (-strength[head], head))
        told = list(dict.fromkeys([*map(Head.parse, happened), *others]))
        if not told and not self.undefined:
            # Outside the role on both sides, no tolerance judges them.
            strongest = list(self.found.heads())[:_FEW]
            return [
                replace(self._entry(str(head), head, None, ""), tolerance=None)
                for head in strongest
            ]
        return [
            self._entry(
                str(head),
                head,
                self.found.nulls.get(str(head)),
                happened.get(str(head)) or self._left_out(head),
            )
            for head in told
        ]

    def _members_now(self) -> Mapping[Head, float]:
        """The heads that have the role now, as the verdict counts them."""
        if self.change is not None:
            return self.change.held or {}
        return {} if self.undefined else self.found.members()

    def _members_before(self) -> dict[Head, float]:
        if self.approved is None or self.approved.undefined:
            return {}
        return self.approved.members()

    def _left_out(self, head: Head) -> str:
        """What happened to a head of which no reason is left; the row holds the worst ones."""
        if not self.row.more_reasons or self.change is None:
            return ""
        for reason in self.change.reasons:
            if reason.about is About.HEAD and reason.subject == str(head):
                return _words(reason, _OF_HEADS)
        return ""

    def _cells(self) -> list[Entry]:
        """Those beyond tolerance, worst first, then the largest."""
        if self.undefined:
            return []  # there are many, and none has anything to say
        words = dict(_OF_OTHERS)
        if self.found.direction is Direction.TWO_SIDED:
            words |= {Change.WORSE: "weaker", Change.BETTER: "stronger"}
        made = []
        for cell in np.ndindex(self.found.values.shape):
            entry = self._entry(self.found.cell_name(cell), cell, None, "")
            change = self._direction(entry) if entry.beyond else None
            happened = "" if change is None else words[change]
            made.append(self._entry(entry.name, cell, None, happened))
        return sorted(made, key=lambda entry: _badness(entry, words[Change.WORSE]))

    def _direction(self, entry: Entry) -> Change:
        before = entry.before or 0.0
        gained = entry.now - before
        if self.found.direction is Direction.TWO_SIDED:
            gained *= 1 if before >= 0 else -1
        elif self.found.direction is Direction.LOWER:
            gained = -gained
        return Change.BETTER if gained > 0 else Change.WORSE

    def _what_happened(self, about: About, words: Mapping[Change, str]) -> dict[str, str]:
        """What happened to each, worst first."""
        told: dict[str, list[str]] = {}
        for reason in self.row.reasons:
            if reason.about is not about:
                continue
            told.setdefault(reason.subject, []).append(_words(reason, words))
            if reason.change is Change.MOVED:
                told.setdefault(reason.other, []).append(f"took {reason.subject}'s part")
        return {subject: ", ".join(said) for subject, said in told.items()}

    def _entry(self, name: str, cell: tuple[int, ...], null: Null | None, happened: str) -> Entry:
        before = tolerance = None
        if self.approved is not None and self.tolerance is not None:
            before = float(self.approved.values[cell])
            tolerance = None if np.isnan(before) else self.tolerance.value.of(before)
        return Entry(
            name,
            _UNDEFINED if self.undefined else float(self.found.values[cell]),
            before,
            tolerance,
            None if self.undefined else _known(float(self.found.errors[cell])),
            null,
            happened,
        )


def _known(error: float) -> float | None:
    return None if np.isnan(error) else error


def _badness(entry: Entry, worse: str) -> tuple[bool, bool, float]:
    excess = abs(entry.change or 0.0) / max(entry.tolerance or 0.0, HAIR)
    return not entry.beyond, entry.happened != worse, -(excess if entry.beyond else abs(entry.now))


def _words(reason: Reason, words: Mapping[Change, str]) -> str:
    if reason.change is Change.MOVED:
        return f"moved to {reason.other}"
    if reason.change is Change.OVERTAKEN:
        return f"overtaken by {reason.other}"
    if reason.change is Change.LEFT and reason.distance <= reason.tolerance:
        return "left the role: met its null"
    return words[reason.change]


def _of_the_whole(reason: Reason) -> str:
    if reason.change is Change.EMPTY:
        return "no heads left" if reason.null is None else f"no {reason.quantity} left"
    return {Change.WORSE: "weaker", Change.BETTER: "stronger"}[reason.change]
