"""Fixtures that override ``circuit_model``, and whether they care which model is under test."""

from __future__ import annotations

import inspect
import warnings
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

_OUR_FIXTURES = "pytest_circuits.fixtures"
_MODEL, _SOURCE = "circuit_model", "circuit_source"


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
        if fixture.argname != _MODEL or code is None or is_ours(fixture):
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


def is_ours(fixture: pytest.FixtureDef[Any]) -> bool:
    """Whether a fixture is this plugin's own, not an override."""
    return fixture.func.__module__ == _OUR_FIXTURES


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
        if names & {_MODEL, _SOURCE}:
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
