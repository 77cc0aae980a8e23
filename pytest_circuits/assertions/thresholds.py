"""What a claim is held against: a number, a share of another finding, or the null."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_circuits.findings.choices import is_finite, is_whole
from pytest_circuits.findings.claims import claimed
from pytest_circuits.findings.digits import estimate, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_circuits.findings import Finding

#: Short of what is asked for, at most so many are named.
_SHOWN = 5


class _Taken(NamedTuple):
    """What a helper takes.

    Attributes:
        words: as an error says it.
        fits: whether a finding is that.
    """

    words: str
    fits: Callable[[Finding], bool]


def _of(measure: str) -> _Taken:
    return _Taken(f"`{measure}`", lambda finding: finding.measure == measure)


#: The findings that each helper takes; other helpers take every finding of the right shape.
TAKEN = {
    "assert_induction_score": _of("induction_scores"),
    "assert_attends": _Taken(
        "`attention_between`, `attention_scores`, `induction_scores`, `previous_token_scores`, "
        "`duplicate_token_scores`, `current_token_scores` or `first_token_scores`",
        lambda finding: finding.unit == "attention probability",
    ),
    "assert_copies": _of("copying_scores"),
    "assert_logit_diff_recovered": _of("patch"),
    "assert_logit_lens": _of("logit_lens"),
    "assert_ablation_hurts": _of("ablate"),
    "assert_faithful": _of("faithfulness"),
    "assert_complete": _of("completeness"),
    "assert_minimal": _of("minimality"),
}
_ANY = _Taken("a measure", lambda _: True)


@dataclass(frozen=True)
class Value:
    """One value of a finding, with what a claim may ask about it.

    Attributes:
        name: of its head or cell; empty for a finding of one number.
        value: the value.
        error: its standard error.
        low: its one-sided 95 % lower bound.
        high: its one-sided 95 % upper bound.
    """

    name: str
    value: float
    error: float
    low: float
    high: float


def check_usable(finding: Finding, helper: str) -> Finding | None:
    """Refuse what a helper can't take.

    Args:
        finding: what it was given.
        helper: its name.

    Returns:
        the test's baseline of the same quantity, if there is one.

    Raises:
        TypeError: if it is no such finding, or a screen.
        AssertionError: if its values are fractions of a behaviour that is gone, or it is another
            quantity than its baseline.
    """
    __tracebackhide__ = True
    found = getattr(finding, "measure", type(finding).__name__)
    if getattr(finding, "screen", False):
        raise TypeError(
            f"{found} is a screen, which only says where to look.\n"
            f"Measure what it names with `patch`, and assert that."
        )
    taken = TAKEN.get(helper, _ANY)
    if not hasattr(finding, "measure") or not taken.fits(finding):
        raise TypeError(f"{helper} takes what {taken.words} found, and got {found}")
    compared = claimed(finding)
    check_defined(finding)
    return compared


def check_defined(finding: Finding) -> None:
    """Refuse fractions of nothing.

    Raises:
        AssertionError: naming the behaviour that is gone.
    """
    __tracebackhide__ = True
    if finding.undefined:
        gone = finding.gone[0]
        raise AssertionError(
            f"{finding.quantity}: undefined, because there is nothing to be a fraction of\n"
            f"  {gone.name.replace('_', ' ')} {estimate(gone.value, gone.error)} {gone.unit}"
        )


def values_of(finding: Finding, *, stored: bool = False) -> list[Value]:
    """Every value that there is, the largest first.

    Args:
        finding: the values.
        stored: give values and bounds in the precision of a baseline, to be held against one.
    """
    from pytest_circuits.findings.absent import indices
    from pytest_circuits.findings.encoding import rounded

    columns = [finding.values, finding.errors, finding.lower_bounds(), finding.upper_bounds()]
    if stored:
        columns = [rounded(finding.derived(values=column)).values for column in columns]
    cells = sorted(indices(finding.present), key=lambda cell: -columns[0][cell])
    return [
        Value(finding.cell_name(cell), *(float(column[cell]) for column in columns))
        for cell in cells
    ]


def hold_at_least(
    finding: Finding,
    at_least: float | Literal["null"],
    *,
    count: int = 1,
    sure: bool = False,
    of: Finding | None = None,
) -> None:
    """At least so many values are at least so much.

    Args:
        finding: the values.
        at_least: how much; with ``of``, what share of that finding's value at the same rank; or
            ``"null"`` for more than there is where there is nothing to find.
        count: how many values.
        sure: hold lower bounds instead of values.
        of: the finding that ``at_least`` is a share of. It may come from a file, so that both are
            compared in the precision of one.

    Raises:
        AssertionError: naming the values that come closest, worst first.
        ValueError: if the claim can't be made of this finding.
        TypeError: if ``of`` is no finding.
    """
    __tracebackhide__ = True
    if not (isinstance(at_least, str) and at_least == "null"):
        check_number(finding, at_least, 'a number or "null"')
    check_reference(finding, of)
    values = values_of(finding, stored=of is not None)
    _check_count(finding, values, count)
    _check_sure(finding, values, sure=sure)
    if isinstance(at_least, str):
        if of is not None:
            raise ValueError('at_least="null" is no share of another finding: leave `of` out')
        if sure:
            raise ValueError('at_least="null" is a test of its own, without bounds: leave sure out')
        _hold_null(finding, values, count)
        return
    wanted = _thresholds(finding, at_least, count, of)
    held = sorted(values, key=lambda one: -(one.low if sure else one.value))[:count]
    missing = [
        (least - (one.low if sure else one.value), least, one)
        for least, one in zip(wanted, held, strict=True)
        if beyond(least - (one.low if sure else one.value))
    ]
    if not missing:
        return
    missing.sort(key=lambda entry: (-entry[0], entry[2].name))
    lines = [
        # Of another finding, every head has a threshold of its own.
        f"{_line(one)}: {shown(short)} short"
        + (f" of {shown(least)}" if of and finding.axes else "")
        for short, least, one in missing[:_SHOWN]
    ]
    reached = count - len(missing)
    if of is None:
        reached = sum(not beyond(wanted[0] - (one.low if sure else one.value)) for one in values)
    what = "a lower bound" if sure else "a value"
    share = f"{at_least:g}" if of is None else f"{at_least:g} of the reference's"
    head = f"{reached} of {count} {_kind(finding)} with {what} of at least {share}"
    if not finding.axes:
        what = "its lower bound" if sure else "it"
        head = f"{what} should be at least {_amount(finding, wanted[0], at_least, of)}"
    raise AssertionError("\n".join([f"{finding.quantity}: {head}", *lines, *_companion(finding)]))


def hold_at_most(
    finding: Finding, at_most: float, *, sure: bool = False, of: Finding | None = None
) -> None:
    """No value is more than so much; arguments as for :func:`hold_at_least`.

    Raises:
        AssertionError: naming the values that are, worst first.
        ValueError: if the claim can't be made of this finding.
        TypeError: if ``of`` is no finding.
    """
    __tracebackhide__ = True
    check_number(finding, at_most, "a number")
    check_reference(finding, of)
    values = values_of(finding, stored=of is not None)
    _check_sure(finding, values, sure=sure)
    most = _thresholds(finding, at_most, 1, of)[0]
    over = [one for one in values if beyond((one.high if sure else one.value) - most)]
    over.sort(key=lambda one: -(one.high if sure else one.value))
    if not over:
        return
    what = "its upper bound" if sure else "it"
    head = f"{what} should be at most {_amount(finding, most, at_most, of)}"
    if finding.axes:
        what = "an upper bound" if sure else "a value"
        share = (
            f"{most:g}" if of is None else f"{shown(most)} ({at_most:g} of the reference's largest)"
        )
        head = f"{len(over)} of {len(values)} {_kind(finding)} with {what} above {share}"
    lines = [
        f"{_line(one)}: {shown((one.high if sure else one.value) - most)} too much"
        for one in over[:_SHOWN]
    ]
    raise AssertionError("\n".join([f"{finding.quantity}: {head}", *lines, *_companion(finding)]))


def _thresholds(
    finding: Finding, share: float, count: int, reference: Finding | None
) -> list[float]:
    """What each of the ``count`` largest values has to reach."""
    __tracebackhide__ = True
    if reference is None:
        return [share] * count
    check_share(finding, share)
    check_same(finding, reference)
    strongest = values_of(reference, stored=True)[:count]
    for one in strongest:
        # Nine tenths of it would be more than all of it.
        if one.value < 0:
            what = f"{one.name} has" if one.name else "it is"
            raise ValueError(
                f"{finding.quantity}: no share of the reference is a threshold where {what} "
                f"{shown(one.value)}"
            )
    return [share * one.value for one in strongest]


def check_share(finding: Finding, share: float) -> None:
    """Refuse a share below 0.

    Raises:
        ValueError: saying what a share is.
    """
    __tracebackhide__ = True
    if share < 0:
        raise ValueError(f"{finding.quantity}: a share of the reference is 0 or more, not {share}")


def check_same(finding: Finding, reference: Finding) -> None:
    """Refuse to hold a finding against another quantity, or against one that is gone.

    Raises:
        ValueError: naming the field that differs.
        AssertionError: naming the behaviour that is gone.
    """
    __tracebackhide__ = True
    from pytest_circuits.verdicts.judging import differences

    check_defined(reference)
    other = differences(finding, reference)
    if other:
        raise ValueError(
            f"{finding.quantity}: the reference is not the same quantity: {other[0].subject} "
            f"differs, {other[0].before} there and {other[0].after} here"
        )


def beyond(miss: float) -> bool:
    """Whether a value misses a threshold by more than what binary fractions are off by."""
    from pytest_circuits.verdicts.verdict import within

    return miss > 0 and not within(miss, 0.0)


def _amount(finding: Finding, threshold: float, share: float, of: Finding | None) -> str:
    """The threshold of one number in words: ``2 logits``, ``0.8 of the logit difference``."""
    unit = finding.unit.removeprefix("fraction ").removeprefix("share ")
    if of is None:
        return f"{threshold:g} {unit}"
    return f"{shown(threshold)} {unit} ({share:g} of the reference's)"


def _line(one: Value) -> str:
    return "  " + f"{one.name} {estimate(one.value, one.error)}".lstrip()


def _kind(finding: Finding) -> str:
    """What the values are of."""
    if finding.axes == ("layer", "head"):
        return "heads"
    return f"{finding.axes[0]}s" if len(finding.axes) == 1 else "cells"


def check_number(finding: Finding, given: object, wanted: str = "a number") -> None:
    """Refuse a threshold that is no number, and would hold whatever was found.

    Raises:
        ValueError: saying what a threshold is.
    """
    __tracebackhide__ = True
    if not is_finite(given):
        wanted = "a number" if isinstance(given, float) else wanted
        raise ValueError(f"{finding.quantity}: a threshold is {wanted}, not {given!r}")


def check_reference(finding: Finding, given: Finding | None) -> None:
    """Refuse a reference that is no finding, and say that one is held against it.

    Raises:
        TypeError: if it is none.
        AssertionError: if it was compared, and is another quantity than its baseline.
    """
    __tracebackhide__ = True
    if given is not None and not hasattr(given, "measure"):
        raise TypeError(
            f"{finding.quantity}: of takes what a measure found, and got {type(given).__name__}"
        )
    if given is not None:
        claimed(given, as_reference=True)


def _hold_null(finding: Finding, values: Sequence[Value], count: int) -> None:
    __tracebackhide__ = True
    # Whether there are nulls depends on the data too.
    if not finding.null_takes:
        raise ValueError(f"{finding.measure} has no null to hold its values against")
    if finding.direction == "lower":
        raise ValueError(f"{finding.quantity}: less is better, and more than a null no claim")
    # No head may be strong enough to have one, which is no reason to refuse.
    if not finding.nulls and (finding.role is None or finding.members()):
        without = (
            "has no null to hold its values against"
            if finding.axes
            else "was measured without a null"
        )
        raise ValueError(f"{finding.measure} {without}: {finding.null_takes}")
    named = {one.name or finding.measure: one for one in values}
    above = [name for name, null in finding.nulls.items() if null.rejected]
    if len(above) >= count:
        return
    lines = [
        f"{_line(named[name])}, null {shown(null.mean)}, p {null.p:.3f}"
        for name, null in sorted(finding.nulls.items(), key=lambda entry: -entry[1].p)[:_SHOWN]
    ]
    head = (
        f"{len(above)} of {count} heads with more than their null"
        if finding.axes
        else "it should be more than its null"
    )
    raise AssertionError("\n".join([f"{finding.quantity}: {head}", *lines, *_companion(finding)]))


def _check_count(finding: Finding, values: Sequence[Value], count: int) -> None:
    __tracebackhide__ = True
    if not is_whole(count) or count < 1:
        raise ValueError(f"heads is how many heads must hold, at least 1, not {count!r}")
    if count > len(values):
        what = "this model has" if finding.axes == ("layer", "head") else "there are"
        raise ValueError(f"heads is {count}, and {what} only {len(values)}")


def _check_sure(finding: Finding, values: Sequence[Value], *, sure: bool) -> None:
    __tracebackhide__ = True
    if not isinstance(sure, bool):
        raise ValueError(f"{finding.quantity}: sure is True or False, not {sure!r}")  # noqa: TRY004 — as for thresholds
    if sure and finding.clusters < 2:  # noqa: PLR2004
        raise ValueError(
            f"{finding.quantity}: sure=True needs two clusters of prompts or more for an interval"
        )
    unknown = [one.name for one in values if math.isnan(one.low) or math.isnan(one.high)]
    if sure and unknown:
        whose = f" of {unknown[0]}" if unknown[0] else ""
        raise ValueError(
            f"{finding.quantity}: sure=True needs an error, and that{whose} is not known"
        )


def _companion(finding: Finding) -> list[str]:
    return [
        f"  {behaviour.name.replace('_', ' ')} {shown(behaviour.value)} {behaviour.unit}"
        for behaviour in finding.companion[:1]
    ]
