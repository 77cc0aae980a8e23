"""The fixtures that tests ask for. Nothing heavy is imported before a test needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_circuits.session.circuits import Circuits
from pytest_circuits.session.outcomes import failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.baselines import Comparison
    from pytest_circuits.session.outcomes import CircuitSource
    from pytest_circuits.session.snapshot import CircuitSnapshot

#: A test that uses one of these is a circuit test.
FIXTURES = frozenset(
    {"circuits", "circuit_model", "circuit_snapshot", "circuit_source", "private_circuit_model"}
)
SKIP_REASON = "a circuit test: run it with --circuits"


@pytest.fixture(scope="session")
def circuit_source(request: pytest.FixtureRequest) -> CircuitSource:
    """The model under test by name: ``.alias``, ``.source``. One variant for every model."""
    if not request.config.getoption("circuits"):
        pytest.skip(SKIP_REASON)
    alias = getattr(request, "param", None)
    if alias is None:
        pytest.fail(
            "a circuit fixture was asked for where the test can't run once for every model.\n"
            "Name it among the test function's arguments, or mark the test "
            "@pytest.mark.circuits\n(unittest classes can't do either: use a plain function).",
            pytrace=False,
        )
    from pytest_circuits.session.session import circuits_session

    return circuits_session(request.config).sources[alias]


@pytest.fixture(scope="session")
def circuit_model(
    circuit_source: CircuitSource, request: pytest.FixtureRequest
) -> TransformerBridge:
    """The hooked model itself (transformer-lens), loaded once for the run.

    Hooks that a test leaves on it are taken away before the next test. Who wants to train or edit
    a model asks for ``private_circuit_model``.
    """
    from pytest_circuits.models import ModelError
    from pytest_circuits.session.session import circuits_session

    try:
        return circuits_session(request.config).models.load(circuit_source.source)
    except ModelError as error:
        raise failure(str(error)) from None


@pytest.fixture
def private_circuit_model(
    circuit_source: CircuitSource, request: pytest.FixtureRequest
) -> Iterator[TransformerBridge]:
    """A hooked model of the test's own, to train or edit: ``measures.induction_scores(model)``.

    It gives the numbers that ``circuit_model`` gives, to the last bit, and is freed after the test.
    """
    from pytest_circuits.models import ModelError
    from pytest_circuits.session.session import circuits_session

    models = circuits_session(request.config).models
    try:
        model = models.private_model(circuit_source.source, request)
    except ModelError as error:
        raise failure(str(error)) from None
    yield model
    del model
    models.let_private_go(request)


@pytest.fixture
def circuits(circuit_source: CircuitSource, request: pytest.FixtureRequest) -> Circuits:
    """Measures on the model under test."""
    return Circuits(circuit_source, request)


@pytest.fixture
def circuit_snapshot(
    circuit_source: CircuitSource, request: pytest.FixtureRequest
) -> CircuitSnapshot:
    """The approved finding: ``assert finding == circuit_snapshot``."""
    from pytest_circuits.session.checks import waiver_of
    from pytest_circuits.session.session import circuits_session
    from pytest_circuits.session.snapshot import make_snapshot

    session = circuits_session(request.config)

    def settle(comparison: Comparison) -> Comparison:
        from pytest_circuits.session.new_prompts import settled

        return settled(comparison, session, circuit_source, request)

    return make_snapshot(
        request,
        circuit_source,
        session.settings,
        session.reader,
        origin=lambda finding: session.origin(finding, circuit_source, request),
        altered=lambda finding: session.altered(finding, request),
        settle=settle,
        waiver=waiver_of(request.node),
    )
