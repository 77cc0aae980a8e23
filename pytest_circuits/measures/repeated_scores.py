"""Measures on repeated random tokens: attention-pattern scores, and the repeat loss.

The input is one first token (BOS, where the tokenizer has one), a block of T distinct random
tokens, and the same block again: ``[batch, 1 + 2T]``. All these measures read the same passes, one
for each of two lengths T: by default 10 sequences of min(50, (context − 1) // 2), and 5 that are
longer, and longer than every attention window of the model where its context allows that
(:meth:`pytest_circuits.prompts.sequences.RepeatedTokens.draw`). Each length counts half, however
many sequences it has: value = (x̄_short + x̄_long) / 2, with a stratified error
(:func:`pytest_circuits.findings.statistics.stratified`), whose samples are a head's profile.
A[q, k] is the attention of query position q to key position k.

A head may attend T − 1 or T back whatever stands there. Such a head scores high and is none of
those looked for, so induction and duplicate-token scores have a null: the same attention on
control sequences, a second pass, whose second block is the first one turned by half its length
(:attr:`pytest_circuits.prompts.sequences.DrawnTokens.control`). A head at or above the threshold is
in the role only if it has more of it on the repeated tokens than on the control, over the queries
T+1 … T+⌈T/2⌉−1, in which both have equally many repeated keys. Attention that is random by
content, drawn anew for each sequence, is then told from its null in no more than 5 % of all cases,
however sharp it is; a control whose second block repeats nothing lets up to 12 % of it pass for
induction. Sequences of the shorter block alone have a control: what a head does that is more than
its null there, it does by content.

A pattern can't see that its head's output is gone. So these two scores come with what each head
writes for the next token (:class:`pytest_circuits.forward.next_tokens.NextTokens`).
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.findings import (
    SIGNIFICANT,
    Allowance,
    Behaviour,
    ChoiceError,
    Direction,
    Finding,
    Head,
    InvalidFindingError,
    Null,
    Output,
    Role,
)
from pytest_circuits.findings.statistics import max_t_p, mean_and_error, stratified
from pytest_circuits.forward import (
    RepeatedRun,
    Runs,
    as_runs,
    largest_window,
    longest_affordable,
    run_control,
    run_repeated,
    run_repeated_alone,
    run_texts,
)
from pytest_circuits.measures.common import (
    ATTENTION,
    behaviour,
    looked_at_once,
    of_heads,
    provenance,
)
from pytest_circuits.prompts import DrawnTokens, RepeatedTokens
from pytest_circuits.prompts.tokens import vocabulary

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Json

#: A head at or above this score has the role. Half of a perfect head's attention would be 0.5;
#: published induction heads lie between 0.4 and 0.9.
ROLE_THRESHOLD = 0.4
#: Heads that miss the threshold by so much have a null too: what a score may move, near it.
_NEAR = 0.05
#: What a score is held against: a finding with the nulls of another control is another quantity.
_CONTROL = "second block turned by ⌈T/2⌉ places, q = T+1 … T+⌈T/2⌉-1"
#: Sequences of the next seed, whose loss is a companion.
_OF_NEXT_SEED = 5


@looked_at_once
def induction_scores(
    model: TransformerBridge | Runs, prompts: RepeatedTokens | None = None
) -> Finding:
    """How much each head attends to the token after the current token's earlier occurrence.

    score = mean over sequences and queries q = T+1 … 2T of A[q, q − (T − 1)], the "prefix
    matching" of Elhage et al. 2021 and Olsson et al. 2022. A perfect induction head has 1.
    transformer-lens' demo averages the whole diagonal, first-half rows included; on a perfect
    head with T = 12 that gives 0.87, and the two are never compared.

    Args:
        model: a hooked model, or its runs.
        prompts: the repeated tokens; by default of two lengths, 10 sequences and 5.

    Returns:
        a finding with values ``[layer, head]`` in 0 … 1 (attention probability), standard errors
        over sequences, per-sequence profiles and outputs (from 0.2 on) and nulls of the heads at
        0.35 and above, and as companion repeat loss, the same of the next seed, repeat accuracy and
        repeat gain (see :func:`repeat_loss`). A null has the mean attention on the control and the
        family-wise p of more on the repeated tokens, over the same queries, paired by sequence,
        over all heads (see :func:`pytest_circuits.findings.statistics.max_t_p`). Fewer than five
        sequences can't tell a score from its null: there are no nulls then, and the threshold
        decides alone. An output is what the head writes into logit(next token) − mean logit, in
        logits, over the queries T+1 … 2T−1; there are none where logits can't be attributed.
        ``raw["scores"]`` has the score of each sequence, ``[sequence, layer, head]``.

    Raises:
        PromptError: if the block doesn't fit the model's context or vocabulary.
        InvalidFindingError: if the model gives numbers that are not finite.
    """
    return _scores(model, prompts, "induction", "induction_scores", "A[q, q-(T-1)], q = T+1 … 2T")


@looked_at_once
def previous_token_scores(
    model: TransformerBridge | Runs, prompts: RepeatedTokens | None = None
) -> Finding:
    """How much each head attends to the token before the current one.

    score = mean over sequences and positions i = 1 … 2T of A[i, i − 1].

    Arguments, return value and errors as for :func:`induction_scores`, but there are neither nulls
    nor outputs: this score is about a position alone, and repetition is nothing to it.
    """
    return _scores(
        model, prompts, "previous", "previous_token_scores", "A[i, i-1], i = 1 … 2T", control=False
    )


@looked_at_once
def duplicate_token_scores(
    model: TransformerBridge | Runs, prompts: RepeatedTokens | None = None
) -> Finding:
    """How much each head attends to the current token's earlier occurrence.

    score = mean over sequences and queries q = T+1 … 2T of A[q, q − T].

    Arguments, return value and errors as for :func:`induction_scores`.
    """
    return _scores(model, prompts, "duplicate", "duplicate_token_scores", "A[q, q-T], q = T+1 … 2T")


@looked_at_once
def current_token_scores(
    model: TransformerBridge | Runs, prompts: RepeatedTokens | None = None
) -> Finding:
    """How much each head attends to the current token itself.

    score = mean over sequences and positions i = 1 … 2T of A[i, i]; the first token, which has
    nothing else to attend to, is left out.

    Arguments, return value and errors as for :func:`previous_token_scores`.
    """
    return _scores(
        model, prompts, "current", "current_token_scores", "A[i, i], i = 1 … 2T", control=False
    )


@looked_at_once
def first_token_scores(
    model: TransformerBridge | Runs, prompts: RepeatedTokens | None = None
) -> Finding:
    """How much each head attends to the first token, where attention rests that has no use.

    score = mean over sequences and positions i = 1 … 2T of A[i, 0]: the "attention sink" (Xiao et
    al. 2023). It explains drops in the other scores. Most heads have some of it, so it is no role
    of a few: the values are judged as they are, and neither more nor less of it is better.

    Arguments, return value and errors as for :func:`previous_token_scores`, but there are neither
    role nor profiles.
    """
    finding = _scores(
        model, prompts, "first", "first_token_scores", "A[i, 0], i = 1 … 2T", control=False
    )
    return replace(finding, role=None, profiles={}, direction=Direction.TWO_SIDED)


@looked_at_once
def repeat_loss(
    model: TransformerBridge | Runs,
    prompts: RepeatedTokens | None = None,
    *,
    alone: bool = False,
) -> Finding:
    """How well the model predicts the second occurrence of a repeated block.

    loss = mean next-token negative log-likelihood over the second block, that is over the
    predictions made at positions T+1 … 2T−1 (the block's first token can't be known). Lower is
    better; chance is ln(vocabulary).

    Args:
        model: a hooked model, or its runs.
        prompts: the repeated tokens, as for :func:`induction_scores`.
        alone: whether to measure no more than the loss and the accuracy. By default the pass is the
            one that scores of heads are read from, which a suite asks for too.

    Returns:
        a finding with one value in nats, its standard error over sequences, and as companion
        the same loss on five sequences of the next seed, of the shorter block (a model may have
        memorised some sequences), the accuracy (share of these predictions that are right) and the
        repeat gain: the mean loss on the first block (predictions at 0 … T−1) minus the repeat
        loss, in nats, which is 0 for a model that does not use the repetition. Each length of
        block counts half.

    Raises:
        PromptError: if the block doesn't fit the model's context or vocabulary.
    """
    if not isinstance(alone, bool):
        raise ChoiceError(f"alone is True or False, not {alone!r}")
    if alone:
        runs = as_runs(model)
        drawn = draw_tokens(runs, prompts or RepeatedTokens())
        run = run_repeated_alone(runs, drawn)
        losses, _, hits = per_sequence(run, drawn)
        companion: tuple[Behaviour, ...] = (_accuracy(runs, drawn, hits),)
    else:
        runs, drawn, run = draw_repeated(model, prompts)
        losses = per_sequence(run, drawn)[0]
        companion = repeated_companion(runs, drawn, run, prompts)[1:]
    mean, error = mean_and_error(losses, drawn.clusters)
    return Finding(
        measure="repeat_loss",
        quantity="repeat loss",
        unit="nats",
        direction=Direction.LOWER,
        axes=(),
        values=mean,
        errors=error,
        convention={
            **repeated_convention(drawn, prompts),
            **({} if alone else next_seed(prompts)),
        },
        profiles={"repeat_loss": losses},
        companion=companion,
        allowance=Allowance(floor=0.15, share=0.075, least=0.01),
        chance=chance(runs),
        **of_repeated(runs, drawn),
    )


def _scores(
    model: TransformerBridge | Runs,
    prompts: RepeatedTokens | None,
    stripe: str,
    measure: str,
    formula: str,
    *,
    control: bool = True,
) -> Finding:
    runs = as_runs(model)
    runs.anatomy.require("attention", measure)
    runs, drawn, run = draw_repeated(runs, prompts)
    scores: NDArray[np.float64] = getattr(run, stripe)
    samples = stratified(scores, drawn.strata)
    absent = runs.anatomy.absent_heads
    name = measure.removesuffix("_scores").replace("_", " ")
    role = Role(f"{name} heads", ROLE_THRESHOLD)
    heads = of_heads(samples, drawn.clusters, role, absent=absent)
    strong = np.argwhere(heads["values"] >= ROLE_THRESHOLD - _NEAR).tolist()
    candidates = [str(Head(*cell)) for cell in strong]
    return Finding(
        measure=measure,
        quantity=f"{name} score",
        unit="attention probability",
        direction=Direction.HIGHER,
        convention={
            "score": formula,
            **({"control": _CONTROL} if control else {}),
            **repeated_convention(drawn, prompts),
            **next_seed(prompts),
        },
        **heads,
        nulls=_nulls(runs, drawn, run, stripe, candidates) if control else {},
        null_takes="that takes five sequences or more" if control else "",
        outputs=_outputs(run, drawn, heads["profiles"]) if control else {},
        companion=repeated_companion(runs, drawn, run, prompts),
        raw={"scores": scores},
        **of_repeated(runs, drawn),
    )


def _outputs(run: RepeatedRun, drawn: DrawnTokens, heads: Iterable[str]) -> dict[str, Output]:
    """What heads write for the next token, by label; none where it can't be told."""
    means, errors = mean_and_error(stratified(run.outputs, drawn.strata), drawn.clusters)
    cells = {label: Head.parse(label) for label in heads}
    return {
        label: Output(float(means[cell]), float(errors[cell]))
        for label, cell in cells.items()
        if np.isfinite(means[cell])
    }


def _nulls(
    runs: Runs,
    drawn: DrawnTokens,
    run: RepeatedRun,
    stripe: str,
    heads: Collection[str],
) -> dict[str, Null]:
    """The nulls of heads, by label; the pass over the control is made only if it can tell."""
    scores: NDArray[np.float64] = getattr(run, f"{stripe}_compared")
    samples = scores[np.array(drawn.strata) == drawn.blocks[0]]
    absent = runs.anatomy.absent_heads
    there = np.ones(samples.shape[1:], bool) if absent is None else ~absent
    if not heads or 2.0 ** -len(samples) > SIGNIFICANT or not np.isfinite(samples[:, there]).all():
        return {}
    control: NDArray[np.float64] = getattr(run_control(runs, drawn), f"{stripe}_compared")
    if not np.isfinite(control[:, there]).all():
        raise InvalidFindingError(
            "the model gives attention that is not finite on the control sequences. "
            "Look for NaN or overflow in its weights, or try another dtype."
        )
    p = max_t_p(samples - control)
    cells = {label: Head.parse(label) for label in heads}
    return {
        label: Null(float(control[:, *cell].mean()), float(p[cell]))
        for label, cell in cells.items()
    }


def draw_repeated(
    model: TransformerBridge | Runs,
    prompts: RepeatedTokens | None,
    *,
    one_length: bool = False,
) -> tuple[Runs, DrawnTokens, RepeatedRun]:
    """The model's runs, the sequences drawn for it, and the pass over them.

    Args:
        model: a hooked model, or its runs.
        prompts: the repeated tokens.
        one_length: whether the default is blocks of one length.
    """
    if prompts is not None and not isinstance(prompts, RepeatedTokens):
        raise ChoiceError(
            f"this measure takes repeated tokens (prompts.repeated_tokens), and got "
            f"{type(prompts).__name__}"
        )
    runs = as_runs(model)
    drawn = draw_tokens(runs, prompts or RepeatedTokens(), one_length=one_length)
    return runs, drawn, run_repeated(runs, drawn)


def draw_tokens(runs: Runs, prompts: RepeatedTokens, *, one_length: bool = False) -> DrawnTokens:
    """The sequences drawn for a model, not yet run."""
    config = runs.bridge.cfg
    return prompts.draw(
        runs.tokenizer,
        context=int(config.n_ctx),
        vocabulary=int(config.d_vocab),
        window=largest_window(runs.bridge),
        affordable=(longest_affordable(runs.bridge) - 1) // 2,
        one_length=one_length,
    )


def per_sequence(
    run: RepeatedRun, drawn: DrawnTokens
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Repeat loss, repeat gain and accuracy of each sequence, stratified, ``[sequence]``."""
    losses = np.array([second_block(of_one) for of_one in run.losses])
    first = np.array([of_one[: len(of_one) // 2].mean() for of_one in run.losses])
    hits = np.array([second_block(of_one) for of_one in run.hits])
    losses, gain, hits = (
        stratified(samples, drawn.strata) for samples in (losses, first - losses, hits)
    )
    return losses, gain, hits


def second_block(of_positions: NDArray[np.float64]) -> float:
    """The mean over predictions made at T+1 … 2T−1, of what is known at 0 … 2T−1."""
    return float(of_positions[len(of_positions) // 2 + 1 :].mean())


def chance(runs: Runs) -> float:
    """The loss of a model for which all tokens are equally likely, ln(vocabulary), in nats."""
    return math.log(int(runs.bridge.cfg.d_vocab))


def repeated_companion(
    runs: Runs, drawn: DrawnTokens, run: RepeatedRun, prompts: RepeatedTokens | None
) -> tuple[Behaviour, ...]:
    """What attention to a repetition is for: predicting it."""
    losses, gain, hits = per_sequence(run, drawn)
    other = replace(
        prompts or RepeatedTokens(),
        seed=next_seed(prompts)["second_seed"],
        batch=_OF_NEXT_SEED,
        block=drawn.blocks[0],
    )
    others = run_texts(runs, draw_tokens(runs, other).sequences).losses
    of_others = np.array([second_block(of_one) for of_one in others])
    loss = partial(behaviour, direction=Direction.LOWER, unit="nats", chance=chance(runs))
    return (
        loss("repeat_loss", losses, drawn.clusters),
        # A model that is surprised by random tokens gains from any context, so that some gain is
        # left when nothing is predicted any more: only the accuracy tells that.
        _accuracy(runs, drawn, hits),
        loss("repeat_loss_second_seed", of_others, range(_OF_NEXT_SEED)),
        behaviour("repeat_gain", gain, drawn.clusters, Direction.HIGHER, "nats", vital=True),
    )


def _accuracy(runs: Runs, drawn: DrawnTokens, hits: NDArray[np.float64]) -> Behaviour:
    """The share of the second block that is predicted; vital where it is distinct from chance."""
    right = behaviour(
        "repeat_accuracy",
        hits,
        drawn.clusters,
        Direction.HIGHER,
        "share of tokens",
        vital=True,
        chance=1 / int(runs.bridge.cfg.d_vocab),
    )
    return replace(right, vital=not right.indistinct and not right.at_chance)


def next_seed(prompts: RepeatedTokens | None) -> dict[str, int]:
    """The convention of the loss on tokens that are drawn with the next seed."""
    return {"second_seed": (prompts or RepeatedTokens()).seed + 1}


def repeated_convention(drawn: DrawnTokens, prompts: RepeatedTokens | None) -> dict[str, Json]:
    """The choices behind every number that is measured on repeated tokens."""
    return {
        "block": drawn.blocks[0] if len(drawn.blocks) == 1 else list(drawn.blocks),
        "batch": drawn.strata.count(drawn.blocks[0]),
        "seed": (prompts or RepeatedTokens()).seed,
        "first_token": "BOS" if drawn.first_is_bos else "ordinary token",
        "loss": "predictions at T+1 … 2T-1",
        "attention": ATTENTION,
    }


def of_repeated(runs: Runs, drawn: DrawnTokens) -> dict[str, Any]:
    """What a finding says of the sequences and the model, whatever it is that was found."""
    used = [token for sequence in drawn.sequences for token in sequence]
    return {
        "samples": len(drawn.sequences),
        "clusters": len(set(drawn.clusters)),
        "clustering": drawn.clusters,
        "prompts": _record(drawn) | {"vocabulary": vocabulary(runs.tokenizer, used)},
        "provenance": {
            **provenance(runs),
            # Said only where it is so.
            **({"blocks": "shorter than the attention window"} if drawn.within_windows else {}),
        },
    }


def _record(drawn: DrawnTokens) -> dict[str, Json]:
    """Which sequences a number was measured on."""
    return {
        "kind": "repeated tokens",
        "first_token": drawn.first_token,
        "tokens": drawn.strings_hash,
        "ids": [list(sequence[1 : 1 + len(sequence) // 2]) for sequence in drawn.sequences],
    }
