"""A finding as a pandas data frame."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pandas as pd

from pytest_circuits.findings.absent import indices

if TYPE_CHECKING:
    from pytest_circuits.findings.behaviour import Behaviour
    from pytest_circuits.findings.finding import Finding


def to_frame(finding: Finding) -> pd.DataFrame:
    """One row for each cell that the model has; see :meth:`Finding.to_pandas`."""
    cells = indices(finding.present)
    columns: dict[str, Any] = {}
    for place, axis in enumerate(finding.axes):
        along = [cell[place] for cell in cells]
        labels = finding.labels.get(axis)
        # As categories, labels keep their order where a pivot or a plot sorts them.
        columns[axis] = (
            along if labels is None else pd.Categorical.from_codes(along, categories=labels)
        )
    frame = pd.DataFrame(
        columns
        | {"value": finding.values[finding.present], "error": finding.errors[finding.present]},
        index=pd.Index(
            [finding.cell_name(cell) for cell in cells] if finding.axes else [finding.measure],
            name="cell",
        ),
    )
    frame.attrs = deepcopy(_about(finding))
    return frame


def _about(finding: Finding) -> dict[str, Any]:
    """What the numbers are of, in plain data: pandas compares it, and writes it as JSON."""
    return {
        "measure": finding.measure,
        "quantity": finding.quantity,
        "unit": finding.unit,
        "direction": finding.direction.value,
        "samples": finding.samples,
        "clusters": finding.clusters,
        "convention": dict(finding.convention),
        # Not the ids of drawn tokens: every frame made of this one would hold a copy of them.
        "prompts": {k: v for k, v in finding.prompts.items() if not isinstance(v, list)},
        "companion": {each.name: _behaviour(each) for each in finding.companion},
        "provenance": dict(finding.provenance),
    }


def _behaviour(behaviour: Behaviour) -> dict[str, Any]:
    return {"value": behaviour.value, "error": behaviour.error, "unit": behaviour.unit}
