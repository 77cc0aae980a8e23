"""What the ``circuits`` fixture gives out: measures on one model."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Literal

from pytest_circuits.session.measuring import Measurement, OtherModel
from pytest_circuits.session.outcomes import STATE, failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Circuit, Finding, Head
    from pytest_circuits.forward import Runs, Value
    from pytest_circuits.measures.attention import Mask
    from pytest_circuits.measures.metrics import MetricLike
    from pytest_circuits.measures.positions import PositionsLike
    from pytest_circuits.prompts import PromptPairs, RepeatedTokens
    from pytest_circuits.session.models import RunModels
    from pytest_circuits.session.outcomes import CircuitSource
    from pytest_circuits.session.session import CircuitsSession
    from pytest_circuits.session.snapshot import CircuitSnapshot


class Circuits:
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

    def induction_scores(self, prompts: RepeatedTokens | None = None) -> Finding:
        """How much each head attends to the token after the earlier occurrence."""
        return self._measure("induction_scores", prompts)

    def previous_token_scores(self, prompts: RepeatedTokens | None = None) -> Finding:
        """How much each head attends to the previous token."""
        return self._measure("previous_token_scores", prompts)

    def duplicate_token_scores(self, prompts: RepeatedTokens | None = None) -> Finding:
        """How much each head attends to the earlier occurrence of the current token."""
        return self._measure("duplicate_token_scores", prompts)

    def current_token_scores(self, prompts: RepeatedTokens | None = None) -> Finding:
        """How much each head attends to the current token itself."""
        return self._measure("current_token_scores", prompts)

    def first_token_scores(self, prompts: RepeatedTokens | None = None) -> Finding:
        """How much each head attends to the first token."""
        return self._measure("first_token_scores", prompts)

    def attention_between(
        self, pairs: PromptPairs, *, query: str | int = "END", key: str | int
    ) -> Finding:
        """How much each head attends from one named token to another."""
        return self._measure("attention_between", pairs, query=query, key=key)

    def attention_scores(
        self, prompts: PromptPairs | RepeatedTokens, *, mask: Mask, name: str
    ) -> Finding:
        """How much each head attends along a mask of your own."""
        return self._measure("attention_scores", prompts, mask=mask, name=name)

    def copying_scores(
        self, pairs: PromptPairs, *, at: Sequence[str | int] = ("IO", "S1"), k: int = 5
    ) -> Finding:
        """How often each head's OV circuit puts a token it looks at among the top k."""
        return self._measure("copying_scores", pairs, at=at, k=k)

    def head_attribution(self, pairs: PromptPairs) -> Finding:
        """What each head writes into the logit difference by itself, in logits."""
        return self._measure("head_attribution", pairs)

    def component_attribution(self, pairs: PromptPairs) -> Finding:
        """What embedding, attentions and MLPs write into the logit difference, in logits."""
        return self._measure("component_attribution", pairs)

    def logit_lens(
        self, pairs: PromptPairs, *, read: Literal["logit_diff", "logit", "rank"] = "logit_diff"
    ) -> Finding:
        """What the model would answer if it stopped after each layer."""
        return self._measure("logit_lens", pairs, read=read)

    def patch(
        self,
        pairs: PromptPairs,
        *,
        site: str = "head_out",
        positions: PositionsLike | None = None,
        direction: Literal["denoising", "noising"] = "denoising",
        metric: MetricLike = "logit_diff",
    ) -> Finding:
        """The share of the difference between clean and corrupted that an activation carries."""
        return self._measure(
            "patch", pairs, site=site, positions=positions, direction=direction, metric=metric
        )

    def attribution_patching(
        self,
        pairs: PromptPairs,
        *,
        site: str = "head_out",
        positions: PositionsLike | None = None,
        direction: Literal["denoising", "noising"] = "denoising",
        metric: MetricLike = "logit_diff",
    ) -> Finding:
        """A first-order estimate of ``patch``: a screen, which says where to patch."""
        return self._measure(
            "attribution_patching",
            pairs,
            site=site,
            positions=positions,
            direction=direction,
            metric=metric,
        )

    def ablate(
        self,
        prompts: PromptPairs | RepeatedTokens,
        *,
        heads: Sequence[str | Head] | Literal["each"] = (),
        mlps: Sequence[int] = (),
        value: Value = "mean",
        reference: PromptPairs | None = None,
        positions: PositionsLike = "all",
        metric: MetricLike = "logit_diff",
        seed: int = 0,
    ) -> Finding:
        """How much worse the behaviour is without some heads and MLPs."""
        return self._measure(
            "ablate",
            prompts,
            heads=heads,
            mlps=mlps,
            value=value,
            reference=reference,
            positions=positions,
            metric=metric,
            seed=seed,
        )

    @contextmanager
    def ablated(
        self, *, heads: Sequence[str | Head] = (), mlps: Sequence[int] = ()
    ) -> Iterator[Circuits]:
        """While these heads and MLPs are zero, to measure anything without them."""
        from pytest_circuits import measures
        from pytest_circuits.findings import ChoiceError

        with ExitStack() as stack:
            try:
                runs = self._models.runs_of_test(self._source, self._request)
                stack.enter_context(measures.ablated(runs, heads=heads, mlps=mlps))
            except ChoiceError as error:
                raise failure(f"ablated on {self.alias}: {error}") from None
            yield self

    def faithfulness(
        self,
        pairs: PromptPairs,
        circuit: Circuit,
        *,
        value: Value = "mean",
        reference: PromptPairs | None = None,
        positions: PositionsLike = "all",
        direction: Literal["noising", "denoising"] = "noising",
        ablated: Literal["complement", "circuit"] = "complement",
        metric: MetricLike = "logit_diff",
        seed: int = 0,
        null: int = 0,
    ) -> Finding:
        """How much of the behaviour is left when everything but the circuit is ablated."""
        return self._measure(
            "faithfulness",
            pairs,
            circuit,
            value=value,
            reference=reference,
            positions=positions,
            direction=direction,
            ablated=ablated,
            metric=metric,
            seed=seed,
            null=null,
        )

    def completeness(
        self,
        pairs: PromptPairs,
        circuit: Circuit,
        *,
        subsets: int = 20,
        value: Value = "mean",
        reference: PromptPairs | None = None,
        positions: PositionsLike = "all",
        direction: Literal["noising", "denoising"] = "noising",
        metric: MetricLike = "logit_diff",
        seed: int = 0,
    ) -> Finding:
        """Whether the circuit without a part of it is like the model without that part."""
        return self._measure(
            "completeness",
            pairs,
            circuit,
            subsets=subsets,
            value=value,
            reference=reference,
            positions=positions,
            direction=direction,
            metric=metric,
            seed=seed,
        )

    def minimality(
        self,
        pairs: PromptPairs,
        circuit: Circuit,
        *,
        subsets: int = 20,
        value: Value = "mean",
        reference: PromptPairs | None = None,
        positions: PositionsLike = "all",
        direction: Literal["noising", "denoising"] = "noising",
        metric: MetricLike = "logit_diff",
        seed: int = 0,
    ) -> Finding:
        """What each head of the circuit adds to it."""
        return self._measure(
            "minimality",
            pairs,
            circuit,
            subsets=subsets,
            value=value,
            reference=reference,
            positions=positions,
            direction=direction,
            metric=metric,
            seed=seed,
        )

    def logit_diff(self, pairs: PromptPairs) -> Finding:
        """How much the model prefers the answer to the wrong answer, in logits."""
        return self._measure("logit_diff", pairs)

    def accuracy(self, pairs: PromptPairs) -> Finding:
        """How often the model prefers the answer to the wrong answer."""
        return self._measure("accuracy", pairs)

    def top_k_accuracy(self, pairs: PromptPairs, *, k: int = 5) -> Finding:
        """How often the answer is among the k most likely tokens."""
        return self._measure("top_k_accuracy", pairs, k=k)

    def answer_probability(self, pairs: PromptPairs) -> Finding:
        """How probable the answer is."""
        return self._measure("answer_probability", pairs)

    def repeat_loss(self, prompts: RepeatedTokens | None = None) -> Finding:
        """The loss on the second occurrence of a repeated block, in nats."""
        return self._measure("repeat_loss", prompts)

    def text_loss(self, texts: str | Sequence[str]) -> Finding:
        """The loss on a text, in nats a token."""
        return self._measure("text_loss", texts)

    def kl_divergence(self, pairs: PromptPairs, *, to: str | TransformerBridge | Runs) -> Finding:
        """How far the model's answers are from another model's, in nats.

        The other model is an alias of this run, a source, or a hooked model.
        """
        return self._measure(
            "kl_divergence", pairs, to=OtherModel(to) if isinstance(to, str) else to
        )

    def _measure(self, name: str, /, *arguments: object, **options: object) -> Finding:
        if self._snapshot is not None:
            self._snapshot.check(name)
        measurement = Measurement(name, arguments, options)
        measured = self._session.measurer.measure(measurement, self._source, self._request)
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
