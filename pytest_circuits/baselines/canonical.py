"""Canonical JSON: the same document always gives the same bytes, and diffs stay readable."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_circuits.findings import Json


def dumps(document: Json) -> str:
    """The document as text: two spaces of indent, a row of numbers on one line, a final newline.

    Raises:
        ValueError: for NaN or infinity, which are no JSON.
    """
    return _dumps(document, "") + "\n"


def _dumps(value: Json, indent: str) -> str:
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        inner = [f"{deeper}{_scalar(key)}: {_dumps(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, (list, dict)) for item in value):
        inner = [f"{deeper}{_dumps(item, deeper)}" for item in value]
        return "[\n" + ",\n".join(inner) + f"\n{indent}]"
    return _scalar(value)


def _scalar(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
