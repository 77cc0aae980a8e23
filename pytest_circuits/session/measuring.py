"""What a test asks its ``circuits`` for, and what answers: a measurer that measures on a model."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pytest_circuits.measures import WRONG_ARGUMENT
from pytest_circuits.session.outcomes import Measured, failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pytest

    from pytest_circuits.findings import Finding
    from pytest_circuits.forward import Runs
    from pytest_circuits.session.models import RunModels
    from pytest_circuits.session.outcomes import CircuitSource


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


class Measurer(Protocol):
    """Answers what tests ask for."""

    def measure(
        self, measurement: Measurement, source: CircuitSource, request: pytest.FixtureRequest
    ) -> Measured:
        """The finding that a measurement gives on the model of a test.

        Args:
            measurement: what the test asks for.
            source: the model under test.
            request: the fixture's request, which knows the test.
        """


class OnCpuWarning(UserWarning):
    """A finding was measured on the CPU, as there was too little memory where its model is."""


class ModelMeasurer:
    """Measures, on the models of a run.

    Args:
        models: the run's models.
    """

    def __init__(self, models: RunModels) -> None:
        self._models = models

    def measure(
        self, measurement: Measurement, source: CircuitSource, request: pytest.FixtureRequest
    ) -> Measured:
        """The finding, measured now; fails the test where that can't be done."""
        __tracebackhide__ = WRONG_ARGUMENT
        # First: loading a model is quickest before anything else has imported its libraries.
        runs = self._models.runs_of_test(source, request)

        from pytest_circuits import measures
        from pytest_circuits.findings import ChoiceError, InvalidFindingError
        from pytest_circuits.models import ModelError
        from pytest_circuits.models.errors import is_out_of_memory
        from pytest_circuits.prompts import PromptError

        name = measurement.measure
        measure: Callable[..., Finding] = getattr(measures, name)

        def measured(runs: Runs) -> Measured:
            __tracebackhide__ = WRONG_ARGUMENT
            options = {
                option: self._models.runs_of_other(value.name)
                if isinstance(value, OtherModel)
                else value
                for option, value in measurement.options.items()
            }
            with runs.untouched():
                finding = measure(runs, *measurement.arguments, **options)
                # Now, with the weights and hooks that the measure saw.
                finding = finding.derived(canary=measures.canary(runs))
            return Measured(finding)

        try:
            try:
                return measured(runs)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                problem = _no_memory(error, runs)
            # Out here the error is gone, and with it the tensors that its frames hold.
            if not self._models.may_use_cpu(runs, source.source, request):
                raise failure(f"{name} on {source.alias}: {problem}")
            warnings.warn(
                f"{name} on {source.alias}: out of memory on {runs.device}, measured on the CPU",
                OnCpuWarning,
                stacklevel=2,
            )
            instead = measured(self._models.runs_on_cpu(source.source))
            return instead._replace(on_cpu_instead=True)
        except (ChoiceError, ModelError, PromptError, InvalidFindingError) as error:
            # Some of these errors name the measure already.
            problem = str(error).removeprefix(f"{name}: ")
            raise failure(f"{name} on {source.alias}: {problem}") from None


def _no_memory(error: Exception, runs: Runs) -> str:
    """What to say where there was too little memory, and what to lower."""
    from pytest_circuits.models.errors import OutOfMemoryError, first_lines

    if isinstance(error, OutOfMemoryError):
        said = str(error)
    else:
        said = (
            f"out of memory on {runs.device} ({first_lines(error).partition(chr(10))[0]}).\n"
            f"Use fewer or shorter prompts, a smaller dtype (--circuits-dtype) or another device."
        )
    if runs.device.type == "cpu":
        return said
    return f"{said}\nWith circuits_cpu_fallback = true it is measured on the CPU instead."
