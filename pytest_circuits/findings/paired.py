"""Two findings on the same prompts: how far apart they are, prompt by prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings.quantity import differing
from pytest_circuits.findings.statistics import interval, linearised, mean_and_error, sign_flip_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_circuits.findings.finding import Finding

#: What has to be equal too, or the samples of two findings of one quantity are no pairs.
_EQUAL = ("samples", "clusters")


class PairingError(ValueError):
    """Two findings can't be compared sample by sample; the message says why."""


@dataclass(frozen=True)
class PairedDifference:
    """The mean of paired differences, and how sure it is.

    Attributes:
        mean: the mean over samples of found − approved, in the findings' unit.
        error: its standard error over clusters; NaN with a single cluster.
        interval: its 95 % interval, as :func:`.statistics.interval` has it.
        p: two-sided p of a mean other than 0, by flips of whole clusters' signs, over all
            differences at once (:func:`.statistics.sign_flip_p`).
        clusters: how many clusters the error counts.
    """

    mean: float
    error: float
    interval: tuple[float, float]
    p: float
    clusters: int


def paired_differences(found: Finding, approved: Finding) -> dict[str, PairedDifference]:
    """How far a finding lies from another on the same prompts, by paired differences.

    With d_i = found_i − approved_i for sample i, mean d̄ = Σ d_i / N and its error over clusters
    (:func:`.statistics.mean_and_error`). What prompts have in common cancels, so that the error is
    that of the change and not that of the values.

    Values that are fractions of a behaviour have no samples of their own: the linearised samples of
    the ratio are compared (:func:`.statistics.linearised`).

    Args:
        found: what was measured.
        approved: what it is held against, such as a baseline's finding.

    Returns:
        the differences by head label, or by the measure's name for one number: all of which both
        findings keep samples. A baseline keeps those of a role's members.

    Raises:
        PairingError: if the two are not the same quantity on the same prompts, or keep no samples
            of the same thing, or don't say which samples make a cluster.
    """
    unlike = [
        *differing(found, approved),
        *(name for name in _EQUAL if getattr(found, name) != getattr(approved, name)),
    ]
    if unlike:
        raise PairingError(
            f"{found.measure}: these findings are not of the same prompts and conventions (they "
            f"differ in {', '.join(unlike)}). Measure both with the same."
        )
    now, before = _samples(found), _samples(approved)
    common = [label for label in now if label in before]
    if not common:
        raise PairingError(
            f"{found.measure}: the two findings keep no samples of the same value. Compare "
            f"findings of one number, or with heads in a role."
        )
    clusters = _clustering(found, approved)
    differences = np.stack([now[label] - before[label] for label in common], axis=1)
    means, errors = mean_and_error(differences, clusters)
    lows, highs = interval(differences, clusters)
    p = sign_flip_p(differences, clusters)
    return {
        label: PairedDifference(
            float(means[place]),
            float(errors[place]),
            (float(lows[place]), float(highs[place])),
            float(p[place]),
            len(set(clusters)),
        )
        for place, label in enumerate(common)
    }


def _samples(finding: Finding) -> dict[str, NDArray[np.float64]]:
    """The samples of each value, by label: ``[sample]``, with the value as their mean."""
    if finding.undefined:
        return {}
    profiles = {
        label: profile
        for label, profile in finding.profiles.items()
        if profile.shape == (finding.samples,)
    }
    if finding.relative_to is None:
        return profiles
    whole = finding.behaviour(finding.relative_to).profile
    if whole is None:
        return {}
    return {label: linearised(profile, whole) for label, profile in profiles.items()}


def _clustering(found: Finding, approved: Finding) -> Sequence[object]:
    known = found.clustering or approved.clustering
    if known:
        return known
    if found.samples == found.clusters:
        return range(found.samples)
    raise PairingError(
        f"{found.measure}: which of the {found.samples} samples make the {found.clusters} clusters "
        f"is in no file. Measure one of the two findings in this run."
    )
