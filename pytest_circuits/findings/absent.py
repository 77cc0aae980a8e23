"""Cells that a model does not have: what can be one, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_circuits.findings.finding import Finding

#: Cells that an error names.
_NAMED = 3


def problem(finding: Finding) -> str:
    """What is wrong with a finding's absent cells; empty if nothing is."""
    absent, values = finding.absent, finding.values
    if absent is None:
        return ""
    if absent.shape != values.shape or absent.dtype != np.bool_:
        return (
            f"absent is true or false for each value, not {absent.dtype} {absent.shape} for values "
            f"{values.shape}"
        )
    if absent.all():
        return "the model has none of the cells"
    named = {finding.cell_name(cell) for cell in indices(absent)}
    wrong = names(finding, absent & ~(np.isnan(values) & np.isnan(finding.errors)))
    wrong += [name for name in (*finding.profiles, *finding.nulls) if name in named]
    if wrong:
        listed = ", ".join(wrong[:_NAMED])
        return f"there are numbers of cells that the model does not have ({listed})"
    return ""


def names(finding: Finding, chosen: NDArray[np.bool_]) -> list[str]:
    """The names of the first few cells that were chosen; none of one number."""
    cells = indices(chosen)[:_NAMED] if finding.axes else []
    return [finding.cell_name(cell) for cell in cells]


def indices(chosen: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """The indices of the cells that were chosen, one for each axis."""
    return [tuple(cell) for cell in np.argwhere(chosen).tolist()]


def without_value(values: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """The cells that are absent, by what a file holds: those without a value beside others.

    Where no cell has one, the finding is undefined, and which of them the model has is not known.
    """
    missing = np.isnan(values)
    return missing if missing.any() and not missing.all() else None


def extent(finding: Finding, cell: Sequence[int]) -> str:
    """What the model has where a cell is or would be.

    ``layer 0 has no heads``, ``layer 2 has 4 heads``, ``layer 3 has values``, ``L0 attn has no
    value``.
    """
    there = finding.present[cell[0]]
    if finding.axes[:2] == ("layer", "head"):
        heads = there.reshape(len(there), -1).any(axis=1)
        if there[tuple(cell[1:])] or not heads[cell[1]]:
            return f"layer {cell[0]} has {_heads(np.flatnonzero(heads).tolist())}"
    elif finding.axes[0] == "layer" and there.all() == there.any():
        return f"layer {cell[0]} has {'values' if there.any() else 'no values'}"
    value = "a value" if there[tuple(cell[1:])] else "no value"
    return f"{finding.cell_name(cell)} has {value}"


def _heads(indices: Sequence[int]) -> str:
    if not indices:
        return "no heads"
    several = "s" if len(indices) > 1 else ""
    if indices[-1] >= len(indices):
        return f"only head{several} {', '.join(map(str, indices))}"
    return f"{len(indices)} head{several}"
