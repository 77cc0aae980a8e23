"""Assertions on rankings: which heads or components lead, in which order, and how strong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from pytest_circuits.assertions.thresholds import (
    beyond,
    check_number,
    check_reference,
    check_same,
    check_share,
    check_usable,
)
from pytest_circuits.findings.choices import is_finite
from pytest_circuits.findings.digits import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_circuits.findings import Finding, Head, HeadLike

#: What a ranking is of: heads, or components by name.
Name = TypeVar("Name", "Head", str)

#: Heads whose values differ by less may swap places in a ranking.
DEFAULT_MARGIN = 0.05
#: Without ``at_least``, what share of its baseline's value each of them has to have. A baseline
#: by itself holds a head to a tenth of its value, and says so; the claim is what must hold also
#: where the gate or a waiver lets that pass. Below a half, more of what the head did is gone than
#: is left, and to call it by its place among others says what it no longer does.
DEFAULT_SHARE = 0.5
#: Of those out of place, and of those too weak, at most so many are named.
_SHOWN = 5


def assert_head_ranking(
    finding: Finding,
    *,
    top: Sequence[HeadLike],
    at_least: float | None = None,
    margin: float = DEFAULT_MARGIN,
    by: Literal["signed", "magnitude"] = "signed",
    of: Finding | None = None,
) -> None:
    """These heads lead the ranking, in this order, and each is strong enough.

    An order alone says nothing of strength: where all heads shrink alike, it stays.

    Example:
        >>> assert_head_ranking(attribution, top=["L23H3", "L29H1"], at_least=0.4)  # doctest: +SKIP

    Args:
        finding: any finding with values for heads.
        top: head labels, or pairs of layer and head, first place first.
        at_least: what each of them has to have, in the finding's unit, or a share of what it has
            in ``of``. By default half of what it has in the test's baseline of the same
            quantity, if there is one; else nothing. 0 asks for no more than that none is below 0.
            A share by magnitude is also missed by what has the other sign than it had.
        margin: how much closer, in the finding's unit, counts as a tie: heads closer may swap.
        by: ``signed`` ranks the largest value first, ``magnitude`` the largest absolute value.
        of: another finding of the same quantity that ``at_least`` is a share of, head by head.

    Raises:
        AssertionError: naming the heads that are out of place or too weak, worst first.
        ValueError: for a label that is none, a head that the model doesn't have, a margin that is
            no number from 0 on, or an ``at_least`` that is none.
    """
    __tracebackhide__ = True
    compared = check_usable(finding, "assert_head_ranking")
    wanted = _parse(top, finding, finding.heads())
    claim = _Claim(by, margin, at_least, of, compared)
    _hold_ranking(finding, wanted, lambda one: one.heads(), claim)


def assert_component_ranking(
    finding: Finding,
    *,
    top: Sequence[str],
    at_least: float | None = None,
    margin: float = DEFAULT_MARGIN,
    by: Literal["signed", "magnitude"] = "signed",
    of: Finding | None = None,
) -> None:
    """These components lead the ranking, in this order, and each is strong enough.

    Example:
        >>> parts = circuits.component_attribution(IOI)  # doctest: +SKIP
        >>> assert_component_ranking(parts, top=["L23 attn", "L29 attn"])  # doctest: +SKIP

    Args:
        finding: what ``component_attribution`` found, or any other finding along one axis with
            names.
        top: names of components, first place first.
        at_least: what each of them has to have; this and ``of`` as for
            :func:`assert_head_ranking`.
        margin: how much closer, in the finding's unit, counts as a tie.
        by: ``signed`` ranks the largest value first, ``magnitude`` the largest absolute value.
        of: another finding that ``at_least`` is a share of, component by component.

    Raises:
        AssertionError: naming the components that are out of place or too weak, worst first.
        ValueError: for a name that is none, or a number that is none.
    """
    __tracebackhide__ = True
    compared = check_usable(finding, "assert_component_ranking")
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
    claim = _Claim(by, margin, at_least, of, compared)
    _hold_ranking(finding, list(top), lambda one: one.cells(), claim)


class _Claim(NamedTuple):
    """How a ranking is made, and how strong each of those that lead it has to be.

    Attributes:
        by: ``signed`` or ``magnitude``: the values that are ranked.
        margin: how much closer counts as a tie.
        at_least: the least value, a share with ``of``, or None for the default.
        of: the finding that it is a share of: each of what it has there.
        compared: the test's baseline of the same quantity, if there is one.
    """

    by: str
    margin: float
    at_least: float | None
    of: Finding | None
    compared: Finding | None

    def ranked(self, signed: Mapping[Name, float]) -> Mapping[Name, float]:
        """Values as they are ranked."""
        if self.by == "signed":
            return signed
        return {name: abs(value) for name, value in signed.items()}


def _hold_ranking(
    finding: Finding,
    wanted: Sequence[Name],
    values_of: Callable[[Finding], Mapping[Name, float]],
    claim: _Claim,
) -> None:
    __tracebackhide__ = True
    if claim.by not in ("signed", "magnitude"):
        raise ValueError(f"by is 'signed' or 'magnitude', not {claim.by!r}")
    margin = claim.margin
    if not is_finite(margin) or margin < 0:
        raise ValueError(f"margin is a number, 0 or more, not {margin!r}")
    asked, weak = _shortfalls(finding, wanted, values_of, claim)
    values = claim.ranked(values_of(finding))
    # How far each wanted one lies below one that should come after it.
    behind: dict[Name, tuple[float, Name]] = {}
    for place, head in enumerate(wanted):
        later = [other for other in values if other not in wanted[: place + 1]]
        rival = max(later, key=lambda other: values[other], default=head)
        if values[rival] - values[head] > margin:
            behind[head] = (values[rival] - values[head], rival)
    if not behind and not weak:
        return
    unit = finding.unit
    worst = sorted(behind.items(), key=lambda entry: -entry[1][0])
    found = sorted(values, key=lambda head: -values[head])[: len(wanted) + 1]
    lines: list[str] = [
        f"  {head} {shown(values[head])} is {shown(gap)} {unit} behind {rival} "
        f"{shown(values[rival])} (margin {margin:g})"
        for head, (gap, rival) in worst[:_SHOWN]
    ]
    lines += weak[:_SHOWN]
    lines.append("  it begins " + ", ".join(f"{head} {shown(values[head])}" for head in found))
    strength = f", each with {asked}" if weak else ""
    begins = f"the ranking should begin {', '.join(map(str, wanted))}{strength}"
    raise AssertionError("\n".join([f"{finding.quantity}: {begins}", *lines]))


def _shortfalls(
    finding: Finding,
    wanted: Sequence[Name],
    values_of: Callable[[Finding], Mapping[Name, float]],
    claim: _Claim,
) -> tuple[str, list[str]]:
    """What falls short of the strength that is asked for.

    Args:
        finding: what is ranked.
        wanted: what the claim names.
        values_of: the values by name of any finding of the quantity.
        claim: how strong each of them has to be.

    Returns:
        what is asked for, in words, and a line for each that falls short, worst first.

    Raises:
        ValueError: if ``at_least`` is no number, or no share of what ``of`` has.
        TypeError: if ``of`` is no finding.
    """
    __tracebackhide__ = True
    check_reference(finding, claim.of)
    share, reference, whose = claim.at_least, claim.of, "the reference's"
    if share is None:
        if claim.of is not None:
            raise ValueError(f"{finding.quantity}: with of, at_least says which share of it")
        if claim.compared is None or claim.compared.undefined:
            return "", []
        share, reference, whose = DEFAULT_SHARE, claim.compared, "the baseline's"
    check_number(finding, share)
    if reference is None:
        values = claim.ranked(values_of(finding))
        thresholds = dict.fromkeys(wanted, share)
        asked = f"at least {share:g} {finding.unit}"
    else:
        from pytest_circuits.findings.encoding import rounded

        check_share(finding, share)
        check_same(finding, reference)
        # A baseline has the digits of its file.
        signed, before = values_of(rounded(finding)), values_of(reference)
        whole = claim.ranked(before)
        values = {
            # What has the other sign than it had does not do a share of the same.
            one: -abs(signed[one]) if signed[one] * before[one] < 0 else value
            for one, value in claim.ranked(signed).items()
        }
        thresholds = {one: share * whole[one] for one in wanted if whole[one] >= 0}
        below = [one for one in wanted if one not in thresholds]
        if below and claim.of is not None:
            raise ValueError(
                f"{finding.quantity}: no share of the reference is a threshold where {below[0]} "
                f"has {shown(whole[below[0]])}"
            )
        asked = f"at least {share:g} of {whose}"
    short = {one: threshold - values[one] for one, threshold in thresholds.items()}
    return asked, [
        f"  {one} {shown(values[one])}: {shown(short[one])} short of {shown(thresholds[one])}"
        for one in sorted(short, key=lambda one: -short[one])
        if beyond(short[one])
    ]


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
