"""Assertions on findings: what must hold whatever a baseline says.

A threshold is a number in the finding's unit, with ``of=`` a share of another finding's (the
approved one, say, or another model's), or ``"null"``: more than there is where there is nothing
to find. Every message names the worst deviation first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pytest_circuits.assertions.thresholds import (
    check_number,
    check_usable,
    hold_at_least,
    hold_at_most,
)
from pytest_circuits.findings.choices import is_whole
from pytest_circuits.findings.digits import estimate, shown

if TYPE_CHECKING:
    from pytest_circuits.findings import Finding


def assert_induction_score(
    finding: Finding,
    *,
    at_least: float | Literal["null"],
    heads: int = 1,
    sure: bool = False,
    of: Finding | None = None,
) -> None:
    """At least so many heads have an induction score of at least so much.

    Example:
        >>> assert_induction_score(scores, at_least=0.4, heads=3)  # doctest: +SKIP

    Args:
        finding: what ``induction_scores`` found.
        at_least: the score (an attention probability), a share of it with ``of``, or ``"null"``.
        heads: how many heads must have it.
        sure: hold the one-sided 95 % lower bound of each score instead of the score.
        of: another finding of the same quantity: its strongest head's value is what the strongest
            head here is held against, and so on.

    Raises:
        AssertionError: naming the heads that come closest, worst first.
    """
    __tracebackhide__ = True
    check_usable(finding, "assert_induction_score")
    hold_at_least(finding, at_least, count=heads, sure=sure, of=of)


def assert_attends(
    finding: Finding,
    *,
    at_least: float | Literal["null"],
    heads: int = 1,
    sure: bool = False,
    of: Finding | None = None,
) -> None:
    """At least so many heads attend where they are claimed to.

    Example:
        >>> movers = circuits.attention_between(IOI, key="IO")  # doctest: +SKIP
        >>> assert_attends(movers, at_least=0.5, heads=2)  # doctest: +SKIP

    Args:
        finding: what ``attention_between``, ``attention_scores`` or a score on repeated tokens
            found.
        at_least: the attention probability; other arguments and errors as for
            :func:`assert_induction_score`.
        heads: how many heads must have it.
        sure: hold lower bounds.
        of: another finding that ``at_least`` is a share of.

    Raises:
        AssertionError: naming the heads that come closest, worst first.
    """
    __tracebackhide__ = True
    check_usable(finding, "assert_attends")
    hold_at_least(finding, at_least, count=heads, sure=sure, of=of)


def assert_copies(
    finding: Finding,
    *,
    at_least: float,
    heads: int = 1,
    sure: bool = False,
    of: Finding | None = None,
) -> None:
    """At least so many heads copy what they look at.

    Example:
        >>> assert_copies(circuits.copying_scores(IOI), at_least=0.9, heads=2)  # doctest: +SKIP

    Args:
        finding: what ``copying_scores`` found.
        at_least: the share of tokens; other arguments and errors as for
            :func:`assert_induction_score`.
        heads: how many heads must have it.
        sure: hold lower bounds.
        of: another finding that ``at_least`` is a share of.

    Raises:
        AssertionError: naming the heads that come closest, worst first.
    """
    __tracebackhide__ = True
    check_usable(finding, "assert_copies")
    hold_at_least(finding, at_least, count=heads, sure=sure, of=of)


def assert_logit_diff_recovered(
    finding: Finding,
    *,
    at_least: float,
    heads: int = 1,
    sure: bool = False,
    of: Finding | None = None,
) -> None:
    """At least so many heads, patched one at a time, carry so much of the metric.

    Example:
        >>> assert_logit_diff_recovered(recovered, at_least=0.3, heads=1)  # doctest: +SKIP

    Args:
        finding: what ``patch`` found.
        at_least: the fraction (0 no effect, 1 all of it), or a share of another's with ``of``.
        heads: how many heads must carry it; of a finding by position, how many cells.
        sure: hold the one-sided 95 % lower bound of each fraction instead of the fraction.
        of: another finding that ``at_least`` is a share of.

    Raises:
        AssertionError: naming the heads that come closest, worst first.
    """
    __tracebackhide__ = True
    check_usable(finding, "assert_logit_diff_recovered")
    hold_at_least(finding, at_least, count=heads, sure=sure, of=of)


def assert_logit_lens(
    finding: Finding,
    *,
    from_layer: int,
    at_least: float | None = None,
    at_most: float | None = None,
) -> None:
    """From a layer on, the model would answer so well if it stopped there.

    Example:
        >>> lens = circuits.logit_lens(IOI, read="rank")  # doctest: +SKIP
        >>> assert_logit_lens(lens, from_layer=27, at_most=10)  # doctest: +SKIP

    Args:
        finding: what ``logit_lens`` found.
        from_layer: the first layer that is held, from 0; a negative one counts from the end.
        at_least: what the logit difference or the answer's logit has to be there and after.
        at_most: what its rank may be there and after.

    Raises:
        AssertionError: naming the layers that miss it, worst first.
        ValueError: if neither is given, or one is no number, or there is no such layer.
    """
    __tracebackhide__ = True
    check_usable(finding, "assert_logit_lens")
    layers = len(finding.values)
    if not is_whole(from_layer) or not -layers <= from_layer < layers:
        raise ValueError(f"there is no layer {from_layer!r}: the model has {layers}")
    if at_least is None and at_most is None:
        raise ValueError("assert_logit_lens holds nothing without at_least or at_most")
    for threshold in (at_least, at_most):
        if threshold is not None:
            check_number(finding, threshold)
    if not finding.present[from_layer]:
        from pytest_circuits.findings.absent import extent

        raise ValueError(f"there is nothing to hold: {extent(finding, [from_layer % layers])}")
    missing = []
    for layer in (n for n in range(from_layer % layers, layers) if finding.present[n]):
        value = float(finding.values[layer])
        short = -math.inf if at_least is None else at_least - value
        much = -math.inf if at_most is None else value - at_most
        if max(short, much) > 0:
            missing.append((max(short, much), layer, "short" if short >= much else "too much"))
    if not missing:
        return
    wanted = [
        *([] if at_least is None else [f"at least {at_least:g}"]),
        *([] if at_most is None else [f"at most {at_most:g}"]),
    ]
    lines = [
        f"  layer {layer} {estimate(float(finding.values[layer]), float(finding.errors[layer]))}: "
        f"{shown(by)} {what}"
        for by, layer, what in sorted(missing, key=lambda entry: -entry[0])[:5]
    ]
    raise AssertionError(
        f"{finding.quantity}: from layer {from_layer % layers} on it should be "
        f"{' and '.join(wanted)} {finding.unit}\n" + "\n".join(lines)
    )


def assert_ablation_hurts(
    finding: Finding,
    *,
    at_least: float,
    heads: int = 1,
    sure: bool = False,
    of: Finding | None = None,
) -> None:
    """Without what was ablated, the behaviour is worse by so much.

    Example:
        >>> gone = circuits.ablate(IOI, heads=["L9H9", "L10H0"])  # doctest: +SKIP
        >>> assert_ablation_hurts(gone, at_least=1.0)  # doctest: +SKIP

    Args:
        finding: what ``ablate`` found.
        at_least: how much, in the behaviour's unit, or a share of another's harm with ``of``.
        heads: where each head was ablated by itself, how many must hurt so much.
        sure: hold the lower bound.
        of: another finding that ``at_least`` is a share of.

    Raises:
        AssertionError: saying how much is missing.
    """
    __tracebackhide__ = True
    check_usable(finding, "assert_ablation_hurts")
    hold_at_least(finding, at_least, count=heads, sure=sure, of=of)


def assert_faithful(
    finding: Finding,
    *,
    at_least: float | Literal["null"],
    at_most: float | None = None,
    sure: bool = False,
    of: Finding | None = None,
) -> None:
    """The circuit alone does so much of the whole model's job.

    Example:
        >>> assert_faithful(circuits.faithfulness(IOI, CIRCUIT), at_least=0.8)  # doctest: +SKIP

    Args:
        finding: what ``faithfulness`` found, the circuit's complement ablated.
        at_least: the fraction, a share of another's with ``of``, or ``"null"``: more than random
            circuits of its size do (measured with ``null=200``).
        at_most: a circuit that does more than the model leaves out what works against it.
        sure: hold the lower bound (and the upper one).
        of: another finding that ``at_least`` and ``at_most`` are shares of.

    Raises:
        AssertionError: saying how much is missing.
    """
    __tracebackhide__ = True
    check_usable(finding, "assert_faithful")
    if finding.convention.get("set") == "circuit is ablated":
        raise TypeError(
            "assert_faithful is about what a circuit does alone, and this is what is left without "
            "it: measure it with ablated='complement', or use assert_behaviour(…, at_most=…)"
        )
    hold_at_least(finding, at_least, sure=sure, of=of)
    if at_most is not None:
        hold_at_most(finding, at_most, sure=sure, of=of)


def assert_complete(
    finding: Finding, *, at_most: float, sure: bool = False, of: Finding | None = None
) -> None:
    """Without any part of it, the circuit is as the model without that part.

    Example:
        >>> assert_complete(circuits.completeness(IOI, CIRCUIT), at_most=0.2)  # doctest: +SKIP

    Args:
        finding: what ``completeness`` found.
        at_most: how far the two may be from each other, a fraction.
        sure: hold upper bounds.
        of: another finding that ``at_most`` is a share of (of its largest value).

    Raises:
        AssertionError: naming the parts that the model has elsewhere, worst first.
    """
    __tracebackhide__ = True
    check_usable(finding, "assert_complete")
    hold_at_most(finding, at_most, sure=sure, of=of)


def assert_minimal(
    finding: Finding, *, at_least: float, sure: bool = False, of: Finding | None = None
) -> None:
    """Everything in the circuit is needed by it.

    Example:
        >>> assert_minimal(circuits.minimality(IOI, CIRCUIT), at_least=0.01)  # doctest: +SKIP

    Args:
        finding: what ``minimality`` found.
        at_least: what every head and MLP has to add beside some part, a fraction.
        sure: hold lower bounds.
        of: another finding that ``at_least`` is a share of.

    Raises:
        AssertionError: naming what adds least, worst first.
    """
    __tracebackhide__ = True
    check_usable(finding, "assert_minimal")
    hold_at_least(finding, at_least, count=int(finding.present.sum()), sure=sure, of=of)


def assert_behaviour(
    finding: Finding,
    *,
    at_least: float | Literal["null"] | None = None,
    at_most: float | None = None,
    sure: bool = False,
    of: Finding | None = None,
) -> None:
    """A finding of one number lies where it should.

    Example:
        >>> assert_behaviour(circuits.logit_diff(IOI), at_least=2.0)  # doctest: +SKIP
        >>> assert_behaviour(circuits.repeat_loss(), at_most=4.0)  # doctest: +SKIP

    Args:
        finding: one number: ``logit_diff``, ``accuracy``, ``answer_probability``, ``text_loss``,
            ``repeat_loss``, ``kl_divergence``, …
        at_least: in the finding's unit, or a share of another's with ``of``.
        at_most: the same from above.
        sure: hold the one-sided 95 % bound instead of the number.
        of: another finding that both are shares of.

    Raises:
        AssertionError: saying by how much it misses.
        ValueError: if neither is given.
    """
    __tracebackhide__ = True
    check_usable(finding, "assert_behaviour")
    if finding.axes:
        raise TypeError(
            f"assert_behaviour takes one number, and {finding.measure} has values for "
            f"{' × '.join(finding.axes)}"
        )
    if at_least is None and at_most is None:
        raise ValueError("assert_behaviour holds nothing without at_least or at_most")
    if at_least is not None:
        hold_at_least(finding, at_least, sure=sure, of=of)
    if at_most is not None:
        hold_at_most(finding, at_most, sure=sure, of=of)
