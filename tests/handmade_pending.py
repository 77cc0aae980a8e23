"""Pending files of findings that no model was needed for."""

from pathlib import Path

from pytest_circuits.baselines import Location, baseline_path, compare, file_name, find
from pytest_circuits.baselines.pending import Pending, PendingTest, read_pending
from pytest_circuits.baselines.pending_files import leave, pending_path


def place_of(alias="recall", *, test="test_heads", parameters="", module="test_heads", folder=None):
    """Where a test's baselines lie, in the working directory if none is named."""
    file = (folder or Path.cwd()) / f"{module}.py"
    return Location.of(baseline_path(file, alias, file_name(test, parameters)))


def left(
    *found, alias="recall", owners=None, failure="", warning="", nodeid="", compared=None, **where
):
    """Leave findings of one test as a run would, held against the baselines that are there now.

    The test's module is there afterwards, and empty if it was not there before.
    """
    place = place_of(alias, **where)
    owners = owners or (alias,)
    test = where.get("test", "test_heads").replace(".", "::")
    nodeid = nodeid or f"{place.module}.py::{test}[{alias}]"
    findings = []
    for baseline in found:
        served = find(place.path, owners, baseline.name)
        finding = baseline.finding
        comparison = compare(baseline.name, finding, finding, served)
        pending = Pending.of(comparison, finding, owners)
        fields = {**vars(pending), "failure": failure, "warning": warning}
        findings.append(Pending(**fields))
    leave(place, PendingTest(nodeid, tuple(findings)), compared=compared)
    (place.folder / f"{place.module}.py").touch()
    return pending_path(place)


def names_in(path):
    """The names of the findings in a pending file; None if there is no file."""
    test = read_pending(path)
    return None if test is None else [pending.name for pending in test.findings]
