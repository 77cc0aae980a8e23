"""Findings to the last bit: a JSON document, and the arrays that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from pytest_circuits.findings.allowance import Allowance
from pytest_circuits.findings.behaviour import Behaviour, Direction
from pytest_circuits.findings.finding import Canary, Finding, Null, Output, Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_circuits.findings.finding import Json

#: What a value is that JSON has no word for, and what is in it.
_KIND, _CONTENT = "is", "of"
_PARTS: dict[str, Any] = {
    part.__name__: part for part in (Finding, Allowance, Behaviour, Canary, Null, Output, Role)
}


def take_apart(finding: Finding) -> tuple[Json, dict[str, NDArray[Any]]]:
    """The finding as a JSON document and its arrays, by the names that the document has for them.

    No number is rounded or left out, unlike in a baseline (:func:`.encoding.encode`).

    Raises:
        TypeError: if a part of it is nothing that could be put together again.
    """
    arrays: dict[str, NDArray[Any]] = {}
    return _apart(finding, arrays), arrays


def put_together(document: Json, arrays: Mapping[str, NDArray[Any]]) -> Finding:
    """The finding that :func:`take_apart` took apart."""
    finding: Finding = _together(document, arrays)
    return finding


def _apart(value: object, arrays: dict[str, NDArray[Any]]) -> Json:
    if value is None or type(value) in (str, bool, int, float):
        return cast("Json", value)
    if type(value) is list:
        return [_apart(item, arrays) for item in value]
    kind, content = type(value).__name__, cast("Any", value)
    if isinstance(value, np.ndarray | np.generic):
        kind = "ndarray" if isinstance(value, np.ndarray) else "generic"
        content = str(len(arrays))
        arrays[content] = np.asarray(value, order="C")
    elif isinstance(value, Mapping) and all(type(key) is str for key in value):
        kind, content = "dict", {key: _apart(item, arrays) for key, item in value.items()}
    elif type(value) is tuple:
        content = [_apart(item, arrays) for item in value]
    elif isinstance(value, Direction):
        content = value.value
    elif kind in _PARTS and is_dataclass(value):
        content = {
            each.name: _apart(getattr(value, each.name), arrays)
            for each in fields(value)
            if each.name != "circumstances"  # those of another run
        }
    else:
        raise TypeError(f"a finding holds a {kind}, which can't be stored")
    return {_KIND: kind, _CONTENT: content}


def _together(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:  # noqa: ANN401 — JSON
    if isinstance(value, list):
        return [_together(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    kind, content = value[_KIND], value[_CONTENT]
    if kind in ("ndarray", "generic"):
        array = arrays[content]
        return array[()] if kind == "generic" else array
    if isinstance(content, str):
        return Direction(content)
    if isinstance(content, list):
        return tuple(_together(item, arrays) for item in content)
    parts = {name: _together(part, arrays) for name, part in content.items()}
    return parts if kind == "dict" else _PARTS[kind](**parts)
