"""Checks of arguments, made before anything is computed: numbers and names of choices."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ChoiceError(ValueError):
    """A measure was asked for what there is not; the message says what there is."""


def is_whole(given: object) -> bool:
    """Whether something is a whole number, numpy's included. A bool is not."""
    return isinstance(given, Integral) and not isinstance(given, bool)


def is_finite(given: object) -> bool:
    """Whether something is a real number, one of numpy's too, and neither NaN nor infinite."""
    return isinstance(given, Real) and not isinstance(given, bool) and math.isfinite(given)


def check_whole(name: str, given: object, least: int | None = None) -> int:
    """Refuse what is no whole number, or is too small a one.

    Args:
        name: the argument.
        given: what was given for it.
        least: the least that it can be; any whole number by default.

    Returns:
        the number, as Python's own.

    Raises:
        ChoiceError: saying what it should be.
    """
    if not is_whole(given) or (least is not None and int(given) < least):  # type: ignore[call-overload]
        numbers = "a whole number" if least is None else f"a whole number from {least} on"
        raise ChoiceError(f"{name} is {numbers}, not {given!r}")
    return int(given)  # type: ignore[call-overload, no-any-return]


def check_name(name: str, given: object, choices: Iterable[str]) -> None:
    """Refuse what is none of some names.

    Raises:
        ChoiceError: listing them.
    """
    known = list(choices)
    if not isinstance(given, str) or given not in known:
        either = " or ".join(known) if len(known) == 2 else ", ".join(known)  # noqa: PLR2004
        raise ChoiceError(f"{name} is {either}, not {given!r}")
