"""What to type to measure a finding again, or to approve it."""

from __future__ import annotations

from shlex import join
from typing import TYPE_CHECKING

from pytest_circuits.baselines.approving import nothing_to_approve
from pytest_circuits.baselines.locations import file_of
from pytest_circuits.report.run import test_of

if TYPE_CHECKING:
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run


#: What the state of the baselines is called that is no commit.
WORKING_TREE = "working tree"


def compare(run: Run) -> str:
    """The command that tells again what became of baselines; empty for a run that measured."""
    return "" if run.compared is None else join(["pytest-circuits", "diff", *_revisions(run)])


def _revisions(run: Run) -> list[str]:
    """What compared states are called, as git takes them."""
    # What stands in brackets tells readers why it is that commit.
    names = [name.partition(" (")[0] for name in run.compared or ()]
    return [name for name in names if name != WORKING_TREE]


def reproduce(run: Run, row: Row) -> str:
    """The command that measures a finding again, in the folder that pytest ran in.

    Between two states of baselines: the one that shows its file's change, at the repository's top.
    """
    if run.compared is not None:
        return join(["git", "diff", *_revisions(run), "--", file_of(test_of(row), row.alias)])
    model = next(model for model in run.models if model.alias == row.alias)
    named = f"{model.alias}={model.source}"
    test = f"{run.root}/{row.test}" if run.root else row.test
    return join(
        ["pytest", "--circuits", *run.options, *model.options, "--circuits-model", named, test]
    )


def approve(run: Run, row: Row) -> str:
    """The command that approves a finding; empty where there is nothing to approve."""
    if not _to_decide(run, row) or no_approval(run, row):
        return ""
    return f"{reproduce(run, row)} --snapshot-update"


def no_approval(run: Run, row: Row) -> str:
    """Why a finding that differs from its baseline, or has none, can't be approved; or nothing.

    Only a declared model owns baselines, and a baseline holds something that can get lost.
    """
    if not _to_decide(run, row):
        return ""
    if not any(model.alias == row.alias and model.declared for model in run.models):
        return (
            f"{row.alias} is not declared in circuits_models, so it owns no baselines: declare it "
            f"there to approve what it does."
        )
    problem = None if row.details is None else nothing_to_approve(row.details.found.finding)
    return " ".join((problem or "").split())


def _to_decide(run: Run, row: Row) -> bool:
    """Whether a run, and no comparison of files, found a finding to differ from its baseline."""
    measured = run.compared is None and any(model.alias == row.alias for model in run.models)
    return measured and row.differs
