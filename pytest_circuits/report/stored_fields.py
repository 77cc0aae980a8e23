"""What the fields of a stored report may hold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Field(NamedTuple):
    """What a field may hold.

    Attributes:
        name: what that is called.
        fits: whether a value is of that kind.
    """

    name: str
    fits: Callable[[Any], bool]


def one_of(*values: str) -> Field:
    """One of some words."""
    return Field(f"one of {', '.join(values)}", lambda value: value in values)


def or_null(field: Field) -> Field:
    """The same, or nothing."""
    return Field(f"{field.name} or null", lambda value: value is None or field.fits(value))


def _is_number(value: object) -> bool:
    # A bool is an int in Python, and no number in JSON; Infinity is JSON to Python alone.
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


TEXT = Field("a text", lambda value: isinstance(value, str))
TEXTS = Field("a list of texts", _are_texts)
FLAG = Field("true or false", lambda value: type(value) is bool)
COUNT = Field("a count", lambda value: type(value) is int and value >= 0)
NUMBER = Field("a number", _is_number)
PAIR = Field(
    "a pair of numbers",
    lambda value: isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)),  # noqa: PLR2004
)
#: What a reason says of one side: a number, a field's text, or null where it is undefined.
VALUE = Field(
    "a number, a text or null",
    lambda value: value is None or isinstance(value, str) or _is_number(value),
)
LIST = Field("a list", lambda value: isinstance(value, list))
OBJECT = Field("an object", lambda value: isinstance(value, dict))
