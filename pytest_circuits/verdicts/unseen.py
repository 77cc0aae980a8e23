"""What values do not show: heads that write nothing, lost backups, attention that ends sooner."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.findings import Direction
from pytest_circuits.findings.statistics import t95
from pytest_circuits.verdicts.tolerances import DEAD_SHARE
from pytest_circuits.verdicts.verdict import About, Change, Reason, movement, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_circuits.findings import Finding, Head
    from pytest_circuits.verdicts.tolerances import Tolerance

#: A head that writes less than this many logits for the next token had no output to lose: harmless
#: changes move what a head writes by up to 0.03.
LEAST_OUTPUT = 0.1


def silent_heads(
    found: Finding, approved: Finding, parts: Mapping[Head, Head]
) -> dict[Head, Reason]:
    """The heads that have a part in the role, and write nothing where its holder wrote something.

    A head wrote if its output for the next token was at least 0.1 logits, and its interval (t over
    clusters, 95 % each way) above 0. It writes nothing if less than a fifth of that is left.

    Args:
        found: what was measured now.
        approved: what the baseline holds.
        parts: the head that has each member's part now: the member itself, or the one it moved to.
    """
    silent = {}
    for member, holder in parts.items():
        was, now = approved.outputs.get(str(member)), found.outputs.get(str(holder))
        if was is None or now is None or not wrote(approved, member):
            continue
        if now.mean < DEAD_SHARE * was.mean:
            silent[holder] = Reason(
                Change.SILENT,
                About.HEAD,
                str(holder),
                "output",
                was.mean,
                now.mean,
                (1 - DEAD_SHARE) * was.mean,
            )
    return silent


def wrote(finding: Finding, head: Head) -> bool:
    """Whether a head writes distinctly more than nothing for the next token."""
    output = finding.outputs.get(str(head))
    if output is None or output.mean < LEAST_OUTPUT:
        return False
    margin = t95(finding.clusters) * output.error if finding.clusters > 1 else 0.0
    return output.mean > margin


def less_left(
    reasons: Iterable[Reason], found: Finding, approved: Finding, tolerance: Tolerance
) -> Iterator[Reason]:
    """The reasons, with heads that got stronger in an ablation judged by what is left without them.

    A head whose ablation hurts more carries more of a behaviour that grew with it, or carries what
    others could do before. What is left without it tells the two apart: intact − harm (intact +
    harm, of a loss). Where that is worse than in the baseline by more than the intact behaviour may
    be, the head did not get stronger: nothing backs it up any more.
    """
    for reason in reasons:
        if approved.measure != "ablate" or not reason.good:
            yield reason
            continue
        assert isinstance(reason.before, float)
        assert isinstance(reason.after, float)
        intact, now = approved.companion[0], found.companion[0]
        sign = -1 if intact.direction is Direction.LOWER else 1
        before, after = intact.value - sign * reason.before, now.value - sign * reason.after
        allowed = tolerance.behaviours[intact.name].of(before)
        moved = movement(intact.direction, before, after)
        if moved >= 0 or within(moved, allowed):
            yield reason
            continue
        yield replace(
            reason,
            change=Change.LESS_LEFT,
            quantity=f"{intact.name.replace('_', ' ')} without it",
            before=before,
            after=after,
            tolerance=allowed,
        )


class Narrowed(NamedTuple):
    """A layer whose attention can't look as far back as it could.

    Attributes:
        before: its window in tokens; 0 where it saw everything.
        after: its window now.
    """

    before: int
    after: int


def windows(finding: Finding) -> list[int]:
    """The window of each layer, 0 where it sees everything; one number where all are alike."""
    noted = finding.provenance.get("attention_window", 0)
    return [
        window if isinstance(window, int) else 0
        for window in (noted if isinstance(noted, list) and noted else [noted])
    ]


def narrowed(found: Finding, approved: Finding) -> list[Narrowed]:
    """The layers that see less than those of the baseline, those that see least first."""
    before, after = windows(approved), windows(found)
    layers = [
        Narrowed(before[layer % len(before)], after[layer % len(after)])
        for layer in range(max(len(before), len(after)))
    ]
    less = [layer for layer in layers if 0 < layer.after < (layer.before or inf)]
    return sorted(less, key=lambda layer: layer.after)
