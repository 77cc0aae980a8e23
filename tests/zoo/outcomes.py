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
    from zoo.cases import Stored
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


def outcomes_of(case: Stored) -> dict[str, Outcome]:
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
            return {name: outcome(case, check) for name, check in CHECKS.items()}


def outcome(case: Stored, check: Check) -> Outcome:
    """What comes of a measure on a model."""
    has, looped = check.applies(case.plain), check.has_loop(case.plain)
    expected = check.expected(case) if has and looped else {}
    try:
        found = check.found(case, case.runs)
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
    for part in sorted({*found, *expected}):
        wrong = _misfit(part, found.get(part), expected.get(part))
        if wrong:
            return Outcome("WRONG", wrong)
    shares = deviations(found, expected)
    part = max(shares, key=lambda name: shares[name] if shares[name] == shares[name] else np.inf)
    effect = _largest(expected["value" if "value" in expected else part])
    if not shares[part] <= EXACT:
        message = f"{part} is off by {shares[part]:.2g} of {_largest(expected[part]):.2g}"
        return Outcome("WRONG", message, shares[part], effect)
    return Outcome("equal", deviation=shares[part], effect=effect)


def deviations(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, float]:
    """The largest deviation of each part, as a share of the largest value that is expected.

    Cells that are not a number in both don't count; in one of them, the deviation is NaN.
    """
    shares = {}
    for part, of in expected.items():
        one, other = np.asarray(found[part], float), np.asarray(of, float)
        off = np.abs(one - other)[~(np.isnan(one) & np.isnan(other))]
        shares[part] = float(off.max(initial=0.0)) / (_largest(other) or 1.0)
    return shares


def _largest(values: Any) -> float:
    return float(np.nanmax(np.abs(values), initial=0.0))


def _misfit(part: str, found: Any, expected: Any) -> str:
    """How the shape and the missing cells of a part differ; its numbers are not compared."""
    if found is None or expected is None:
        return f"lacks {part!r}" if found is None else f"has {part!r}, which is not there"
    one, other = np.asarray(found, float), np.asarray(expected, float)
    if one.shape != other.shape:
        return f"{part} has shape {one.shape}, not {other.shape}"
    differ = np.argwhere(np.isnan(one) != np.isnan(other))
    if not len(differ):
        return ""
    more = "is" if np.isnan(one[tuple(differ[0])]) else "is not"
    return f"{part} {more} NaN at {differ[0].tolist()}, {len(differ)} in all"


def _crashed(error: Exception, *, has: bool = True) -> Outcome:
    return Outcome("CRASHED", f"{type(error).__name__}: {error}", has=has)
