"""One finding as the page tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_circuits.report.commands import approve, no_approval, reproduce
from pytest_circuits.report.figures import SideBySide
from pytest_circuits.report.figures.overview import notes
from pytest_circuits.report.page_figures import FigureView, figures_of
from pytest_circuits.report.page_tables import (
    BehaviourView,
    FieldView,
    behaviours,
    cells_that_matter,
    convention,
    provenance,
)
from pytest_circuits.report.run import fails, marks, test_of, title
from pytest_circuits.report.summary import canary_beside, canary_in_words
from pytest_circuits.verdicts import Kind, Scope, reason_text, settlement_text
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run
    from pytest_circuits.report.side_by_side import CellText


@dataclass(frozen=True)
class WholeView:
    """What is shown of a finding that is there whole.

    Attributes:
        cells: the cells that matter.
        count: how many cells there are.
        behaviours: the companion behaviours.
        figures: what the page says of each figure.
        data: what the figures are drawn from.
        notes: what can't be shown, and why.
        convention: the choices that change the numbers.
        provenance: what it was measured with.
        approved: whether there is a baseline beside it.
        compared: whether its values can be compared with those.
        role: the role and how many have it, before and after.
    """

    cells: list[CellText]
    count: int
    behaviours: list[BehaviourView]
    figures: list[FigureView]
    data: dict[str, Any]
    notes: list[str]
    convention: list[FieldView]
    provenance: list[FieldView]
    approved: bool
    compared: bool
    role: str


@dataclass(frozen=True)
class FindingView:
    """One finding of the page.

    Attributes:
        id: the anchor of its place.
        row: its row.
        label: its test in short, with its own name.
        marks: what else must be known beside the verdict.
        reasons: why, worst first.
        settled: what new prompts said; empty where they were not asked.
        scope: whether the whole model moved; empty where that isn't known.
        waiver: why a waiver let it pass, or didn't; empty without one.
        reproduce: the command that measures it again.
        approve: the command that approves it.
        no_approval: why there is no such command; empty where there is or nothing to approve.
        whole: the finding whole; None where nobody kept it.
    """

    id: str
    row: Row
    label: str
    marks: list[str]
    reasons: list[str]
    settled: str
    scope: str
    waiver: str
    reproduce: str
    approve: str
    no_approval: str
    whole: WholeView | None = field(repr=False)


def finding_view(
    run: Run, row: Row, label: str, anchor: str, names: tuple[str, str]
) -> FindingView:
    """A finding for the page.

    Args:
        run: its run.
        row: its row.
        label: what its test is called.
        anchor: the name of its place in the page.
        names: what baseline and finding are called.
    """
    model = next((each for each in run.models if each.alias == row.alias), None)
    return FindingView(
        id=anchor,
        row=row,
        label=title(row, {test_of(row): label}),
        marks=[*marks(row), *(["remembered"] * row.remembered)],
        reasons=[reason_text(reason) for reason in row.reasons],
        settled=settlement_text(row.settlement),
        scope=_scope(row),
        waiver=_waiver(row),
        reproduce="" if model is None and run.compared is None else reproduce(run, row),
        approve="" if row.written else approve(run, row),
        no_approval="" if row.written else no_approval(run, row),
        whole=_whole(row, names),
    )


def _scope(row: Row) -> str:
    canary = canary_beside(row)
    if canary is None or (row.verdict == Kind.PRESERVED and canary.scope is Scope.SPECIFIC):
        return ""
    whole = canary.scope is Scope.WHOLE_MODEL
    words = Term.WHOLE_MODEL if whole else f"{Term.SPECIFIC} to this circuit"
    return f"{words.capitalize()}: {canary_in_words(canary)}"


def _waiver(row: Row) -> str:
    if row.waived:
        return f"Waived {row.waiver}"
    if not row.waiver:
        return ""
    if row.waiver.startswith("ended"):
        return f"Waiver {row.waiver}"
    return f"Waiver {row.waiver}" + (
        f" (does not accept {row.verdict})" if fails(row) else " (not needed here)"
    )


def _whole(row: Row, names: tuple[str, str]) -> WholeView | None:
    if row.details is None:
        return None
    found = row.details.found.finding
    approved = None if row.details.approved is None else row.details.approved.finding
    # What a finding is held to is what its baseline allows.
    held_to = (row.details.approved or row.details.found).tolerance
    comparison = SideBySide.of(found, approved, held_to, names)
    drawn = figures_of(comparison)
    return WholeView(
        cells=cells_that_matter(comparison),
        count=int(comparison.present.sum()),
        behaviours=list(behaviours(comparison)),
        figures=drawn.views,
        data=drawn.data,
        notes=notes(comparison),
        convention=convention(found, approved),
        provenance=provenance(found, approved),
        approved=approved is not None,
        compared=comparison.comparable,
        role=_role(comparison),
    )


def _role(comparison: SideBySide) -> str:
    role = comparison.role
    if role is None:
        return ""
    now = len(comparison.members)
    takes = f"it takes {role.threshold:.3g}"
    if comparison.undefined:
        return f"{role.name} ({takes})"
    if comparison.approved is None or not comparison.comparable:
        return f"{role.name}: {now} ({takes})"
    before = len(comparison.members_before)
    counted = f"{now}" if now == before else f"{before} → {now}"
    return f"{role.name}: {counted} ({takes})"
