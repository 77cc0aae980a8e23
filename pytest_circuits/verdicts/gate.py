"""What a gate lets pass, and what a team waives for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from pytest_circuits.verdicts.verdict import Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.verdicts.verdict import Verdict

#: What a waiver looks like.
WAIVER = '@pytest.mark.circuits(accept="weakened", until="2027-01-31", reason="…")'
_KEYS = ("accept", "until", "reason")


class Gate(StrEnum):
    """What fails a comparison with a baseline."""

    BEHAVIOUR = "behaviour"
    REGRESSION = "regression"
    CHANGE = "change"
    NEVER = "never"


def passes(verdict: Verdict, gate: Gate, *, in_ci: bool) -> bool:
    """Whether the gate lets a verdict pass.

    What got worse in a behaviour fails, and so does what fails on new prompts. Where the mechanism
    alone got worse, new prompts decide; what they can't settle fails ``regression`` and passes
    ``behaviour``.

    A finding without a baseline passes on a developer's machine, where nothing is written
    unasked, and fails in CI, where a missing baseline means that nothing is being held.
    """
    if gate is Gate.NEVER:
        return True
    if gate is Gate.CHANGE:
        return verdict.kind is Kind.PRESERVED
    if verdict.kind is Kind.NEW:
        return not in_ci
    if verdict.kind in (Kind.PRESERVED, Kind.RELOCATED, Kind.STRENGTHENED):
        return True
    if not verdict.mechanism_alone or verdict.outcome is Outcome.FAILS:
        return False
    return verdict.outcome is Outcome.HOLDS or gate is Gate.BEHAVIOUR


class WaiverError(ValueError):
    """A marker's arguments are no waiver; the message says why."""


@dataclass(frozen=True)
class Waiver:
    """A verdict that is accepted for a while.

    Attributes:
        accept: the kinds of verdict it lets pass.
        until: its last day.
        reason: why.
    """

    accept: tuple[Kind, ...]
    until: date
    reason: str

    def over(self, today: date) -> bool:
        """Whether it is void."""
        return today > self.until

    def covers(self, kind: Kind, today: date) -> bool:
        """Whether it lets a verdict pass."""
        return kind in self.accept and not self.over(today)

    def text(self, today: date) -> str:
        """The waiver in words."""
        when = "ended" if self.over(today) else "until"
        return f"{when} {self.until.isoformat()}: {self.reason}"


def parse_waiver(arguments: Mapping[str, object]) -> Waiver:
    """The waiver in a marker's keyword arguments.

    Raises:
        WaiverError: if they are none.
    """
    unknown = [key for key in arguments if key not in _KEYS]
    missing = [key for key in _KEYS if key not in arguments]
    if unknown or missing:
        problem = f"does not know {unknown[0]!r}" if unknown else f"needs {', '.join(missing)}"
        raise WaiverError(f"a waiver {problem}, as in\n{WAIVER}")
    return Waiver(
        _accept(arguments["accept"]), _until(arguments["until"]), _reason(arguments["reason"])
    )


def _accept(value: object) -> tuple[Kind, ...]:
    names = value if isinstance(value, (tuple, list)) else (value,)
    allowed = [kind.value for kind in Kind if kind is not Kind.PRESERVED]
    wrong = [name for name in names if name not in allowed] if names else [value]
    if wrong:
        raise WaiverError(
            f"a waiver's accept is one or more of {', '.join(allowed)}, not {wrong[0]!r}"
        )
    return tuple(Kind(str(name)) for name in names)


def _until(value: object) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise WaiverError(
            f"a waiver's until is its last day, written as 2027-01-31, not {value!r}"
        ) from None


def _reason(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise WaiverError(f"a waiver's reason is a text that says why, not {value!r}")
    return " ".join(value.split())
