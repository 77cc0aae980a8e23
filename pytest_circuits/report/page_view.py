"""A run as the page's template reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_circuits.report.causes import causes
from pytest_circuits.report.figures import Step
from pytest_circuits.report.page_figures import versions
from pytest_circuits.report.page_finding import FindingView, finding_view
from pytest_circuits.report.page_words import (
    ModelView,
    RunVerdict,
    facts,
    models,
    tones,
    verdict_on,
)
from pytest_circuits.report.run import VERDICTS, labels, test_of, title
from pytest_circuits.report.summary import summarise_run
from pytest_circuits.report.table import table, worst_first
from pytest_circuits.verdicts import Kind

if TYPE_CHECKING:
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import FailedTest, Run
    from pytest_circuits.report.table import TableRow

#: Causes that the page begins with.
_FOREMOST = 3
#: What is worth beginning with where nothing fails.
_NEWS = (Kind.RELOCATED, Kind.STRENGTHENED, Kind.WEAKENED, Kind.LOST, Kind.INCOMPARABLE, Kind.NEW)
#: Findings whose lines over versions are drawn.
_MOST_LINES = 24


class CauseView(NamedTuple):
    """What the page says first of a cause.

    Attributes:
        finding: the finding that tells of it.
        text: what that says.
        also: the other findings that changed because of it.
    """

    finding: FindingView
    text: str
    also: list[FindingView]


@dataclass(frozen=True)
class PageView:
    """A whole page.

    Attributes:
        run: what it shows.
        title: its title.
        verdict: the run in a line.
        foremost: what to look at first: the causes of what fails worst, or of what changed, each
            with what is said of it and the findings that have it too.
        more: how many further causes there are.
        counts: verdict, what excuses it and how many findings there are of it, worst first.
        shared: how many causes the changes have, in words; empty where each has its own.
        facts: what the verdict rests on.
        models: the models.
        matrix: findings × models, each with what it is called; empty for one model.
        anchors: the place of each row in the page, by the row's identity.
        versions: the figure of findings over models; None for one model.
        lines_left_out: findings that it leaves out.
        verdicts: the verdicts there are, worst first.
        findings: the findings, worst first.
        failed: tests that failed without a finding.
        names: what baseline and finding are called.
    """

    run: Run
    title: str
    verdict: RunVerdict
    foremost: list[CauseView]
    more: int
    counts: list[tuple[str, str, int]]
    shared: str
    facts: list[tuple[str, str]]
    models: list[ModelView]
    matrix: list[tuple[str, TableRow]]
    anchors: dict[int, str]
    versions: dict[str, Any] | None
    lines_left_out: int
    verdicts: list[str]
    findings: list[FindingView]
    failed: list[FailedTest]
    names: tuple[str, str]

    def anchor(self, row: Row) -> str:
        """Where the page tells of a row."""
        return self.anchors[id(row)]


def page_view(run: Run) -> PageView:
    """The page of a run."""
    tone = tones(run)
    names = ("baseline", "candidate") if run.compared is None else ("before", "after")
    told = causes(run)
    rows = [row for cause in told for row in cause.rows]
    called = labels(rows)
    findings = [
        finding_view(run, row, called[test_of(row)], f"finding-{number}", names)
        for number, row in enumerate(rows, start=1)
    ]
    several = worst_first(table(run)) if len(run.models) > 1 else []
    matrix = [(title(each.first, called), each) for each in several]
    lines = [
        (label.removeprefix("test_"), steps)
        for label, each in matrix
        if (steps := _steps(run, each))
    ]
    views = {id(view.row): view for view in findings}
    bad = [cause for cause in told if any(tone(row) == "bad" for row in cause.rows)]
    news = bad or [cause for cause in told if cause.lead.verdict in _NEWS or run.compared]
    summary = summarise_run(run)
    return PageView(
        run=run,
        title=_title(run),
        verdict=verdict_on(run),
        foremost=[
            CauseView(
                views[id(cause.lead)],
                cause.lead.headline,
                [views[id(row)] for row in cause.rows[1:]],
            )
            for cause in news[:_FOREMOST]
        ],
        more=len(news[_FOREMOST:]),
        counts=[(*kind, number) for kind, number in summary.counts.items()],
        shared=summary.shared,
        facts=facts(run),
        models=models(run),
        matrix=matrix,
        # By identity: findings that were never compared may be alike.
        anchors={id(view.row): view.id for view in findings},
        versions=versions(lines[:_MOST_LINES]) if lines and run.compared is None else None,
        lines_left_out=max(0, len(lines) - _MOST_LINES),
        verdicts=[each for each in VERDICTS if any(row.verdict == each for row in rows)],
        findings=findings,
        failed=sorted(run.failed),
        names=names,
    )


def _title(run: Run) -> str:
    if run.compared is not None:
        return f"Baselines of {run.compared[0]} → {run.compared[1]}"
    return "Circuits of " + ", ".join(model.alias for model in run.models)


def _steps(run: Run, finding: TableRow) -> list[Step]:
    """What every model gave; empty where fewer than two have a number."""
    steps = [
        Step(model.alias, row.number if row else None, row.verdict if row else "")
        for model in run.models
        for row in [finding.cells.get(model.alias)]
    ]
    return steps if sum(step.number is not None for step in steps) > 1 else []
