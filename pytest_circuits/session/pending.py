"""What is left to be decided on: pending files of ``--circuits-pending``, and what is new."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_circuits.baselines import Location
from pytest_circuits.baselines.pending import PendingTest
from pytest_circuits.baselines.pending_files import leave
from pytest_circuits.report.rows import NOT_JUDGED
from pytest_circuits.report.text import cut
from pytest_circuits.session.extension import baseline_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

    from pytest_circuits.report import Row
    from pytest_circuits.session.outcomes import ItemState
    from pytest_circuits.session.settings import Settings

#: Characters of a failure's message that are kept.
_FAILURE_SHOWN = 200


def how_to_approve(new: Iterable[Row], settings: Settings) -> Iterator[str]:
    """How new findings that passed and were left unwritten are approved, if there are any."""
    left = {
        row.alias
        for row in new
        if row.outcome == "passed"
        and not (row.written or row.pending)
        and row.alias in settings.declared
    }
    # Plain runs measure the reference.
    others = [] if left <= {settings.reference} else [a for a in settings.declared if a in left]
    models = "".join(f" --circuits-model {alias}" for alias in others)
    if left:
        yield f"approve what is new: pytest --circuits{models} --snapshot-update"


def leave_pending(item: pytest.Item, state: ItemState, *, passed: bool) -> None:
    """Leave those of a test's findings that differ from their baselines, to be decided on.

    What an earlier run left goes where this one says otherwise: of every finding that was compared,
    and of all others too where the test passed without comparing them. Findings that a failed test
    did not get to keep what was left of them.

    Args:
        item: the test, which is over.
        state: what it did.
        passed: whether it passed.
    """
    path = baseline_file(item)
    place = None if path is None else Location.of(path)
    compared = {row.name for row in state.rows if row.is_judged}
    if place is None or not (compared or passed):
        return
    findings = tuple(offer() for offer in state.pending)
    # The gate fails a test by its comparison; anything else keeps it from passing after an approval
    # too, and an update would have approved nothing.
    if state.failure and all(row.passes for row in state.rows if row.verdict != NOT_JUDGED):
        failure = cut(state.failure, _FAILURE_SHOWN)
        findings = tuple(replace(pending, failure=failure) for pending in findings)
    leave(place, PendingTest(item.nodeid, findings), compared=None if passed else compared)
