"""Which measurements of a run an earlier run has made, and which a later one may do without."""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_circuits.models import ModelError
from pytest_circuits.session.asking import others
from pytest_circuits.session.overrides import is_ours
from pytest_circuits.session.remembered import (
    Entry,
    Identity,
    Store,
    UnknownError,
    described,
    hash_of_files,
    identify,
    own_code,
    versions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_circuits.findings import Finding, Json
    from pytest_circuits.models import Source
    from pytest_circuits.models.sources.source import Others
    from pytest_circuits.session.session import CircuitsSession
    from pytest_circuits.session.state import CircuitSource

#: The folder in pytest's cache.
_FOLDER = "circuits"


class OtherModel(NamedTuple):
    """A model that a measure holds the one under test against: an alias of the run, or a source."""

    name: str


class Measurement(NamedTuple):
    """What a test asks its ``circuits`` for.

    Attributes:
        measure: the measure's name.
        arguments: its arguments by position, without the model.
        options: its arguments by name.
    """

    measure: str
    arguments: Sequence[object]
    options: Mapping[str, object]


@dataclass(frozen=True)
class Question:
    """A measurement, and the models that it is made on.

    Attributes:
        key: a hash of everything that the answer depends on.
        models: the models by source.
    """

    key: str
    models: Mapping[Source, Identity]


class Remembering:
    """Finds what earlier runs measured, and keeps what this one measures."""

    def __init__(
        self, session: CircuitsSession, folder: Path, others: Others | None = None
    ) -> None:
        self._session = session
        self._others = others
        self._store = Store(folder / "findings")
        self._notes = folder / "weights"
        self._identities: dict[Source, Identity | None] = {}
        self._tests: dict[tuple[Path, ...], str] = {}
        self._kept: set[str] = set()

    def question(
        self, request: pytest.FixtureRequest, source: CircuitSource, measurement: Measurement
    ) -> Question | None:
        """The question that a measurement answers; None if nobody can say what it depends on."""
        if not has_own_model(request):
            return None
        models = {source.source: self.identity(source.source)}
        try:
            for other in measurement.options.values():
                if isinstance(other, OtherModel):
                    named = self._session.models.source_named(other.name)
                    models[named] = self.identity(named)
            known = {each: identity for each, identity in models.items() if identity is not None}
            if len(known) < len(models):
                return None
            document = {
                "model": known[source.source].document(),
                "measure": measurement.measure,
                "arguments": [described(argument) for argument in measurement.arguments],
                "options": {
                    name: known[self._session.models.source_named(value.name)].document()
                    if isinstance(value, OtherModel)
                    else described(value)
                    for name, value in measurement.options.items()
                },
                "ours": self._own_code,
                "versions": self._versions,
                "test": self._test(request.node),
            }
        except (UnknownError, ModelError, pytest.UsageError, OSError):
            return None
        text = json.dumps(document, sort_keys=True)
        return Question(hashlib.sha256(text.encode()).hexdigest(), known)

    def answer(self, question: Question) -> Entry | None:
        """What an earlier run answered; None if none did, or if its model is not what it was.

        What this run measured itself is no memory of an earlier one.
        """
        if self._session.settings.is_fresh or question.key in self._kept:
            return None
        entry = self._store.get(question.key)
        return entry if self._are_intact(question) else None

    def keep(self, question: Question, finding: Finding, warnings: Sequence[str]) -> None:
        """Keep an answer, if the models that it was measured on were those of the question."""
        held = self._session.models.handed_out.intersection(question.models)
        if not held and self._are_intact(question) and self._are_loaded(question):
            self._store.put(question.key, Entry(finding, tuple(warnings)))
            self._kept.add(question.key)

    def identity(self, source: Source) -> Identity | None:
        """Which model a source is, told once for a run; None if it can't be told."""
        if source not in self._identities:
            settings = self._session.settings
            # Anybody may have touched a candidate, and anything what a cache in CI was made from.
            trusted = source == self._session.reference and not settings.in_ci
            self._identities[source] = identify(
                source,
                settings.device.value,
                settings.dtype.value,
                notes=self._notes if trusted else None,
                others=self._others,
            )
        return self._identities[source]

    def end(self) -> None:
        """Make room, when the run is over."""
        self._store.shrink()

    def _are_intact(self, question: Question) -> bool:
        return all(self._session.models.is_intact(source) for source in question.models)

    def _are_loaded(self, question: Question) -> bool:
        """Whether the files that were loaded are those that were identified."""
        loaded = {source: self._session.models.loaded(source) for source in question.models}
        return all(
            model is not None and question.models[source].is_of(model)
            for source, model in loaded.items()
        )

    @cached_property
    def _own_code(self) -> str:
        return own_code()

    @cached_property
    def _versions(self) -> dict[str, Json]:
        return versions()

    def _test(self, item: pytest.Item) -> str:
        """A hash of the module with the test's function, and of the files that may have a part."""
        # A test that a class inherits is defined in another module.
        function: Any = getattr(item, "function", None)
        code = getattr(inspect.unwrap(function), "__code__", None)
        files = (item.path, *([Path(code.co_filename)] if code else []), *_conftests(item.path))
        if files not in self._tests:
            self._tests[files] = hash_of_files(files)
        return self._tests[files]


def has_own_model(request: pytest.FixtureRequest) -> bool:
    """Whether a test is measured on the model of its source, which it does not hold itself.

    An override of ``circuit_model`` gives another one, and who has asked for it may have changed
    it in ways that nobody can see.
    """
    if "circuit_model" in request.fixturenames:
        return False
    manager = request.session._fixturemanager  # noqa: SLF001 — the one way to know an override
    definitions = manager.getfixturedefs("circuit_model", request.node)
    return bool(definitions and is_ours(definitions[-1]))


def remembering(session: CircuitsSession, config: pytest.Config) -> Remembering | None:
    """The memory of a run; None where pytest has no cache to keep it in."""
    cache = getattr(config, "cache", None)
    try:
        return None if cache is None else Remembering(session, cache.mkdir(_FOLDER), others(config))
    except OSError:
        return None


def _conftests(test: Path) -> Iterator[Path]:
    """Every conftest.py beside a test file and above."""
    for folder in test.parents:
        path = folder / "conftest.py"
        if path.is_file():
            yield path
