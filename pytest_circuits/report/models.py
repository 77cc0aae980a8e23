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


def model_line(model: Model, rows: Sequence[Row], width: int) -> str:
    """Whose baselines served for a model, and whether the whole model moved.

    Empty where it has only its own baselines and nothing changed. The losses are left out where
    they don't fit.

    Args:
        model: the model.
        rows: its rows.
        width: columns there are.
    """
    canary = canary_of(rows) if any(map(changed, rows)) else None
    facts = [fact for fact in (_whose(model, rows), _reach(canary)) if fact]
    if not facts:
        return ""
    text = f"{model.alias}: {'; '.join(facts)}"
    if canary is None:
        return text
    with_losses = f"{text} (canary {canary.before:.2f} → {canary.after:.2f})"
    return with_losses if len(with_losses) <= width else text


def redundant_line(model: Model, rows: Sequence[Row]) -> str:
    """How many of a model's own baselines need not be there; empty where all need."""
    count = sum(row.redundant for row in rows)
    if not count:
        return ""
    say = "baseline says" if count == 1 else "baselines say"
    return f"{model.alias}: {count} {say} the same as its parent's: pytest-circuits prune"


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


def _reach(canary: Canary | None) -> str:
    if canary is None:
        return ""
    if canary.scope is Scope.WHOLE_MODEL:
        return "the whole model moved"
    return "changes are specific"
