"""Circuit tests that can't run as they are written, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.session.markers import waiver_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


def refusals(items: Sequence[pytest.Item]) -> dict[str, str]:
    """Why tests can't run, by node id."""
    problems = {item.nodeid: _scope_problem(item) or _waiver_problem(item) for item in items}
    known = {nodeid: problem for nodeid, problem in problems.items() if problem}
    return known | _case_problems(items)


def _scope_problem(item: pytest.Item) -> str | None:
    """What is wrong if a fixture of a wider scope asks for one of ours that belongs to one test."""
    known: Any = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    for *_, fixture in known.values():
        ours = [name for name in fixture.argnames if name in ("circuits", "circuit_snapshot")]
        if ours and fixture.scope != "function":
            return (
                f"the {fixture.scope}-scoped fixture {fixture.argname!r} asks for {ours[0]!r}, "
                f"which belongs to one test.\n"
                f"Give {fixture.argname!r} function scope, or let it ask for 'circuit_model' and "
                f"measure with pytest_circuits.measures."
            )
    return None


def _waiver_problem(item: pytest.Item) -> str | None:
    """What is wrong with the arguments of a test's marker."""
    from pytest_circuits.verdicts import WaiverError

    try:
        waiver_of(item)
    except WaiverError as error:
        return str(error)
    return None


def _case_problems(items: Sequence[pytest.Item]) -> dict[str, str]:
    """What is wrong with tests whose baselines are one file where a file system ignores case."""
    from pytest_circuits.session.snapshot import baseline_file

    sharing: dict[str, list[str]] = {}
    for item in items:
        if "circuit_snapshot" in getattr(item, "fixturenames", ()):
            path = baseline_file(item)
            if path is not None:
                sharing.setdefault(str(path).casefold(), []).append(item.nodeid)
    return {
        nodeid: f"{' and '.join(dict.fromkeys(nodeids))} differ only in case, and so would their "
        f"baselines' files: rename one of them"
        for nodeids in sharing.values()
        if len(set(nodeids)) > 1
        for nodeid in nodeids
    }
