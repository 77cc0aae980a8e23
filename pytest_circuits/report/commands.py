"""What to type to measure a finding again, or to approve it."""

from __future__ import annotations

from shlex import join
from typing import TYPE_CHECKING

from pytest_circuits.verdicts import Kind

if TYPE_CHECKING:
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Run

#: What the second state of compared baselines is called where it is no revision.
WORKING_TREE = "working tree"


def reproduce(run: Run, row: Row) -> str:
    """The command that measures a finding again, in the suite's root folder."""
    if run.compared is not None:
        before, after = run.compared
        return join(["git", "diff", before, *([after] if after != WORKING_TREE else [])])
    model = next(model for model in run.models if model.alias == row.alias)
    named = f"{model.alias}={model.source}"
    return join(["pytest", "--circuits", *run.options, "--circuits-model", named, row.test])


def approve(run: Run, row: Row) -> str:
    """The command that approves a finding; empty where there is nothing to approve.

    Only a declared model owns baselines.
    """
    model = next((model for model in run.models if model.alias == row.alias), None)
    nothing = row.verdict == Kind.PRESERVED or row.verdict not in list(Kind)
    if run.compared is not None or model is None or not model.declared or nothing:
        return ""
    return f"{reproduce(run, row)} --snapshot-update"
