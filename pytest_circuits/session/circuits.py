"""What the ``circuits`` fixture gives out: measures on one model."""

from __future__ import annotations

import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_circuits.measures import Methods
from pytest_circuits.session.failures import failure
from pytest_circuits.session.state import STATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pytest
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Finding, Head
    from pytest_circuits.forward import Runs
    from pytest_circuits.prompts import PromptPairs
    from pytest_circuits.session.cache import Measurement
    from pytest_circuits.session.models import RunModels
    from pytest_circuits.session.session import CircuitsSession
    from pytest_circuits.session.snapshot import CircuitSnapshot
    from pytest_circuits.session.state import CircuitSource


class Circuits(Methods):
    """Measures on one model. The model is loaded when the first measure needs it.

    What an earlier run measured on the same model, by the same code, needs none: it is remembered.

    The methods are those of :mod:`pytest_circuits.measures`, which has their definitions.

    Attributes:
        alias: the model's alias.
        findings: what was measured so far.
    """

    def __init__(self, source: CircuitSource, request: pytest.FixtureRequest) -> None:
        self.alias = source.alias
        self.findings: list[Finding] = []
        self._source = source
        self._request = request

    def __repr__(self) -> str:
        return f"<circuits of {self.alias}>"

    @property
    def runs(self) -> Runs:
        """The model's forward passes, shared by all measures of the run.

        A test that has them has the model, and is answered by measurements of its own from then on.
        """
        return self._models.runs_of(self._request.getfixturevalue("circuit_model"))

    @contextmanager
    def ablated(
        self, *, heads: Sequence[str | Head] = (), mlps: Sequence[int] = ()
    ) -> Iterator[Circuits]:
        """While these heads and MLPs are zero, to measure anything without them."""
        from pytest_circuits import measures
        from pytest_circuits.findings import ChoiceError

        with ExitStack() as stack:
            try:
                stack.enter_context(measures.ablated(self._own_runs(), heads=heads, mlps=mlps))
            except ChoiceError as error:
                raise failure(f"ablated on {self.alias}: {error}") from None
            yield self

    def kl_divergence(self, pairs: PromptPairs, *, to: str | TransformerBridge | Runs) -> Finding:
        """How far the model's answers are from another model's, in nats.

        The other model is an alias of this run, a source, or a hooked model.
        """
        from pytest_circuits.session.cache import OtherModel

        return self._measure(
            "kl_divergence", pairs, to=OtherModel(to) if isinstance(to, str) else to
        )

    def _measure(self, name: str, /, *arguments: object, **options: object) -> Finding:
        """What a measure finds on the model, or found in an earlier run."""
        from pytest_circuits.prompts import PromptWarning
        from pytest_circuits.session.cache import Measurement

        if self._snapshot is not None:
            self._snapshot.check(name)
        measurement = Measurement(name, arguments, options)
        memory = self._session.remembering
        question = memory and memory.question(self._request, self._source, measurement)
        entry = memory.answer(question) if memory and question else None
        if entry is not None:
            finding = entry.finding
            self._request.node.stash[STATE].remembered.append(finding)
            for text in entry.warnings:
                warnings.warn(text, PromptWarning, stacklevel=2)
        else:
            with _noted_warnings() as noted:
                finding = self._measured(measurement)
            if memory and question:
                memory.keep(question, finding, noted)
        self.findings.append(finding)
        return finding

    def _measured(self, measurement: Measurement) -> Finding:
        """The finding, measured now."""
        # First: loading a model is quickest before anything else has imported its libraries.
        runs = self._own_runs()

        from pytest_circuits import measures
        from pytest_circuits.findings import ChoiceError, InvalidFindingError
        from pytest_circuits.models import ModelError
        from pytest_circuits.prompts import PromptError
        from pytest_circuits.session.cache import OtherModel

        name = measurement.measure
        measure: Callable[..., Finding] = getattr(measures, name)
        try:
            options = {
                option: self._models.runs_of_other(value.name)
                if isinstance(value, OtherModel)
                else value
                for option, value in measurement.options.items()
            }
            with runs.untouched():
                finding = measure(runs, *measurement.arguments, **options)
                if runs.silenced:
                    without = {"without": ", ".join(runs.silenced)}
                    finding = replace(finding, convention={**finding.convention, **without})
                # Now, with the weights and hooks that the measure saw.
                return replace(finding, canary=measures.canary(runs))
        except (ChoiceError, ModelError, PromptError, InvalidFindingError) as error:
            # Measures name themselves where nobody else does.
            problem = str(error).removeprefix(f"{name}: ")
            raise failure(f"{name} on {self.alias}: {problem}") from None

    def _own_runs(self) -> Runs:
        """The same as :attr:`runs`, not handed to the test."""
        from pytest_circuits.models import ModelError

        try:
            return self._models.runs_of(self._models.of_test(self._source.source, self._request))
        except ModelError as error:
            raise failure(str(error)) from None

    @property
    def _session(self) -> CircuitsSession:
        from pytest_circuits.session.session import circuits_session

        return circuits_session(self._request.config)

    @property
    def _models(self) -> RunModels:
        return self._session.models

    @property
    def _snapshot(self) -> CircuitSnapshot | None:
        """The test's snapshot, if it has one."""
        if "circuit_snapshot" not in self._request.fixturenames:
            return None
        from pytest_circuits.session.snapshot import CircuitSnapshot

        snapshot = self._request.getfixturevalue("circuit_snapshot")
        return snapshot if isinstance(snapshot, CircuitSnapshot) else None


@contextmanager
def _noted_warnings() -> Iterator[list[str]]:
    """What prompts warn of meanwhile, in words; everybody else hears of all warnings as ever."""
    from pytest_circuits.prompts import PromptWarning

    noted: list[str] = []
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            # Also those that nobody wants to hear of now: a later run may.
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
