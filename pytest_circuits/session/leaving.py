"""What a run writes of a test when its call is over: what it approved, and what is left pending.

And what it deletes before: what runs that were killed left unfinished there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_circuits.baselines import ROOT, BaselineError
from pytest_circuits.baselines.writing import sweep, why_not
from pytest_circuits.session.shown import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.session.outcomes import ItemState

_ADVICE = (
    "Make room or let this user write there, or leave out --snapshot-update and --circuits-pending."
)


class Sweeping:
    """The plugin that sweeps the folders of baselines beside the tests of a run."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        """Sweep before the first test; other runs may be writing there meanwhile."""
        option: Any = session.config.option
        if not option.collectonly:
            for folder in {item.path.parent for item in session.items}:
                sweep(folder / ROOT)
        return (yield)


def leave(item: pytest.Item, report: pytest.TestReport, state: ItemState, *, pending: bool) -> None:
    """Write what a test approved, if it passed, and what it did not approve as pending.

    What can't be written fails the test, with the file's name: an update that did not take place
    must not look like one that did.

    Args:
        item: the test, whose call is over.
        report: the report of its call, when everybody else has had a say.
        state: what it did.
        pending: whether to leave what differs to be decided on.
    """
    try:
        if state.passed:
            state.write_approved()
        if pending:
            from pytest_circuits.session.pending import leave_pending

            leave_pending(item, state, passed=state.passed)
            state.left = {row.name for row in state.rows}
    except OSError as error:
        words = f"{_file(item, error)} can't be written ({why_not(error)}).\n{_ADVICE}"
        _fail(report, state, words)
    except BaselineError as error:
        _fail(report, state, str(error))
    except Exception as error:  # noqa: BLE001 — an error here would end the whole run
        words = f"could not be written: {type(error).__name__}: {error}; please report it"
        _fail(report, state, f"what {item.nodeid} found {words}")


def _file(item: pytest.Item, error: OSError) -> str:
    from pytest_circuits.session.extension import baseline_file

    path = error.filename or baseline_file(item)
    return str(path).replace(f"{item.config.rootpath}{os.sep}", "")


def _fail(report: pytest.TestReport, state: ItemState, words: str) -> None:
    """Fail a test by its report, whose own words, if it failed already, come first."""
    words = said(words)
    if report.failed:
        report.sections.append(("circuits", words))
        return
    report.outcome = "failed"
    report.longrepr = words
    # A failure that was expected was not this one.
    vars(report).pop("wasxfail", None)
    state.passed, state.failure = False, words.partition("\n")[0]
