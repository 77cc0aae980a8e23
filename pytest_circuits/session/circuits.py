"""What the ``circuits`` fixture gives out: measures on one model."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Literal

from pytest_circuits.measures import WRONG_ARGUMENT, Methods
from pytest_circuits.session.measuring import Measurement, OtherModel
from pytest_circuits.session.outcomes import STATE, failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Finding, HeadLike
    from pytest_circuits.forward import Runs
    from pytest_circuits.prompts import PromptPairs
    from pytest_circuits.session.models import RunModels
    from pytest_circuits.session.outcomes import CircuitSource
    from pytest_circuits.session.session import CircuitsSession
    from pytest_circuits.session.snapshot import CircuitSnapshot


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
        self, *, heads: Sequence[HeadLike] = (), mlps: Sequence[int] | Literal["all"] = ()
    ) -> Iterator[Circuits]:
        """While these heads and MLPs are zero, to measure anything without them."""
        from pytest_circuits import measures
        from pytest_circuits.findings import ChoiceError
        from pytest_circuits.models import ModelError

        with ExitStack() as stack:
            try:
                runs = self._models.runs_of_test(self._source, self._request)
                stack.enter_context(measures.ablated(runs, heads=heads, mlps=mlps))
            except (ChoiceError, ModelError) as error:
                problem = str(error).removeprefix("ablated: ")
                raise failure(f"ablated on {self.alias}: {problem}") from None
            yield self

    def kl_divergence(self, pairs: PromptPairs, *, to: str | TransformerBridge | Runs) -> Finding:
        """How far the model's answers are from another model's, in nats.

        The other model is an alias of this run, a source, or a hooked model.
        """
        return self._measure(
            "kl_divergence", pairs, to=OtherModel(to) if isinstance(to, str) else to
        )

    def _measure(self, name: str, /, *arguments: object, **options: object) -> Finding:
        """What a measure finds on the model, or found in an earlier run."""
        __tracebackhide__ = WRONG_ARGUMENT
        measurement = Measurement(name, arguments, options)
        if self._snapshot is not None:
            from pytest_circuits.session.stored_lengths import as_stored

            self._snapshot.check(name)
            measurement = as_stored(measurement, self._snapshot.stored_for_others())
        measured = self._session.measurer.measure(measurement, self._source, self._request)
        measured = measured._replace(measurement=measurement)
        self._request.node.stash[STATE].measured.append(measured)
        self.findings.append(measured.finding)
        return measured.finding

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
