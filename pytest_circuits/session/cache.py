"""The cache of findings: what earlier runs measured, by everything that it depends on.

It needs no torch. :class:`CachingMeasurer` stands around the measurer that measures. A finding that
was remembered differs in what it was measured on alone, which reports say.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from safetensors import safe_open
from safetensors.numpy import save

from pytest_circuits.baselines.writing import sweep, why_not, write_bytes
from pytest_circuits.findings.exact import put_together, take_apart
from pytest_circuits.measures import WRONG_ARGUMENT
from pytest_circuits.models import ModelError
from pytest_circuits.prompts import PromptWarning
from pytest_circuits.session.cache_keys import (
    Identity,
    UncertainError,
    UnknownError,
    described,
    identify,
    own_code,
    versions,
)
from pytest_circuits.session.measuring import OtherModel
from pytest_circuits.session.models import has_own_model
from pytest_circuits.session.outcomes import Measured
from pytest_circuits.session.remembering import REMEMBERING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_circuits.findings import Finding, Json
    from pytest_circuits.models import Source
    from pytest_circuits.session.measuring import Measurement, Measurer
    from pytest_circuits.session.models import RunModels
    from pytest_circuits.session.outcomes import CircuitSource
    from pytest_circuits.session.remembering import Remembering
    from pytest_circuits.session.settings import Settings

#: The folder in pytest's cache.
_FOLDER = "circuits"
#: Bytes that all entries together may have at the end of a run.
BUDGET = 1 << 28


class NotRememberedWarning(UserWarning):
    """What was measured could not be written where a later run would find it."""


@dataclass(frozen=True)
class Remembered:
    """What is remembered of a measurement.

    Attributes:
        finding: what it found.
        warnings: what it warned of.
    """

    finding: Finding
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """A measurement, and the models that it is made on.

    Attributes:
        key: a hash of everything that the answer depends on.
        models: the models by source.
    """

    key: str
    models: Mapping[Source, Identity]


class CachingMeasurer:
    """Gives what an earlier run measured; has the rest measured, and keeps it for later runs.

    Args:
        measurer: measures what isn't known.
        models: the run's models.
        settings: the run's settings.
        reference: the source of the model that owns the approved baselines, if it is there.
        folder: where findings are kept.
        remembering: says what else findings depend on.
    """

    def __init__(
        self,
        measurer: Measurer,
        models: RunModels,
        settings: Settings,
        reference: Source | None,
        *,
        folder: Path,
        remembering: Remembering,
    ) -> None:
        self._measurer, self._models, self._settings = measurer, models, settings
        self._reference, self._remembering = reference, remembering
        self._store = Store(folder / "findings")
        self._notes = folder / "weights"
        self._identities: dict[Source, Identity | None] = {}
        self._kept: set[str] = set()

    def measure(
        self, measurement: Measurement, source: CircuitSource, request: pytest.FixtureRequest
    ) -> Measured:
        """The finding, as an earlier run measured it or as it is measured now."""
        __tracebackhide__ = WRONG_ARGUMENT
        question = self._question(measurement, source, request)
        if question is None:
            with self._remembering.measuring():
                return self._measurer.measure(measurement, source, request)
        entry = self._answer(question)
        if entry is not None:
            for text in entry.warnings:
                warnings.warn(text, PromptWarning, stacklevel=2)
            weights = question.models[source.source].weights
            origin = {"source": source.source.public_name, "weights": weights}
            return Measured(entry.finding, origin)
        with self._remembering.measuring(), _noted_warnings() as noted:
            measured = self._measurer.measure(measurement, source, request)
        try:
            # Once more: what was imported to measure may have brought a change along.
            self._remembering.check()
        except UncertainError as error:
            self._remembering.note(request.node, str(error))
            return measured
        circumstances = measured.finding.circumstances
        altered = circumstances is not None and circumstances.altered
        if not (measured.on_cpu_instead or altered):
            self._keep(question, measured.finding, noted)
        return measured

    def _question(
        self, measurement: Measurement, source: CircuitSource, request: pytest.FixtureRequest
    ) -> Question | None:
        """The question that a measurement answers; None if it can't be known what it depends on."""
        if not has_own_model(request, source.source):
            return None
        models = {source.source: self._identity(source.source)}
        try:
            for other in measurement.options.values():
                if isinstance(other, OtherModel):
                    named = self._models.source_named(other.name)
                    models[named] = self._identity(named)
            known = {each: identity for each, identity in models.items() if identity is not None}
            if len(known) < len(models):
                return None
            document = {
                "model": known[source.source].document(),
                "measure": measurement.measure,
                "arguments": [described(argument) for argument in measurement.arguments],
                "options": {
                    name: known[self._models.source_named(value.name)].document()
                    if isinstance(value, OtherModel)
                    else described(value)
                    for name, value in measurement.options.items()
                },
                "ours": self._own_code,
                "versions": self._versions,
                "test": self._remembering.surroundings(request.node),
            }
        except UncertainError as error:
            self._remembering.note(request.node, str(error))
            return None
        except (UnknownError, ModelError, pytest.UsageError, OSError):
            return None
        text = json.dumps(document, sort_keys=True)
        return Question(hashlib.sha256(text.encode()).hexdigest(), known)

    def _answer(self, question: Question) -> Remembered | None:
        """What an earlier run answered; None if none did, or if its model is not what it was.

        What this run measured itself is no memory of an earlier one.
        """
        if self._settings.is_fresh or question.key in self._kept:
            return None
        entry = self._store.get(question.key)
        return entry if self._are_intact(question) else None

    def _keep(self, question: Question, finding: Finding, warnings: Sequence[str]) -> None:
        """Keep an answer, if the models that it was measured on were those of the question."""
        held = self._models.handed_out.intersection(question.models)
        if not held and self._are_intact(question) and self._are_loaded(question):
            self._store.put(question.key, Remembered(finding, tuple(warnings)))
            self._kept.add(question.key)

    def _identity(self, source: Source) -> Identity | None:
        """Which model a source is, told once for a run; None if it can't be told."""
        if source not in self._identities:
            settings = self._settings
            # Anybody may have touched a candidate, and anything what a cache in CI was made from.
            trusted = source == self._reference and not settings.in_ci
            self._identities[source] = identify(
                source,
                settings.device.value,
                settings.dtype.value,
                notes=self._notes if trusted else None,
                others=self._models.others,
            )
        return self._identities[source]

    def end(self) -> None:
        """Make room, when the run is over."""
        self._store.shrink()

    def _are_intact(self, question: Question) -> bool:
        return all(self._models.is_intact(source) for source in question.models)

    def _are_loaded(self, question: Question) -> bool:
        """Whether the files that were loaded are those that were identified."""
        loaded = {source: self._models.loaded(source) for source in question.models}
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


def caching(
    measurer: Measurer,
    models: RunModels,
    settings: Settings,
    reference: Source | None,
    config: pytest.Config,
) -> CachingMeasurer | None:
    """The cache of a run around its measurer; None where pytest has no cache to keep it in."""
    cache = getattr(config, "cache", None)
    if cache is None:
        return None
    try:
        folder = cache.mkdir(_FOLDER)
    except OSError:
        return None
    known = config.stash[REMEMBERING]
    return CachingMeasurer(measurer, models, settings, reference, folder=folder, remembering=known)


@contextmanager
def _noted_warnings() -> Iterator[list[str]]:
    """What prompts warn of meanwhile, in words; all warnings are shown as ever."""
    noted: list[str] = []
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            # Also those that are filtered out now: a later run may show them.
            warnings.simplefilter("always", PromptWarning)
            yield noted
    finally:
        for each in caught:
            if issubclass(each.category, PromptWarning):
                noted.append(str(each.message))
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
            else:
                # It has passed the filters already.
                warnings.showwarning(each.message, each.category, each.filename, each.lineno)


class Store:
    """A folder of entries, a safetensors file each.

    A file that is damaged is no entry, and neither is one that can't be written: the measurement
    is made again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._has_warned = False

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"

    def get(self, key: str) -> Remembered | None:
        """The entry of a key, which is the last that has to leave now; None if there is none."""
        path = self._path(key)
        try:
            entry = _read(path)
            os.utime(path)
        except Exception:  # noqa: BLE001 — whatever it is: no file, no safetensors, not ours
            return None
        return entry

    def put(self, key: str, entry: Remembered) -> None:
        """Store an entry in place of any other of its key."""
        try:
            write_bytes(self._path(key), _dumps(entry))
        except OSError as error:  # no room, or a folder that is not ours
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"{self._folder} can't be written ({why_not(error)}): what this run measures "
                    f"is not remembered, and measured again by the next one.",
                    NotRememberedWarning,
                    stacklevel=2,
                )
        except TypeError:  # a finding of parts that can't be stored
            return

    def shrink(self, budget: int = BUDGET) -> None:
        """Delete the entries that were not used for longest, until the rest fits the budget.

        And what was never finished.
        """
        sweep(self._folder)
        files = sorted(self._files(), reverse=True)
        total = 0
        for _, size, path in files:
            total += size
            if total > budget:
                with suppress(OSError):  # another run's, or a folder that is not ours
                    path.unlink()

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """Time of last use, size and path of every entry."""
        for path in self._folder.glob("*.safetensors"):
            try:
                stat = path.stat()
            except OSError:  # another run deleted it
                continue
            yield stat.st_mtime_ns, stat.st_size, path


def _dumps(entry: Remembered) -> bytes:
    document, arrays = take_apart(entry.finding)
    text = json.dumps({"finding": document, "warnings": entry.warnings})
    # One field: safetensors keeps several in no order, and an entry has the same bytes every time.
    return save(arrays, {"entry": json.dumps([text, _digest(text, arrays)])})


def _read(path: Path) -> Remembered:
    """The entry in a file.

    Raises:
        Exception: of any kind, if it is none.
    """
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 — no mapping
    text, digest = json.loads(metadata["entry"])
    if digest != _digest(text, arrays):
        raise ValueError(f"{path} is damaged")
    document: dict[str, Any] = json.loads(text)
    return Remembered(put_together(document["finding"], arrays), tuple(document["warnings"]))


def _digest(text: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    total = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        total.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        total.update(array.tobytes())
    return total.hexdigest()
