"""Which verdicts a gate lets pass."""

from __future__ import annotations

from enum import StrEnum

from pytest_circuits.verdicts.verdict import Kind


class Gate(StrEnum):
    """What fails a comparison with a baseline."""

    REGRESSION = "regression"
    CHANGE = "change"
    NEVER = "never"


def passes(kind: Kind, gate: Gate, *, in_ci: bool) -> bool:
    """Whether the gate lets a verdict pass.

    A finding without a baseline passes on a developer's machine, where nothing is written
    unasked, and fails in CI, where a missing baseline means that nothing is being held.
    """
    if gate is Gate.NEVER:
        return True
    if gate is Gate.CHANGE:
        return kind is Kind.PRESERVED
    if kind is Kind.NEW:
        return not in_ci
    return kind in (Kind.PRESERVED, Kind.RELOCATED, Kind.STRENGTHENED)
