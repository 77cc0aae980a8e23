"""What must hold whatever the baseline says. Imports nothing heavy until it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.findings import Finding, Head

#: Heads whose values differ by less may swap places in a ranking.
DEFAULT_MARGIN = 0.05


def assert_induction_score(
    finding: Finding, *, at_least: float, heads: int = 1, sure: bool = False
) -> None:
    """At least so many heads have an induction score of at least so much.

    Example:
        >>> assert_induction_score(scores, at_least=0.4, heads=3)  # doctest: +SKIP

    Args:
        finding: what ``induction_scores`` found.
        at_least: the score (an attention probability).
        heads: how many heads must have it.
        sure: hold the one-sided 95 % lower bound of each score instead of the score.

    Raises:
        AssertionError: naming the heads that come closest, worst first.
    """
    __tracebackhide__ = True
    _check_measure(finding, "induction_scores", "assert_induction_score")
    _at_least(finding, at_least, heads, sure=sure)


def assert_logit_diff_recovered(
    finding: Finding, *, at_least: float, heads: int = 1, sure: bool = False
) -> None:
    """At least so many heads, patched one at a time, restore so much of the logit difference.

    Example:
        >>> assert_logit_diff_recovered(recovered, at_least=0.3, heads=1)  # doctest: +SKIP

    Args:
        finding: what ``patch`` found.
        at_least: the fraction (0 no effect, 1 restored).
        heads: how many heads must restore it.
        sure: hold the one-sided 95 % lower bound of each fraction instead of the fraction.

    Raises:
        AssertionError: naming the heads that come closest, worst first.
    """
    __tracebackhide__ = True
    _check_measure(finding, "patch", "assert_logit_diff_recovered")
    _at_least(finding, at_least, heads, sure=sure)


def assert_head_ranking(
    finding: Finding,
    *,
    top: Sequence[str],
    margin: float = DEFAULT_MARGIN,
    by: Literal["signed", "magnitude"] = "signed",
) -> None:
    """These heads lead the ranking, in this order; heads closer than the margin may swap.

    Example:
        >>> assert_head_ranking(attribution, top=["L23H3", "L29H1"])  # doctest: +SKIP

    Args:
        finding: any finding with values for heads.
        top: head labels, first place first.
        margin: how much closer, in the finding's unit, counts as a tie.
        by: ``signed`` ranks the largest value first, ``magnitude`` the largest absolute value.

    Raises:
        AssertionError: naming the heads that are out of place, worst first.
        ValueError: for a label that is none, or a head that the model doesn't have.
    """
    __tracebackhide__ = True
    _check_alive(finding)
    values = _head_values(finding)
    if by not in ("signed", "magnitude"):
        raise ValueError(f"by is 'signed' or 'magnitude', not {by!r}")
    if by == "magnitude":
        values = {head: abs(value) for head, value in values.items()}
    wanted = _parse(top, values)
    # How far each wanted head lies below one that should come after it.
    behind: dict[Head, tuple[float, Head]] = {}
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
            f"  {head} {values[head]:.3f} is {gap:.3f} {unit} behind {rival} {values[rival]:.3f} "
            f"(margin {margin:g})"
            for head, (gap, rival) in worst[:5]
        )
        + "\n  it begins "
        + ", ".join(f"{head} {values[head]:.3f}" for head in found)
    )


def _at_least(finding: Finding, at_least: float, heads: int, *, sure: bool) -> None:
    __tracebackhide__ = True
    _check_alive(finding)
    if heads < 1:
        raise ValueError(f"heads is how many heads must hold, at least 1, not {heads}")
    values = _head_values(finding)
    if heads > len(values):
        raise ValueError(f"heads is {heads}, and this model has only {len(values)}")
    bounds = finding.lower_bounds()
    if sure and finding.clusters < 2:  # noqa: PLR2004
        raise ValueError(
            f"{finding.quantity}: sure=True needs two clusters of prompts or more for an interval"
        )
    held = {head: float(bounds[head]) if sure else value for head, value in values.items()}
    best = sorted(held, key=lambda head: -held[head])[:heads]
    missing = [head for head in best if held[head] < at_least]
    if not missing:
        return
    what = "a lower bound" if sure else "a value"
    reached = sum(value >= at_least for value in held.values())
    raise AssertionError(
        f"{finding.quantity}: {reached} of {heads} heads with {what} of at least {at_least:g}\n"
        + "\n".join(
            f"  {head} {values[head]:.3f} ± {float(finding.errors[head]):.3f}: "
            f"{at_least - held[head]:.3f} short"
            for head in sorted(missing, key=lambda head: held[head])[:5]
        )
        + "".join(
            f"\n  {behaviour.name.replace('_', ' ')} {behaviour.value:.3f} {behaviour.unit}"
            for behaviour in finding.companion[:1]
        )
    )


def _check_measure(finding: Finding, measure: str, helper: str) -> None:
    __tracebackhide__ = True
    found = getattr(finding, "measure", type(finding).__name__)
    if found != measure:
        raise TypeError(f"{helper} takes what `{measure}` found, and got {found}")


def _check_alive(finding: Finding) -> None:
    __tracebackhide__ = True
    if finding.undefined:
        gone = finding.gone[0]
        raise AssertionError(
            f"{finding.quantity}: undefined, because there is nothing to be a fraction of\n"
            f"  {gone.name.replace('_', ' ')} {gone.value:.3f} ± {gone.error:.3f} {gone.unit}"
        )


def _head_values(finding: Finding) -> dict[Head, float]:
    __tracebackhide__ = True
    return finding.heads()


def _parse(labels: Sequence[str], values: dict[Head, float]) -> list[Head]:
    __tracebackhide__ = True
    from pytest_circuits.findings import Head

    if isinstance(labels, str) or not labels:
        raise ValueError("top is a list of head labels, first place first")
    heads = [Head.parse(label) for label in labels]
    for head in heads:
        if head not in values:
            last = max(values)
            raise ValueError(f"this model has no head {head}: its last one is {last}")
    if len(set(heads)) < len(heads):
        raise ValueError(f"top names a head twice: {', '.join(labels)}")
    return heads
