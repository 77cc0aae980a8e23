"""The fixtures that tests ask for. Nothing heavy is imported before a test needs it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Finding
    from pytest_circuits.prompts import PromptPairs, RepeatedTokens
    from pytest_circuits.runs import Runs
    from pytest_circuits.snapshots import CircuitSnapshot
    from pytest_circuits.state import CircuitSource

#: A test that uses one of these is a circuit test.
FIXTURES = frozenset({"circuits", "circuit_model", "circuit_snapshot", "circuit_source"})
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
    from pytest_circuits.session import circuits_session

    return circuits_session(request.config).sources[alias]


@pytest.fixture(scope="session")
def circuit_model(
    circuit_source: CircuitSource, request: pytest.FixtureRequest
) -> TransformerBridge:
    """The hooked model itself (transformer-lens), loaded once for the run.

    Hooks that a test leaves on it are taken away before the next test.
    """
    from pytest_circuits.models import ModelError
    from pytest_circuits.session import circuits_session

    try:
        return circuits_session(request.config).load(circuit_source)
    except ModelError as error:
        raise _failure(str(error)) from None


@pytest.fixture
def circuits(circuit_source: CircuitSource, request: pytest.FixtureRequest) -> Iterator[Circuits]:
    """Measures on the model under test."""
    handle = Circuits(circuit_source, request)
    yield handle
    from pytest_circuits.session import circuits_session

    circuits_session(request.config).not_judged(request.node, handle.alias, handle.findings)


@pytest.fixture
def circuit_snapshot(
    circuit_source: CircuitSource, request: pytest.FixtureRequest
) -> CircuitSnapshot:
    """The approved finding: ``assert finding == circuit_snapshot``."""
    from pytest_circuits.session import circuits_session
    from pytest_circuits.snapshots import make_snapshot

    return make_snapshot(request, circuit_source, circuits_session(request.config))


def _failure(message: str) -> BaseException:
    """The message alone: where in our code it arose is of no use to who reads it."""
    return pytest.fail.Exception(message, pytrace=False)


class Circuits:
    """Measures on one model. The model is loaded when the first measure needs it.

    The methods are those of :mod:`pytest_circuits.measures`, which has their definitions.

    Attributes:
        alias: the model's alias.
        findings: what was measured so far.
    """

    def __init__(self, source: CircuitSource, request: pytest.FixtureRequest) -> None:
        self.alias = source.alias
        self.findings: list[Finding] = []
        self._request = request

    def __repr__(self) -> str:
        return f"<circuits of {self.alias}>"

    @property
    def runs(self) -> Runs:
        """The model's forward passes, shared by all measures of the run."""
        from pytest_circuits.session import circuits_session

        model = self._request.getfixturevalue("circuit_model")
        return circuits_session(self._request.config).runs_of(model)

    def induction_scores(self, prompts: RepeatedTokens | None = None) -> Finding:
        """How much each head attends to the token after the earlier occurrence."""
        return self._measure("induction_scores", prompts)

    def previous_token_scores(self, prompts: RepeatedTokens | None = None) -> Finding:
        """How much each head attends to the previous token."""
        return self._measure("previous_token_scores", prompts)

    def duplicate_token_scores(self, prompts: RepeatedTokens | None = None) -> Finding:
        """How much each head attends to the earlier occurrence of the current token."""
        return self._measure("duplicate_token_scores", prompts)

    def repeat_loss(self, prompts: RepeatedTokens | None = None) -> Finding:
        """The loss on the second occurrence of a repeated block, in nats."""
        return self._measure("repeat_loss", prompts)

    def logit_diff(self, pairs: PromptPairs) -> Finding:
        """How much the model prefers the answer to the wrong answer, in logits."""
        return self._measure("logit_diff", pairs)

    def head_attribution(self, pairs: PromptPairs) -> Finding:
        """What each head writes into the logit difference by itself, in logits."""
        return self._measure("head_attribution", pairs)

    def patch(self, pairs: PromptPairs, *, site: str = "head_out") -> Finding:
        """The share of the logit difference that each head's clean output restores."""
        return self._measure("patch", pairs, site=site)

    def _measure(self, name: str, *args: Any, **options: Any) -> Finding:  # noqa: ANN401
        from pytest_circuits import measures
        from pytest_circuits.findings import InvalidFindingError
        from pytest_circuits.models import ModelError
        from pytest_circuits.prompts import PromptError

        measure: Callable[..., Finding] = getattr(measures, name)
        runs = self.runs
        try:
            with runs.untouched():
                finding = measure(runs, *args, **options)
                # Now, with the weights and hooks that the measure saw.
                finding = replace(finding, canary=measures.canary(runs))
        except (ModelError, PromptError, InvalidFindingError) as error:
            # Measures name themselves where nobody else does.
            problem = str(error).removeprefix(f"{name}: ")
            raise _failure(f"{name} on {self.alias}: {problem}") from None
        self.findings.append(finding)
        return finding
