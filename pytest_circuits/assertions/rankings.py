"""Assertions on rankings: which heads or components lead, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from pytest_circuits.assertions.thresholds import check_usable
from pytest_circuits.findings.choices import is_finite
from pytest_circuits.findings.digits import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_circuits.findings import Finding, Head, HeadLike

#: What a ranking is of: heads, or components by name.
Name = TypeVar("Name", "Head", str)

#: Heads whose values differ by less may swap places in a ranking.
DEFAULT_MARGIN = 0.05


def assert_head_ranking(
    finding: Finding,
    *,
    top: Sequence[HeadLike],
    margin: float = DEFAULT_MARGIN,
    by: Literal["signed", "magnitude"] = "signed",
) -> None:
    """These heads lead the ranking, in this order; heads closer than the margin may swap.

    Example:
        >>> assert_head_ranking(attribution, top=["L23H3", "L29H1"])  # doctest: +SKIP

    Args:
        finding: any finding with values for heads.
        top: head labels, or pairs of layer and head, first place first.
        margin: how much closer, in the finding's unit, counts as a tie.
        by: ``signed`` ranks the largest value first, ``magnitude`` the largest absolute value.

    Raises:
        AssertionError: naming the heads that are out of place, worst first.
        ValueError: for a label that is none, a head that the model doesn't have, or a margin that
            is no number from 0 on.
    """
    __tracebackhide__ = True
    check_usable(finding, "assert_head_ranking")
    values = finding.heads()
    wanted = _parse(top, finding, values)
    _hold_ranking(finding, wanted, values, margin, by)


def assert_component_ranking(
    finding: Finding,
    *,
    top: Sequence[str],
    margin: float = DEFAULT_MARGIN,
    by: Literal["signed", "magnitude"] = "signed",
) -> None:
    """These components lead the ranking, in this order; those closer than the margin may swap.

    Example:
        >>> parts = circuits.component_attribution(IOI)  # doctest: +SKIP
        >>> assert_component_ranking(parts, top=["L23 attn", "L29 attn"])  # doctest: +SKIP

    Args:
        finding: what ``component_attribution`` found, or any other finding along one axis with
            names.
        top: names of components, first place first.
        margin: how much closer, in the finding's unit, counts as a tie.
        by: ``signed`` ranks the largest value first, ``magnitude`` the largest absolute value.

    Raises:
        AssertionError: naming the components that are out of place, worst first.
        ValueError: for a name that is none.
    """
    __tracebackhide__ = True
    check_usable(finding, "assert_component_ranking")
    if len(finding.axes) != 1 or not finding.labels:
        raise TypeError(f"{finding.measure} has no values for components")
    values = finding.cells()
    if (
        not _is_list(top)
        or not all(isinstance(name, str) for name in top)
        or (len(set(top)) < len(top))
    ):
        raise ValueError("top is a list of components, first place first, each named once")
    for name in top:
        if name not in values:
            known = ", ".join(name for name in finding.labels[finding.axes[0]] if name in values)
            raise ValueError(f"there is no component {name!r} here; there are {known}")
    _hold_ranking(finding, list(top), values, margin, by)


def _hold_ranking(
    finding: Finding,
    wanted: Sequence[Name],
    values: Mapping[Name, float],
    margin: float,
    by: str,
) -> None:
    __tracebackhide__ = True
    if by not in ("signed", "magnitude"):
        raise ValueError(f"by is 'signed' or 'magnitude', not {by!r}")
    if not is_finite(margin) or margin < 0:
        raise ValueError(f"margin is a number, 0 or more, not {margin!r}")
    if by == "magnitude":
        values = {one: abs(value) for one, value in values.items()}
    # How far each wanted one lies below one that should come after it.
    behind: dict[Name, tuple[float, Name]] = {}
    for place, head in enumerate(wanted):
        later = [other for other in values if other not in wanted[: place + 1]]
        rival = max(later, key=lambda other: values[other], default=head)
        if values[rival] - values[head] > margin:
            behind[head] = (values[rival] - values[head], rival)
    if not behind:
        return
    unit = finding.unit
    worst = sorted(behind.items(), key=lambda entry: -entry[1][0])
    found = sorted(values, key=lambda head: -values[head])[: len(wanted) + 1]
    raise AssertionError(
        f"{finding.quantity}: the ranking should begin {', '.join(map(str, wanted))}\n"
        + "\n".join(
            f"  {head} {shown(values[head])} is {shown(gap)} {unit} behind {rival} "
            f"{shown(values[rival])} (margin {margin:g})"
            for head, (gap, rival) in worst[:5]
        )
        + "\n  it begins "
        + ", ".join(f"{head} {shown(values[head])}" for head in found)
    )


def _is_list(given: object) -> bool:
    """Whether it is a list or a tuple that is not empty; a set has no order."""
    from pytest_circuits.findings import Head

    return isinstance(given, list | tuple) and not isinstance(given, Head) and len(given) > 0


def _parse(
    labels: Sequence[HeadLike], finding: Finding, values: Mapping[Head, float]
) -> list[Head]:
    __tracebackhide__ = True
    from pytest_circuits.findings import Head
    from pytest_circuits.findings.absent import extent

    if not _is_list(labels):
        raise ValueError(f"top is a list of head labels, first place first, not {labels!r}")
    heads = [Head.parse(label) for label in labels]
    for head in heads:
        if head not in values:
            layers, most = finding.values.shape
            absent = head.layer < layers and head.head_index < most
            why = extent(finding, head) if absent else f"its last one is {max(values)}"
            raise ValueError(f"this model has no head {head}: {why}")
    if len(set(heads)) < len(heads):
        raise ValueError(f"top names a head twice: {', '.join(map(str, heads))}")
    return heads
