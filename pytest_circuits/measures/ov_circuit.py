"""The copying score: whether a head, looking at a token, writes that token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_circuits.findings import Allowance, ChoiceError, Direction, Finding, Role
from pytest_circuits.findings.choices import check_whole
from pytest_circuits.forward import Runs, as_runs, copied_logits, exact, run_prompts
from pytest_circuits.measures.common import (
    check_finite,
    looked_at_once,
    make_positions,
    of_heads,
    of_pairs,
    pairs_convention,
    tokenize,
)
from pytest_circuits.measures.metrics import answer_companion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.prompts import PromptPairs

#: Name movers of GPT-2 small copy nearly every name (Wang et al. 2022: above 95 %), its average
#: head less than 20 % of them.
ROLE_THRESHOLD = 0.5


@looked_at_once
def copying_scores(
    model: TransformerBridge | Runs,
    pairs: PromptPairs,
    *,
    at: Sequence[str | int] = ("IO", "S1"),
    k: int = 5,
) -> Finding:
    """How often each head's OV circuit puts a token it looks at among the top k.

    logits = W_U norm(norm′(x) W_V W_O) (+ b_U), with x the residual stream after the first layer
    at the token, norm′ the head's own layer norm applied anew, the value's bias included, the norm
    after the attention applied where there is one (Gemma 2 and 3), norm the final one applied to
    the head's output alone; score = share of tokens that are among the k largest of their own
    logits, ties lost (Wang et al. 2022, §3.1, appendix C). Published implementations differ in
    which of these norms they apply, so that scores are comparable within one of them alone.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts; only the clean ones are run.
        at: the tokens, by position's name or index.
        k: among how many a token has to be.

    Returns:
        a finding with values ``[layer, head]`` in 0 … 1 (share of tokens), standard errors over
        the pairs' clusters, per-prompt profiles of the heads at 0.25 and above, and as companion
        the logit difference and accuracy.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer, or name no such position.
        InvalidFindingError: if the model's numbers are not finite.
        ChoiceError: if k is below 1, or no position is named.
    """
    if not isinstance(at, list | tuple | range) or not at:
        raise ChoiceError(f"at is a list of positions, not {at!r}")
    k = check_whole("k", k, 1)
    runs = as_runs(model)
    # What a head writes if it attends to one token alone takes all of these.
    for needed in ("head_pattern", "contributions"):
        runs.anatomy.require(needed, "copying_scores")
    tokenized = tokenize(runs, pairs)
    positions = make_positions(at, tokenized)
    assert positions is not None
    where = [[index[row] for index in positions.indices] for row in range(len(tokenized))]
    if k >= int(runs.bridge.cfg.d_vocab):
        raise ChoiceError(f"k is less than the vocabulary, which has {runs.bridge.cfg.d_vocab}")
    run = run_prompts(runs, tokenized.clean)
    companion = answer_companion(run, tokenized, "copying_scores")
    samples = np.full((len(tokenized), runs.layers, runs.heads), np.nan)
    with runs.watched("copying_scores", runs.layers, "layers") as advance:
        for layer, rows, logits in copied_logits(runs, tokenized.clean, where):
            own = torch.tensor([[tokenized.clean[row][p] for p in where[row]] for row in rows])
            own = own.to(logits.device)[:, :, None, None].expand(*logits.shape[:-1], 1)
            # NaN is above nothing, so that it would count as a copy.
            largest = exact(logits.amax(-1)).numpy()
            check_finite("copying_scores", f"what heads of layer {layer} write", largest)
            # A head that writes nothing gives all tokens the same logit, and copies none of them.
            hits = (logits >= logits.gather(-1, own)).sum(-1) <= k  # [row, position, head]
            there = (np.array(rows)[:, None], layer, np.arange(hits.shape[2]))
            samples[there] = exact(hits).mean(1).numpy()
            advance(len(rows) / len(tokenized))
    return Finding(
        measure="copying_scores",
        quantity="copying score",
        unit="share of tokens",
        direction=Direction.HIGHER,
        convention={
            **pairs_convention(tokenized),
            "score": f"own token in the top {k}",
            **positions.convention,
            "norms": "layer's own, behind attention where there is one, final; each anew",
        },
        **of_heads(
            samples,
            tokenized.clusters,
            Role("copying heads", ROLE_THRESHOLD),
            absent=runs.anatomy.absent_heads,
        ),
        companion=companion,
        # A token at the edge of the top five leaves it, or enters.
        allowance=Allowance(floor=0.1, share=0.1, least=0.02),
        **of_pairs(runs, tokenized),
    )
