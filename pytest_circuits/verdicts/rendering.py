"""Verdicts in words: the one renderer behind every place that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.verdicts.judging import readable
from pytest_circuits.verdicts.verdict import About, Change, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.verdicts.verdict import Reason, Verdict


#: The command that approves what was measured.
APPROVE = "pytest --circuits --snapshot-update"
#: Heads named on one line.
_HEADS_SHOWN = 4


def headline(verdict: Verdict) -> str:
    """What broke and what that did, in one line; the finding's own numbers where nothing moved.

    The mechanism comes first (the heads that left a role, else its worst change), then the
    behaviour that says most. What got better is told only where nothing got worse.
    """
    if not verdict.reasons:
        return verdict.summary
    if verdict.kind is Kind.INCOMPARABLE:
        return reason_text(verdict.reasons[0])
    worst = [r for r in verdict.reasons if r.bad is verdict.reasons[0].bad]
    mechanism = [r for r in worst if r.about is not About.BEHAVIOUR]
    left = [r for r in mechanism if r.change is Change.LEFT]
    parts = []
    if left:
        more = f" +{len(left) - 1}" if len(left) > 1 else ""
        parts.append(f"{_brief(left[0])}{more}")
    elif mechanism:
        parts.append(_brief(mechanism[0]))
    rank = {name: place for place, name in enumerate(verdict.companion)}
    behaviours = sorted(
        (r for r in worst if r.about is About.BEHAVIOUR),
        # Without a mechanism to name, that the behaviour is gone says most.
        key=lambda r: (r.change is not Change.GONE and not mechanism, rank[r.subject]),
    )
    parts += [_brief(r) for r in behaviours[:1]]
    return "; ".join(parts)


def lines(verdict: Verdict, limit: int | None = None) -> list[str]:
    """The verdict and its reasons, worst first; heads that did the same share a line.

    Args:
        verdict: the verdict.
        limit: at most so many lines of reasons; the rest is counted.
    """
    text = [f"{verdict.kind}: {headline(verdict)}"]
    if verdict.kind is Kind.NEW:
        return [*text, f"  there is no baseline yet; approve this one with `{APPROVE}`"]
    reasons = list(_grouped(verdict))
    shown = reasons if limit is None or len(reasons) <= limit else reasons[: limit - 1]
    text += [f"  {line}" for line in shown]
    if len(shown) < len(reasons):
        text.append(f"  … and {len(reasons) - len(shown)} more")
    return text


def _grouped(verdict: Verdict) -> Iterator[str]:
    seen = set()
    for reason in verdict.reasons:
        if reason.about is not About.HEAD:
            yield reason_text(reason)
        elif reason.change not in seen:
            seen.add(reason.change)
            alike = [
                r for r in verdict.reasons if r.about is About.HEAD and r.change is reason.change
            ]
            what = {
                Change.LEFT: "left the role",
                Change.JOINED: "joined the role",
                Change.OPPOSES: "now against the behaviour",
                Change.WORSE: "weaker",
                Change.BETTER: "stronger",
            }[reason.change]
            heads = ", ".join(_brief(r) for r in alike[:_HEADS_SHOWN])
            more = f" and {len(alike) - _HEADS_SHOWN} more" if len(alike) > _HEADS_SHOWN else ""
            alone = f" (tolerance {reason.tolerance:.2f})" if len(alike) == 1 else ""
            yield f"{what}: {heads}{more}{alone}"


def reason_text(reason: Reason) -> str:
    """One reason in words, with the tolerance it exceeded."""
    if reason.change in (Change.DIFFERS, Change.EMPTY, Change.GONE):
        return _brief(reason)
    name, quantity = readable(reason.subject), reason.quantity
    what = {
        Change.LEFT: f"{name} left the role: {quantity}",
        Change.JOINED: f"{name} joined the role: {quantity}",
    }.get(reason.change, f"{name} {quantity}" if reason.about in (About.HEAD, About.ROLE) else name)
    return f"{what} {_move(reason)} (tolerance {reason.tolerance:.2f})"


def _brief(reason: Reason) -> str:
    name = readable(reason.subject)
    if reason.change is Change.DIFFERS:
        return f"{reason.subject} differs: {reason.before} → {reason.after}"
    if reason.change is Change.EMPTY:
        return f"no {name} left ({_show(reason.before, digits=0)} before)"
    if reason.change is Change.GONE:
        return f"{name} gone: {_move(reason)}"
    return f"{name} {_move(reason, arrow='→')}"


def _move(reason: Reason, arrow: str = " → ") -> str:
    return f"{_show(reason.before)}{arrow}{_show(reason.after)}"


def _show(value: float | str | None, digits: int = 2) -> str:
    if value is None:
        return "undefined"
    return f"{value:.{digits}f}" if isinstance(value, float) else value
