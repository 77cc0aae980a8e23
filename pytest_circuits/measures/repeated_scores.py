"""Measures on repeated random tokens: attention-pattern scores, and the repeat loss.

The input is one first token (BOS, where the tokenizer has one), a block of T distinct random
tokens, and the same block again: ``[batch, 1 + 2T]``. All these measures read the same single
pass. A[q, k] is the attention of query position q to key position k.

A head may attend T − 1 or T back whatever stands there. Such a head scores high and is none of
those looked for, so induction and duplicate-token scores have a null: the same attention on
control sequences, a second pass, whose second block is the first one turned by half its length
(:attr:`pytest_circuits.prompts.sequences.DrawnTokens.control`). A head at or above the threshold is
in the role only if it has more of it on the repeated tokens than on the control, over the queries
T+1 … T+⌈T/2⌉−1, in which both have equally many repeated keys. Attention that is random by
content, drawn anew for each sequence, is then told from its null in no more than 5 % of all cases,
however sharp it is; a control whose second block repeats nothing lets up to 12 % of it pass for
induction.
"""

from __future__ import annotations

from dataclasses import replace
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
    Role,
)
from pytest_circuits.findings.statistics import max_t_p, mean_and_error
from pytest_circuits.forward import RepeatedRun, Runs, as_runs, run_control, run_repeated
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
    from collections.abc import Collection

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
        prompts: the repeated tokens; by default 10 sequences of min(50, (context − 1) // 2).

    Returns:
        a finding with values ``[layer, head]`` in 0 … 1 (attention probability), standard errors
        over sequences, per-sequence profiles (from 0.2 on) and nulls of the heads at 0.35 and
        above, and as companion repeat loss, repeat accuracy and repeat gain (see
        :func:`repeat_loss`). A null has the mean attention on the control and the family-wise p of
        more on the repeated tokens, over the same queries, paired by sequence, over all heads (see
        :func:`pytest_circuits.findings.statistics.max_t_p`). Fewer than five sequences can't
        tell a score from its null: there are no nulls then, and the threshold decides alone.

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

    Arguments, return value and errors as for :func:`induction_scores`, but there are no nulls:
    this score is about a position alone, and repetition is nothing to it.
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
def repeat_loss(model: TransformerBridge | Runs, prompts: RepeatedTokens | None = None) -> Finding:
    """How well the model predicts the second occurrence of a repeated block.

    loss = mean next-token negative log-likelihood over the second block, that is over the
    predictions made at positions T+1 … 2T−1 (the block's first token can't be known). Lower is
    better; chance is ln(vocabulary).

    Args:
        model: a hooked model, or its runs.
        prompts: the repeated tokens, as for :func:`induction_scores`.

    Returns:
        a finding with one value in nats, its standard error over sequences, and as companion
        the accuracy (share of these predictions that are right) and the repeat gain: the mean
        loss on the first block (predictions at 0 … T−1) minus the repeat loss, in nats, which is
        0 for a model that does not use the repetition.

    Raises:
        PromptError: if the block doesn't fit the model's context or vocabulary.
    """
    runs, drawn, run = draw_repeated(model, prompts)
    losses, gain, hits = per_sequence(run, drawn.block)
    mean, error = mean_and_error(losses, range(len(losses)))
    return Finding(
        measure="repeat_loss",
        quantity="repeat loss",
        unit="nats",
        direction=Direction.LOWER,
        axes=(),
        values=mean,
        errors=error,
        convention=repeated_convention(drawn, prompts),
        profiles={"repeat_loss": losses},
        companion=_companion(losses, gain, hits)[1:],
        allowance=Allowance(floor=0.15, share=0.05, least=0.01),
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
    samples: NDArray[np.float64] = getattr(run, stripe)
    absent = runs.anatomy.absent_heads
    name = measure.removesuffix("_scores").replace("_", " ")
    role = Role(f"{name} heads", ROLE_THRESHOLD)
    heads = of_heads(samples, range(len(samples)), role, absent=absent)
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
        },
        **heads,
        nulls=_nulls(runs, drawn, run, stripe, candidates) if control else {},
        null_takes="that takes five sequences or more" if control else "",
        companion=repeated_companion(run, drawn.block),
        **of_repeated(runs, drawn),
    )


def _nulls(
    runs: Runs,
    drawn: DrawnTokens,
    run: RepeatedRun,
    stripe: str,
    heads: Collection[str],
) -> dict[str, Null]:
    """The nulls of heads, by label; the pass over the control is made only if it can tell."""
    samples: NDArray[np.float64] = getattr(run, f"{stripe}_compared")
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
    model: TransformerBridge | Runs, prompts: RepeatedTokens | None
) -> tuple[Runs, DrawnTokens, RepeatedRun]:
    """The model's runs, the sequences drawn for it, and the pass over them."""
    if prompts is not None and not isinstance(prompts, RepeatedTokens):
        raise ChoiceError(
            f"this measure takes repeated tokens (prompts.repeated_tokens), and got "
            f"{type(prompts).__name__}"
        )
    runs = as_runs(model)
    drawn = draw_tokens(runs, prompts or RepeatedTokens())
    return runs, drawn, run_repeated(runs, drawn)


def draw_tokens(runs: Runs, prompts: RepeatedTokens) -> DrawnTokens:
    """The sequences drawn for a model, not yet run."""
    config = runs.bridge.cfg
    return prompts.draw(runs.tokenizer, context=int(config.n_ctx), vocabulary=int(config.d_vocab))


def per_sequence(
    run: RepeatedRun, block: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Repeat loss, repeat gain and accuracy of each sequence, ``[sequence]``."""
    second = slice(block + 1, 2 * block)
    losses = run.losses[:, second].mean(axis=1)
    return losses, run.losses[:, :block].mean(axis=1) - losses, run.hits[:, second].mean(axis=1)


def _companion(
    losses: NDArray[np.float64], gain: NDArray[np.float64], hits: NDArray[np.float64]
) -> tuple[Behaviour, ...]:
    clusters = range(len(losses))
    right = behaviour(
        "repeat_accuracy", hits, clusters, Direction.HIGHER, "share of tokens", vital=True
    )
    return (
        behaviour("repeat_loss", losses, clusters, Direction.LOWER, "nats"),
        # A model that is surprised by random tokens gains from any context, so that some gain is
        # left when nothing is predicted any more: only the accuracy tells that.
        replace(right, vital=not right.indistinct),
        # It shrinks too when a model is less surprised by random tokens, which is no loss.
        behaviour(
            "repeat_gain", gain, clusters, Direction.HIGHER, "nats", vital=True, judged=False
        ),
    )


def repeated_convention(drawn: DrawnTokens, prompts: RepeatedTokens | None) -> dict[str, Json]:
    """The choices behind every number that is measured on repeated tokens."""
    return {
        "block": drawn.block,
        "batch": len(drawn.sequences),
        "seed": (prompts or RepeatedTokens()).seed,
        "first_token": "BOS" if drawn.first_is_bos else "ordinary token",
        "loss": "predictions at T+1 … 2T-1",
        "attention": ATTENTION,
    }


def repeated_companion(run: RepeatedRun, block: int) -> tuple[Behaviour, ...]:
    """What attention to a repetition is for: predicting it."""
    return _companion(*per_sequence(run, block))


def of_repeated(runs: Runs, drawn: DrawnTokens) -> dict[str, Any]:
    """What a finding says of the sequences and the model, whatever it is that was found."""
    used = [token for sequence in drawn.sequences for token in sequence]
    return {
        "samples": len(drawn.sequences),
        "clusters": len(drawn.sequences),
        "prompts": _record(drawn) | {"vocabulary": vocabulary(runs.tokenizer, used)},
        "provenance": provenance(runs),
    }


def _record(drawn: DrawnTokens) -> dict[str, Json]:
    """Which sequences a number was measured on."""
    return {
        "kind": "repeated tokens",
        "first_token": drawn.first_token,
        "tokens": drawn.strings_hash,
        "ids": [list(sequence[1 : 1 + drawn.block]) for sequence in drawn.sequences],
    }
