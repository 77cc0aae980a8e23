"""A finding's table: the heads or cells that matter, worst first, and what they serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings import Direction, Head
from pytest_circuits.findings.absent import indices
from pytest_circuits.findings.digits import shown
from pytest_circuits.report.rows import ASSERTED, NOT_JUDGED
from pytest_circuits.report.run import compared
from pytest_circuits.report.side_by_side import SideBySide
from pytest_circuits.report.table import ValueRow, ValueTable
from pytest_circuits.verdicts import (
    About,
    Change,
    Kind,
    readable,
    reason_text,
)
from pytest_circuits.verdicts.roles import strength
from pytest_circuits.verdicts.verdict import HAIR, movement
from pytest_circuits.verdicts.vocabulary import Term, happened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.findings import Finding, Null
    from pytest_circuits.report.details import Details
    from pytest_circuits.report.rows import Row
    from pytest_circuits.verdicts import Reason

#: Heads or cells that are shown of a finding that is news, and of one that isn't.
_MOST, _FEW = 10, 4
_UNDEFINED = float("nan")


def value_table(row: Row) -> ValueTable | None:
    """The table of a row's finding; None where the row doesn't hold it whole.

    Of a finding that is preserved, the strongest heads are enough.
    """
    if row.details is None:
        return None
    side = _Side(row, row.details)
    kind, every = side.values()
    quiet = row.verdict == Kind.PRESERVED
    most = _FEW if quiet else _MOST
    shown, rest = every[:most], every[most:]
    return ValueTable(
        about=_about(side.found),
        kind=kind,
        shown=tuple(shown),
        more=(len(rest), sum(each.beyond for each in rest)),
        together=() if quiet else tuple(side.together()),
        behaviours=() if quiet else tuple(side.behaviours()),
        notes=tuple(side.notes()),
    )


def _about(finding: Finding) -> str:
    what = f"{finding.quantity} ({finding.unit})"
    if finding.role is not None:
        size = " in magnitude" if finding.direction is Direction.TWO_SIDED else ""
        return f"{what}; {finding.role.name}: {shown(finding.role.threshold, 2)} or more{size}"
    return f"{what} by {' × '.join(finding.axes)}" if finding.axes else what


class _Side:
    """A finding, beside its baseline where the verdict compared the two."""

    def __init__(self, row: Row, details: Details) -> None:
        baseline = details.approved if compared(row) else None
        self.row, self.found = row, details.found.finding
        self.approved = None if baseline is None else baseline.finding
        self.held = SideBySide.of(self.found, self.approved, (baseline or details.found).tolerance)

    def values(self) -> tuple[str, list[ValueRow]]:
        """What a row is, and all that matter, worst first."""
        if not self.found.axes:
            return "", [self._number()]
        return ("cell", self._cells()) if self.held.role is None else ("head", self._heads())

    def notes(self) -> Iterator[str]:
        """What else must be known."""
        if self.held.undefined:
            what = readable(self.found.relative_to or "behaviour")
            yield f"undefined: fractions of the {what}, which is gone, mean nothing"
        elif self.approved is None and self.held.role and not self.held.members:
            yield "no head has the role"
        if self.row.verdict == Kind.INCOMPARABLE:
            yield "not the quantity that the baseline holds, so only what was measured now:"
            yield from map(reason_text, self.row.reasons)
        elif self.row.verdict in (ASSERTED, NOT_JUDGED):
            held = "an assertion held it; " if self.row.verdict == ASSERTED else ""
            yield f"{held}it was never compared with a baseline"
        elif self.approved is None:
            yield "there is no baseline to compare it with"

    def together(self) -> Iterator[ValueRow]:
        """The whole: of a role its strength, of a matrix what happened to it."""
        if self.approved is None or self.held.undefined:
            return
        reasons = [r for r in self.row.reasons if r.about in (About.ROLE, About.MATRIX)]
        words = next(map(_of_the_whole, reasons), "")
        if self.held.role is not None:
            before, now = self.held.members_before, self.row.number
            yield ValueRow(
                "summed strength",
                _UNDEFINED if now is None else now,
                strength(before),
                self.held.tolerance.among(self.approved).role.of(sum(map(abs, before.values()))),
                happened=words,
            )
            return
        for reason in reasons:
            if isinstance(reason.before, float) and isinstance(reason.after, float):
                yield ValueRow(
                    "as a whole", reason.after, reason.before, reason.tolerance, happened=words
                )

    def behaviours(self) -> Iterator[ValueRow]:
        """The companion behaviours."""
        for now, before, tolerance, word in self.held.behaviours():
            yield ValueRow(
                readable(now.name),
                now.value,
                None if before is None else before.value,
                tolerance if now.judged else None,
                _known(now.error),
                happened=word,
                unit=now.unit,
            )

    def _number(self) -> ValueRow:
        happened = self._what_happened(About.VALUE)
        name, null = self.found.quantity, self.found.nulls.get(self.found.measure)
        return self._value(name, (), null, happened.get(name, ""))

    def _heads(self) -> list[ValueRow]:
        """Those that something happened to, worst first, then the others of the role."""
        now, before = self.held.members, self.held.members_before
        happened = self._what_happened(About.HEAD)
        strength = {h: max(abs(before.get(h, 0)), abs(now.get(h, 0))) for h in {*before, *now}}
        others = sorted(strength, key=lambda head: (-strength[head], head))
        told = list(dict.fromkeys([*map(Head.parse, happened), *others]))
        if not told and not self.held.undefined:
            # Outside the role on both sides, no tolerance judges them.
            strongest = list(self.found.heads())[:_FEW]
            return [self._value(str(head), head, judged=False) for head in strongest]
        return [
            self._value(
                str(head),
                head,
                self.found.nulls.get(str(head)),
                happened.get(str(head)) or self._left_out(head),
            )
            for head in told
        ]

    def _left_out(self, head: Head) -> str:
        """What happened to a head of which no reason is left; the row holds the worst ones."""
        if not self.row.more_reasons or self.held.change is None:
            return ""
        for reason in self.held.change.reasons:
            if reason.about is About.HEAD and reason.subject == str(head):
                return _words(reason)
        return ""

    def _cells(self) -> list[ValueRow]:
        """Those beyond tolerance, worst first, then the largest."""
        if self.held.undefined:
            return []  # there are many, and none has anything to say
        made = [
            self._value(self.found.cell_name(cell), cell, None, self._happened(cell))
            for cell in indices(self.held.present)
        ]
        return sorted(made, key=_badness)

    def _happened(self, cell: tuple[int, ...]) -> str:
        if self.held.before is None or not self.held.beyond[cell]:
            return ""
        before, now = float(self.held.before[cell]), float(self.held.values[cell])
        return Term.STRONGER if movement(self.found.direction, before, now) > 0 else Term.WEAKER

    def _what_happened(self, about: About) -> dict[str, str]:
        """What happened to each, worst first."""
        told: dict[str, list[str]] = {}
        for reason in self.row.reasons:
            if reason.about is not about:
                continue
            told.setdefault(reason.subject, []).append(_words(reason))
            if reason.change is Change.MOVED:
                told.setdefault(reason.other, []).append(f"took {reason.subject}'s part")
        return {subject: ", ".join(said) for subject, said in told.items()}

    def _value(
        self,
        name: str,
        cell: tuple[int, ...],
        null: Null | None = None,
        happened: str = "",
        *,
        judged: bool = True,
    ) -> ValueRow:
        before = tolerance = None
        if self.held.before is not None:
            before = float(self.held.before[cell])
            if judged and self.held.tolerances is not None and not np.isnan(before):
                tolerance = float(self.held.tolerances[cell])
        return ValueRow(
            name,
            float(self.held.values[cell]),
            before,
            tolerance,
            _known(float(self.held.errors[cell])),
            null,
            happened,
        )


def _known(error: float) -> float | None:
    return None if np.isnan(error) else error


def _badness(value: ValueRow) -> tuple[bool, bool, float]:
    excess = abs(value.change or 0.0) / max(value.tolerance or 0.0, HAIR)
    size = excess if value.beyond else abs(value.now)
    return not value.beyond, value.happened != Term.WEAKER, -size


def _words(reason: Reason) -> str:
    if reason.change is Change.MOVED:
        return f"{happened(reason)} to {reason.other}"
    if reason.change is Change.OVERTAKEN:
        return f"{happened(reason)} by {reason.other}"
    if reason.change is Change.LEFT and reason.distance <= reason.tolerance:
        return f"{happened(reason)}: {Term.MET_ITS_NULL}"
    return happened(reason)


def _of_the_whole(reason: Reason) -> str:
    if reason.change is Change.EMPTY:
        return "no heads left" if reason.null is None else f"no {reason.quantity} left"
    return happened(reason)
