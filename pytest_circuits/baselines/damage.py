"""What is wrong with a finding's document, in words that name the field.

``schema.json`` describes the format, and documents are checked against it. What a schema can't say
of one part by another is added here: which heads, cells and behaviours there are.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from pytest_circuits.baselines.formats import Format
from pytest_circuits.findings import Head

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_circuits.baselines.formats import Problem

#: Characters of a wrong value that a message shows.
_SHOWN = 40
#: Types of what a row of numbers holds.
_NUMBERS = {int, float, NoneType}
#: The part of the schema that describes one finding.
FINDING = "#/$defs/finding"


@cache
def baseline_format() -> Format:
    """The format of baseline files."""
    return Format.read(Path(__file__).with_name("schema.json"))


def damage(document: Mapping[str, Any]) -> str | None:
    """What is wrong with a finding's document, or None."""
    problem = baseline_format().problem(document, FINDING)
    if problem is not None:
        return _said(problem, document)
    return next(_between_parts(document), None)


def _said(problem: Problem, document: Mapping[str, Any]) -> str:
    if problem.path[:1] in (("values",), ("errors",)) and problem.keyword != "required":
        return _no_fit(str(problem.path[0]), document)
    if problem.path == ("role",) and problem.keyword == "false":
        return "it has a role, and its values are of no heads"
    if problem.keyword == "propertyNames":
        return f"{problem.where} names {problem.value}, and there is no such head"
    words = problem.said(texts="a list of names")
    if problem.keyword in ("required", "false", "maxProperties"):
        return f"{problem.where} {words}"
    for those, no in (("is not one", "is none"), ("is not a ", "is no "), ("is not an ", "is no ")):
        words = words.replace(those, no)
    return f"{problem.where} is {_shown(problem.value)}, which {words}"


def _no_fit(part: str, document: Mapping[str, Any]) -> str:
    axes = json.dumps(document["axes"])
    return f"{part} is {_shown(document[part])}, which does not fit the axes {axes}"


def _between_parts(document: Mapping[str, Any]) -> Iterator[str]:
    """What of one part does not go with another; each takes it that nothing before it was wrong."""
    for name in document["companion"]:
        if name not in document["tolerance"]["behaviours"]:
            yield f"tolerance.behaviours.{name} is missing"
    whole = document.get("relative_to")
    if whole is not None and whole not in document["companion"]:
        # What is undefined because it is gone would else be held against nothing, and pass.
        yield f"relative_to names {whole}, and there is no such behaviour"
    for part in ("values", "errors"):
        if _shape(document[part], len(document["axes"])) is None:
            yield _no_fit(part, document)
    yield from _of_labels(document)
    yield from _of_absent(document)
    yield from _of_heads(document)


def _shape(value: object, dimensions: int) -> tuple[int, ...] | None:
    """How many rows of rows … of numbers there are; None where they are none, or unlike."""
    if not dimensions:
        return ()
    if not isinstance(value, list):
        return None
    if dimensions == 1:
        return (len(value),) if _NUMBERS.issuperset(map(type, value)) else None
    first, *others = {_shape(row, dimensions - 1) for row in value} or {None}
    return None if first is None or others else (len(value), *first)


def _of_labels(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the names of an axis's cells."""
    labels, axes = document.get("labels", {}), document["axes"]
    unknown = [axis for axis in labels if axis not in axes]
    if unknown:
        yield f"labels names {unknown[0]}, and there is no such axis"
    cells = document["values"]
    for axis in axes:
        count = len(cells)
        if axis in labels and len(labels[axis]) != count:
            yield f"labels.{axis} has {len(labels[axis])} names, and there are {count} values"
        cells = cells[0] if cells else []


def _of_absent(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with cells that the model does not have: that one has an error all the same."""
    values = list(_flat(document["values"]))
    # What has no value at all is undefined; a finding checks that there are as many errors.
    cells = zip(values, _flat(document["errors"]), strict=False)
    if set(values) != {None} and any(v is None and e is not None for v, e in cells):
        yield "values is null in a place where errors is not"


def _of_heads(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with parts that are by head: that there is no such head."""
    axes, values = document["axes"], document["values"]
    undefined = set(_flat(values)) == {None}
    # Without a role a profile is of the one number, and has its name.
    for part in ("nulls", "outputs", "profiles") if "role" in document else ("nulls", "outputs"):
        for name in document.get(part, {}):
            if axes == ["layer", "head"]:
                known = _is_head(name, values, undefined=undefined)
            else:
                # One number's null goes by its measure.
                known = not axes and name == document["measure"]
            if not known:
                yield f"{part} names {name}, and there is no such {'head' if axes else 'number'}"


def _is_head(label: str, values: Sequence[Sequence[object]], *, undefined: bool) -> bool:
    """Whether it is the label of a head that the model has; any may be, if none has a value."""
    try:
        head = Head.parse(label)
    except ValueError:
        return False
    if head.layer >= len(values) or head.head_index >= len(values[head.layer]):
        return False
    return str(head) == label and (undefined or values[head.layer][head.head_index] is not None)


def _flat(values: object) -> Iterator[object]:
    if not isinstance(values, list):
        yield values
    elif values and isinstance(values[0], list):
        for row in values:
            yield from _flat(row)
    else:
        yield from values


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
