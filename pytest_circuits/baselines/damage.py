"""What is wrong with a finding's document, in words that name the field.

``schema.json`` says more of the format; this is what reading it needs, and what a slip of the hand
would otherwise leave unnoticed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_circuits.findings import Direction, Head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Characters of a wrong value that a message shows.
_SHOWN = 40


class _Kind(NamedTuple):
    """What a field may hold.

    Attributes:
        fits: whether it may hold a value.
        otherwise: what is said of one that it may not.
        required: whether the field must be there.
    """

    fits: Callable[[Any], bool]
    otherwise: str
    required: bool = True

    def optional(self) -> _Kind:
        return self._replace(required=False)


def _is_number(value: object) -> bool:
    # A bool is an int in Python, and no number in JSON.
    return type(value) in (int, float)


def _is_table(value: object, dimensions: int) -> bool:
    """Whether it is rows of rows … of numbers, or one number, with null for any of them."""
    return _shape(value, dimensions) is not None


def _shape(value: object, dimensions: int) -> tuple[int, ...] | None:
    """How many rows of rows … of numbers there are; None where they are none, or unlike."""
    if not dimensions:
        return () if value is None or _is_number(value) else None
    if not isinstance(value, list):
        return None
    if not value and dimensions == 1:
        return (0,)
    first, *others = {_shape(row, dimensions - 1) for row in value} or {None}
    return None if first is None or others else (len(value), *first)


_TEXT = _Kind(lambda value: isinstance(value, str), "which is no text")
_OBJECT = _Kind(lambda value: isinstance(value, dict), "which is no object")
_WHOLE = _Kind(lambda value: type(value) is int, "which is no whole number")
_YES_NO = _Kind(lambda value: type(value) is bool, "which is not true or false")
_NUMBER = _Kind(_is_number, "which is no number")
_NUMBER_OR_NULL = _Kind(lambda value: _is_table(value, 0), "which is no number")
_ROW = _Kind(lambda value: _is_table(value, 1), "which is no row of numbers")
_PAIR = _Kind(
    lambda value: isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)),  # noqa: PLR2004
    "which is no pair of numbers",
)
_PROBABILITY = _Kind(lambda value: _is_number(value) and 0 <= value <= 1, "which is no probability")
_DIRECTION = _Kind(
    lambda value: value in list(Direction), f"which is none of {', '.join(Direction)}"
)
_NAMES = _Kind(
    lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
    "which is no list of names",
)

_FINDING = {
    "measure": _TEXT, "quantity": _TEXT, "unit": _TEXT, "direction": _DIRECTION,
    "convention": _OBJECT, "prompts": _OBJECT, "samples": _WHOLE, "clusters": _WHOLE,
    "companion": _OBJECT, "axes": _NAMES, "recorded_with": _OBJECT, "tolerance": _OBJECT,
    "relative_to": _TEXT.optional(), "canary": _OBJECT.optional(), "role": _OBJECT.optional(),
    "profiles": _OBJECT.optional(), "nulls": _OBJECT.optional(), "labels": _OBJECT.optional(),
    "allowance": _PAIR.optional(),
}  # fmt: skip
_BEHAVIOUR = {
    "value": _NUMBER, "error": _NUMBER_OR_NULL, "clusters": _WHOLE, "direction": _DIRECTION,
    "unit": _TEXT, "vital": _YES_NO, "judged": _YES_NO,
    "interval": _PAIR.optional(), "profile": _ROW.optional(),
}  # fmt: skip
_CANARY = {"loss": _NUMBER, "kind": _TEXT, "tokens": _TEXT}
_ROLE = {"name": _TEXT, "threshold": _NUMBER}
_NULL = {"mean": _NUMBER, "p": _PROBABILITY}
_TOLERANCE = {
    "origin": _TEXT, "value": _PAIR, "role": _PAIR, "behaviours": _OBJECT, "canary": _PAIR,
    "top": _NUMBER,
}  # fmt: skip


def damage(document: Mapping[str, Any]) -> str | None:
    """What is wrong with a finding's document, or None."""
    return next(_damages(document), None)


def _damages(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong, one after the other; each takes it that nothing before it was."""
    yield from _fields(document, _FINDING)
    yield from _of_parts(document)
    axes = document["axes"]
    table = _Kind(
        lambda value: _is_table(value, len(axes)), f"which does not fit the axes {json.dumps(axes)}"
    )
    yield from _fields(document, {"values": table, "errors": table})
    yield from _of_labels(document)
    yield from _of_heads(document)


def _of_parts(document: Mapping[str, Any]) -> Iterator[str]:
    companion, tolerance = document["companion"], document["tolerance"]
    yield from _fields(companion, dict.fromkeys(companion, _OBJECT), "companion.")
    for name, behaviour in companion.items():
        yield from _fields(behaviour, _BEHAVIOUR, f"companion.{name}.")
    for name, kinds in (("role", _ROLE), ("canary", _CANARY)):
        if name in document:
            yield from _fields(document[name], kinds, f"{name}.")
    yield from _fields(tolerance, _TOLERANCE, "tolerance.")
    behaviours = tolerance["behaviours"]
    allowances = dict.fromkeys([*companion, *behaviours], _PAIR)
    yield from _fields(behaviours, allowances, "tolerance.behaviours.")
    profiles, nulls = document.get("profiles", {}), document.get("nulls", {})
    yield from _fields(profiles, dict.fromkeys(profiles, _ROW), "profiles.")
    yield from _fields(nulls, dict.fromkeys(nulls, _OBJECT), "nulls.")
    for head, null in nulls.items():
        yield from _fields(null, _NULL, f"nulls.{head}.")


def _of_labels(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the names of an axis's cells."""
    labels, axes = document.get("labels", {}), document["axes"]
    yield from _fields(labels, dict.fromkeys(labels, _NAMES), "labels.")
    unknown = [axis for axis in labels if axis not in axes]
    if unknown:
        yield f"labels names {unknown[0]}, and there is no such axis"
    cells = document["values"]
    for axis in axes:
        count = len(cells)
        if axis in labels and len(labels[axis]) != count:
            yield f"labels.{axis} has {len(labels[axis])} names, and there are {count} values"
        cells = cells[0] if cells else []


def _of_heads(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with values, and with parts that are by head: that there is no such head."""
    undefined = [value is None for value in _flat(document["values"])]
    if any(undefined) and not all(undefined):
        yield "values is null in some places and not in all"
    heads: set[str] = set()
    if document["axes"] == ["layer", "head"]:
        heads = {
            str(Head(layer, index))
            for layer, row in enumerate(document["values"])
            for index in range(len(row))
        }
    elif "role" in document:
        yield "it has a role, and its values are of no heads"
    elif not document["axes"]:
        heads = {document["measure"]}  # what one number's null goes by
    # Without a role a profile is of the one number, and has its name.
    for part in ("nulls", "profiles") if "role" in document else ("nulls",):
        unknown = [label for label in document.get(part, {}) if label not in heads]
        if unknown:
            what = "head" if document["axes"] else "number"
            yield f"{part} names {unknown[0]}, and there is no such {what}"


def _flat(values: object) -> Iterator[object]:
    if isinstance(values, list):
        for row in values:
            yield from _flat(row)
    else:
        yield values


def _fields(part: Mapping[str, Any], kinds: Mapping[str, _Kind], where: str = "") -> Iterator[str]:
    for name, kind in kinds.items():
        if name not in part:
            if kind.required:
                yield f"{where}{name} is missing"
        elif not kind.fits(part[name]):
            yield f"{where}{name} is {_shown(part[name])}, {kind.otherwise}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
