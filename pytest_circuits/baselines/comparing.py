"""A finding held against its baseline: read once, judged once, handed on."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from pytest_circuits.baselines.codec import Baseline, check
from pytest_circuits.findings.encoding import rounded
from pytest_circuits.verdicts import (
    Kind,
    default_tolerance,
    followed,
    judge,
    without_baseline,
)

if TYPE_CHECKING:
    from pytest_circuits.baselines.files import Served
    from pytest_circuits.findings import Finding
    from pytest_circuits.verdicts import Verdict

#: By what factor an allowance is far wider than another one.
_FAR = 2.0


@dataclass(frozen=True)
class Comparison:
    """A finding, its baseline, and the verdict on the two.

    Approvals, pending files, rows and reports are made of it.

    Attributes:
        name: the finding's name within its test; empty for the test's first.
        measured: the finding as the test has it.
        found: the same with its numbers as a file would hold them, which is what is judged.
        served: the baseline, and whose it is; None for a new finding.
        verdict: the verdict.
    """

    name: str
    measured: Finding
    found: Finding
    served: Served | None
    verdict: Verdict

    @property
    def baseline(self) -> Baseline | None:
        """The baseline; None for a new finding."""
        return None if self.served is None else self.served.baseline

    @property
    def owner(self) -> str:
        """The alias whose baseline it is; empty for a new finding."""
        return "" if self.served is None else self.served.owner

    @property
    def kind(self) -> Kind:
        """The verdict's kind."""
        return self.verdict.kind

    @property
    def differs(self) -> bool:
        """Whether the finding is another than its baseline, or has none."""
        return self.kind is not Kind.PRESERVED

    @property
    def own_tolerance(self) -> bool:
        """Whether the baseline's tolerance is another than the default.

        The measure declares the default, and the file repeats it: an allowance that is far wider
        in the file than the measure gives now was edited by hand. (The allowance of a user's own
        metric is a share of what the metric gives, and moves a little with it.)
        """
        if self.baseline is None:
            return False
        said, now = default_tolerance(self.baseline.finding), default_tolerance(self.found)
        parts = zip(astuple(said.value), astuple(now.value), strict=True)
        wider = any(part > _FAR * own for part, own in parts)
        return wider or self.baseline.tolerance != said


def storable(measured: Finding) -> Finding:
    """A finding as its file would hold it.

    Raises:
        BaselineError: if no file can hold it, as can be of a measure of the user's own.
        TypeError, ValueError: if it has parts that JSON doesn't have.
    """
    found = rounded(measured)
    if found.role is not None:
        # Of a role a file keeps the profiles of its members, and of heads that nearly are.
        heads = map(str, followed(found, default_tolerance(found)))
        kept = {head: found.profiles[head] for head in heads if head in found.profiles}
        found = found.derived(profiles=kept)
    check(Baseline("", found, default_tolerance(found)).document(), "the finding")
    return found


def compare(name: str, measured: Finding, found: Finding, served: Served | None) -> Comparison:
    """Hold a finding against its baseline.

    Args:
        name: its name within its test.
        measured: the finding.
        found: the same, as :func:`storable` gives it.
        served: the baseline that serves for it, if there is one.
    """
    if served is None:
        return Comparison(name, measured, found, None, without_baseline(found))
    approved = served.baseline
    verdict = judge(found, approved.finding, approved.tolerance)
    return Comparison(name, measured, found, served, verdict)


def compare_stored(new: Baseline, old: Served | None) -> Comparison:
    """Hold what is stored in one state against what served before, if anything did."""
    return compare(new.name, new.finding, new.finding, old)
