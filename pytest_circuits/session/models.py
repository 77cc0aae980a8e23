"""The models of a run: those under test, and others that they are held against."""

from __future__ import annotations

import gc
import os
import traceback
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_circuits.baselines.codec import OWN_MODEL
from pytest_circuits.models import ModelError, ModelPool, SourceKind, parse_source
from pytest_circuits.session.outcomes import failure
from pytest_circuits.session.settings import mistyped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.forward import Runs
    from pytest_circuits.models import LoadedModel, Source
    from pytest_circuits.models.sources.source import Others
    from pytest_circuits.session.outcomes import CircuitSource
    from pytest_circuits.session.progress import ProgressLine
    from pytest_circuits.session.settings import Settings
    from pytest_circuits.session.watched import Watched


_OUR_FIXTURES = "pytest_circuits.fixtures"
#: The fixture that gives a test its model, and the one that names it.
MODEL, SOURCE = "circuit_model", "circuit_source"


class RunModels:
    """Loads the models of a run, keeps them, and gives them on from test to test as they were.

    What the running test uses stays loaded, and so does what pytest keeps for later tests: the
    values of ``circuit_model``. Other models leave when there is no room for another one.

    Attributes:
        pool: the loaded models.
        handed_out: loaded models that a test has held, and may have changed in ways that nobody
            sees.
        private: models that are a test's alone, by its id.
        altered: tells what is different of torch from what tests are given.
        others: asks the plugins of the run for a model; None if none of them implements the hook.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.others = others(config)
        self.pool = ModelPool(
            settings.device.value,
            settings.dtype.value,
            self.others,
            memory=settings.memory.value,
            processes=_workers(config),
            on_leave=self._forget,
        )
        self.handed_out: set[Source] = set()
        self.private: dict[str, TransformerBridge] = {}
        self._config = config
        self._settings = settings
        #: By the model's id, which no other has: the runs hold the model.
        self._runs: dict[int, Runs] = {}
        self._watched: dict[int, Watched] = {}
        self.altered: Callable[[], tuple[str, ...]] = tuple
        self._used_by_test: set[Source] = set()
        self._cached_by_pytest: dict[pytest.FixtureDef[Any], Source] = {}

    def cap_threads(self) -> None:
        """Share the cores between xdist workers: torch would give each worker all of them."""
        count = _workers(self._config)
        if count > 1:
            import torch

            most = max(1, (os.cpu_count() or 1) // count)
            if torch.get_num_threads() > most:
                torch.set_num_threads(most)

    def load(self, source: Source) -> TransformerBridge:
        """A source's hooked model, for the test that runs; loading it is said if it takes time.

        Raises:
            ModelError: if it can't be loaded.
        """
        self.cap_threads()
        self._used_by_test.add(source)
        if self.pool.loaded(source) is not None:
            return self.pool.get(source).bridge  # or the reason why it can't be used any more
        with (
            nullcontext()
            if self._progress is None or source.kind is SourceKind.BUNDLED
            else self._progress.saying(f"loading {source.text}")
        ):
            bridge = self.pool.get(source, self._in_use).bridge
        from pytest_circuits.models.torch_state import foreign

        if foreign():
            self.handed_out.add(source)  # nobody sees what torch's state has made of it
        self._watch(bridge, source)  # as it is now
        return bridge

    def private_model(self, source: Source, request: pytest.FixtureRequest) -> TransformerBridge:
        """A model for a test alone: loaded once more, or copied where an override gives another.

        Raises:
            ModelError: if it can't be loaded.
        """
        self.cap_threads()
        if _is_overridden(request):
            from copy import deepcopy

            model: TransformerBridge = deepcopy(request.getfixturevalue(MODEL))
        else:
            model = self.pool.private(source)
        self.private[request.node.nodeid] = model
        return model

    def let_private_go(self, request: pytest.FixtureRequest) -> None:
        """Free a test's own model, whose modules hold each other."""
        self.private.pop(request.node.nodeid, None)
        gc.collect()

    def _watch(self, model: TransformerBridge, source: Source | None) -> None:
        """Note what a model is, to tell what was changed later."""
        from pytest_circuits.session.watched import Watched

        def again() -> TransformerBridge:
            assert source is not None
            return self.pool.renew(source, self._in_use)

        watched = Watched(self.runs_of(model), again if source else None, self.altered)
        self._watched[id(model)] = watched

    def of_test(self, source: Source, request: pytest.FixtureRequest) -> TransformerBridge:
        """The model that a test is measured on, without handing it to the test.

        For a source that is not the test's own, that source's.

        Raises:
            ModelError: if it is the source's, and can't be loaded.
        """
        if has_own_model(request, source):
            return self.load(source)
        model: TransformerBridge = request.getfixturevalue(MODEL)
        return model

    def runs_of_test(self, source: CircuitSource, request: pytest.FixtureRequest) -> Runs:
        """The forward passes of the model that a test is measured on; else the test fails."""
        try:
            return self.runs_of(self.of_test(source.source, request))
        except ModelError as error:
            raise failure(str(error)) from None

    def loaded(self, source: Source) -> LoadedModel | None:
        """A source's model if it is loaded."""
        return self.pool.loaded(source)

    def runs_of(self, model: TransformerBridge) -> Runs:
        """The forward passes of a model, whoever made it."""
        from pytest_circuits.forward import Runs

        if id(model) not in self._runs:
            runs = self._runs[id(model)] = Runs(model)
            if self._progress is not None:
                runs.progress = self._progress
        return self._runs[id(model)]

    def runs_of_other(self, name: str) -> Runs:
        """The forward passes of a model that is no candidate here: an alias, or a source.

        Raises:
            ModelError: if it is neither, or can't be loaded.
        """
        return self.runs_of(self.load(self.source_named(name)))

    def may_use_cpu(self, runs: Runs, source: Source, request: pytest.FixtureRequest) -> bool:
        """Whether what has no room where its model is may be measured on the CPU instead."""
        elsewhere = self._settings.cpu_fallback and runs.device.type != "cpu"
        return elsewhere and has_own_model(request, source)

    def runs_on_cpu(self, source: Source) -> Runs:
        """The forward passes of a source's model on the CPU, loaded beside the one that it has.

        Raises:
            ModelError: if it can't be loaded.
        """
        return self.runs_of(self._on_cpu.get(source).bridge)

    def source_named(self, name: str) -> Source:
        """The source that an alias stands for in this run, or that is named itself.

        Raises:
            ModelError: if it is neither.
        """
        lines = {**self._settings.declared, **self._settings.measured}
        if name in lines:
            try:
                return lines[name].parse()
            except pytest.UsageError as error:
                raise ModelError(str(error)) from None
        if question := mistyped(name, lines, Path.cwd()):
            raise ModelError(
                f"no model of this run is called {name!r}{question}\n"
                f"Declare one of the hub under an alias if its name is like another's."
            )
        return parse_source(name)

    def is_intact(self, source: Source) -> bool:
        """Whether a model is as it was loaded, in all that can be seen of it, or is not loaded."""
        loaded = self.pool.loaded(source)
        if loaded is None:
            return True
        return self.runs_of(loaded.bridge).intact and not self.changes_of(loaded.bridge)

    def changes_of(self, model: object) -> tuple[str, ...]:
        """What of a model is different from what tests are given, in words."""
        watched = self._watched.get(id(model))
        if watched is None:
            return ()
        return watched.changes(deep=self._is_held(model))

    def are_changed(self, *, deep: bool) -> bool:
        """Whether anything is different of any model.

        Args:
            deep: whether to look at the bytes of those that somebody has held.
        """
        return any(
            watched.changes(deep=deep and self._is_held(watched.runs.bridge))
            for watched in self._watched.values()
        )

    def _is_held(self, model: object) -> bool:
        """Whether somebody has had a model, and may have changed it in secret."""
        source = self.pool.source_of(model)
        return source is None or source in self.handed_out

    def provenance(self, source: Source, model: TransformerBridge | None) -> dict[str, str]:
        """Where a measured model's weights came from.

        The source's name and its files' fingerprint hold for the model as it was loaded. A
        model that a conftest put in its place, or whose weights a test changed, is not that. One
        that is gone by now (None) has no fingerprint.
        """
        from pytest_circuits.models.fingerprint import live_fingerprint

        loaded = self.pool.loaded(source)
        if loaded is not None and loaded.bridge is model and self.runs_of(model).pristine:
            return {"source": source.public_name, "weights": loaded.fingerprint}
        own = {"source": OWN_MODEL}
        return own if model is None else {**own, "weights": live_fingerprint(model)}

    def given_out(self, fixturedef: pytest.FixtureDef[Any], model: TransformerBridge) -> None:
        """Note that ``circuit_model`` gives a model out: what is on it then belongs to it."""
        runs = self.runs_of(model)
        if runs.hooked:
            runs.adopt_hooks()
        source = self.pool.source_of(model)
        if id(model) not in self._watched:
            self._watch(model, source)
        if source is not None:
            self.handed_out.add(source)
            self._cached_by_pytest[fixturedef] = source

    def taken_back(self, fixturedef: pytest.FixtureDef[Any], model: object) -> None:
        """Take an override's hooks off a model of ours, and let go of a model of its own."""
        self._cached_by_pytest.pop(fixturedef, None)
        runs = self._runs.get(id(model))
        if runs is not None:
            runs.shed_hooks()
            if self.pool.source_of(runs.bridge) is None:
                del self._runs[id(runs.bridge)], self._watched[id(runs.bridge)]

    def clean_up(self) -> None:
        """Note that a test is over."""
        self._used_by_test.clear()

    def put_back(self, *, deep: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Give all models to the next test as they were; gives those changed, and how.

        Hooks, training mode and gradients are no change: they are taken off any time.

        Args:
            deep: whether to look at the bytes of those that a test has held.
        """
        for watched in list(self._watched.values()):
            model = watched.runs.bridge
            source = self.pool.source_of(model)
            held = self._is_held(model)
            if not deep and not held:
                continue
            watched.runs.restore()
            words = watched.changes(deep=deep and held)
            if not words:
                continue
            yield source.text if source else "a model of a fixture", words
            try:
                watched.put_back()
                left = watched.changes(deep=True)
            except ModelError as error:
                raise failure(f"the test changed its model ({words[0]}).\n{error}") from None
            except Exception as error:  # noqa: BLE001 — anything may have been done to it
                left = (repr(error),)
            if left:
                yield from self._put_another(model, source, left)

    def _put_another(
        self, model: TransformerBridge, source: Source | None, left: tuple[str, ...]
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Put a model that was loaded anew in the place of one that can't be put back."""
        if source is None:
            yield "what can't be put back", left
            return
        fresh = self.pool.private(source)
        # Fixtures hold the object: it stays, and all that it is is another's.
        object.__setattr__(model, "__dict__", fresh.__dict__)
        self._runs.pop(id(model))
        self._watch(model, source)

    def forget(self) -> None:
        """Forget all passes: torch is another one now."""
        for runs in self._runs.values():
            runs.forget()

    def adopt(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Let what models are now belong to the scope of a fixture."""
        for watched in self._watched.values():
            watched.adopt(fixturedef, hooks=fixturedef.argname != MODEL)

    def give_up(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Make models what they were before a fixture; gives what its teardown changed of them."""
        for watched in list(self._watched.values()):
            model = watched.runs.bridge
            words = watched.give_up(fixturedef, deep=self._is_held(model))
            if words:
                source = self.pool.source_of(model)
                yield source.text if source else "a model of a fixture", words

    @cached_property
    def _on_cpu(self) -> ModelPool:
        settings = self._settings
        return ModelPool(
            "cpu",
            settings.dtype.value,
            self.others,
            memory=settings.memory.value,
            processes=_workers(self._config),
            on_leave=self._forget_runs,
        )

    @property
    def _in_use(self) -> set[Source]:
        return {*self._used_by_test, *self._cached_by_pytest.values()}

    def _forget(self, source: Source, model: TransformerBridge) -> None:
        """Let go of all that belongs to a model that leaves."""
        self._forget_runs(source, model)
        self._watched.pop(id(model), None)
        self.handed_out.discard(source)

    def _forget_runs(self, _: Source, model: TransformerBridge) -> None:
        self._runs.pop(id(model), None)

    @cached_property
    def _progress(self) -> ProgressLine | None:
        # Only a terminal shows it.
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or not reporter.isatty():
            return None
        from pytest_circuits.session.progress import progress_line

        return progress_line(self._config)


def has_own_model(request: pytest.FixtureRequest, source: Source) -> bool:
    """Whether what a test measures on a source is measured on a model that it does not hold itself.

    So is whatever it measures on another source than its own. An override of ``circuit_model``
    gives another one, and who has asked for it may have changed it in ways that nobody can see.
    """
    if source != request.getfixturevalue(SOURCE).source:
        return True
    return MODEL not in request.fixturenames and not _is_overridden(request)


def _is_overridden(request: pytest.FixtureRequest) -> bool:
    """Whether a conftest or a test's module gives another model than its source's."""
    manager = request.session._fixturemanager  # noqa: SLF001 — the one way to know an override
    definitions = manager.getfixturedefs(MODEL, request.node)
    return not (definitions and is_ours(definitions[-1]))


def is_ours(fixture: pytest.FixtureDef[Any]) -> bool:
    """Whether a fixture is this plugin's own, not an override."""
    return fixture.func.__module__ == _OUR_FIXTURES


def others(config: pytest.Config) -> Others | None:
    """Who asks the plugins of a run for a model; None if none of them implements the hook."""
    hook: Any = config.hook.pytest_circuits_load_model
    if not hook.get_hookimpls():
        return None

    def ask(source: Source, device: str, dtype: str) -> object:
        try:
            return hook(source=source.text, device=device, dtype=dtype)
        except (Exception, SystemExit) as error:
            raise _raised(source, error, hook.get_hookimpls()) from error

    return ask


def _raised(source: Source, error: BaseException, implementations: list[Any]) -> ModelError:
    """What a plugin raised, and which plugin it was."""
    from pytest_circuits.models.errors import raised

    entered = {frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)}
    for each in implementations:
        code = getattr(each.function, "__code__", None)
        if code in entered:
            name = Path(each.plugin_name).name  # a conftest's is its whole path
            return raised(
                source, f"the plugin {name}", error, code.co_filename, code.co_firstlineno
            )
    raise error


def _workers(config: pytest.Config) -> int:
    """How many processes run tests side by side."""
    return int(getattr(config, "workerinput", {}).get("workercount", 1))
