"""What came of each measure on each architecture, as a small record."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from zoo.checks import CHECKS

from pytest_circuits.findings import ChoiceError
from pytest_circuits.models import ModelError

if TYPE_CHECKING:
    from zoo.cases import Case, Other
    from zoo.checks import Check

#: Deviation from the plain model, as a share of the largest effect.
EXACT = 1e-4


@dataclass(frozen=True)
class Outcome:
    """What came of a measure on a model.

    Attributes:
        kind: ``equal``, ``refused``, ``WRONG`` or ``CRASHED``.
        message: what the product said, or what is wrong with its numbers.
        deviation: the largest one from the plain model, as a share of the largest effect.
        effect: the largest effect.
        has: whether the model has what is measured; it is right to refuse it if not.
    """

    kind: str
    message: str = ""
    deviation: float = 0.0
    effect: float = 0.0
    has: bool = True

    @property
    def fine(self) -> bool:
        """Whether the numbers are right, or were refused in words of the product's own."""
        return self.kind in ("equal", "refused")

    def __str__(self) -> str:
        if self.kind == "equal":
            return f"equal, deviation {self.deviation:.1e} of largest effect {self.effect:.2g}"
        lacks = "" if self.has else " (the model has none)"
        return f"{self.kind}{lacks}: {self.message}"


def outcomes_of(case: Case, other: Other) -> dict[str, Outcome]:
    """What comes of each measure on a stored model, by the measure's name.

    A model that is refused when it is loaded has that one outcome, ``load``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            runs = case.runs
        except ModelError as error:
            return {"load": Outcome("refused", str(error))}
        except Exception as error:  # noqa: BLE001 — whatever it is, it is to be shown
            return {"load": _crashed(error)}
        with runs.untouched():
            return {name: outcome(case, check, other) for name, check in CHECKS.items()}


def outcome(case: Case, check: Check, other: Other) -> Outcome:
    """What comes of a measure on a model."""
    has, looped = check.applies(case.plain), check.has_loop(case.plain)
    expected = check.expected(case, other) if has and looped else {}
    try:
        found = check.found(case, other)
    except (ModelError, ChoiceError) as error:
        return Outcome("refused", str(error), has=has)
    except Exception as error:  # noqa: BLE001
        return _crashed(error, has=has)
    if not has:
        return Outcome("WRONG", f"gives numbers, and the model has no {check.site}", has=has)
    if not looped:
        return Outcome("WRONG", "gives numbers, and there is no loop to hold them against")
    return compared(found, expected)


def compared(found: dict[str, Any], expected: dict[str, Any]) -> Outcome:
    """How far what was found is from what was expected, part by part."""
    deviation = effect = 0.0
    for part in sorted({*found, *expected}):
        if part not in found or part not in expected:
            gone = part not in found
            message = f"lacks {part!r}" if gone else f"has {part!r}, which is not there"
            return Outcome("WRONG", message)
        one, other = np.asarray(found[part], float), np.asarray(expected[part], float)
        if one.shape != other.shape:
            return Outcome("WRONG", f"{part} has shape {one.shape}, not {other.shape}")
        if (np.isnan(one) != np.isnan(other)).any():
            cells = np.argwhere(np.isnan(one) != np.isnan(other))
            more = "is" if np.isnan(one[tuple(cells[0])]) else "is not"
            return Outcome(
                "WRONG", f"{part} {more} NaN at {cells[0].tolist()}, {len(cells)} in all"
            )
        largest = float(np.nanmax(np.abs(other), initial=0.0))
        share = float(np.nanmax(np.abs(one - other), initial=0.0)) / (largest or 1.0)
        if not share <= EXACT:
            return Outcome("WRONG", f"{part} is off by {share:.2g} of {largest:.2g}", share)
        if part == "value" or not effect:
            effect = largest
        deviation = max(deviation, share)
    return Outcome("equal", deviation=deviation, effect=effect)


def _crashed(error: Exception, *, has: bool = True) -> Outcome:
    return Outcome("CRASHED", f"{type(error).__name__}: {error}", has=has)
