"""What the model does, whatever does it: shares of right answers, probability, loss, divergence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings import Allowance, ChoiceError, Direction, Finding
from pytest_circuits.findings.choices import check_whole
from pytest_circuits.findings.statistics import linearised, mean_and_error
from pytest_circuits.forward import PromptGroup, PromptRun, Runs, as_runs, run_prompts, run_texts
from pytest_circuits.measures.common import (
    ATTENTION,
    check_finite,
    looked_at_once,
    of_pairs,
    pairs_convention,
    provenance,
    tokenize,
)
from pytest_circuits.measures.metrics import (
    answer_companion,
    answer_differences,
    answer_tokens,
    read_kl,
    read_probability,
    share,
)
from pytest_circuits.measures.repeated_scores import chance as chance_loss
from pytest_circuits.models import ModelError
from pytest_circuits.models.fingerprint import live_fingerprint
from pytest_circuits.prompts import PromptError
from pytest_circuits.prompts.tokens import bos_id, digest, tokenize_texts, vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Behaviour, Json
    from pytest_circuits.prompts import PromptPairs, TokenizedPairs


#: A share of few prompts moves in steps.
_COUNTED = Allowance(floor=0.1, share=0.0, least=0.1)
#: As the canary, which is the same loss: how far it may move, of how many predicted tokens.
_TEXT = Allowance(floor=0.05, share=0.0125, least=0.01)
_TEXT_TOKENS = 252


@looked_at_once
def logit_diff(model: TransformerBridge | Runs, pairs: PromptPairs) -> Finding:
    """How much the model prefers the answer to the wrong answer on the clean prompts.

    logit difference = mean over prompts of logit(answer) − logit(wrong answer) at the last
    position (Wang et al. 2022, §2). Higher is better.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts; only the clean ones are run.

    Returns:
        a finding with one value in logits, its standard error over the pairs' clusters, the
        per-prompt differences, and as companion the share of prompts with a positive
        difference with its exact interval, clusters being the trials (Clopper–Pearson).

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer.
        InvalidFindingError: if the model's numbers are not finite.
    """
    runs, tokenized, run, companion = _run(model, pairs, "logit_diff")
    return _number(
        runs,
        tokenized,
        "logit_diff",
        "logit difference",
        "logits",
        samples=answer_differences(run, tokenized, "logit_diff"),
        allowance=Allowance(floor=0.2, share=0.05, least=0.1),
        companion=companion[1:],
    )


@looked_at_once
def accuracy(model: TransformerBridge | Runs, pairs: PromptPairs) -> Finding:
    """How often the model prefers the answer to the wrong answer on the clean prompts.

    accuracy = share of prompts with logit(answer) > logit(wrong answer) at the last position
    (Wang et al. 2022, §2: 99.3 % for GPT-2 small on IOI).

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts; only the clean ones are run.

    Returns:
        a finding with one value (share of prompts), its standard error over the pairs' clusters,
        and as companion the logit difference, and the share again with its exact
        (Clopper–Pearson) 95 % interval, clusters being the trials.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer.
        InvalidFindingError: if the model's numbers are not finite.
    """
    runs, tokenized, run, companion = _run(model, pairs, "accuracy")
    return _number(
        runs,
        tokenized,
        "accuracy",
        "accuracy",
        "share of prompts",
        samples=(answer_differences(run, tokenized, "accuracy") > 0).astype(np.float64),
        allowance=_COUNTED,
        companion=companion,
        convention={"metric": "logit(answer) > logit(wrong answer), last position"},
    )


@looked_at_once
def top_k_accuracy(model: TransformerBridge | Runs, pairs: PromptPairs, *, k: int = 5) -> Finding:
    """How often the answer is among the model's k most likely tokens on the clean prompts.

    top-k accuracy = share of prompts with fewer than k tokens of more logit than the answer, at
    the last position; the whole vocabulary counts.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts; only the clean ones are run, and wrong answers don't count.
        k: among how many the answer has to be.

    Returns:
        a finding with one value (share of prompts), its standard error over the pairs' clusters,
        and as companion the share again with its exact (Clopper–Pearson) 95 % interval, the logit
        difference and accuracy. Chance is k / vocabulary.

    Raises:
        PromptError, InvalidFindingError: as for :func:`accuracy`.
        ChoiceError: if k is below 1.
    """
    k = check_whole("k", k, 1)
    runs, tokenized, run, companion = _run(model, pairs, "top_k_accuracy")
    if k >= int(runs.bridge.cfg.d_vocab):
        raise ChoiceError(f"k is less than the vocabulary, which has {runs.bridge.cfg.d_vocab}")

    def hit(group: PromptGroup) -> Tensor:
        right, _ = answer_tokens(group.logits, group.rows, tokenized)
        return (group.logits > group.logits.gather(1, right[:, None])).sum(-1) < k

    # No number is above NaN, so that it would lift the answer.
    largest = run.gather(lambda group: group.logits.amax(-1)).numpy()
    check_finite("top_k_accuracy", "logits", largest)
    hits = run.gather(hit).numpy()
    return _number(
        runs,
        tokenized,
        "top_k_accuracy",
        f"top-{k} accuracy",
        "share of prompts",
        samples=hits,
        allowance=_COUNTED,
        convention={"metric": f"answer in the top {k}, last position"},
        chance=k / int(runs.bridge.cfg.d_vocab),
        companion=(share("in_top_k", hits > 0, tokenized.clusters), *companion),
    )


@looked_at_once
def answer_probability(model: TransformerBridge | Runs, pairs: PromptPairs) -> Finding:
    """How probable the answer is after the clean prompts.

    probability = mean over prompts of softmax(logits)[answer] at the last position.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts; only the clean ones are run.

    Returns:
        a finding with one value (probability), its standard error over the pairs' clusters, the
        per-prompt probabilities, and as companion the logit difference and accuracy.

    Raises:
        PromptError, InvalidFindingError: as for :func:`accuracy`.
    """
    runs, tokenized, run, companion = _run(model, pairs, "answer_probability")
    samples = run.gather(lambda group: read_probability(group.logits, group.rows, tokenized))
    return _number(
        runs,
        tokenized,
        "answer_probability",
        "answer's probability",
        "probability",
        samples=samples.numpy(),
        # A mean of probabilities has no steps to speak of.
        allowance=Allowance(floor=0.05, share=0.0, least=1e-8),
        companion=companion,
        convention={"metric": "probability of the answer, last position"},
    )


@looked_at_once
def kl_divergence(
    model: TransformerBridge | Runs, pairs: PromptPairs, *, to: TransformerBridge | Runs
) -> Finding:
    """How far the model's answers to the clean prompts are from another model's.

    KL = mean over prompts of Σ_v p_other(v) log(p_other(v) / p(v)) at the last position, in nats:
    summed over the vocabulary, not averaged. 0 if the two say the same.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts; only the clean ones are run.
        to: the other model, which is the reference.

    Returns:
        a finding with one value in nats (less is better), its standard error over the pairs'
        clusters, the per-prompt divergences, and as companion the logit difference and accuracy.
        The other model's weights are part of the convention.

    Raises:
        PromptError, InvalidFindingError: as for :func:`accuracy`.
        ModelError: if the two don't have the same tokens.
    """
    runs, other = as_runs(model), as_runs(to)
    if other.hooked or (other.bridge is runs.bridge and runs.hooked):
        raise ModelError(
            "kl_divergence: the other model has hooks on it, or heads ablated, and is not what it "
            'is called.\nHow far ablation takes a model from itself says ablate(…, metric="kl").'
        )
    _, tokenized, run, companion = _run(runs, pairs, "kl_divergence")
    theirs = tokenize(other, pairs)
    sizes = [
        run_prompts(one, tokens.clean).groups[0].logits.shape[-1]
        for one, tokens in ((runs, tokenized), (other, theirs))
        if theirs.clean == tokenized.clean
    ]
    if len(set(sizes)) != 1:
        why = (
            f"one has {sizes[0]} logits, and the other {sizes[1]}"
            if sizes
            else "their tokenizers give the prompts other tokens"
        )
        raise ModelError(f"kl_divergence: the models don't have the same tokens: {why}")
    reference = run_prompts(other, theirs.clean).gather(
        lambda group: group.logits.float().log_softmax(-1)
    )
    check_finite("kl_divergence", "the other model's logits", reference.numpy())
    samples = run.gather(lambda group: read_kl(group.logits, reference[list(group.rows)]))
    return _number(
        runs,
        tokenized,
        "kl_divergence",
        "KL divergence",
        "nats",
        samples=samples.numpy(),
        direction=Direction.LOWER,
        # Harmless changes move a mean over a whole vocabulary by a few hundredths of a nat.
        allowance=Allowance(floor=0.05, share=0.1, least=0.01),
        companion=companion,
        convention={
            "metric": "KL(other ‖ this), whole vocabulary, last position",
            "other": live_fingerprint(other.bridge.original_model)[:28],
        },
    )


@looked_at_once
def text_loss(model: TransformerBridge | Runs, texts: str | Sequence[str]) -> Finding:
    """How well the model predicts a text.

    loss = Σ over texts of the negative log-likelihood of every token after the first, divided by
    the number of these tokens, in nats a token. Every text begins with BOS where the tokenizer has
    one.

    Args:
        model: a hooked model, or its runs.
        texts: a text, or several; each is a cluster, and fits into the model's context.

    Returns:
        a finding with one value in nats a token (less is better), and the standard error
        of that ratio over texts (none for a single one). Chance is ln(vocabulary).

    Raises:
        PromptError: if there is no text, or one is empty, has words that the tokenizer doesn't
            know, or is too long.
        InvalidFindingError: if the model's numbers are not finite.
    """
    runs = as_runs(model)
    given = [texts] if isinstance(texts, str) else texts
    if not isinstance(given, list | tuple) or not all(isinstance(text, str) for text in given):
        raise ChoiceError(f"texts is a text or a list of texts, not {texts!r}")
    if not given:
        raise PromptError("there is no text whose loss could be measured")
    config = runs.bridge.cfg
    sequences = tokenize_texts(
        runs.tokenizer, given, context=int(config.n_ctx), vocabulary=int(config.d_vocab)
    )
    losses = run_texts(runs, sequences).losses
    sums = np.array([one.sum() for one in losses])
    check_finite("text_loss", "loss", sums)
    counts = np.array([float(len(one)) for one in losses])
    samples = linearised(sums, counts)
    mean, error = mean_and_error(samples, range(len(samples)))
    return Finding(
        measure="text_loss",
        quantity="loss on the text",
        unit="nats",
        direction=Direction.LOWER,
        axes=(),
        values=mean,
        errors=error,
        samples=len(given),
        clusters=len(given),
        convention={
            "metric": "negative log-likelihood of every token after the first, mean over tokens",
            "first_token": "none" if bos_id(runs.tokenizer) is None else runs.tokenizer.bos_token,
            "attention": ATTENTION,
        },
        prompts={
            "kind": "texts",
            "count": len(given),
            "texts": digest(given),
            "tokens": digest(sequences),
            "predicted": int(counts.sum()),
            "vocabulary": vocabulary(runs.tokenizer, [t for text in sequences for t in text]),
        },
        profiles={"text_loss": samples},
        provenance=provenance(runs),
        raw={"losses": sums, "tokens": counts},
        chance=chance_loss(runs),
        allowance=_text_allowance(int(counts.sum())),
    )


def _text_allowance(predicted: int) -> Allowance:
    """A larger floor for fewer predicted tokens.

    What noise does to single tokens averages out with their number: with 1 % of it, one sentence
    of about twenty tokens moved by up to 0.12 on SmolLM2.
    """
    few = max(1.0, math.sqrt(_TEXT_TOKENS / predicted))
    return Allowance.neat(_TEXT.floor * few, _TEXT.share, _TEXT.least * few)


def _run(
    model: TransformerBridge | Runs, pairs: PromptPairs, measure: str
) -> tuple[Runs, TokenizedPairs, PromptRun, tuple[Behaviour, Behaviour]]:
    """The model's runs, its tokens, the run of the clean prompts, and what it answers to them."""
    runs = as_runs(model)
    tokenized = tokenize(runs, pairs)
    run = run_prompts(runs, tokenized.clean)
    return runs, tokenized, run, answer_companion(run, tokenized, measure)


def _number(
    runs: Runs,
    tokenized: TokenizedPairs,
    measure: str,
    quantity: str,
    unit: str,
    *,
    samples: NDArray[np.float64],
    allowance: Allowance,
    companion: tuple[Behaviour, ...],
    convention: Mapping[str, Json] | None = None,
    direction: Direction = Direction.HIGHER,
    chance: float | None = None,
) -> Finding:
    check_finite(measure, quantity, samples)
    mean, error = mean_and_error(samples, tokenized.clusters)
    return Finding(
        measure=measure,
        quantity=quantity,
        unit=unit,
        direction=direction,
        axes=(),
        values=mean,
        errors=error,
        convention={**pairs_convention(tokenized), **(convention or {})},
        profiles={measure: samples},
        companion=companion,
        allowance=allowance,
        chance=chance,
        **of_pairs(runs, tokenized),
    )
