"""Approving what hardly moved changes no digits, so that a diff shows changes and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.findings.encoding import DECIMALS, decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.findings import Json

#: The fields that were measured. All others were chosen, and one that changed is a change. (A
#: role's threshold may be a share of a behaviour; its members follow from the values.)
_MEASURED = ("companion", "canary", "role", "profiles", "nulls", "values", "errors")


def keep_digits(new: Mapping[str, Json], old: Mapping[str, Json]) -> dict[str, Json]:
    """A baseline's document with the stored digits of every number that hardly moved.

    A measured number keeps them where it lies no further from them than one unit of the last
    place that is stored. They are held against what is stored, never against an earlier
    measurement: however often a finding is approved, its file is at most one unit off.

    Where the stored digits would say something else of who is in the role, a unit is a change:
    then all numbers are the new ones.

    Args:
        new: the document to store.
        old: the document that is stored, of any finding.
    """
    kept = {
        name: _kept(new[name], old.get(name)) if name in _MEASURED else new[name] for name in new
    }
    finding = decode(kept)
    if finding.members().keys() != decode(new).members().keys():
        return dict(new)
    # The members' values and their order follow from the heads' values, which kept their digits.
    return {**kept, **encode(finding)}


def _kept(new: Json, old: Json) -> Any:  # noqa: ANN401
    if isinstance(new, float) and isinstance(old, float):
        return old if abs(_units(new) - _units(old)) <= 1 else new
    if isinstance(new, dict) and isinstance(old, dict):
        return {name: _kept(value, old.get(name)) for name, value in new.items()}
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [_kept(*pair) for pair in zip(new, old, strict=True)]
    return new


def _units(number: float) -> int:
    """The number in units of the last stored place: decimals differ exactly, fractions don't."""
    return round(number * 10.0**DECIMALS)
