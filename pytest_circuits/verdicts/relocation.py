"""Which head does now what another head did: the map behind a relocated role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings import Direction, Head
from pytest_circuits.verdicts.verdict import HAIR, within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set as AbstractSet

    from numpy.typing import NDArray

    from pytest_circuits.findings import Finding
    from pytest_circuits.verdicts.tolerances import Tolerance


@dataclass(frozen=True)
class Cast:
    """A finding, and its heads that have the role.

    Attributes:
        finding: what was measured.
        members: the heads that have the role.
        threshold: the role's.
    """

    finding: Finding
    members: AbstractSet[Head]
    threshold: float

    def value(self, head: Head) -> float:
        """A head's value."""
        return float(self.finding.values[head])

    def nearly(self, tolerance: Tolerance) -> set[Head]:
        """Heads that miss the threshold by no more than their tolerance."""
        values = self.finding.values
        strengths = np.abs(values) if self.finding.direction is Direction.TWO_SIDED else values
        below = [Head(*map(int, cell)) for cell in np.argwhere(strengths < self.threshold)]
        return {
            head
            for head in below
            if within(self.threshold - strengths[head], tolerance.value.of(self.value(head)))
        }


def takeovers(
    was: Cast, now: Cast, unchanged: AbstractSet[Head], tolerance: Tolerance
) -> dict[Head, Head]:
    """Where the parts of a role's heads went, one to one; only of those that went elsewhere.

    Two heads do the same if their values have the same sign and their profiles (the values on
    each sample) differ, in the mean of absolute differences, by no more than the tolerance of
    the value. A head may miss the threshold by no more than its tolerance, so that a role may move
    and waver at once; where it did so in the baseline it has no profile there, and goes by its
    value.

    Heads that are unchanged stay where they are, unless others could not be mapped without them.
    A head that had the role before takes another's part only if its own is taken over in turn:
    else the role has one head less, and the rest compensate. A head that still has the role gave
    its part away only if it has another's now: else it has changed, and another joined.

    Args:
        was: the heads in the baseline.
        now: the heads in what was found.
        unchanged: heads whose values are what they were.
        tolerance: the baseline's tolerance.
    """
    # Members last, so that who only nearly had the role can't make room for one that is gone.
    parts = [*sorted(was.nearly(tolerance)), *sorted(was.members)]
    places = sorted(now.members | now.nearly(tolerance))
    distances = _distances(was, parts, now, places, tolerance)
    at = {head: place for place, head in enumerate(places)}
    stay = {}
    for part, head in enumerate(parts):
        if head in at:
            distances[part, at[head]] = np.inf
            if head in unchanged:
                stay[part] = at[head]
    while True:
        matched = _one_to_one(distances, stay)
        taken = {parts[part]: places[place] for part, place in matched.items()}
        filled = set(taken.values())
        # Places whose own parts went nowhere, and parts whose own places nobody fills.
        vacated = [at[head] for head in was.members - taken.keys() if head in filled]
        doubled = [
            p for p, head in enumerate(parts) if p in matched and head in now.members - filled
        ]
        if not vacated and not doubled:
            break
        distances[:, vacated] = np.inf
        distances[doubled] = np.inf
    return {
        old: new
        for old, new in taken.items()
        if old != new and (old in was.members or new in now.members)
    }


def _distances(
    was: Cast, parts: list[Head], now: Cast, places: list[Head], tolerance: Tolerance
) -> NDArray[np.float64]:
    """How unlike each head is now ``[place]`` to what each did ``[part]``; infinite: too much."""
    profiles, known = _profiles(now.finding, places)
    profiles, approved, unit = profiles / _unit(now.finding), was.finding, _unit(was.finding)
    values = np.array([now.value(head) for head in places])
    distances = np.full((len(parts), len(places)), np.inf)
    for row, head in zip(distances, parts, strict=True):
        value = was.value(head)
        profile = approved.profiles.get(str(head))
        if profile is not None and profile.shape == profiles.shape[1:]:
            row[known] = np.abs(profiles - profile / unit).mean(axis=1)
        if head not in was.members:
            row[np.isinf(row)] = np.abs(values - value)[np.isinf(row)]
        # Also the values themselves: a fraction is more than the mean of its profile.
        unlike = np.maximum(row, np.abs(values - value)) > tolerance.value.of(value) + HAIR
        row[unlike | ((values >= 0) != (value >= 0))] = np.inf
    return distances


def _unit(finding: Finding) -> float:
    """What a profile is divided by to be what the values are: a fraction of the finding's own."""
    return 1.0 if finding.relative_to is None else finding.behaviour(finding.relative_to).value


def _profiles(finding: Finding, heads: list[Head]) -> tuple[NDArray[np.float64], list[int]]:
    """The profiles that are known ``[known, sample]``, and whose they are."""
    known = [place for place, head in enumerate(heads) if str(head) in finding.profiles]
    profiles = [finding.profiles[str(heads[place])] for place in known]
    return (np.stack(profiles) if profiles else np.empty((0, 0))), known


def _one_to_one(distances: NDArray[np.float64], stay: Mapping[int, int]) -> dict[int, int]:
    """A place for as many parts as possible, the most alike first (Kuhn 1955).

    Args:
        distances: ``[part, place]``; infinite where they do not fit.
        stay: parts that have a place. They keep one, if not always this one.
    """
    fits = [np.flatnonzero(row < np.inf).tolist() for row in distances]
    wanted = {place for places in fits for place in places}
    taken, holder = dict(stay), {place: part for part, place in stay.items()}
    movers = [part for part in range(len(fits)) if part not in stay]
    order = np.argsort(distances[movers], axis=None, kind="stable")
    for cell in order[: sum(len(fits[part]) for part in movers)].tolist():
        mover, place = divmod(cell, distances.shape[1])
        if movers[mover] not in taken and place not in holder:
            taken[movers[mover]], holder[place] = place, movers[mover]
    hopeless: set[int] = set()
    for part in movers:
        if part not in taken and not wanted <= holder.keys():
            _make_room(part, fits, taken, holder, hopeless)
    return taken


def _make_room(
    newcomer: int,
    fits: Sequence[Sequence[int]],
    taken: dict[int, int],
    holder: dict[int, int],
    hopeless: set[int],
) -> None:
    """Give a part a place by moving as few others as possible, each to a place that fits it."""
    reached: dict[int, int] = {}
    queue = [newcomer]
    for part in queue:
        for place in fits[part]:
            if place in reached or place in hopeless:
                continue
            reached[place] = part
            if place in holder:
                queue.append(holder[place])
                continue
            vacant: int | None = place
            while vacant is not None:
                mover = reached[vacant]
                left = taken.get(mover)
                taken[mover], holder[vacant] = vacant, mover
                vacant = left
            return
    hopeless.update(reached)  # what leads nowhere now leads nowhere later
