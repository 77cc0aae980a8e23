"""Whether two findings are the same quantity at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings.absent import extent
from pytest_circuits.verdicts.verdict import About, Change, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.findings import Finding, Json

#: Cells of an axis that are named where their names differ.
_NAMES_SHOWN = 2


def differences(found: Finding, approved: Finding) -> list[Reason]:
    """The fields that make the two different quantities; empty if they are the same."""
    pairs: dict[str, tuple[object, object]] = {
        "measure": (approved.measure, found.measure),
        "unit": (approved.unit, found.unit),
        "direction": (approved.direction.value, found.direction.value),
        "relative_to": (approved.relative_to, found.relative_to),
        "axes": (" × ".join(approved.axes), " × ".join(found.axes)),
        "shape": _shapes(approved, found),
    }
    pairs |= {f"labels.{axis}": pair for axis, pair in _renamed(approved, found).items()}
    pairs |= _of_companion(found, approved)
    if approved.measure == found.measure:
        pairs |= _pairs("convention", approved.convention, found.convention)
        # Drawn ids are covered by their hash, and too long to print.
        pairs |= {
            field: pair
            for field, pair in _pairs("prompts", approved.prompts, found.prompts).items()
            if field != "prompts.ids"
        }
    return [
        Reason(Change.DIFFERS, About.FIELD, field, "", _text(before), _text(after))
        for field, (before, after) in pairs.items()
        if before != after
    ]


def _of_companion(found: Finding, approved: Finding) -> dict[str, tuple[object, object]]:
    """What makes the behaviours beside them different quantities, for each of the approved ones.

    Which way one gets better is part of what it is: turned round, a loss would be a gain.
    """
    measured = {behaviour.name: behaviour for behaviour in found.companion}
    pairs: dict[str, tuple[object, object]] = {}
    for before in approved.companion:
        name, after = f"companion.{before.name}", measured.get(before.name)
        if after is None:
            pairs[name] = "measured", "not measured"
        else:
            pairs[f"{name}.unit"] = before.unit, after.unit
            pairs[f"{name}.direction"] = before.direction.value, after.direction.value
    return pairs


def _renamed(approved: Finding, found: Finding) -> dict[str, tuple[str, str]]:
    """What is called otherwise, by axis: the first cells whose names differ."""
    renamed = {}
    for axis in {**approved.labels, **found.labels}:
        before, after = approved.labels.get(axis, ()), found.labels.get(axis, ())
        if len(before) != len(after):
            renamed[axis] = f"{len(before)} names", f"{len(after)} names"
        elif before != after:
            others = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
            more = ", …" if len(others) > _NAMES_SHOWN else ""
            old, new = zip(*others[:_NAMES_SHOWN], strict=True)
            renamed[axis] = ", ".join(old) + more, ", ".join(new) + more
    return renamed


def _pairs(
    name: str, approved: Mapping[str, Json], found: Mapping[str, Json]
) -> dict[str, tuple[object, object]]:
    keys = list(approved) + [key for key in found if key not in approved]
    return {f"{name}.{key}": (approved.get(key), found.get(key)) for key in keys}


def _shapes(approved: Finding, found: Finding) -> tuple[str, str]:
    """How many cells there are along each axis, or else the first that only one of the two has.

    What is undefined has no values to compare, and its file does not say which cells there are.
    """
    shapes = _shape(approved), _shape(found)
    if shapes[0] != shapes[1] or approved.undefined or found.undefined:
        return shapes
    differing = np.argwhere(approved.present != found.present).tolist()
    if not differing:
        return shapes
    first = differing[0]
    # One message covers all differing heads of a layer.
    alike = [cell for cell in differing if cell[0] == first[0]]
    more = ", …" if len(differing) > len(alike) else ""
    return extent(approved, first) + more, extent(found, first) + more


def _shape(finding: Finding) -> str:
    return " × ".join(map(str, finding.values.shape)) or "one number"


def _text(value: object) -> str:
    return "none" if value is None else str(value)
