"""How far back the attention of two models looks, by what is noted beside their findings."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pytest_circuits.findings import Finding


class Narrowed(NamedTuple):
    """A layer whose attention can't look as far back as it could.

    Attributes:
        before: its window in tokens; 0 where it saw everything.
        after: its window now.
    """

    before: int
    after: int


def windows(finding: Finding) -> list[int]:
    """The window of each layer, 0 where it sees everything; one number where all are alike."""
    noted = finding.provenance.get("attention_window", 0)
    return [
        window if isinstance(window, int) else 0
        for window in (noted if isinstance(noted, list) and noted else [noted])
    ]


def narrowed(found: Finding, approved: Finding) -> list[Narrowed]:
    """The layers that see less than those of the baseline, those that see least first."""
    before, after = windows(approved), windows(found)
    layers = [
        Narrowed(before[layer % len(before)], after[layer % len(after)])
        for layer in range(max(len(before), len(after)))
    ]
    less = [layer for layer in layers if 0 < layer.after < (layer.before or inf)]
    return sorted(less, key=lambda layer: layer.after)
