"""How many digits numbers are stored and shown with, so that small ones keep theirs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

#: Decimals that are always kept. Benign changes (another BLAS, bf16) move values by 1e-3 and more.
DECIMALS = 4
#: Digits that are kept of numbers so small that fewer would be among those decimals.
_SIGNIFICANT = 4
#: Units of numbers that noise moves by hundredths, however small they are: more decimals of them
#: would say nothing, and would be others on every machine.
_ABSOLUTE = ("logits", "nats")
#: A number is shown to within this share of itself.
_CLOSE = 0.1
#: Decimals that show any float.
_ANY = 330
#: With more decimals than that, powers of ten are easier to read.
_MOST_SHOWN = 6


def places(values: ArrayLike, unit: str = "") -> int:
    """How many decimals are stored of numbers that belong together.

    Four, or as many as give the largest of them four significant digits. Of logits and nats it is
    always four.

    Args:
        values: the numbers; those that are not finite don't count.
        unit: their unit.
    """
    import numpy as np  # what only shows numbers does without

    sizes = np.abs(np.asarray(values, dtype=np.float64))
    largest = float(np.max(sizes, where=np.isfinite(sizes), initial=0.0))
    if not largest or unit in _ABSOLUTE:
        return DECIMALS
    # Of the number as it is stored, which may be the next power of ten.
    kept = float(f"{largest:.{_SIGNIFICANT - 1}e}")
    return max(DECIMALS, _SIGNIFICANT - 1 - math.floor(math.log10(kept)))


def short(value: float) -> float:
    """A number of unknown unit with the digits that are worth storing."""
    # Adding 0.0 turns −0.0 into 0.0, which would otherwise be a diff without a change.
    return round(value, places(value)) + 0.0


def decimals(*numbers: float, least: int) -> int:
    """How many decimals show every one of some numbers, 0 excepted, to within a tenth of itself.

    Args:
        numbers: the numbers; those that are not finite don't count.
        least: how many there are at least.
    """
    most = least
    for number in map(abs, filter(math.isfinite, numbers)):
        while most < _ANY and abs(round(number, most) - number) > _CLOSE * number:
            most += 1
    return most


def shown(value: float, least: int = 3, *, digits: int | None = None, sign: str = "") -> str:
    """A number as text: ``0.30``, ``0.0017``, ``4e-08``.

    Args:
        value: the number.
        least: how many decimals it has at least; more, if it is so small that they say little.
        digits: how many decimals it has, where those beside it decide that.
        sign: ``+`` to show it where there is no minus.
    """
    if not math.isfinite(value):
        return f"{value}"
    digits = decimals(value, least=least) if digits is None else digits
    value = round(value, digits) + 0.0  # there is no −0.000
    return f"{value:{sign}.{digits}f}" if digits <= _MOST_SHOWN else f"{value:{sign}.2g}"


def estimate(value: float, error: float, *, digits: int | None = None) -> str:
    """A number with its standard error, where that can be known: ``3.935 ± 0.012``, ``3.935``.

    Args:
        value: the number.
        error: its standard error; NaN where a single cluster tells nothing of it.
        digits: how many decimals both have; by default three, or more for a small value.
    """
    if digits is None:
        digits = decimals(value, least=3)
    beside = f" ± {shown(error, digits=digits)}" if math.isfinite(error) else ""
    return f"{shown(value, digits=digits)}{beside}"


__all__ = ["DECIMALS", "decimals", "estimate", "places", "short", "shown"]
