"""Verdicts in words: the one renderer behind every place that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.findings import Head
from pytest_circuits.findings.digits import decimals, shown
from pytest_circuits.verdicts.gate import WAIVER
from pytest_circuits.verdicts.judging import readable
from pytest_circuits.verdicts.verdict import About, Change, Kind, Outcome, Reading, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_circuits.verdicts.verdict import NewBehaviour, Reason, Verdict


#: The command that approves what was measured.
APPROVE = "pytest --circuits --snapshot-update"
#: Heads named on one line.
_HEADS_SHOWN = 3
#: How a line begins that tells of several heads.
_OF_HEADS = {
    Change.MOVED: "moved",
    Change.LEFT: "left the role",
    Change.JOINED: "joined the role",
    Change.OPPOSES: "now against the behaviour",
    Change.OVERTAKEN: "overtaken",
    Change.WORSE: "weaker",
    Change.BETTER: "stronger",
}

#: What has to be said of them: which of their numbers moved.
_OF_QUANTITY = (About.ROLE, About.MATRIX, About.CELL)


def headline(verdict: Verdict) -> str:
    """What broke and what that did, in one line; the finding's own numbers where nothing moved.

    The mechanism comes first (the head that changed most and how many more did, else what
    happened to the whole), then the behaviour that says most, then what the two say together.
    What got better is told only where nothing got worse.
    """
    if not verdict.reasons:
        return "; ".join([*_settlement(verdict), verdict.summary])
    first = verdict.reasons[0]
    alike = [r for r in verdict.reasons if (r.bad, r.good) == (first.bad, first.good)]
    mechanism = [r for r in alike if r.about is not About.BEHAVIOUR]
    parts = []
    if mechanism:
        heads = [r for r in mechanism if r.about is About.HEAD and r.change is not Change.OVERTAKEN]
        more = f" +{len(heads) - 1}" if len(heads) > 1 else ""
        far = ", across layers" if any(_across_layers(r) for r in heads) else ""
        # That none is distinct from nothing can't be told from how far each head moved.
        indistinct = mechanism[0].change is Change.EMPTY and mechanism[0].null is not None
        if heads and not indistinct:
            parts.append(f"{_brief(heads[0])}{more}{far}")
        else:
            parts.append(_brief(mechanism[0]))
    rank = {behaviour.name: place for place, behaviour in enumerate(verdict.companion)}
    behaviours = sorted(
        (r for r in alike if r.about is About.BEHAVIOUR),
        # Without a mechanism to name, that the behaviour is gone says most.
        key=lambda r: (r.change is not Change.GONE and not mechanism, rank[r.subject]),
    )
    parts += [_brief(r) for r in behaviours[:1]]
    said = list(_settlement(verdict))
    if verdict.outcome is Outcome.FAILS:
        return "; ".join([*said, *parts])
    return "; ".join(
        [*parts, *(() if verdict.outcome is Outcome.HOLDS else _reading(verdict)), *said]
    )


def _settlement(verdict: Verdict) -> Iterator[str]:
    """What new prompts say, where they say something new."""
    settlement = verdict.settlement
    if settlement is None:
        return
    told = "".join(f": {_new_move(new)}" for new in settlement.behaviours[:1])
    if settlement.outcome is Outcome.FAILS:
        hidden = "" if verdict.behaviour_held is False else "hidden damage, "
        yield f"{hidden}fails on new prompts{told}"
    elif not verdict.asks:
        return
    elif settlement.outcome is Outcome.HOLDS:
        yield f"re-routed, holds on new prompts{told}"
    else:
        yield "not settled"


def new_behaviour_text(new: NewBehaviour) -> str:
    """A behaviour on new prompts, with what was allowed and how sure its difference is."""
    digits = decimals(new.tolerance, least=2)
    low, high = (shown(bound, digits=digits) for bound in new.interval)
    return (
        f"{_new_move(new)} (tolerance {shown(new.tolerance, digits=digits)}, "
        f"interval {low} … {high}, {new.prompts} prompts)"
    )


def _new_move(new: NewBehaviour) -> str:
    digits = decimals(new.tolerance, least=2)
    before, after = (shown(value, digits=digits) for value in (new.before, new.after))
    return f"{readable(new.name)} {before} → {after}"


def _reading(verdict: Verdict) -> Iterator[str]:
    if verdict.reading is Reading.COMPENSATED:
        yield "compensated"
    elif verdict.reading is Reading.BEHAVIOUR_HELD:
        yield f"mechanism {verdict.kind} while behaviour held"
    elif verdict.reading is Reading.MECHANISM_INTACT:
        yield "mechanism intact while behaviour broke"


def lines(verdict: Verdict, limit: int | None = None) -> list[str]:
    """The verdict and its reasons, worst first; heads that did the same share a line.

    Args:
        verdict: the verdict.
        limit: at most so many lines of reasons; the rest is counted.
    """
    text = [f"{verdict.kind}: {headline(verdict)}"]
    if verdict.kind is Kind.NEW:
        return [*text, f"  there is no baseline yet; approve this one with `{APPROVE}`"]
    reasons = [*_on_new_prompts(verdict), *_grouped(verdict)]
    reach = [scope_text(verdict)] if verdict.reasons and verdict.scope is not None else []
    room = None if limit is None else limit - len(reach)
    shown = reasons if room is None or len(reasons) <= room else reasons[: max(room - 1, 0)]
    more = len(reasons) - len(shown)
    shown += [*([f"… and {more} more"] if more else []), *reach]
    return text + [f"  {line}" for line in shown]


def _on_new_prompts(verdict: Verdict) -> Iterator[str]:
    settlement = verdict.settlement
    if settlement is None:
        return
    if settlement.why:
        yield f"not settled: {settlement.why}"
    if settlement.behaviours:
        told = "; ".join(map(new_behaviour_text, settlement.behaviours))
        yield f"on new prompts: {told}"


def damage_not_approved(verdict: Verdict) -> str:
    """Why hidden damage is not approved, and how it is all the same."""
    return (
        f"{headline(verdict)}\n"
        f"Approved, the damage would be what later checkpoints are held to. If that is meant, say "
        f"why in a waiver,\nand approve again: {WAIVER}"
    )


def scope_text(verdict: Verdict) -> str:
    """Whether the whole model moved, with the canary's losses; empty where that isn't known."""
    if verdict.canary is None:
        return ""
    canary = verdict.canary
    digits = decimals(canary.tolerance, least=2)
    before, after = (shown(loss, digits=digits) for loss in (canary.before, canary.after))
    move = f"{canary.name} {before} → {after}"
    if verdict.scope is Scope.WHOLE_MODEL:
        return f"the whole model moved: {move}"
    return f"specific to this circuit: {move}"


def _grouped(verdict: Verdict) -> Iterator[str]:
    alike: dict[str, list[Reason]] = {}
    for reason in verdict.reasons:
        # What isn't about a head stands alone.
        line = _what_heads_did(reason) if reason.about is About.HEAD else reason_text(reason)
        alike.setdefault(line, []).append(reason)
    for line, reasons in alike.items():
        yield f"{line}: {_heads(reasons)}" if reasons[0].about is About.HEAD else line


def _what_heads_did(reason: Reason) -> str:
    return _OF_HEADS[reason.change] + (" across layers" if _across_layers(reason) else "")


def _heads(alike: Sequence[Reason]) -> str:
    heads = ", ".join(_brief(r) for r in alike[:_HEADS_SHOWN])
    if len(alike) > _HEADS_SHOWN:
        return f"{heads} and {len(alike) - _HEADS_SHOWN} more"
    return f"{heads} ({_held_against(alike[0])})" if len(alike) == 1 else heads


def reason_text(reason: Reason) -> str:
    """One reason in words, with the tolerance it exceeded, and its null where there is one."""
    if reason.change in (Change.DIFFERS, Change.EMPTY, Change.GONE):
        return _brief(reason)
    return f"{_what(reason)} {_move(reason)} ({_held_against(reason)})"


def _what(reason: Reason) -> str:
    name, quantity = _name(reason), reason.quantity
    match reason.change:
        case Change.MOVED:
            far = " (another layer)" if _across_layers(reason) else ""
            return f"{name} moved to {reason.other}{far}: {quantity}"
        case Change.LEFT:
            return f"{name} left the role: {quantity}"
        case Change.JOINED:
            return f"{name} joined the role: {quantity}"
        case Change.OPPOSES:
            return f"{name} now works against the behaviour: {quantity}"
        case Change.OVERTAKEN:
            return f"{name} was overtaken by {reason.other}: {quantity}"
    named = reason.about in (About.BEHAVIOUR, About.VALUE)
    return name if named else f"{name} {quantity}"


def _held_against(reason: Reason) -> str:
    null = "" if reason.null is None else f", null {_show(reason.null, reason)}"
    return f"tolerance {_show(reason.tolerance, reason)}{null}"


def _brief(reason: Reason) -> str:
    name = _name(reason)
    match reason.change:
        case Change.DIFFERS:
            return f"{reason.subject} differs: {reason.before} → {reason.after}"
        case Change.EMPTY:
            distinct = "" if reason.null is None else " distinct from 0"
            return f"no {name}{distinct} left ({reason.before:.0f} before)"
        case Change.GONE:
            null = f"its null {_show(reason.null, reason)}" if reason.null else "0"
            indistinct = "" if reason.null is None else f" (not distinct from {null})"
            return f"{name} gone: {_move(reason)}{indistinct}"
        case Change.MOVED:
            now = f"→{reason.other} {_show(reason.after, reason)}"
        case Change.OVERTAKEN:
            now = f" by {reason.other}"
        case Change.LEFT if reason.distance <= reason.tolerance:
            # It left because there is as much of it where there is nothing to find.
            now = f" {_show(reason.after, reason)} met its null"
        case _:
            what = f" {reason.quantity}" if reason.about in _OF_QUANTITY else ""
            now = f"{what} {_move(reason, arrow='→')}"
    return f"{name}{now}"


def _name(reason: Reason) -> str:
    # A cell's name is a label, which may be the user's own.
    return reason.subject if reason.about is About.CELL else readable(reason.subject)


def _across_layers(reason: Reason) -> bool:
    if reason.change is not Change.MOVED:
        return False
    return Head.parse(reason.subject).layer != Head.parse(reason.other).layer


def _move(reason: Reason, arrow: str = " → ") -> str:
    return f"{_show(reason.before, reason)}{arrow}{_show(reason.after, reason)}"


def _show(value: float | str | None, reason: Reason) -> str:
    """A value with the decimals that it takes to tell the tolerance, or else what there was."""
    if value is None:
        return "undefined"
    if isinstance(value, str):
        return value
    numbers = [one for one in (reason.before, reason.after) if isinstance(one, float)]
    decisive = reason.tolerance or max(map(abs, numbers), default=0.0)
    return shown(value, digits=decimals(decisive, least=2))
