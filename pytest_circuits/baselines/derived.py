"""What a baseline says twice: whether a summary still follows from the numbers beside it.

A file holds what a reviewer wants to read (who is in the role, means, errors, intervals) beside
what it follows from. An edit or a merge that changes one of the two leaves a file that says one
thing to a reader and another to a run. Everything that can be computed again is, within the digits
that are stored.

An approval keeps the digits of a number that moved by one unit of its last place. So a stored
number is at most one and a half units off what was measured, and its mean over samples too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.findings import Head
from pytest_circuits.findings.digits import places
from pytest_circuits.findings.finding import SHARE
from pytest_circuits.findings.statistics import linearised, mean_and_error, share_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from pytest_circuits.findings import Behaviour, Finding

#: Units of the last place by which a stored number may be off what was measured.
_OFF = 1.5
#: What a number may be off that was rounded once: half a unit, and what floats add to it.
_ROUNDED = 0.501
#: What floats may add to that, as a share of a number.
_EXACT = 1e-9
#: Behaviours that are the difference of two others, by how those begin.
_SIDES = (("clean_", "corrupted_"), ("whole_", "empty_"))


def contradiction(document: Mapping[str, Any], finding: Finding) -> str | None:
    """The first field of a finding's document that its other fields contradict, or None.

    Args:
        document: what a file holds.
        finding: what was read from it.
    """
    parts = (_of_role, _of_counts, _of_behaviours)
    for part in parts:
        for problem in part(document, finding):
            return problem
    return next(_of_profiles(finding), None)


def _of_role(document: Mapping[str, Any], finding: Finding) -> Iterator[str]:
    """That its list of members says who is in the role, and with which values."""
    if finding.role is None:
        return
    said, unit = document["role"]["members"], _unit(finding.values, finding.unit)
    members = {str(head): value for head, value in finding.members().items()}
    for head, value in said.items():
        if head not in members:
            yield (
                f"role.members names {head}, which by values, role.threshold and nulls is not in "
                f"the role"
            )
        elif abs(value - members[head]) > _ROUNDED * unit:
            yield f"role.members says {head} {value:g}, and values says {members[head]:g}"
    for head, value in members.items():
        if head not in said:
            yield (
                f"role.members has no {head}, which by values ({value:g}), role.threshold "
                f"({finding.role.threshold:g}) and nulls is in the role"
            )


def _of_counts(document: Mapping[str, Any], finding: Finding) -> Iterator[str]:
    """That all that counts samples comes to the same."""
    samples, prompts = finding.samples, document["prompts"]
    if finding.clusters > samples:
        yield f"clusters is {finding.clusters}, and there are {samples} samples"
    for behaviour in finding.companion:
        # A companion on a second seed has sequences of its own.
        if behaviour.clusters > samples and not behaviour.name.endswith("_second_seed"):
            name = f"companion.{behaviour.name}.clusters"
            yield f"{name} is {behaviour.clusters}, and there are {samples} samples"
    if finding.clusters == 1 and np.isfinite(finding.errors).any():
        yield "errors are there, and a single cluster has none"
    count, ids = prompts.get("count"), prompts.get("ids")
    if isinstance(count, int) and count != samples:
        yield f"prompts.count is {count}, and samples is {samples}"
    if isinstance(ids, list) and len(ids) != samples:
        yield f"prompts.ids has {len(ids)} rows, and samples is {samples}"


def _of_behaviours(_: Mapping[str, Any], finding: Finding) -> Iterator[str]:
    """That the behaviours follow from their samples, and from each other."""
    values = {behaviour.name: behaviour for behaviour in finding.companion}
    for name, behaviour in values.items():
        where, unit = f"companion.{name}", _unit(behaviour.value, behaviour.unit)
        if behaviour.profile is not None:
            profile = f"{where}.profile"
            if behaviour.profile.shape != (finding.samples,):
                yield _no_samples(profile, behaviour.profile, finding.samples)
                return
            stored = behaviour.value, behaviour.error
            is_own = behaviour.clusters == finding.samples
            yield from _of_samples(
                (f"{where}.value", f"{where}.error"),
                stored,
                behaviour.profile,
                profile,
                unit,
                with_error=is_own,
            )
        if behaviour.interval is not None:
            yield from _of_interval(f"{where}.interval", behaviour, unit)
        if not name.endswith("_gap"):
            continue
        for sides in _SIDES:
            one, other = (
                next((b for label, b in values.items() if label.startswith(side)), None)
                for side in sides
            )
            if one is None or other is None:
                continue
            apart = abs(one.value - other.value)
            off = _OFF * (unit + sum(_unit(b.value, b.unit) for b in (one, other)))
            if abs(apart - abs(behaviour.value)) > off:
                yield (
                    f"{where}.value is {behaviour.value:g}, and {one.name} and {other.name} are "
                    f"{apart:g} apart"
                )


def _of_interval(where: str, behaviour: Behaviour, unit: float) -> Iterator[str]:
    """That an exact interval is that of its share, with clusters as trials."""
    assert behaviour.interval is not None
    low, high = behaviour.interval
    off = _OFF * unit
    if not low - off <= behaviour.value <= high + off:
        yield f"{where} is {low:g} to {high:g}, and value is {behaviour.value:g}"
    if not behaviour.unit.startswith(SHARE):
        return
    # A share that is stored a little less than it was may count a success less.
    ends = np.clip([behaviour.value - off, behaviour.value + off], 0, 1)
    for name, stored, upper in (("lower", low, False), ("upper", high, True)):
        least, most = share_bounds(ends, behaviour.clusters, upper=upper, tail=0.025)
        if not least - off <= stored <= most + off:
            share = np.array(behaviour.value)
            bound = float(share_bounds(share, behaviour.clusters, upper=upper, tail=0.025))
            yield (
                f"{where} has the {name} bound {stored:g}, and {behaviour.value:g} of "
                f"{behaviour.clusters} clusters has {bound:.4g}"
            )


def _of_profiles(finding: Finding) -> Iterator[str]:
    """That values and errors follow from the samples that are kept."""
    if finding.undefined:
        return
    unit, whole, own = _unit(finding.values, finding.unit), None, finding.unit
    if finding.relative_to is not None:
        whole = finding.behaviour(finding.relative_to)
        if whole.profile is None:
            return
        own = whole.unit
    for label, profile in finding.profiles.items():
        cell = _cell(finding, label)
        if cell is None:
            continue
        where = f"profiles.{label}"
        if profile.shape != (finding.samples,):
            yield _no_samples(where, profile, finding.samples)
            return
        samples, off = profile, unit
        if whole is not None and whole.profile is not None:
            samples = linearised(profile, whole.profile)
            # Of a fraction both parts are rounded.
            rounded = unit + abs(float(finding.values[cell])) * _unit(whole.value, own)
            off = max(unit, rounded / abs(float(whole.profile.mean())))
        stored = float(finding.values[cell]), float(finding.errors[cell])
        name = f"[{']['.join(map(str, cell))}]" if cell else ""
        yield from _of_samples(
            (f"values{name}", f"errors{name}"),
            stored,
            samples,
            where,
            off,
            with_error=finding.clusters == finding.samples,
        )


def _cell(finding: Finding, label: str) -> tuple[int, ...] | None:
    """The cell that a profile is of; None where nobody knows."""
    if not finding.axes:
        return () if label == finding.measure else None
    if finding.axes != ("layer", "head"):
        return None
    try:
        head = Head.parse(label)
    except ValueError:
        return None
    layers, heads = finding.values.shape
    inside = head.layer < layers and head.head_index < heads
    return (head.layer, head.head_index) if inside else None


def _of_samples(
    names: tuple[str, str],
    stored: tuple[float, float],
    samples: NDArray[np.float64],
    where: str,
    unit: float,
    *,
    with_error: bool,
) -> Iterator[str]:
    """That a mean is that of its samples; and its error, where each is a cluster of its own."""
    mean, error = map(float, mean_and_error(samples, range(len(samples))))
    for name, said, found in zip(names, stored, (mean, error), strict=True):
        off = 2 * _OFF * unit + _EXACT * abs(found)
        if math.isfinite(said) and math.isfinite(found) and abs(said - found) > off:
            what = "the mean" if name == names[0] else "the error of the mean"
            yield f"{name} is {said:g}, and {what} of {where} is {found:.4g}"
        if not with_error:
            return


def _no_samples(where: str, profile: NDArray[np.float64], samples: int) -> str:
    return f"{where} has {profile.size} numbers, and samples is {samples}"


def _unit(values: Any, unit: str) -> float:  # noqa: ANN401 — a number or an array
    """The last place that numbers of a unit are stored with."""
    return float(10.0 ** -places(values, unit))
