"""A finding beside its baseline, cell by cell: the numbers behind every figure and table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_circuits.figures.names import cell_text
from pytest_circuits.findings.encoding import DECIMALS
from pytest_circuits.verdicts import Change, default_tolerance, readable, reason_text
from pytest_circuits.verdicts.behaviours import behaviour_reasons
from pytest_circuits.verdicts.comparable import differences
from pytest_circuits.verdicts.movement import HAIR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pytest_circuits.findings import Finding, Head
    from pytest_circuits.verdicts import Tolerance

#: What the two sides are called where nobody says otherwise.
NAMES = ("baseline", "candidate")


class Cell(NamedTuple):
    """One cell of a finding beside its baseline, as text; empty where there is no such number.

    Attributes:
        name: its name, with the token where it is one of a position.
        value: the finding's value.
        error: its standard error.
        before: the baseline's value.
        difference: the value less the baseline's.
        tolerance: the deviation that is allowed.
        excess: the difference in tolerances.
        role: whether it has, left or joined the role.
        beyond: ``▲`` or ``▼`` where it moved by more than the tolerance.
    """

    name: str
    value: str
    error: str
    before: str
    difference: str
    tolerance: str
    excess: str
    role: str
    beyond: str


@dataclass(frozen=True)
class Comparison:
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
    ) -> Comparison:
        """A finding beside its baseline, by default held to the default tolerance."""
        return cls(found, approved, tolerance or default_tolerance(approved or found), names)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The finding's values, as a file would hold them."""
        return np.round(self.found.values, DECIMALS)

    @cached_property
    def before(self) -> NDArray[np.float64] | None:
        """The baseline's values, whatever their shape; None without a baseline."""
        return None if self.approved is None else np.round(self.approved.values, DECIMALS)

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
        gone = self._gone()
        if not undefined and not gone:
            return ""
        whole = readable(self.found.relative_to or "the behaviour")
        if gone:
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

    def _gone(self) -> str:
        """What became of the behaviour that the values are fractions of, if that is gone."""
        assert self.approved is not None
        if self.found.relative_to is None:
            return ""
        for reason in behaviour_reasons(self.found, self.approved, self.tolerance):
            if reason.change is Change.GONE and reason.subject == self.found.relative_to:
                return reason_text(reason)
        return ""

    @property
    def comparable(self) -> bool:
        """Whether values and baseline can be compared one by one."""
        return not self.obstacle

    @cached_property
    def allowed(self) -> NDArray[np.float64] | None:
        """The deviation that is allowed of each value; None where nothing is compared."""
        if not self.comparable or self.approved is None or self.before is None:
            return None
        value = self.tolerance.among(self.approved).value
        return np.maximum(value.floor, value.share * np.abs(self.before))

    @cached_property
    def differences(self) -> NDArray[np.float64] | None:
        """Each value less the baseline's; None where nothing is compared."""
        if self.allowed is None or self.before is None:
            return None
        return np.round(self.values - self.before, DECIMALS)

    @cached_property
    def beyond(self) -> NDArray[np.bool_]:
        """Which values lie further from the baseline than is allowed."""
        if self.differences is None or self.allowed is None:
            return np.zeros(self.values.shape, dtype=bool)
        return np.asarray(np.abs(self.differences) > self.allowed + HAIR)

    @cached_property
    def members_before(self) -> dict[Head, float]:
        """The heads that have the role in the baseline, strongest first."""
        return {} if self.approved is None else self.approved.members()

    @cached_property
    def members(self) -> dict[Head, float]:
        """The heads that have the role now, by the baseline's threshold."""
        role = self.approved.role if self.approved is not None and self.comparable else None
        return self.found.members(role.threshold if role else None)

    def cell(self, place: tuple[int, ...]) -> Cell:
        """One cell of the finding in words; ``()`` is the one number of a finding without axes."""
        found, before, allowed = self.found, None, None
        if self.before is not None and self._same_cells:
            before = float(self.before[place])
        difference = excess = ""
        if self.differences is not None and self.allowed is not None:
            allowed, moved = float(self.allowed[place]), float(self.differences[place])
            difference = _text(moved, signed=True)
            excess = f"{moved / allowed:+.1f}" if allowed else ""
        return Cell(
            cell_text(found, place) if found.axes else found.quantity,
            _text(float(self.values[place])),
            _text(float(found.errors[place])),
            _text(before),
            difference,
            _text(allowed),
            excess,
            self.part(place),
            ("▲" if difference.startswith("+") else "▼") if self.beyond[place] else "",
        )

    def cells(self) -> Iterator[Cell]:
        """Every cell, in the order of the values."""
        return map(self.cell, np.ndindex(self.values.shape))

    @property
    def _same_cells(self) -> bool:
        """Whether a cell of the baseline is the same cell of the finding."""
        approved, found = self.approved, self.found
        return approved is not None and (
            (approved.axes, approved.values.shape, dict(approved.labels))
            == (found.axes, found.values.shape, dict(found.labels))
        )

    def part(self, place: tuple[int, ...]) -> str:
        """What part a cell has in the role: ``in the role``, ``left``, ``joined``, or none."""
        if self.found.role is None:
            return ""
        was, now = place in self.members_before, place in self.members
        if self.approved is None or not self.comparable:
            return "in the role" if now else ""
        return {
            (True, True): "in the role",
            (True, False): "left",
            (False, True): "joined",
            (False, False): "",
        }[was, now]


def _text(value: float | None, *, signed: bool = False) -> str:
    if value is None or not np.isfinite(value):
        return ""
    return f"{value:+.3f}" if signed else f"{value:.3f}"
