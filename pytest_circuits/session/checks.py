"""What a run, a test or a fixture asks for that can't be, or is not what it looks like."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from pytest_circuits.session.models import MODEL, is_ours
from pytest_circuits.session.variants import (
    SOURCE,
    asked_by,
    code_of,
    own_parameters,
    problem_of,
    reachable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.session.settings import NamedPath, Settings
    from pytest_circuits.verdicts import Waiver


def check_usage(config: pytest.Config, settings: Settings) -> None:
    """Refuse a run that can't be what was asked for.

    Raises:
        pytest.UsageError: naming what is wrong, and ways out.
    """
    if not config.pluginmanager.hasplugin("syrupy"):
        raise pytest.UsageError(
            "--circuits keeps its baselines with syrupy, which is switched off (-p no:syrupy)"
        )
    if sys.flags.optimize and config.getoption("assertmode", "plain") == "plain":
        raise pytest.UsageError(
            "--circuits with `python -O` (or PYTHONOPTIMIZE) and --assert=plain: Python leaves out "
            "every assert, so that nothing would be compared.\n"
            "Leave out one of the two: pytest keeps the asserts of tests that it rewrites."
        )
    if settings.reference is None:
        raise pytest.UsageError(
            f"--circuits needs a reference model, and circuits_models is not set "
            f"({settings.ini}):\n"
            f"  circuits_models =\n"
            f"      reference = path/to/checkpoint{_path_apart(config)}"
        )
    _check_approval(config, settings)
    if settings.report is not None:
        _check_folder(settings.report)
    for kind, file in settings.report_files.items():
        _check_file(kind, file)


def _path_apart(config: pytest.Config) -> str:
    """A hint where pytest may have looked for the ini file in a model's folder.

    It takes whatever exists on its command line for tests, an option's value after a space too.
    """
    asked = [str(argument) for argument in config.invocation_params.args]
    folder = config.invocation_params.dir
    for value in config.getoption("circuits_model") or ():
        if value in asked and (folder / value).exists():
            return (
                f"\nWhere that is set, write --circuits-model={value}: after a space, pytest takes "
                f"the folder for one of tests, and looks for its ini file there"
            )
    return ""


def _check_approval(config: pytest.Config, settings: Settings) -> None:
    """Only declared models own baselines, and what is to be decided on isn't approved."""
    option: Any = config.option
    undeclared = [alias for alias in settings.measured if alias not in settings.declared]
    update = option.update_snapshots or option.update_new_snapshots_only
    if update and settings.pending:
        raise pytest.UsageError(
            "--circuits-pending leaves what differs to be decided on, and --snapshot-update "
            "approves it: use one of them"
        )
    if undeclared and (update or settings.pending):
        what = (
            "--snapshot-update has nothing to write" if update else "nothing of it can be approved"
        )
        raise pytest.UsageError(
            f"{undeclared[0]!r} owns no baselines, so {what}.\n"
            f"Declare it in circuits_models ({settings.ini}): "
            f"{undeclared[0]} = {settings.measured[undeclared[0]].public} < {settings.reference}\n"
            f"or update the reference: --circuits-model "
            f"{settings.reference}={settings.measured[undeclared[0]].public}"
        )


def _check_folder(folder: NamedPath) -> None:
    path = folder.path
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    if not there.is_dir():
        what = "is a file" if there == path else "lies in a file"
        raise pytest.UsageError(f"circuits: report {folder} {what}: name a folder for it")


def _check_file(kind: str, file: NamedPath) -> None:
    there = next(parent for parent in (file.path, *file.path.parents) if parent.exists())
    if file.path.is_dir() or (there != file.path and not there.is_dir()):
        what = "is a folder" if there == file.path else "lies in a file"
        raise pytest.UsageError(f"circuits: {kind} report {file} {what}: name a file for it")


def check_finding(data: object) -> None:
    """Refuse what can't be compared with a baseline.

    Raises:
        TypeError: if it is no finding, or a screen.
    """
    from pytest_circuits.findings import Finding

    if not isinstance(data, Finding):
        raise TypeError(
            f"circuit_snapshot holds findings, and got {type(data).__name__}: compare what a "
            f"measure returned, as in `assert circuits.induction_scores() == circuit_snapshot`"
        )
    if data.screen:
        raise TypeError(
            f"{data.measure} is a screen, which only says where to look.\n"
            f"Measure what it names with `patch`, and compare that."
        )


def waiver_of(item: pytest.Item) -> Waiver | None:
    """The waiver of the nearest ``circuits`` marker that has one.

    Raises:
        WaiverError: if its arguments are none.
    """
    for marker in item.iter_markers("circuits"):
        if marker.args or marker.kwargs:
            from pytest_circuits.verdicts import parse_waiver

            # Given by position they would only be missing by name, which the message says.
            return parse_waiver(marker.kwargs)
    return None


def refusals(items: Sequence[pytest.Item]) -> dict[str, str]:
    """Why tests can't run, by node id."""
    problems = {
        item.nodeid: problem_of(item) or _scope_problem(item) or _waiver_problem(item)
        for item in items
    }
    known = {nodeid: problem for nodeid, problem in problems.items() if problem}
    return known | _shared_files(items)


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


def _shared_files(items: Sequence[pytest.Item]) -> dict[str, str]:
    """What is wrong with tests whose baselines are one file where a file system ignores case."""
    from pytest_circuits.session.extension import baseline_file

    sharing: dict[str, dict[str, tuple[str, str]]] = {}
    for item in items:
        if "circuit_snapshot" in getattr(item, "fixturenames", ()):
            path = baseline_file(item)
            if path is not None:
                # What repeats a test, by parameters that it doesn't ask for, is the same test.
                test = item.nodeid.partition("[")[0], own_parameters(item)
                sharing.setdefault(str(path).casefold(), {})[item.nodeid] = test
    return {
        nodeid: f"{' and '.join(tests)} differ only in case, and so would their "
        f"baselines' files: rename one of them"
        for tests in sharing.values()
        if len(set(tests.values())) > 1
        for nodeid in tests
    }


class IgnoredSourceWarning(UserWarning):
    """An override of ``circuit_model`` gives one model, whichever the run is asked to measure.

    It is given for an override that asks neither for ``circuit_source`` nor for the
    ``circuit_model`` that it overrides: among its arguments, through another fixture that it asks
    for, or by name with ``request.getfixturevalue``. Also where nothing but the reference is
    measured: there too the model is not what its alias says.
    """


class Overrides:
    """Warns of overrides, of each once. Under xdist each worker does, and pytest joins them."""

    def __init__(self) -> None:
        self._warned: set[tuple[str, int]] = set()

    def look_at(self, fixture: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
        """Warn of a fixture that is about to be set up, if it ignores what is asked for."""
        code = code_of(fixture.func)
        if fixture.argname != MODEL or code is None or is_ours(fixture):
            return
        place = (code.co_filename, code.co_firstlineno)
        if place in self._warned or _asks_for_source(fixture, request):
            return
        # Where warnings are errors this raises, and does so again for the next test.
        warnings.warn_explicit(
            "this circuit_model takes no account of circuit_source: its tests are given the same\n"
            "model whatever --circuits-model and circuits_models say.\n"
            "Let it ask for circuit_source, and load what circuit_source.source names; or make it\n"
            "a source of its own: package.module:factory.",
            IgnoredSourceWarning,
            *place,
        )
        self._warned.add(place)


def _asks_for_source(fixture: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> bool:
    """Whether a fixture, or one that it asks for, asks for the model under test."""
    item = request._pyfuncitem  # noqa: SLF001 — the node of a wider fixture knows no conftest's
    return not {MODEL, SOURCE}.isdisjoint(reachable(asked_by(fixture), item))
