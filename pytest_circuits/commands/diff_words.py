"""What a diff says of a finding beside its verdict: drift, what it is held to, where it was."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_circuits.baselines.nodeids import nodeid_of
from pytest_circuits.verdicts import default_tolerance, readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_circuits.baselines import Baseline
    from pytest_circuits.baselines.changes import Place
    from pytest_circuits.findings import Finding
    from pytest_circuits.verdicts import Allowance, Tolerance, Verdict

#: Changes of what a finding is held to that are told one by one.
_TOLD = 3
#: Decimals that numbers have, and the most that files have.
_DIGITS, _MOST_DIGITS = 2, 4


class Terms(NamedTuple):
    """One change of what a finding is held to.

    Attributes:
        words: what changed.
        looser: whether more passes now.
    """

    words: str
    looser: bool


def terms(old: Baseline, new: Baseline) -> list[Terms]:
    """What later findings are held to that is other than before, looser terms first."""
    changed = [*_tolerances(old.tolerance, new.tolerance), *_judged(old.finding, new.finding)]
    return sorted(changed, key=lambda each: not each.looser)


def own_terms(new: Baseline) -> list[Terms]:
    """What a new finding is held to that is other than the default."""
    return list(_tolerances(default_tolerance(new.finding), new.tolerance))


def terms_words(changed: Sequence[Terms], old: str, new: str) -> str:
    """Changed terms in words, with where the tolerances come from.

    Args:
        changed: at least one.
        old: the origin of the tolerances before.
        new: and now.
    """
    shown = [each.words for each in changed[:_TOLD]]
    more = f" +{len(changed) - _TOLD}" if len(changed) > _TOLD else ""
    origin = f"origin: {new}" if old == new else f"{old} → {new}"
    return f"{', '.join(shown)}{more} ({origin})"


def _tolerances(old: Tolerance, new: Tolerance) -> Iterator[Terms]:
    both = [name for name in old.behaviours if name in new.behaviours]
    pairs = {
        "a value": (old.value, new.value),
        "the whole": (old.role, new.role),
        **{readable(name): (old.behaviours[name], new.behaviours[name]) for name in both},
        "the canary": (old.canary, new.canary),
    }
    for name, (before, after) in pairs.items():
        if before != after:
            wider = after.floor > before.floor or after.share > before.share
            yield Terms(f"tolerance of {name} {_allowances(before, after)}", wider)
    if old.top != new.top:
        words = f"tolerance beside the strongest {_share(old.top)} → {_share(new.top)}"
        yield Terms(words, new.top > old.top)


def _allowances(old: Allowance, new: Allowance) -> str:
    if old.share == new.share:
        return f"{old.floor:g} → {new.floor:g}"
    if old.floor == new.floor:
        return f"{_share(old.share)} → {_share(new.share)} of it"
    return f"{old.floor:g} or {_share(old.share)} → {new.floor:g} or {_share(new.share)}"


def _share(share: float) -> str:
    return f"{100 * share:.3g} %"


def _judged(old: Finding, new: Finding) -> Iterator[Terms]:
    """What is counted at all: which heads have the role, which behaviours are held."""
    if old.role is not None and new.role is not None and old.role != new.role:
        before, after = old.role.threshold, new.role.threshold
        yield Terms(f"{new.role.name} need {before:g} → {after:g}", after > before)
    after_by_name = {behaviour.name: behaviour for behaviour in new.companion}
    for before_it in old.companion:
        after_it = after_by_name.get(before_it.name)
        if after_it is None:
            continue  # which is more than a change of terms, and has a verdict
        name = readable(before_it.name)
        if before_it.judged != after_it.judged:
            words = "is judged" if after_it.judged else "is not judged any more"
            yield Terms(f"{name} {words}", before_it.judged)
        if before_it.vital != after_it.vital:
            words = "is vital" if after_it.vital else "is not vital any more"
            yield Terms(f"{name} {words}", before_it.vital)


class _Drift(NamedTuple):
    """A number that moved: what it is called, from where to where, and what was allowed."""

    name: str
    before: float
    after: float
    allowed: float

    @property
    def share(self) -> float:
        """How much of its tolerance it took."""
        moved = abs(self.after - self.before)
        return moved / self.allowed if self.allowed > 0 else math.inf


def drift(old: Baseline, new: Baseline, verdict: Verdict) -> str:
    """How far a preserved finding drifted: the number that took most of its tolerance.

    Drift that is approved again and again adds up, and no single verdict tells of it.
    """
    moved = [each for each in _drifts(old, new, verdict) if each.after != each.before]
    moved = [each for each in moved if math.isfinite(each.after - each.before)]
    if not moved:
        return f"nothing that is judged: {', '.join(_fields(old, new)) or 'only its place'}"
    most = max(moved, key=lambda each: each.share)
    taken = max(1, round(100 * most.share)) if math.isfinite(most.share) else "more than 100"
    return f"{most.name} {_move(most.before, most.after)}, {taken} % of its tolerance"


def _drifts(old: Baseline, new: Baseline, verdict: Verdict) -> Iterator[_Drift]:
    approved, found = old.finding, new.finding
    if not approved.axes:
        before = float(approved.values)
        allowed = old.tolerance.value.of(before)
        yield _Drift(approved.quantity, before, float(found.values), allowed)
    elif not (approved.undefined or found.undefined):
        yield from _cells(old, found)
    judged = {behaviour.name for behaviour in approved.companion if behaviour.held}
    movements = [each for each in verdict.companion if each.name in judged]
    for each in (*movements, *([verdict.canary] if verdict.canary else [])):
        yield _Drift(readable(each.name), each.before, each.after, each.tolerance)


def _cells(old: Baseline, found: Finding) -> Iterator[_Drift]:
    """The heads that have or had the role; all cells where there is none."""
    approved, tolerance = old.finding, old.tolerance.among(old.finding)
    if approved.role is None:
        cells = list(np.ndindex(approved.values.shape))
    else:
        heads = {**approved.members(), **found.members(approved.role.threshold)}
        cells = [(head.layer, head.head_index) for head in heads]
    for cell in cells:
        before = float(approved.values[cell])
        after = float(found.values[cell])
        if before != after:
            yield _Drift(found.cell_name(cell), before, after, tolerance.value.of(before))


def _move(before: float, after: float) -> str:
    """From one number to another, with as many digits as tell them apart."""
    for digits in range(_DIGITS, _MOST_DIGITS + 1):
        one, other = f"{before:.{digits}f}", f"{after:.{digits}f}"
        if one != other:
            break
    return f"{one}→{other}"


def _fields(old: Baseline, new: Baseline) -> list[str]:
    """The parts of two baselines that differ."""
    before, after = old.document(), new.document()
    left_out = ("name", "recorded_with", "tolerance")
    names = [name for name in before | after if name not in left_out]
    return [readable(name) for name in names if before.get(name) != after.get(name)]


def was_words(place: Place, was: Place, top: Path) -> str:
    """Where a finding was before, as much of it as is other now."""
    one, other = was.location, place.location
    test = ""
    if (one.folder, one.module) != (other.folder, other.module):
        test = nodeid_of(one, top)
    elif one.name != other.name or was.name != place.name:
        test = nodeid_of(one, top).partition("::")[2]
    if was.name and test:
        test += f" ({was.name})"
    alias = f"of {one.alias}" if test else f"{one.alias}'s"
    words = [test, alias if one.alias != other.alias else ""]
    return f"was {' '.join(filter(None, words))}"
