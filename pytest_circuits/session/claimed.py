"""What a comparison of the same test says of a claim: what it is a share of, or that it can't hold.

A claim is written for the quantity that the baseline holds. Where the comparison found another one
(another tokenizer, other prompts, another convention or shape), the claim is about nothing that was
measured, whatever its number comes to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.verdicts import Kind, lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.baselines import Comparison
    from pytest_circuits.findings import Finding

#: How many of the differing fields a claim that does not hold names.
_FIELDS_SHOWN = 3


def baseline_of(finding: Finding, comparisons: Sequence[Comparison]) -> Finding | None:
    """The baseline that a test has held this very finding against; None if there is none.

    Args:
        finding: what a claim is made of.
        comparisons: those of its test so far, without those that approved what was measured.
    """
    compared = _of(finding, comparisons)
    return None if compared is None or compared.baseline is None else compared.baseline.finding


def why_not_claimed(
    finding: Finding, comparisons: Sequence[Comparison], *, as_reference: bool = False
) -> list[str]:
    """Why no claim holds of a finding, in lines; empty where claims can be made.

    None holds of a finding that was compared and is incomparable. Where another comparison of the
    test is, none holds of what was not compared itself: nothing says that it is the quantity for
    which the claim was written.

    Args:
        finding: what a claim is made of.
        comparisons: those of its test so far, without those that approved what was measured.
        as_reference: whether it is what another finding is held against, which need not have been
            compared: it may be the baseline.
    """
    own = _of(finding, comparisons)
    if own is not None:
        return _said(finding, own) if own.kind is Kind.INCOMPARABLE else []
    others = [each for each in comparisons if each.kind is Kind.INCOMPARABLE]
    return _said(finding, others[0]) if others and not as_reference else []


def _of(finding: Finding, comparisons: Sequence[Comparison]) -> Comparison | None:
    """The last comparison of this very finding."""
    return next((each for each in reversed(comparisons) if each.measured is finding), None)


def _said(finding: Finding, comparison: Comparison) -> list[str]:
    which = "it"
    if comparison.measured is not finding:
        name = f" {comparison.name!r}" if comparison.name else ""
        which = f"{comparison.measured.measure}{name}, which this test compares,"
    first, *fields = lines(comparison.verdict, limit=_FIELDS_SHOWN)
    return [
        f"{finding.quantity}: no claim holds, as {which} is another quantity than its baseline",
        f"  {first}",
        *fields,
    ]
