"""No test is measured with what another one changed: models and torch are looked at after each.

What differs after a test's own fixtures are torn down is put back, and the test is named. What a
fixture of a wider scope changed, or an override of ``circuit_model``, belongs to its scope: it is
put back when the fixture is torn down.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

import pytest

from pytest_circuits.findings.circumstances import Circumstances
from pytest_circuits.session.models import MODEL, is_ours
from pytest_circuits.session.outcomes import failure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from pytest_circuits.models.torch_state import TorchState
    from pytest_circuits.session.models import RunModels

#: Whose fixtures touch neither models nor torch.
_TOUCH_NOTHING = frozenset({"pytest_circuits", "_pytest", "syrupy", "xdist"})
#: What is said of a change, at most.
_SHOWN = 3


class ChangedModelWarning(UserWarning):
    """A test changed a model, or torch, in a way that other tests would have been measured with."""


class _TorchScope(NamedTuple):
    """torch's state, and the fixture that made it so; None for the run."""

    owner: pytest.FixtureDef[Any] | None
    state: TorchState


class Isolation:
    """Registered as a plugin for a run with ``--circuits``.

    Args:
        models: the run's models.
        fails: whether a test that changed something fails.
    """

    def __init__(self, models: RunModels, *, fails: bool) -> None:
        self._models, self._fails = models, fails
        models.altered = self._altered
        self._torch: list[_TorchScope] = []
        #: What is not torch's own from the start, and what came to it that can't be put back.
        self._at_first: tuple[str, ...] = ()
        self._left: tuple[str, ...] = ()
        #: Whether tests that measure nothing ran since weights were looked at by their bytes.
        self._is_due = False
        #: Whether somebody's code ran since weights were looked at by their bytes, by whomever.
        self._ran = False
        #: What fixtures of a wider scope changed when they were torn down.
        self._torn_down: list[tuple[str, dict[str, tuple[str, ...]]]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Note torch's state, and have the test looked at when its own fixtures are torn down."""
        self._begin()
        self._ran = True
        if self._is_due and _is_circuit_test(item):
            self._is_due = False
            self._look("a test before this one", item, deep=True)
        # The first finalizer of an item runs last, before those of any wider scope.
        torn_down = type(item).teardown.__get__(item)
        item.teardown = partial(self._end, item, torn_down)  # type: ignore[method-assign]

    def pytest_runtest_call(self) -> None:
        """Note that a test may have changed something by now."""
        self._ran = True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Say what fixtures of a wider scope changed while they were torn down after a test."""
        try:
            return (yield)
        finally:
            for who, changed in self._torn_down:
                self._say(who, item, changed)
            self._torn_down.clear()

    def _begin(self) -> None:
        if not self._torch and "torch" in sys.modules:
            from pytest_circuits.models.torch_state import TorchState, at_a_moment, foreign

            self._models.cap_threads()
            with at_a_moment():
                self._at_first = foreign()
                self._torch.append(_TorchScope(None, TorchState()))

    def _end(self, item: pytest.Item, torn_down: Callable[[], None]) -> None:
        try:
            torn_down()
        finally:
            deep = _is_circuit_test(item)
            self._is_due = self._is_due or not deep
            self._look("this test", item, deep=deep)

    def _look(self, who: str, item: pytest.Item, *, deep: bool) -> None:
        """Put back what was changed, and say so."""
        # torch first: with what was changed of it models can't be compared or loaded.
        changed = dict(self._torch_changed())
        changed.update(self._models.put_back(deep=deep))
        if changed:
            self._say(who, item, changed)

    def _say(self, who: str, item: pytest.Item, changed: dict[str, tuple[str, ...]]) -> None:
        message = _said(who, changed)
        if self._fails:
            raise failure(message)
        item.warn(ChangedModelWarning(message))

    def _torch_changed(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """What was changed of torch, which is put back."""
        if "torch" not in sys.modules:
            return
        from pytest_circuits.models.torch_state import foreign

        if not self._torch:
            # It was imported meanwhile: nobody knows what it was, but what is not its own.
            from pytest_circuits.models.torch_switches import put_own

            words = foreign()
            put_own()
            self._left = foreign()
            self._begin()
        else:
            state = self._torch[-1].state
            words = state.changes()
            if words:
                state.restore()
                self._left = tuple(each for each in foreign() if each not in self._at_first)
        if words:
            self._models.forget()
            yield "torch", words

    def altered(self, model: object) -> tuple[str, ...]:
        """What is different now of a model, or of torch, from what tests are given; in words."""
        return (*self._altered(), *self._models.changes_of(model))

    def circumstances(self, models: Sequence[object]) -> Circumstances:
        """What is different now of the models that something was measured on, or of torch."""
        found = chain(self._altered(), *map(self._models.changes_of, models))
        return Circumstances(ref(models[0]), tuple(dict.fromkeys(found)))

    def _altered(self) -> tuple[str, ...]:
        changed = self._torch[-1].state.changes() if self._torch else ()
        return tuple(dict.fromkeys((*self._left, *changed)))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Let what a fixture changes belong to its scope, if that is wider than a test."""
        del request
        if _changes_nothing(fixturedef):  # what it asks for comes here itself
            return (yield)
        has_scope = _has_scope(fixturedef)
        was_changed = has_scope and self._is_changed()
        self._ran = True
        if was_changed or not has_scope:
            return (yield)
        try:
            return (yield)
        finally:
            self._adopt(fixturedef)

    def _is_changed(self) -> bool:
        """Whether anything is different before a fixture, which does not belong to it then."""
        # By its bytes too: what a test has changed in secret would be taken for the fixture's.
        deep, self._ran = self._ran, False
        return bool(self._torch and self._torch[-1].state.changes()) or self._models.are_changed(
            deep=deep
        )

    def _adopt(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        if self._torch and self._torch[-1].state.changes():
            from pytest_circuits.models.torch_state import TorchState

            self._torch.append(_TorchScope(fixturedef, TorchState()))
            self._models.forget()
        self._models.adopt(fixturedef)
        self._ran = False

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Put back what a fixture changed, when its scope is over."""
        changes_nothing = _changes_nothing(fixturedef) and fixturedef.argname != MODEL
        if changes_nothing or not _has_scope(fixturedef) or fixturedef.cached_result is None:
            return
        changed: dict[str, tuple[str, ...]] = {}
        owners = [scope.owner for scope in self._torch]
        if fixturedef in owners:
            del self._torch[owners.index(fixturedef) :]
        # What is different when a test's own override ends may be the test's.
        is_its = fixturedef in owners or fixturedef.scope != "function"
        if self._torch and is_its and (words := self._torch[-1].state.changes()):
            if fixturedef not in owners:
                changed["torch"] = words
            self._torch[-1].state.restore()
            self._models.forget()
        changed.update(self._models.give_up(fixturedef))
        if changed:
            # Our own fixtures change nothing, and models are not compared after a plain test.
            who = f"the fixture {fixturedef.argname}, when it was torn down,"
            if is_ours(fixturedef):
                who = "a test before this one"
            elif self._is_due:
                who = f"a test before this one, or {who}"
            self._torn_down.append((who, changed))


def _changes_nothing(fixturedef: pytest.FixtureDef[Any]) -> bool:
    """Whether a fixture is one of those that touch neither models nor torch."""
    return fixturedef.func.__module__.partition(".")[0] in _TOUCH_NOTHING


def _has_scope(fixturedef: pytest.FixtureDef[Any]) -> bool:
    """Whether what a fixture changes belongs to it: to more than a test, or to its own model."""
    return fixturedef.scope != "function" or (
        fixturedef.argname == MODEL and not is_ours(fixturedef)
    )


def _said(who: str, changed: dict[str, tuple[str, ...]]) -> str:
    what = [
        f"{name}: {', '.join(words[:_SHOWN])}"
        f"{f' and {len(words) - _SHOWN} more' if len(words) > _SHOWN else ''}"
        for name, words in changed.items()
    ]
    return "\n".join(
        (
            f"{who} changed what other tests are measured with:",
            *what,
            "It was put back. To change a model, ask for private_circuit_model; to change torch,",
            "use monkeypatch or a context manager.",
        )
    )


def _is_circuit_test(item: pytest.Item) -> bool:
    return item.get_closest_marker("circuits") is not None
