"""A finding whole, with the baseline it was held against: what a report shows beyond a line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_circuits.baselines import Baseline, BaselineError
from pytest_circuits.baselines.codec import check
from pytest_circuits.findings.encoding import encode, rounded
from pytest_circuits.verdicts import default_tolerance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_circuits.findings import Finding, Json

#: Heads beside those that have or had the role, of which the values of each sample are kept.
_FURTHER_HEADS = 4


@dataclass(frozen=True)
class Details:
    """A finding and its baseline.

    Attributes:
        found: what was measured, with the tolerance it was held to. Its profiles are those of the
            heads that have the role, that had it, and of the strongest others.
        approved: its baseline; None where it has none.
    """

    found: Baseline
    approved: Baseline | None

    @classmethod
    def of(cls, name: str, finding: Finding, approved: Baseline | None) -> Details | None:
        """What is to be shown of a finding; None for one that no file can hold.

        Such a one can come from a measure of the user's own, and be compared with nothing.

        Args:
            name: its name within its test.
            finding: what was measured, as it came from the measure.
            approved: its baseline.
        """
        tolerance = default_tolerance(finding)
        if approved is not None:
            # A baseline may be older than a behaviour that is measured now.
            behaviours = {**tolerance.behaviours, **approved.tolerance.behaviours}
            tolerance = replace(approved.tolerance, behaviours=behaviours)
        try:
            profiles = _profiles(finding, approved)
            shown = rounded(finding.derived(profiles=profiles, per_sample=None, clustering=()))
            whole = cls(Baseline(name, shown, tolerance), approved)
            check(whole._found_document(), name)
        except (BaselineError, TypeError, ValueError):
            return None
        return whole

    def document(self) -> dict[str, Json]:
        """Both as JSON documents, as baseline files hold them."""
        return {
            "found": self._found_document(),
            "approved": None if self.approved is None else self.approved.document(),
        }

    def _found_document(self) -> dict[str, Json]:
        """The finding with all of its profiles, where a baseline file has the members' alone."""
        profiles = encode(self.found.finding.derived(role=None)).get("profiles", {})
        return {**self.found.document(), "profiles": profiles}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], where: Path | str) -> Details:
        """What :meth:`document` gave.

        Raises:
            BaselineError: if either is no finding; ``where`` is the file the message names.
        """
        approved = document["approved"]
        return cls(
            # As it was measured: a measure of the user's own may summarise its samples otherwise.
            Baseline.from_document(document["found"], where, past=True),
            None if approved is None else Baseline.from_document(approved, where),
        )


def _profiles(finding: Finding, approved: Baseline | None) -> dict[str, NDArray[Any]]:
    """The values of each sample, of every head that a report tells of."""
    if finding.per_sample is None or finding.role is None:
        return dict(finding.profiles)
    before = [] if approved is None else list(approved.finding.members())
    # A baseline of another model may have had other heads.
    every = finding.heads()
    told = dict.fromkeys([*finding.members(), *before, *list(every)[:_FURTHER_HEADS]])
    return {
        str(head): finding.per_sample[:, head.layer, head.head_index]
        for head in told
        if head in every
    }
