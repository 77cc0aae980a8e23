"""What later findings are held to, and what became of that."""

from __future__ import annotations

import operator
from dataclasses import astuple, replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.findings import Direction
from pytest_circuits.findings.statistics import t95
from pytest_circuits.verdicts import default_tolerance, readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_circuits.baselines import Baseline
    from pytest_circuits.findings import Behaviour, Finding, Role
    from pytest_circuits.verdicts import Allowance, Tolerance

#: Changes of what a finding is held to that are told one by one.
_TOLD = 3


class Terms(NamedTuple):
    """One change of what a finding is held to.

    Attributes:
        words: what changed.
        looser: whether more passes now, or less is looked at; None where neither is so.
    """

    words: str
    looser: bool | None


def terms(old: Baseline, new: Baseline) -> list[Terms]:
    """What later findings are held to that is other than before, looser terms first."""
    changed = [*_tolerances(old.tolerance, new.tolerance), *_judged(old.finding, new.finding)]
    return sorted(changed, key=lambda each: (True, False, None).index(each.looser))


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
            wider = any(map(operator.gt, astuple(after), astuple(before)))
            yield Terms(f"tolerance of {name} {_allowances(before, after)}", wider)
    if old.top != new.top:
        words = f"tolerance beside the strongest {_share(old.top)} → {_share(new.top)}"
        yield Terms(words, new.top > old.top)


def _allowances(old: Allowance, new: Allowance) -> str:
    if replace(old, floor=new.floor) == new:
        return f"{old.floor:g} → {new.floor:g}"
    if replace(old, share=new.share) == new:
        return f"{_share(old.share)} → {_share(new.share)} of it"
    if replace(old, least=new.least) == new:
        return f"at least {old.least:g} → {new.least:g}"
    return f"{_allowance(old)} → {_allowance(new)}"


def _allowance(allowance: Allowance) -> str:
    least = f", at least {allowance.least:g}" if allowance.least else ""
    return f"{allowance.floor:g} or {_share(allowance.share)}{least}"


def _share(share: float) -> str:
    return f"{100 * share:.3g} %"


def _judged(old: Finding, new: Finding) -> Iterator[Terms]:
    """What is counted at all: which heads have the role, which behaviours are held, and so on.

    What makes it another quantity is not among them: it has a verdict, incomparable.
    """
    if old.role is not None and new.role is not None:
        yield from _of_role(old, new)
    elif old.role is not None:
        yield Terms(f"no role any more, which was {_role(old.role)}", looser=True)
    elif new.role is not None:
        # Of heads outside the role nothing is held.
        yield Terms(f"of all values only {_role(new.role)} are judged", looser=True)
    if not (old.axes or new.axes):
        name = new.quantity
        yield from _of_distinct(name, old.as_behaviour().indistinct, new.as_behaviour().indistinct)
        yield from _of_null(name, old.measure, old, new)
    after_by_name = {behaviour.name: behaviour for behaviour in new.companion}
    for before in old.companion:
        after = after_by_name.pop(before.name, None)
        if after is not None:  # or else it is more than a change of terms, and has a verdict
            yield from _of_behaviour(before, after)
    for added in after_by_name.values():
        if added.held:
            yield Terms(f"{readable(added.name)} is judged too", looser=False)
    yield from _of_canary(old, new)


def _role(role: Role) -> str:
    return f"{role.name} of {role.threshold:g}"


def _of_role(old: Finding, new: Finding) -> Iterator[Terms]:
    before, after = old.role, new.role
    assert before is not None
    assert after is not None
    if before.threshold != after.threshold:
        words = f"{after.name} need {before.threshold:g} → {after.threshold:g}"
        yield Terms(words, after.threshold > before.threshold)
    if before.name != after.name:
        yield Terms(f"{before.name} are called {after.name}", looser=None)
    if Direction.TWO_SIDED in (old.direction, new.direction):
        yield from _of_distinct(after.name, not _any_distinct(old), not _any_distinct(new))
    strong = replace(new, nulls={}).members()
    for head in (head for head in replace(old, nulls={}).members() if head in strong):
        yield from _of_null(str(head), str(head), old, new)
        there = [str(head) in each.profiles for each in (old, new)]
        if there == [True, False]:
            # Without a profile it can't be found to have moved, and a head that did is a loss.
            yield Terms(f"no profile of {head} any more", looser=False)
        elif there == [False, True]:
            yield Terms(f"{head} has a profile", looser=True)


def _any_distinct(finding: Finding) -> bool:
    """Whether any head of a two-sided role can be told from nothing."""
    margin = t95(finding.clusters) * finding.errors
    return any(abs(value) > margin[head] for head, value in finding.members().items())


def _of_distinct(name: str, was_not: bool, is_not: bool) -> Iterator[Terms]:  # noqa: FBT001
    """What can't be told from nothing can't be lost."""
    if was_not != is_not:
        words = "not distinct from 0 any more" if is_not else "distinct from 0 now"
        yield Terms(f"{name} {words}", is_not)


def _of_null(name: str, label: str, old: Finding, new: Finding) -> Iterator[Terms]:
    was, now = old.nulls.get(label), new.nulls.get(label)
    if now is None:
        if was is not None and was.rejected:
            yield Terms(f"no null of {name} any more", looser=True)
    elif was is None:
        yield Terms(f"{name} has a null", looser=not now.rejected)
    elif was.rejected != now.rejected:
        words = "told from its null now" if now.rejected else "not told from its null any more"
        yield Terms(f"{name} {words}", was.rejected)


def _of_behaviour(before: Behaviour, after: Behaviour) -> Iterator[Terms]:
    name = readable(before.name)
    if before.judged != after.judged:
        words = "is judged" if after.judged else "is not judged any more"
        yield Terms(f"{name} {words}", before.judged)
    if before.vital != after.vital:
        words = "is vital" if after.vital else "is not vital any more"
        yield Terms(f"{name} {words}", before.vital)
    elif before.vital:
        yield from _of_distinct(name, before.indistinct, after.indistinct)


def _of_canary(old: Finding, new: Finding) -> Iterator[Terms]:
    before, after = old.canary, new.canary
    if before is None or after is None:
        if before is not None:
            yield Terms("no canary any more", looser=True)
        elif after is not None:
            yield Terms("there is a canary now", looser=False)
    elif (before.kind, before.tokens) != (after.kind, after.tokens):
        yield Terms("the canary is a loss on other tokens", looser=True)
