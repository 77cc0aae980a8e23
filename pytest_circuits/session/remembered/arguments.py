"""A measure's arguments by their content, as JSON."""

from __future__ import annotations

import hashlib
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.findings import Circuit, Head
from pytest_circuits.prompts import PromptPairs, RepeatedTokens
from pytest_circuits.prompts.drawn import DrawnPairs

if TYPE_CHECKING:
    from pytest_circuits.findings import Json

_BUILDERS = "pytest_circuits.prompts."


class UnknownError(Exception):
    """An argument's content can't be told: a function, a model, an object of somebody's own."""


def described(value: object) -> Json:
    """An argument by its content: equal for two only if a measure can't tell them apart.

    Raises:
        UnknownError: if that can't be told. A subclass may do anything, so types are exact.
    """
    if value is None or type(value) in (str, bool, int, float):
        return value  # type: ignore[return-value]
    describe = _TYPES.get(type(value))
    if describe is None:
        raise UnknownError(type(value).__name__)
    return [type(value).__name__, describe(value)]


def _items(value: Any) -> Json:  # noqa: ANN401
    return [described(item) for item in value]


def _pairs_of(value: Any) -> Json:  # noqa: ANN401
    return [[described(key), described(item)] for key, item in value.items()]


def _range(value: range) -> Json:
    return [value.start, value.stop, value.step]


def _array(value: np.ndarray[Any, Any]) -> Json:
    if value.dtype.hasobject:
        raise UnknownError("an array of objects")
    content = hashlib.sha256(value.tobytes()).hexdigest()
    return [value.dtype.str, list(value.shape), content]


def _fields(value: Any) -> Json:  # noqa: ANN401
    """All that an instance holds: whatever a class has in future is in it."""
    return _pairs_of(vars(value))


def _partial(value: partial[Any]) -> Json:
    return [described(value.func), described(value.args), described(value.keywords)]


def _function(value: FunctionType) -> Json:
    # The code of prompt builders is part of every key; a function within one may hold anything.
    if not value.__module__.startswith(_BUILDERS) or "<" in value.__qualname__:
        raise UnknownError(f"the function {value.__qualname__}")
    return [value.__module__, value.__qualname__]


_TYPES: dict[type, Any] = {
    list: _items,
    tuple: _items,
    dict: _pairs_of,
    range: _range,
    Head: _items,
    np.ndarray: _array,
    Circuit: _fields,
    PromptPairs: _fields,
    DrawnPairs: _fields,
    RepeatedTokens: _fields,
    partial: _partial,
    FunctionType: _function,
}
