"""The logit lens: what the model would say if it stopped after a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from pytest_circuits.findings import Allowance, Direction, Finding
from pytest_circuits.findings.choices import check_name
from pytest_circuits.findings.statistics import mean_and_error
from pytest_circuits.forward import (
    ROUNDING,
    PromptGroup,
    PromptRun,
    Runs,
    as_runs,
    read_out,
    run_prompts,
)
from pytest_circuits.measures.common import (
    check_finite,
    looked_at_once,
    of_pairs,
    pairs_convention,
    tokenize,
)
from pytest_circuits.measures.metrics import answer_companion, answer_tokens
from pytest_circuits.models import ModelError

if TYPE_CHECKING:
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.prompts import PromptPairs, TokenizedPairs

#: As the logit difference, which the last layer's is.
_LOGITS = Allowance(floor=0.2, share=0.05, least=0.1)
#: A rank may go one up or down, or a tenth: near the top neighbours swap, far from it many do.
_RANKS = Allowance(floor=1.0, share=0.1, least=1.0)
#: What is read, by name: quantity, unit, formula, direction, default tolerance.
_READINGS = {
    "logit_diff": (
        "logit difference",
        "logits",
        "logit(answer) − logit(wrong answer)",
        Direction.TWO_SIDED,
        _LOGITS,
    ),
    "logit": ("answer's logit", "logits", "logit(answer)", Direction.TWO_SIDED, _LOGITS),
    "rank": (
        "answer's rank",
        "rank",
        "1 + number of tokens with more logit",
        Direction.LOWER,
        _RANKS,
    ),
}


@looked_at_once
def logit_lens(
    model: TransformerBridge | Runs,
    pairs: PromptPairs,
    *,
    read: Literal["logit_diff", "logit", "rank"] = "logit_diff",
) -> Finding:
    """What the model would answer if it stopped after each layer.

    logits after layer l = W_U norm(resid_post_l) + b_U at the last position, the final norm applied
    anew to each layer's stream, and soft-capped where the model's logits are (nostalgebraist 2020):
    transformer-lens' ``logit_readout``. Of these logits the reading is taken, and its mean over
    prompts. It is no attribution: the norm's scale differs
    from layer to layer, so that differences between layers are not what a layer adds (see
    :func:`component_attribution`).

    Every call checks that the last layer gives the model's own logits.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts; only the clean ones are run.
        read: ``logit_diff`` (answer − wrong answer), ``logit`` (of the answer), or ``rank`` (of the
            answer among all tokens, 1 the top one).

    Returns:
        a finding with values ``[layer]`` in logits or ranks, standard errors over the pairs'
        clusters, and as companion the logit difference and accuracy. ``raw["layers"]`` is of each
        prompt, ``[prompt, layer]``.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer.
        InvalidFindingError: if the model's numbers are not finite.
        ModelError: if the model does something else with its last residual stream.
        ChoiceError: for an unknown reading.
    """
    check_name("read", read, _READINGS)
    quantity, unit, formula, direction, allowance = _READINGS[read]
    runs = as_runs(model)
    for needed in ("resid_pre", "resid_post"):
        runs.anatomy.require(needed, "logit_lens")
    tokenized = tokenize(runs, pairs)
    run = run_prompts(runs, tokenized.clean)
    companion = answer_companion(run, tokenized, "logit_lens")
    _check_identity(runs, run)
    samples = run.gather(lambda group: _read(runs, group, tokenized, read)).numpy()
    check_finite("logit_lens", quantity, samples)
    mean, error = mean_and_error(samples, tokenized.clusters)
    return Finding(
        measure="logit_lens",
        quantity=quantity,
        unit=unit,
        direction=direction,
        axes=("layer",),
        values=mean,
        errors=error,
        convention={
            **pairs_convention(tokenized, f"{formula}, last position"),
            "lens": "final norm anew on resid_post, unembedding, soft cap where there is one",
        },
        companion=companion,
        **of_pairs(runs, tokenized),
        raw={"layers": samples},
        allowance=allowance,
    )


def _read(runs: Runs, group: PromptGroup, tokenized: TokenizedPairs, read: str) -> Tensor:
    """The reading of each row after each layer, ``[row, layer]``."""
    right, wrong = answer_tokens(group.logits, group.rows, tokenized)
    columns = []
    with runs.watched("logit_lens", runs.layers, "layers") as advance:
        for residual in group.residuals:
            logits = read_out(runs, residual, "logit_lens").float()
            answer = logits.gather(1, right[:, None])
            if read == "rank":
                columns.append(1 + (logits > answer).sum(-1))
            elif read == "logit":
                columns.append(answer[:, 0])
            else:
                columns.append((answer - logits.gather(1, wrong[:, None]))[:, 0])
            advance(1)
    return torch.stack(columns, dim=1)


def _check_identity(runs: Runs, run: PromptRun) -> None:
    for group in run.groups:
        logits = read_out(runs, group.residuals[-1], "logit_lens")
        miss = float((logits - group.logits).abs().max())
        allowed = ROUNDING[logits.dtype] * max(1.0, float(group.logits.abs().max()))
        if not miss <= allowed:
            raise ModelError(
                f"logit_lens: {runs.family} has no logit lens:\n"
                f"its last residual stream, through final norm and unembedding, does not give its "
                f"logits\n(off by {miss:.3g}, {allowed:.3g} allowed)."
            )
