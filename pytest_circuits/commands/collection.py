"""All tests of a suite, as pytest collects them: nothing deselected, run or written."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_circuits.baselines import Location, walk
from pytest_circuits.baselines.pending_files import walk_pending
from pytest_circuits.baselines.pruning import Collected
from pytest_circuits.history.parents import INIS, SETTING
from pytest_circuits.session.extension import baseline_file
from pytest_circuits.session.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_circuits.session.settings import Settings

#: Names a source that is there on every machine; none is loaded.
_STAND_IN = "bundled:recall"
#: What a suite's own ``addopts`` may hold that has a run count on workers, or write files.
_NEUTRAL = {
    "numprocesses": 0,
    "update_snapshots": False,
    "xmlpath": None,
}
#: They narrow what is collected to what failed, and write when a run ends. (Blocked on the command
#: line they would take their options with them, and a suite's ``addopts`` may hold those.)
_MEMORIES = ("cacheprovider", "stepwise")
#: Lines of pytest's own words that are shown where it failed.
_LINES_SHOWN = 8


class CollectionError(Exception):
    """The suite's tests could not all be collected; the message says why and what to do."""


@dataclass(frozen=True)
class Suite:
    """A suite as pytest collected it.

    Attributes:
        files: its baseline files, in order.
        pending: where the baselines lie of those of its tests that have pending files, in order.
        collected: its tests.
        apart: folders below it that are suites of their own, with other models.
    """

    files: Sequence[Location]
    pending: Sequence[Location]
    collected: Collected
    apart: Sequence[Path]


def collect(path: Path | None) -> Suite:
    """The suite in a folder; by default the one that pytest would run here.

    Raises:
        CollectionError: if there was an error, or not a single circuit test.
    """
    collector = _Collector(path)
    # Without rewritten assertions nothing complains that we were imported before pytest.
    arguments = ["--collect-only", "--assert=plain", "--color=no", *([str(path)] if path else [])]
    output, writes = io.StringIO(), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            pytest.main(arguments, plugins=[collector])
    finally:
        sys.dont_write_bytecode = writes
    if collector.refusal:
        raise CollectionError(collector.refusal)
    if collector.errors:
        raise CollectionError(
            "pytest can't collect every test, and none that it did not see may lose its baselines:"
            + "".join(f"\n  {error}" for error in collector.errors)
        )
    if collector.suite is None:
        said = [line for line in output.getvalue().splitlines() if line.strip()]
        raise CollectionError("\n".join(["pytest could not collect tests:", *said[-_LINES_SHOWN:]]))
    if not collector.suite.collected.circuits:
        raise CollectionError(
            "pytest finds no circuit test here, so nothing can be told of any baseline.\n"
            "Name the folder that you run `pytest --circuits` on."
        )
    return collector.suite


class _Collector:
    """A pytest plugin that notes what is collected.

    Attributes:
        suite: what was collected.
        refusal: why nothing was, where that is no matter of pytest's.
        errors: what could not be collected.
    """

    def __init__(self, path: Path | None) -> None:
        self.suite: Suite | None = None
        self.refusal = ""
        self.errors: list[str] = []
        self._items: list[pytest.Item] = []
        self._settings: Settings | None = None
        self._path = path

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> pytest.ExitCode | None:
        """Undo what would narrow the collection or write; no plugin has read it yet."""
        self.refusal = self._with_circuits(config)
        if self.refusal:
            return pytest.ExitCode.USAGE_ERROR
        for name, value in _NEUTRAL.items():
            if hasattr(config.option, name):
                setattr(config.option, name, value)
        for name in _MEMORIES:
            if config.pluginmanager.has_plugin(name):
                config.pluginmanager.unregister(name=name)
        return None

    def _with_circuits(self, config: pytest.Config) -> str:
        """Switch ``--circuits`` on, as tests may ask for it; gives why that can't be, or nothing.

        No model is loaded, and the reference need not be on this machine.
        """
        option = config.option
        if not hasattr(option, "circuits"):
            return "the plugin is switched off here (-p no:circuits)"
        # Another one than the reference, as the environment may name it, is not asked for.
        option.circuits_model = [f"reference={_STAND_IN}"]
        settings = self._settings = read_settings(config)
        if settings.reference is None:
            return (
                f"circuits_models is not set ({settings.ini}), and only declared models own "
                f"baselines"
            )
        option.circuits = True
        option.circuits_model = [f"{settings.reference}={_STAND_IN}"]
        return ""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what can't be collected."""
        if report.failed:
            *_, last = report.longreprtext.splitlines()
            self.errors.append(f"{report.nodeid}: {last.removeprefix('E').strip()}")

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note every test; what is deselected later is here already."""
        self._items.append(item)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Put it together, and look for baselines where pytest looked for tests."""
        assert self._settings is not None
        settings, items = self._settings, self._items
        files = [baseline_file(item) for item in items if isinstance(item, pytest.Function)]
        locations = [Location.of(file.resolve()) for file in files if file is not None]
        apart: list[Path] = []
        # What was named may overlap, as in `testpaths = . sub`.
        self.suite = Suite(
            files=list(dict.fromkeys(self._files(session.config, apart, walk))),
            pending=list(dict.fromkeys(self._files(session.config, apart, walk_pending))),
            collected=Collected(
                circuits={(at.folder, at.module, at.name) for at in locations if at},
                modules={_module(item) for item in items},
                without_parameters={_module(item) for item in items if _has_no_parameters(item)},
                owners={alias: settings.owners(alias) for alias in settings.declared},
            ),
            apart=list(dict.fromkeys(apart)),
        )

    def _files(
        self,
        config: pytest.Config,
        apart: list[Path],
        walked: Callable[[Path, Callable[[Path], bool]], Iterator[Location]],
    ) -> Iterator[Location]:
        def skip(folder: Path) -> bool:
            if config.hook.pytest_ignore_collect(collection_path=folder, config=config):
                return True
            if _has_models(folder) and config.inipath and folder != config.inipath.parent.resolve():
                apart.append(folder)
                return True
            return False

        arguments = config.args if self._path is None else [str(self._path)]
        for argument in arguments:
            folder = Path(config.invocation_params.dir, argument).resolve()
            yield from walked(folder, skip)


def _module(item: pytest.Item) -> tuple[Path, str]:
    return item.path.parent.resolve(), item.path.stem


def _has_no_parameters(item: pytest.Item) -> bool:
    """Whether the item stands for a test with an empty set of parameters."""
    # pytest says so in the mark that it puts on such a test, and nowhere else in public.
    reasons = (str(mark.kwargs.get("reason", "")) for mark in item.iter_markers())
    return any(reason.startswith("got empty parameter set") for reason in reasons)


def _has_models(folder: Path) -> bool:
    """Whether a folder's own ini declares models."""
    inis = [folder / name for name in INIS]
    return any(SETTING in ini.read_text("utf-8", "replace") for ini in inis if ini.is_file())
