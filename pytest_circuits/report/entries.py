"""What a table of heads is made of: a head, or what else has a value, before and now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits.verdicts.verdict import HAIR

if TYPE_CHECKING:
    from pytest_circuits.findings import Null


@dataclass(frozen=True)
class Entry:
    """One head, cell, behaviour or number, before and now.

    Attributes:
        name: what it is called.
        now: its value; NaN where it is undefined.
        before: the baseline's; NaN where it is undefined, None without a baseline.
        tolerance: how far it may move; None where nothing is held against it.
        error: the standard error of its value; None where that isn't known.
        null: what its value is held against, where that is known.
        happened: what happened to it; empty where it is within tolerance.
        unit: its unit, where its table has several.
    """

    name: str
    now: float
    before: float | None = None
    tolerance: float | None = None
    error: float | None = None
    null: Null | None = None
    happened: str = ""
    unit: str = ""

    @property
    def change(self) -> float | None:
        """How far it moved; None where that can't be said."""
        change = math.nan if self.before is None else self.now - self.before
        return None if math.isnan(change) else change

    @property
    def beyond(self) -> bool:
        """Whether it moved by more than its tolerance."""
        if self.change is None or self.tolerance is None:
            return False
        return abs(self.change) > self.tolerance + HAIR


@dataclass(frozen=True)
class Story:
    """A finding, as far as a table tells it.

    Attributes:
        about: what its values are.
        kind: what an entry is: head, cell, or nothing for one number.
        entries: the heads or cells that matter, worst first; or the one number.
        more: how many are left out, and how many of those are beyond tolerance.
        together: the role as a whole, or the matrix where something happened to it.
        behaviours: its companion behaviours.
        notes: what else must be known to read it.
    """

    about: str
    kind: str
    entries: tuple[Entry, ...]
    more: tuple[int, int]
    together: tuple[Entry, ...]
    behaviours: tuple[Entry, ...]
    notes: tuple[str, ...]
