"""How far a value moved, and whether that is within a tolerance."""

from __future__ import annotations

from pytest_circuits.findings import Direction

#: Far below the last decimal that is kept, far above what binary fractions are off by.
HAIR = 1e-9


def movement(direction: Direction, before: float, after: float) -> float:
    """How far a value moved in its good direction (negative: in its bad one)."""
    if direction is Direction.LOWER:
        return before - after
    if direction is Direction.TWO_SIDED:
        # Along the baseline's sign, so that a flip counts with its whole distance.
        return (after - before) * sign(before)
    return after - before


def sign(value: float) -> float:
    """1 or −1."""
    return 1.0 if value >= 0 else -1.0


def within(moved: float, allowed: float) -> bool:
    """Whether a movement is within the tolerance, which is one of decimal numbers.

    0.90 − 0.85 is a little more than 0.05 in binary, and should not be a change.
    """
    return abs(moved) <= allowed + HAIR
