"""What to type to measure a finding again, or to approve it."""

from __future__ import annotations

from shlex import join
from typing import TYPE_CHECKING

from pytest_circuits.baselines.nodeids import file_of
from pytest_circuits.baselines.states import WORKING_TREE
from pytest_circuits.report.reading import test_of
from pytest_circuits.verdicts import Kind

if TYPE_CHECKING:
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run


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
    """The command that approves a finding; empty where there is nothing to approve.

    Only a declared model owns baselines.
    """
    model = next((model for model in run.models if model.alias == row.alias), None)
    nothing = row.verdict == Kind.PRESERVED or row.verdict not in list(Kind)
    if run.compared is not None or model is None or not model.declared or nothing:
        return ""
    return f"{reproduce(run, row)} --snapshot-update"
