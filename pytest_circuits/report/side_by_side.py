"""A finding beside its baseline, cell by cell: names and numbers of every figure and table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_circuits.findings import Head
from pytest_circuits.findings.absent import extent
from pytest_circuits.findings.digits import decimals, places, shown
from pytest_circuits.report.text import cut, printable
from pytest_circuits.verdicts import (
    About,
    Change,
    behaviour_reasons,
    default_tolerance,
    mechanism_change,
    readable,
    reason_text,
    whole_gone,
)
from pytest_circuits.verdicts.judging import differences
from pytest_circuits.verdicts.verdict import HAIR
from pytest_circuits.verdicts.vocabulary import happened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_circuits.findings import Behaviour, Finding, Role
    from pytest_circuits.verdicts import MechanismChange, Reason, Tolerance

#: What the two sides are called where nobody says otherwise.
NAMES = ("baseline", "candidate")
#: Characters of a token or a label that an axis has room for.
_MOST = 16


def visible(token: str) -> str:
    """A token with its spaces and line ends to be seen, cut to what an axis has room for."""
    return cut(printable(token).replace(" ", "␣"), _MOST)


def tokens(finding: Finding, axis: str) -> list[str]:
    """The first prompt's tokens along an axis, to be seen; empty where there are none."""
    if axis != "position" or axis not in finding.axes:
        return []
    first = finding.provenance.get("first_prompt")
    length = finding.values.shape[finding.axes.index(axis)]
    if not isinstance(first, list) or len(first) != length:
        return []
    return [visible(str(token)) for token in first]


def tick_text(finding: Finding, axis: str) -> list[str]:
    """What the cells along an axis are called: ``3 ␣John``, ``END ␣to``, ``L3 attn``, ``5``."""
    length = finding.values.shape[finding.axes.index(axis)]
    labels = finding.labels.get(axis) or tuple(map(str, range(length)))
    shown = [
        visible(label) if " " not in label.strip() else cut(printable(label), 2 * _MOST)
        for label in labels
    ]
    seen = tokens(finding, axis)
    return [f"{label} {token}" for label, token in zip(shown, seen, strict=True)] if seen else shown


def cell_text(finding: Finding, cell: Sequence[int]) -> str:
    """A cell's name, and the first prompt's token where it is one of a position."""
    name = printable(finding.cell_name(cell))
    if "position" not in finding.axes:
        return name
    seen = tokens(finding, "position")
    place = cell[finding.axes.index("position")]
    return f"{name} ({seen[place]})" if seen else name


class CellText(NamedTuple):
    """One cell of a finding beside its baseline, as text; empty where there is no such number.

    Attributes:
        name: its name, with the token where it is one of a position.
        value: the finding's value.
        error: its standard error.
        before: the baseline's value.
        difference: the value less the baseline's.
        tolerance: the deviation that is allowed; heads outside the role have none.
        excess: the difference in tolerances.
        role: whether it has, left or joined the role, or joined it against the behaviour.
        beyond: ``▲`` or ``▼`` where it moved by more than the tolerance.
        absent: why there is nothing of it, ``layer 0 has no heads``, if the model doesn't have it.
    """

    name: str
    value: str = ""
    error: str = ""
    before: str = ""
    difference: str = ""
    tolerance: str = ""
    excess: str = ""
    role: str = ""
    beyond: str = ""
    absent: str = ""


class Companion(NamedTuple):
    """A companion behaviour beside its baseline.

    Attributes:
        now: what was measured.
        before: the baseline's; None where it has none.
        tolerance: how far it may move; None where it isn't compared.
        happened: ``gone``, ``slipped``, ``improved``, …; empty where it is within its tolerance.
    """

    now: Behaviour
    before: Behaviour | None
    tolerance: float | None
    happened: str


@dataclass(frozen=True)
class SideBySide:
    """A finding beside its baseline.

    Attributes:
        found: what was measured.
        approved: its baseline; None where it has none.
        tolerance: how far the one may lie from the other.
        names: what baseline and finding are called.
    """

    found: Finding
    approved: Finding | None
    tolerance: Tolerance
    names: tuple[str, str] = NAMES

    @classmethod
    def of(
        cls,
        found: Finding,
        approved: Finding | None = None,
        tolerance: Tolerance | None = None,
        names: tuple[str, str] = NAMES,
    ) -> SideBySide:
        """A finding beside its baseline, by default held to the default tolerance."""
        return cls(found, approved, tolerance or default_tolerance(approved or found), names)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The finding's values, as a file would hold them; NaN where they mean nothing."""
        values = _as_stored(self.found)
        return np.full(values.shape, np.nan) if self.undefined else values

    @cached_property
    def errors(self) -> NDArray[np.float64]:
        """Their standard errors; NaN where the values mean nothing."""
        errors = self.found.errors
        return np.full(errors.shape, np.nan) if self.undefined else errors

    @cached_property
    def before(self) -> NDArray[np.float64] | None:
        """The baseline's values, whatever their shape; None without a baseline."""
        if self.approved is None:
            return None
        values = _as_stored(self.approved)
        return np.full(values.shape, np.nan) if self.approved.undefined else values

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which cells the model has."""
        return self._of_cells.present

    @cached_property
    def _of_cells(self) -> Finding:
        """The finding that says which cells there are: of what is undefined, no file does."""
        unknown = self.found.undefined and self.found.absent is None
        return self.approved if unknown and self.approved and self.same_cells else self.found

    @cached_property
    def undefined(self) -> bool:
        """Whether the values are fractions of what is gone, and so mean nothing."""
        return self.found.undefined or self._gone is not None

    @cached_property
    def obstacle(self) -> str:
        """Why finding and baseline can't be compared value by value; empty where they can."""
        if self.approved is None:
            return f"There is no {self.names[0]} to compare with."
        if self._differing:
            return (
                f"Not the same quantity, so no difference is shown. Differing: "
                f"{', '.join(self._differing)}."
            )
        sides = zip(self.names, (self.approved, self.found), strict=True)
        undefined = [name for name, finding in sides if finding.undefined]
        if not undefined and self._gone is None:
            return ""
        whole = readable(self.found.relative_to or "the behaviour")
        if self._gone is not None:
            gone = reason_text(self._gone)
            return f"The values are fractions of what is gone, and mean nothing: {gone}."
        return (
            f"The values are fractions of {whole}, which can't be told from 0 in the "
            f"{' and the '.join(undefined)}: they are undefined, and no difference can be shown."
        )

    @cached_property
    def _differing(self) -> tuple[str, ...]:
        """The fields that make the two different quantities."""
        if self.approved is None:
            return ()
        reasons = differences(self.found, self.approved)
        return tuple(readable(reason.subject) for reason in reasons)

    @property
    def same_quantity(self) -> bool:
        """Whether there is a baseline of the same quantity, on the same samples."""
        return self.approved is not None and not self._differing

    @cached_property
    def _behaviour_reasons(self) -> tuple[Reason, ...]:
        """What changed in the behaviours; nothing where they are not compared."""
        if self.approved is None or not self.same_quantity:
            return ()
        return tuple(behaviour_reasons(self.found, self.approved, self.tolerance))

    @cached_property
    def _gone(self) -> Reason | None:
        """What became of the behaviour that the values are fractions of, if that is gone."""
        return whole_gone(self.found, self._behaviour_reasons)

    def behaviours(self) -> Iterator[Companion]:
        """What the mechanism is for, beside what it was; of other quantities nothing is judged."""
        known = (
            {} if self.approved is None else {each.name: each for each in self.approved.companion}
        )
        words = {reason.subject: happened(reason) for reason in self._behaviour_reasons}
        for now in self.found.companion:
            # A baseline may be older than a behaviour that is measured now.
            before = known.get(now.name)
            allowed = self.tolerance.behaviours.get(now.name) if self.same_quantity else None
            yield Companion(
                now,
                before,
                None if before is None or allowed is None else allowed.of(before.value),
                words.get(now.name, ""),
            )

    @property
    def comparable(self) -> bool:
        """Whether values and baseline can be compared one by one."""
        return not self.obstacle

    @cached_property
    def tolerances(self) -> NDArray[np.float64] | None:
        """The deviation from each of the baseline's values that is allowed, whatever was found."""
        if self.approved is None or self.before is None or not self.same_quantity:
            return None
        value = self.tolerance.among(self.approved).value
        allowed = [value.of(one) for one in self.before.flat]
        return np.reshape(allowed, self.before.shape)

    @property
    def allowed(self) -> NDArray[np.float64] | None:
        """The deviation that is allowed of each value; None where nothing is compared."""
        return self.tolerances if self.comparable else None

    @cached_property
    def differences(self) -> NDArray[np.float64] | None:
        """Each value less the baseline's; None where nothing is compared."""
        if self.allowed is None or self.before is None:
            return None
        digits = places([*self.values.flat, *self.before.flat], self.found.unit)
        return np.round(self.values - self.before, digits)

    @cached_property
    def beyond(self) -> NDArray[np.bool_]:
        """Which values lie further from the baseline than is allowed, of those that are judged."""
        if self.differences is None or self.allowed is None:
            return np.zeros(self.values.shape, dtype=bool)
        return np.asarray(np.abs(self.differences) > self.allowed + HAIR) & self.judged

    @cached_property
    def judged(self) -> NDArray[np.bool_]:
        """Which values are held against the baseline: of a role those that have or had a part."""
        if not self.comparable or self.role is None:
            return np.full(self.values.shape, self.comparable)
        judged = np.zeros(self.values.shape, dtype=bool)
        for head in {*self.members_before, *self.members, *self._opposing}:
            judged[head] = True
        return judged

    @property
    def role(self) -> Role | None:
        """The role by which heads are judged: the baseline's, where there is one to compare."""
        if self.approved is not None and self.comparable:
            return self.approved.role
        return self.found.role

    @cached_property
    def members_before(self) -> Mapping[Head, float]:
        """The heads that have the role in the baseline, strongest first.

        Also those that were near it, where they are judged with it.
        """
        if self.change is not None:
            return self.change.was or {}
        if self.approved is None or self.approved.undefined:
            return {}
        return self.approved.members()

    @cached_property
    def members(self) -> Mapping[Head, float]:
        """The heads that have the role now, strongest first, as the verdict counts them.

        A head that crossed the threshold within its tolerance has not left, and not joined.
        """
        if self.change is not None:
            return self.change.held or {}
        return {} if self.undefined else self.found.members()

    @cached_property
    def _opposing(self) -> set[Head]:
        """Heads that are as strong as the role takes now, and work against the behaviour."""
        reasons = () if self.change is None else self.change.reasons
        return {
            Head.parse(reason.subject)
            for reason in reasons
            if reason.about is About.HEAD and reason.change is Change.OPPOSES
        }

    @cached_property
    def change(self) -> MechanismChange | None:
        """What the verdict says of the values; None where they are not compared."""
        if self.approved is None or self.before is None or not self.comparable:
            return None
        return mechanism_change(
            self.found.derived(values=self.values),
            self.approved.derived(values=self.before),
            self.tolerance,
        )

    def cell(self, place: tuple[int, ...]) -> CellText:
        """One cell of the finding in words; ``()`` is the one number of a finding without axes."""
        if place not in self._told:
            self._told[place] = self._cell(place)
        return self._told[place]

    @cached_property
    def _told(self) -> dict[tuple[int, ...], CellText]:
        """The cells that were asked for: figures and tables tell the same ones again."""
        return {}

    def _cell(self, place: tuple[int, ...]) -> CellText:
        found, before, allowed = self.found, None, None
        name = cell_text(found, place) if found.axes else found.quantity
        if not self.present[place]:
            return CellText(name, absent=extent(self._of_cells, place))
        if self.before is not None and self.same_cells:
            before = float(self.before[place])
        difference = excess = ""
        digits = self._digits(None)
        if self.differences is not None and self.allowed is not None:
            moved = float(self.differences[place])
            allowed = float(self.allowed[place]) if self.judged[place] else None
            digits = self._digits(allowed)
            difference = _text(moved, digits, "+")
            excess = f"{moved / allowed:+.1f}" if allowed else ""
        return CellText(
            name,
            _text(float(self.values[place]), digits),
            _text(float(self.errors[place]), digits),
            _text(before, digits),
            difference,
            _text(allowed, digits),
            excess,
            self.part(place),
            ("▲" if difference.startswith("+") else "▼") if self.beyond[place] else "",
        )

    def cells(self) -> Iterator[CellText]:
        """Every cell, in the order of the values."""
        return map(self.cell, np.ndindex(self.values.shape))

    def _digits(self, allowed: float | None) -> int:
        """How many decimals a cell's numbers have: those of what decides, or of the largest."""
        if allowed:
            return decimals(allowed, least=3)
        largest = np.abs(self.values[np.isfinite(self.values)]).max(initial=0.0)
        return decimals(float(largest), least=3)

    @cached_property
    def same_cells(self) -> bool:
        """Whether a cell of the baseline is the same cell of the finding."""
        cells = ("axes", "shape", *(readable(f"labels.{axis}") for axis in self.found.axes))
        return self.approved is not None and not {*cells} & {*self._differing}

    def part(self, place: tuple[int, ...]) -> str:
        """What part a cell has in the role: ``in the role``, ``left``, ``joined``, or none.

        ``against it`` is a newcomer that works against the behaviour.
        """
        if self.role is None:
            return ""
        was, now = place in self.members_before, place in self.members
        if self.approved is None or not self.comparable:
            return "in the role" if now else ""
        if place in self._opposing:
            return "against it"
        return {
            (True, True): "in the role",
            (True, False): "left",
            (False, True): "joined",
            (False, False): "",
        }[was, now]


def _as_stored(finding: Finding) -> NDArray[np.float64]:
    return np.round(finding.values, places(finding.values, finding.unit))


def _text(value: float | None, digits: int, sign: str = "") -> str:
    if value is None or not math.isfinite(value):
        return ""
    return shown(value, digits=digits, sign=sign)
