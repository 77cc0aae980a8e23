"""A format as its JSON Schema describes it: what is read is checked against what is published.

The schemas use a part of JSON Schema (draft 2020-12), and all that they use is checked: any other
keyword is an error. In two things reading is stricter: a whole number is written without a point,
and a number has a finite float.
"""

from __future__ import annotations

import json
import math
import operator
import re
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_circuits.findings import Json

    Schema: TypeAlias = Mapping[str, Any]
    #: What a keyword asks for.
    _Asked: TypeAlias = Any

#: A bool is an int in Python, and no number in JSON: types are compared exactly.
_TYPES: dict[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "null": (NoneType,),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


class _Bound(NamedTuple):
    """A keyword that bounds values of some types.

    Attributes:
        types: of which; others are not its concern.
        holds: whether a value is within the bound.
    """

    types: tuple[type, ...]
    holds: Callable[[Any, Any], bool]


_ANY = tuple(kind for kinds in _TYPES.values() for kind in kinds)
_BOUNDS = {
    "const": _Bound(_ANY, lambda value, one: type(value) is type(one) and value == one),
    "enum": _Bound(_ANY, lambda value, choices: value in choices),
    "minimum": _Bound(_TYPES["number"], operator.ge),
    "maximum": _Bound(_TYPES["number"], operator.le),
    "minLength": _Bound((str,), lambda value, least: len(value) >= least),
    "pattern": _Bound((str,), lambda value, pattern: bool(re.search(pattern, value))),
    "minItems": _Bound((list,), lambda value, least: len(value) >= least),
    "maxItems": _Bound((list,), lambda value, most: len(value) <= most),
    "uniqueItems": _Bound((list,), lambda value, _: all(value.count(v) == 1 for v in value)),
    "minProperties": _Bound((dict,), lambda value, least: len(value) >= least),
    "maxProperties": _Bound((dict,), lambda value, most: len(value) <= most),
}
#: Keywords that check nothing themselves.
_NOTES = {"$schema", "$id", "$defs", "title", "description", "then", "else"}

#: What values of a type are called.
NOUNS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}


class Problem(NamedTuple):
    """What does not fit in a document.

    Attributes:
        path: where: names of fields and indices of lists. A list of numbers or texts of which one
            is of another type does not fit as a whole.
        value: what is there; of a name that does not fit, the name.
        keyword: the schema's keyword that it does not satisfy.
        schema: the schema with that keyword.
    """

    path: tuple[str | int, ...]
    value: Any
    keyword: str
    schema: Schema

    @property
    def where(self) -> str:
        """Where it is, as ``companion.loss.interval[0]``."""
        return dotted(self.path)

    def said(self, nouns: Mapping[str, str] = NOUNS, texts: str = "a list of texts") -> str:
        """What is wrong with the value: ``is missing``, ``is not a text``.

        Args:
            nouns: what values of a type are called.
            texts: what a list of texts is called.
        """
        bound = self.schema.get(self.keyword)
        said = {
            "required": "is missing",
            "false": "is there, and there is no such field",
            "propertyNames": f"names {self.value}, and there is no such name",
            "minLength": "is empty",
            "minProperties": "is empty",
            "maxProperties": f"has more than {bound} names",
            "uniqueItems": "has one of them twice",
        }
        if self.keyword == "minimum" and "maximum" not in self.schema:
            return f"is less than {bound}"
        return said.get(self.keyword) or f"is not {_noun(self.schema, nouns, texts)}"


def dotted(path: Sequence[str | int]) -> str:
    """A path as text: ``companion.loss.interval[0]``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def _noun(schema: Schema, nouns: Mapping[str, str], texts: str) -> str:
    """What a schema describes: ``a text``, ``one of higher, lower``, ``a number or null``."""
    if "oneOf" in schema:
        return " or ".join(_noun(each, nouns, texts) for each in reversed(schema["oneOf"]))
    choices = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if choices:
        return "one of " + ", ".join("null" if each is None else str(each) for each in choices)
    items = schema.get("items", {}).get("type", ())
    if items == "string":
        return texts
    if "number" in items:
        return {2: "a pair of numbers", 3: "two or three numbers"}.get(
            schema.get("maxItems", 0), "a row of numbers"
        )
    if "maximum" in schema:
        return "a probability"
    names = schema["type"]
    *others, last = (nouns[name] for name in ([names] if isinstance(names, str) else names))
    return f"{', '.join(others)} or {last}" if others else last


class Format:
    """A format, by its JSON Schema.

    Of the things that a value may be one of, no two fit at once; one that is none of them is
    described as what the last should have been.

    Attributes:
        identifier: the schema's ``$id``.
    """

    def __init__(self, schema: Schema, elsewhere: Mapping[str, Schema] | None = None) -> None:
        self.identifier: str = schema["$id"]
        self._parts = {f"#/$defs/{name}": part for name, part in schema.get("$defs", {}).items()}
        self._parts |= {"#": schema, **(elsewhere or {})}
        self._keywords: dict[str, Callable[[_Asked, Schema, Json], Problem | None]] = {
            "$ref": self._reference,
            "type": self._type,
            "items": self._items,
            "required": self._required,
            "properties": self._properties,
            "additionalProperties": self._others,
            "propertyNames": self._labels,
            "oneOf": self._one_of,
            "allOf": self._all_of,
            "if": self._branch,
        }

    @classmethod
    def read(cls, path: Path, elsewhere: Mapping[str, Schema] | None = None) -> Format:
        """The format that a file describes.

        Args:
            path: a JSON Schema.
            elsewhere: by reference, what is to be checked of that which another schema describes.
        """
        return cls(json.loads(path.read_text(encoding="utf-8")), elsewhere)

    def problem(self, document: Mapping[str, Any], part: str = "#") -> Problem | None:
        """The first thing in a document that does not fit, or None.

        Args:
            document: JSON as Python has it.
            part: the part of the schema that describes it, such as ``#/$defs/finding``.

        Raises:
            KeyError: if the schema has a keyword or a reference that is not understood.
        """
        return self._problem(self._parts[part], dict(document))

    def _problem(self, schema: Schema | Literal[False], value: Json) -> Problem | None:
        """The first thing that does not fit, keyword by keyword in the schema's order."""
        if schema is False:
            return Problem((), value, "false", {})
        for keyword, asked in schema.items():
            if keyword in _NOTES:
                continue
            if keyword not in _BOUNDS:
                problem = self._keywords[keyword](asked, schema, value)
                if problem is not None:
                    return problem
            elif type(value) in _BOUNDS[keyword].types and not _BOUNDS[keyword].holds(value, asked):
                return Problem((), value, keyword, schema)
        return None

    def _first(self, parts: Iterable[tuple[str | int, Schema, Json]]) -> Problem | None:
        """The first problem of a list's or an object's parts: where each is, schema and value."""
        for step, schema, value in parts:
            problem = self._problem(schema, value)
            if problem is not None:
                return problem._replace(path=(step, *problem.path))
        return None

    def _reference(self, asked: str, _: Schema, value: Json) -> Problem | None:
        return self._problem(self._parts[asked], value)

    def _type(self, asked: _Asked, schema: Schema, value: Json) -> Problem | None:
        kind = type(value)
        if kind in _types(asked) and (kind not in _TYPES["number"] or _finite([value])):
            return None
        return Problem((), value, "type", schema)

    def _items(self, asked: Schema, schema: Schema, value: Json) -> Problem | None:
        if not isinstance(value, list):
            return None
        item = self._parts[asked["$ref"]] if "$ref" in asked else asked
        types = _types(item.get("type", []))
        if types and list not in types and dict not in types:
            kinds = set(map(type, value))
            if not kinds.issubset(types) or (float in types and not _finite(value)):
                return Problem((), value, "items", {**schema, "items": item})
            if item.keys() - _NOTES == {"type"}:
                return None
        return self._first((index, item, one) for index, one in enumerate(value))

    def _required(self, asked: list[str], schema: Schema, value: Json) -> Problem | None:
        missing = [name for name in asked if isinstance(value, dict) and name not in value]
        return Problem((missing[0],), value, "required", schema) if missing else None

    def _properties(self, asked: Schema, _: Schema, value: Json) -> Problem | None:
        fields = value if isinstance(value, dict) else {}
        return self._first((name, asked[name], fields[name]) for name in fields if name in asked)

    def _others(self, asked: _Asked, schema: Schema, value: Json) -> Problem | None:
        fields, known = value if isinstance(value, dict) else {}, schema.get("properties", {})
        return self._first((name, asked, fields[name]) for name in fields if name not in known)

    def _labels(self, asked: Schema, schema: Schema, value: Json) -> Problem | None:
        for name in value if isinstance(value, dict) else ():
            if self._problem(asked, name) is not None:
                return Problem((), name, "propertyNames", schema)
        return None

    def _one_of(self, asked: list[Schema], _: Schema, value: Json) -> Problem | None:
        *others, last = asked
        if any(self._problem(other, value) is None for other in others):
            return None
        problem = self._problem(last, value)
        # What there could be instead is worth saying only of a value that is no such thing.
        if problem is None or problem.path or problem.keyword != "type":
            return problem
        return problem._replace(schema={"oneOf": [*others, problem.schema]})

    def _all_of(self, asked: list[Schema], _: Schema, value: Json) -> Problem | None:
        problems = (self._problem(each, value) for each in asked)
        return next((problem for problem in problems if problem is not None), None)

    def _branch(self, asked: Schema, schema: Schema, value: Json) -> Problem | None:
        branch = "then" if self._problem(asked, value) is None else "else"
        return self._problem(schema.get(branch, {}), value)


def _types(names: str | list[str]) -> tuple[type, ...]:
    """The types that a schema allows."""
    if isinstance(names, str):
        return _TYPES[names]
    return tuple(kind for name in names for kind in _TYPES[name])


def _finite(values: list[Json]) -> bool:
    """Whether all numbers among values are finite as Python's are, which an int need not be."""
    try:
        return all(map(math.isfinite, [v for v in values if isinstance(v, (int, float))]))
    except OverflowError:
        return False
