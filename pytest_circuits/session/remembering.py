"""What a test's numbers may depend on beside model and measure: code, environment, torch's state.

Where that can't be known, the finding is measured in every run, and the run says why.
"""

from __future__ import annotations

import sys
import time
from functools import lru_cache, partial
from operator import is_
from types import FunctionType
from typing import TYPE_CHECKING

import pytest

from pytest_circuits.models.hygiene import Contents
from pytest_circuits.report.text import folded
from pytest_circuits.session.cache_code import LoadedCode, file_of, outside
from pytest_circuits.session.cache_environment import Reads
from pytest_circuits.session.cache_keys import UncertainError
from pytest_circuits.session.settings import declared_variables

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from contextlib import AbstractContextManager

    from pytest_circuits.findings import Json

#: The name of a reason among a test's user properties (JUnit prints it, xdist carries it).
PROPERTY = "circuits_not_remembered"
#: What the terminal shows of reasons at most.
_SHOWN = 10
_REASONS = pytest.StashKey[dict[str, None]]()
_START = pytest.StashKey["Start"]()


class Start:
    """The moment from which on a run notes what its code does.

    Attributes:
        reads: who reads what from the environment.
        time: when it was, in nanoseconds.
        modules: the modules that were loaded then.
    """

    def __init__(self) -> None:
        self.time = time.time_ns()
        self.modules = frozenset(sys.modules)
        self.reads = Reads()


def start(config: pytest.Config) -> Start:
    """Note from now on what code reads from the environment, until the run is over."""
    started = config.stash.get(_START, None)
    if started is None:
        started = config.stash[_START] = Start()
        config.add_cleanup(started.reads.stop)
    return started


class Remembering:
    """Says what a test's numbers depend on, and why some are measured in every run."""

    def __init__(self, config: pytest.Config) -> None:
        started = start(config)
        self._reads = started.reads
        self._code = LoadedCode(config, started.time, started.modules)
        self._declared = frozenset(declared_variables(config))
        self._computing = _computing()
        self._told: dict[str, set[str]] = {}

    def surroundings(self, item: pytest.Item) -> Json:
        """The code and the environment of a test.

        Raises:
            UncertainError: if they can't be known, or if torch's state is not its own.
            OSError: if the code can't be read.
        """
        self.check()
        code = self._code.of(item)
        if code.early:
            raise UncertainError(
                f"{code.early[0]} may have read the environment before that could be noted "
                f"(`pytest_plugins` in a conftest.py loads plugins later than -p)"
            )
        return {"code": code.digest, "environment": self._reads.of(code.files, self._declared)}

    def check(self) -> None:
        """Make sure that all that computes is as its library has it.

        Raises:
            UncertainError: if it isn't.
        """
        for changed in self._computing.changed():
            raise UncertainError(changed)

    def measuring(self) -> AbstractContextManager[None]:
        """While something is measured: what is loaded for it is the measure's and the model's."""
        return self._code.bringing("")

    def note(self, item: pytest.Item, reason: str) -> None:
        """Note why a finding of a test is not remembered."""
        item.stash.setdefault(_REASONS, {})[reason] = None

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Note what a test's module loads."""
        if not isinstance(collector, pytest.Module):
            return (yield)
        with self._code.bringing(str(collector.path)):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Let a test's report say why its findings are not remembered."""
        if call.when == "teardown":
            reasons = item.stash.get(_REASONS, {})
            item.user_properties += [(PROPERTY, reason) for reason in reasons]
            reasons.clear()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather reasons, from here or from an xdist worker."""
        if report.when == "teardown":
            for name, reason in report.user_properties:
                if name == PROPERTY:
                    self._told.setdefault(str(reason), set()).add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what is measured in every run, and why."""
        for reason, tests in list(self._told.items())[:_SHOWN]:
            noun = "test" if len(tests) == 1 else "tests"
            width = terminalreporter.config.get_terminal_writer().fullwidth
            for line in folded(f"not remembered ({len(tests)} {noun}): {reason}", width):
                terminalreporter.write_line(line.plain.text)
        more = len(self._told) - _SHOWN
        if more > 0:
            terminalreporter.write_line(f"not remembered: {more} reasons more")


REMEMBERING = pytest.StashKey[Remembering]()


def begin(config: pytest.Config) -> None:
    """Begin to say what findings depend on."""
    remembering = config.stash[REMEMBERING] = Remembering(config)
    config.pluginmanager.register(remembering, "circuits-remembering")


#: Our modules that compute, and what they compute with where torch isn't loaded.
_COMPUTING = tuple(
    f"pytest_circuits.{room}" for room in ("findings", "forward", "measures", "models", "prompts")
)
_COMPUTING_TOO = frozenset({
    "math", "numpy", "numpy.fft", "numpy.linalg", "numpy.random", "random", "safetensors",
    "safetensors.numpy", "safetensors.torch", "statistics", "tokenizers",
})  # fmt: skip
#: Where the classes lie that are found there, but for a few.
_ROOTS = frozenset({"pytest_circuits", "numpy", "torch", *sys.stdlib_module_names})


@lru_cache(maxsize=1)
def _computing() -> Computing:
    """Kept for the process, as what it looks at is."""
    return Computing()


class Computing:
    """Tells what computes and is not as its library has it."""

    def __init__(self) -> None:
        #: The values of names that were looked at and found in order, and their functions' code.
        self._in_order: dict[str, tuple[list[object], list[object]]] = {}
        #: The same of all names at once, and the modules that were loaded then.
        self._modules: list[object] = []
        self._known: dict[str, object] = {}
        self._contents = Contents()
        self._functions: list[FunctionType] = []
        self._codes: list[object] = []

    def changed(self) -> Iterator[str]:
        """What is not as its library has it, in words.

        Where torch isn't loaded nobody can have changed it.
        """
        if "torch" in sys.modules:
            from pytest_circuits.models.torch_state import foreign

            yield from foreign()
        if not self._has_others() and self._is_as_it_was():
            return
        self._known = {}
        computing = list(_computing_names())
        found = [each for owner, own, names in computing for each in self._look(owner, own, names)]
        yield from found
        if not found:
            self._known = dict(sys.modules)
            self._contents = Contents(names.values() for _, _, names in computing)
            self._functions = [each for each in self._contents.values if type(each) is FunctionType]
            self._codes = [each.__code__ for each in self._functions]

    def _has_others(self) -> bool:
        """Whether a module is loaded that computes, and was not when all was in order."""
        modules: list[object] = list(sys.modules.values())
        if self._known and modules == self._modules:
            return False
        self._modules = modules
        others = [name for name, each in sys.modules.items() if self._known.get(name) is not each]
        return any(map(_computes, others))

    def _is_as_it_was(self) -> bool:
        """Whether nothing was replaced since all was in order."""
        return self._contents.are_the_same() and all(
            each.__code__ is code for each, code in zip(self._functions, self._codes, strict=True)
        )

    def _look(self, owner: str, own: str, names: Mapping[str, object]) -> Iterator[str]:
        """Yield a message for each value that neither a library nor this package defined.

        Args:
            owner: the module or class, by its full name.
            own: the module whose functions may appear under their own names only; empty for none.
            names: the values of the module or class by name.
        """
        values = list(names.values())
        codes = [getattr(each, "__code__", None) for each in values if type(each) is FunctionType]
        before, code_before = self._in_order.get(owner, ([], []))
        if (
            len(values) == len(before)
            and all(map(is_, values, before))
            and all(map(is_, codes, code_before))
        ):
            return
        found = [
            f"{owner}.{name} was replaced"
            for name, each in list(names.items())
            if _is_replaced(name, each, own)
        ]
        if not found:
            self._in_order[owner] = values, codes
        yield from found


def _computing_names() -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Yield the namespaces that compute: label, module that defines its functions, contents."""
    for name, module in list(sys.modules.items()):
        if name in _COMPUTING_TOO:
            yield name, "", vars(module)
        elif _computes(name):
            yield name, name, vars(module)
            for each in list(vars(module).values()):
                if isinstance(each, type) and each.__module__ == name:
                    yield f"{name}.{each.__name__}", name, vars(each)


def _computes(name: str) -> bool:
    """Whether a module is one of those that compute, by its name."""
    return name in _COMPUTING_TOO or name.startswith(_COMPUTING)


def _is_replaced(name: str, value: object, own: str) -> bool:
    """Whether other code replaced a value, or one of our functions appears under another name."""
    function = getattr(value, "__func__", getattr(value, "fget", value))
    while isinstance(function, partial):
        function = function.func
    if not isinstance(function, FunctionType):
        return _is_somebodys(value if isinstance(value, type) else type(value))
    swapped = function.__module__ == own and function.__name__ not in (name, "<lambda>")
    return swapped or bool(outside(function.__code__.co_filename))


def _is_somebodys(kind: type) -> bool:
    """Whether a class lies outside the libraries, or is one of mocks."""
    root = str(kind.__module__).partition(".")[0]
    if root in _ROOTS:
        return root == "unittest"
    module = sys.modules.get(kind.__module__)
    return module is not None and bool(outside(file_of(module)))
