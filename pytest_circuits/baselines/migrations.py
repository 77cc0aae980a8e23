"""From the schema of an older version to the present one, a step for each version between them.

Files are migrated when they are read, in memory: a file that nothing new is written to stays as
it is. A step takes one finding's document and knows nothing of what the package holds today, so
that it goes on reading what was written then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _one_to_two(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Version 2 has tolerances for the loss on a fixed text, and beside the strongest head."""
    tolerance = entry.get("tolerance")
    # What is no tolerance is damage, which the reader reports.
    if not isinstance(tolerance, dict) or "origin" not in tolerance:
        return dict(entry)
    origin = tolerance["origin"]
    allowed = {name: pair for name, pair in tolerance.items() if name != "origin"}
    return {**entry, "tolerance": {**allowed, "canary": [0.05, 0.02], "top": 0.0, "origin": origin}}


def _two_to_three(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Version 3 may name the cells of an axis and have a null of one number; no file had either."""
    return dict(entry)


#: By the version that a step starts from.
STEPS: dict[int, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    1: _one_to_two,
    2: _two_to_three,
}

#: The version that files are written in.
SCHEMA_VERSION = max(STEPS) + 1


def known(version: object) -> TypeGuard[int]:
    """Whether there is a way from that version to the present one."""
    # A bool is an int in Python, and no version.
    return type(version) is int and 1 <= version <= SCHEMA_VERSION


def migrate(entry: Mapping[str, Any], version: int) -> dict[str, Any]:
    """A finding's document of a known version, as the present one has it."""
    for start in range(version, SCHEMA_VERSION):
        entry = STEPS[start](entry)
    return dict(entry)
