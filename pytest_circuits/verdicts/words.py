"""Verdicts in words: the one renderer behind every place that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.findings import Head
from pytest_circuits.findings.digits import decimals, shown
from pytest_circuits.verdicts.gate import WAIVER
from pytest_circuits.verdicts.judging import readable
from pytest_circuits.verdicts.verdict import About, Change, Kind, Outcome, Reading, Scope
from pytest_circuits.verdicts.vocabulary import OF_READINGS, Term, happened, went

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_circuits.verdicts.verdict import NewBehaviour, Reason, Settlement, Verdict


#: The command that approves what was measured.
APPROVE = "pytest --circuits --snapshot-update"
#: Lines of behaviours that are shown before what the heads did, where there is not room for all.
_BEHAVIOURS_SHOWN = 2
#: Heads named on one line.
_HEADS_SHOWN = 3
#: What a headline tells of behaviour: the one that moved most, and the finding's own number.
_OF_BEHAVIOUR = (About.BEHAVIOUR, About.VALUE)
#: What has to be said of them: which of their numbers moved.
_OF_QUANTITY = (About.ROLE, About.MATRIX, About.CELL)


def headline(verdict: Verdict) -> str:
    """What broke, in one line; the finding's own numbers where nothing moved.

    The behaviour comes first, and the finding's one number, the larger change of the two before
    the other; then the mechanism (the head that changed most and how many more did, else what
    happened to the whole), then what mechanism and behaviour say together. What got better where
    something got worse is told as what it was traded for.
    """
    if not verdict.reasons:
        return "; ".join([*_settlement(verdict), verdict.summary])
    if verdict.kind is Kind.INCOMPARABLE:
        return _incomparable(verdict.reasons)
    first = verdict.reasons[0]
    alike = [r for r in verdict.reasons if (r.bad, r.good) == (first.bad, first.good)]
    behaviours = [next((r for r in alike if r.about is about), None) for about in _OF_BEHAVIOUR]
    in_order = [reason for reason in alike if reason in behaviours]
    parts = [
        *map(brief, in_order),
        *_mechanism(alike),
        *_beside(verdict),
        *_traded(verdict, verdict.reasons),
    ]
    said = list(_settlement(verdict))
    if verdict.outcome is Outcome.FAILS:
        return "; ".join([*said, *parts])
    if verdict.outcome is Outcome.HOLDS and verdict.asks:
        return "; ".join([*parts, *said])
    if verdict.reading is not Reading.BEHAVIOUR_GONE:
        return "; ".join([*parts, *_reading(verdict), *said])
    return f"{', '.join(_reading(verdict))}: {'; '.join(parts)}"


def own_change(verdict: Verdict) -> str:
    """What changed besides behaviours that other findings have too; empty where nothing did.

    That the mechanism is intact, or all of its heads, says nothing but that the behaviour moved.
    """
    alone = tuple(reason for reason in verdict.reasons if not reason.identity)
    if verdict.kind is Kind.INCOMPARABLE:
        return _incomparable(alone) if alone else ""
    settled = [*_settlement(verdict, numbers=False)]
    if not (any(r.bad or r.good for r in alone) or list(_beside(verdict))):
        return "; ".join(settled)
    first = verdict.reasons[0]
    alike = [r for r in alone if (r.bad, r.good) == (first.bad, first.good)]
    numbers = [brief(r) for r in alike if r.of_behaviour][:1]
    parts = [*numbers, *_mechanism(alike), *_beside(verdict), *_traded(verdict, alone)]
    if verdict.reading is not Reading.MECHANISM_INTACT and not settled:
        parts += filter(None, [", ".join(_reading(verdict))])
    return "; ".join([*parts, *settled])


def _mechanism(alike: Sequence[Reason]) -> Iterator[str]:
    """The head that changed most and how many more did, else what happened to the whole."""
    mechanism = [r for r in alike if not r.of_behaviour]
    heads = [r for r in mechanism if r.about is About.HEAD and r.change is not Change.OVERTAKEN]
    # That none is distinct from nothing can't be told from how far each head moved.
    indistinct = any(r.change is Change.EMPTY and r.null is not None for r in mechanism)
    if heads and not indistinct:
        more = f" +{len(heads) - 1}" if len(heads) > 1 else ""
        far = ", across layers" if any(_across_layers(r) for r in heads) else ""
        yield f"{brief(heads[0])}{more}{far}"
    elif mechanism:
        yield brief(mechanism[0])


def _settlement(verdict: Verdict, *, numbers: bool = True) -> Iterator[str]:
    """What new prompts say, where they say something new; with the numbers of one behaviour."""
    settlement = verdict.settlement
    if settlement is None:
        return
    behaviours = settlement.behaviours[:1] if numbers else ()
    told = "".join(f": {_new_move(new)}" for new in behaviours)
    if settlement.why:
        told = f": {settlement.why}"
    if settlement.outcome is Outcome.FAILS:
        hidden = f"{Term.HIDDEN_DAMAGE}, " if verdict.asks else ""
        yield f"{hidden}{Term.FAILS_THERE}{told}"
    elif settlement.outcome is Outcome.HOLDS:
        # What got worse in a behaviour fails all the same.
        if verdict.asks or verdict.kind in (Kind.WEAKENED, Kind.LOST):
            rerouted = f"{Term.REROUTED}, " if verdict.asks else ""
            yield f"{rerouted}{Term.HOLDS_THERE}{told}"
    elif verdict.asks:
        yield f"{Term.NOT_SETTLED}: {settlement.why}"


def settlement_text(settlement: Settlement | None) -> str:
    """Every behaviour on new prompts, and how these were drawn; empty if none was measured."""
    if settlement is None or not settlement.behaviours:
        return ""
    told = "; ".join(map(_new_behaviour, settlement.behaviours))
    return f"on new prompts ({settlement.prompts}): {told}"


def _new_behaviour(new: NewBehaviour) -> str:
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


def _beside(verdict: Verdict) -> Iterator[str]:
    """A finding's one number where it is another one that got worse."""
    own, told = verdict.own, any(reason.about is About.VALUE for reason in verdict.reasons)
    if own and not told and any(reason.bad for reason in verdict.reasons):
        digits = decimals(own.tolerance, least=2)
        before, after = (shown(value, digits=digits) for value in (own.before, own.after))
        yield f"{own.name} itself {before} → {after}"


def _traded(verdict: Verdict, among: Sequence[Reason]) -> Iterator[str]:
    better = next((reason for reason in among if _gain(reason)), None)
    if is_traded(among, verdict.reading) and better is not None:
        yield f"{Term.TRADED} for {brief(better)}"


def is_traded(reasons: Sequence[Reason], reading: Reading | None) -> bool:
    """Whether something got worse and something else better, and that is no compensation.

    A drop that grew because less is left is no gain, and neither is more left because it fell.
    """
    both = any(r.bad for r in reasons) and any(map(_gain, reasons))
    both = both and not any(r.bad and r.of_what_is_left for r in reasons)
    return both and reading is not Reading.COMPENSATED


def _gain(reason: Reason) -> bool:
    """Whether something got better.

    Not what an ablation leaves, as the drop says that, and no head that works against the rest.
    """
    after = reason.after
    opposes = reason.about is About.HEAD and isinstance(after, float) and after < 0
    return reason.good and not reason.of_what_is_left and not opposes


def _incomparable(reasons: Sequence[Reason]) -> str:
    """The first field that differs, and how many more do."""
    more = len(reasons) - 1
    return f"{brief(reasons[0])}{f', and {more} more' if more else ''}"


def _reading(verdict: Verdict) -> Iterator[str]:
    if verdict.reading is None:
        return
    yield OF_READINGS[verdict.reading]
    if verdict.reading is Reading.BEHAVIOUR_GONE and verdict.intact is not None:
        intact, of = verdict.intact
        yield f"{intact} of {of} heads intact"


def lines(verdict: Verdict, limit: int | None = None) -> list[str]:
    """The verdict and its reasons, worst first; heads that did the same share a line.

    Args:
        verdict: the verdict.
        limit: at most so many lines of reasons; the rest is counted.
    """
    text = [f"{verdict.kind}: {headline(verdict)}"]
    if verdict.kind is Kind.NEW:
        return [*text, f"  there is no baseline yet; approve this one with `{APPROVE}`"]
    new = list(_on_new_prompts(verdict))
    every = _grouped(verdict)
    moved = verdict.scope is Scope.WHOLE_MODEL
    reach = [scope_text(verdict)] if moved or (verdict.reasons and verdict.scope) else []
    room = None if limit is None else max(limit - len(reach) - len(new), 1)
    all_fit = room is None or len(every) <= room
    shown = _foremost(every, len(every) if all_fit else max((room or 0) - 1, 0))
    more = [f"… and {len(every) - len(shown)} more"] if len(shown) < len(every) else []
    return text + [f"  {line}" for line in (*new, *shown, *more, *reach)]


def _foremost(every: Mapping[str, Sequence[Reason]], most: int) -> list[str]:
    """So many lines: further behaviours give way to what the heads did."""
    of_behaviour = [line for line, reasons in every.items() if reasons[0].of_behaviour]
    last = of_behaviour[_BEHAVIOURS_SHOWN:]
    kept = [*(line for line in every if line not in last), *last][:most]
    return [line for line in every if line in kept]


def _on_new_prompts(verdict: Verdict) -> Iterator[str]:
    settlement = verdict.settlement
    if settlement is None:
        return
    # Where the verdict asks, its headline says so.
    if settlement.outcome is Outcome.UNSETTLED and not verdict.asks:
        yield f"{Term.NOT_SETTLED}: {settlement.why}"
    if settlement.behaviours:
        told = "; ".join(map(_new_behaviour, settlement.behaviours))
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
    canary, whole = verdict.canary, verdict.scope is Scope.WHOLE_MODEL
    digits = decimals(canary.tolerance, least=2)
    moved = canary_move(canary.name, canary.before, canary.after, moved=whole, digits=digits)
    return f"{Term.WHOLE_MODEL if whole else f'{Term.SPECIFIC} to this circuit'}: {moved}"


def canary_move(name: str, before: float, after: float, *, moved: bool, digits: int = 2) -> str:
    """What became of the canary: ``the loss on a fixed text rose 3.94 → 4.22``."""
    move = f"{shown(before, digits=digits)} → {shown(after, digits=digits)}"
    return f"the {name} {went(before, after) if moved else Term.HELD} {move}"


def _grouped(verdict: Verdict) -> dict[str, list[Reason]]:
    """The lines, and what each tells of."""
    alike: dict[str, list[Reason]] = {}
    less_left = any(reason.bad and reason.of_what_is_left for reason in verdict.reasons)
    for reason in verdict.reasons:
        if less_left and reason.good and reason.about is About.VALUE:
            continue  # a drop that is larger because less is left: lost redundancy, no gain
        # What isn't about a head stands alone.
        line = _what_heads_did(reason) if reason.about is About.HEAD else reason_text(reason)
        alike.setdefault(line, []).append(reason)
    return {
        f"{line}: {_heads(reasons)}" if reasons[0].about is About.HEAD else line: reasons
        for line, reasons in alike.items()
    }


def _what_heads_did(reason: Reason) -> str:
    return happened(reason) + (" across layers" if _across_layers(reason) else "")


def _heads(alike: Sequence[Reason]) -> str:
    heads = ", ".join(brief(r) for r in alike[:_HEADS_SHOWN])
    if len(alike) > _HEADS_SHOWN:
        return f"{heads} and {len(alike) - _HEADS_SHOWN} more"
    return f"{heads} ({_held_against(alike[0])})" if len(alike) == 1 else heads


def reason_text(reason: Reason) -> str:
    """One reason in words, with the tolerance it exceeded, and its null where there is one."""
    if reason.change in (Change.DIFFERS, Change.EMPTY, Change.GONE, Change.NARROWED):
        return brief(reason)
    return f"{_what(reason)} {_move(reason)} ({_held_against(reason)})"


def _what(reason: Reason) -> str:
    name, quantity = _name(reason), reason.quantity
    match reason.change:
        case Change.MOVED:
            far = " (another layer)" if _across_layers(reason) else ""
            return f"{name} moved to {reason.other}{far}: {quantity}"
        case Change.OVERTAKEN:
            return f"{name} was overtaken by {reason.other}: {quantity}"
        case Change.LEFT | Change.JOINED | Change.OPPOSES | Change.SILENT | Change.LESS_LEFT:
            return f"{name} {happened(reason)}: {quantity}"
    return f"{name} {happened(reason)}" if reason.of_behaviour else f"{name} {quantity}"


def _held_against(reason: Reason) -> str:
    null = "" if reason.null is None else f", null {_show(reason.null, reason)}"
    return f"tolerance {_show(reason.tolerance, reason)}{null}"


def brief(reason: Reason) -> str:
    """One reason in a few words, without what was allowed."""
    name = _name(reason)
    match reason.change:
        case Change.DIFFERS:
            differs = f"{reason.subject} differs"
            told = reason.before or reason.after
            return f"{differs}: {reason.before} → {reason.after}" if told else differs
        case Change.NARROWED:
            return f"{reason.subject} {Term.NARROWED}: {reason.before} → {reason.after}"
        case Change.EMPTY:
            distinct = "" if reason.null is None else " distinct from 0"
            return f"no {name}{distinct} left ({reason.before:.0f} before)"
        case Change.GONE:
            return f"{name} {Term.GONE}: {_move(reason)}{_indistinct(reason)}"
        case Change.MOVED:
            now = f"→{reason.other} {_show(reason.after, reason)}"
        case Change.OVERTAKEN:
            now = f" by {reason.other}"
        case Change.SILENT | Change.LESS_LEFT:
            now = f" {reason.quantity} {_move(reason, arrow='→')}"
        case Change.LEFT if reason.distance <= reason.tolerance:
            # It left because there is as much of it where there is nothing to find.
            now = f" {_show(reason.after, reason)} {Term.MET_ITS_NULL}"
        case _ if reason.of_behaviour:
            now = f" {happened(reason)} {_move(reason)}"
        case _:
            what = f" {reason.quantity}" if reason.about in _OF_QUANTITY else ""
            now = f"{what} {_move(reason, arrow='→')}"
    return f"{name}{now}"


def _indistinct(reason: Reason) -> str:
    """What something that is gone can't be told from any more; empty if it fell to nothing."""
    if reason.null is None:
        return ""
    if not reason.null:
        return " (not distinct from 0)"
    if went(reason.before, reason.after) is Term.ROSE:
        return f" ({Term.AT_CHANCE}, {_show(reason.null, reason)})"
    return f" (not distinct from its null {_show(reason.null, reason)})"


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
