"""What a run says of a model as a whole: whose baselines served, and how far its changes reach."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.report.reading import changed
from pytest_circuits.verdicts import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Model


class Canary(NamedTuple):
    """The loss on a fixed text, in the baselines and now, and what it says of changes."""

    before: float
    after: float
    scope: Scope


def canary_of(rows: Sequence[Row]) -> Canary | None:
    """What the canary says of the model that the rows are of; None where it can't be compared.

    Baselines of several owners can hold several losses. That of a finding that changed counts
    more than that of a preserved one, and then the one that moved furthest.
    """
    known = [row for row in rows if row.canary]
    if not known:
        return None

    def weight(row: Row) -> tuple[bool, bool, float]:
        before, after = row.canary
        return changed(row), row.scope == Scope.WHOLE_MODEL, abs(after - before)

    heaviest = max(known, key=weight)
    before, after = heaviest.canary
    return Canary(before, after, Scope(heaviest.scope))


def model_line(model: Model, rows: Sequence[Row]) -> str:
    """What it was measured with, whose baselines served, and whether the whole model moved.

    Empty where it was measured as all were, has only its own baselines and nothing changed.
    """
    facts = [fact for fact in (_options(model), _whose(model, rows), _reach(rows)) if fact]
    return f"{model.alias}: {'; '.join(facts)}" if facts else ""


def redundant_line(model: Model, rows: Sequence[Row]) -> str:
    """How many of a model's own baselines need not be there; empty where all need."""
    count = sum(row.redundant for row in rows)
    if not count:
        return ""
    equal = "baseline equals its parent's" if count == 1 else "baselines equal their parent's"
    return f"{model.alias}: {count} {equal}: pytest-circuits prune"


def _options(model: Model) -> str:
    return f"measured with {' '.join(model.options)}" if model.options else ""


def _whose(model: Model, rows: Sequence[Row]) -> str:
    served = Counter(row.owner for row in rows)
    used = [owner for owner in model.owners if served[owner]]
    if used in ([], [model.alias]):
        return ""
    if len(used) == 1:
        return f"held against {used[0]}"
    first, *others = [
        (served[owner], "its own" if owner == model.alias else owner) for owner in used
    ]
    count, whose = first
    noun = "baseline" if count == 1 else "baselines"
    return ", ".join([f"{count} {noun} of {whose}", *(f"{n} of {who}" for n, who in others)])


def _reach(rows: Sequence[Row]) -> str:
    """How far the changes reach, or why that can't be said; empty where nothing changed."""
    news = [row for row in rows if changed(row)]
    canary = canary_of(rows)
    if news and canary:
        whole = canary.scope is Scope.WHOLE_MODEL
        reach = "the whole model moved" if whole else "changes are specific"
        return f"{reach} (canary {canary.before:.2f} → {canary.after:.2f})"
    if any(row.no_canary for row in news):
        return "its baselines hold no canary (approve anew to get one)"
    return ""
