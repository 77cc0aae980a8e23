"""What a run, a test or a fixture asks for that can't be, or is not what it looks like."""

from __future__ import annotations

import inspect
import warnings
from types import CodeType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_circuits.session.models import MODEL, SOURCE, is_ours

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    if settings.reference is None:
        raise pytest.UsageError(
            f"--circuits needs a reference model, and circuits_models is not set "
            f"({settings.ini}):\n"
            f"  circuits_models =\n"
            f"      reference = path/to/checkpoint"
        )
    _check_approval(config, settings)
    if settings.report is not None:
        _check_folder(settings.report)
    for kind, file in settings.report_files.items():
        _check_file(kind, file)


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
        code = _code(fixture)
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
    manager = request.session._fixturemanager  # noqa: SLF001 — the one way to know what is asked
    item = request._pyfuncitem  # noqa: SLF001 — the node of a wider fixture knows no conftest's
    seen: set[str] = set()
    waiting = [fixture]
    while waiting:
        each = waiting.pop()
        names = set(each.argnames)
        if "request" in names:
            names.update(_texts(_code(each)))
        if names & {MODEL, SOURCE}:
            return True
        for name in names & set(each.argnames) - seen:
            waiting += manager.getfixturedefs(name, item) or ()
        seen |= names
    return False


def _code(fixture: pytest.FixtureDef[Any]) -> CodeType | None:
    code: CodeType | None = getattr(inspect.unwrap(fixture.func), "__code__", None)
    return code


def _texts(code: CodeType | None) -> Iterable[str]:
    """The texts that stand in a function, and in those within it."""
    for constant in code.co_consts if code else ():
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts(constant)
