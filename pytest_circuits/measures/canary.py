"""The canary: the loss on a fixed text, beside every measure of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings import Canary
from pytest_circuits.forward import Runs, as_runs, run_canary
from pytest_circuits.prompts.sequences import canary_tokens

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


def canary(model: TransformerBridge | Runs) -> Canary | None:
    """How well the model predicts a fixed text, which no circuit here is about.

    loss = mean next-token negative log-likelihood in nats, over every token of the text after
    the first. A tokenizer that can't encode it gets drawn tokens in its place
    (:func:`pytest_circuits.prompts.sequences.canary_tokens`).

    It is measured for what it says of other findings, so it never fails by itself.

    Args:
        model: a hooked model, or its runs.

    Returns:
        the canary; None if the model is too small for any tokens, if the loss is not finite, or
        if a hook that a test has on the model can't take these tokens.
    """
    runs = as_runs(model)
    config = runs.bridge.cfg
    tokens = canary_tokens(
        runs.tokenizer, context=int(config.n_ctx), vocabulary=int(config.d_vocab)
    )
    if tokens is None:
        return None
    try:
        loss = float(run_canary(runs, tokens).mean())
    except Exception:
        # A hook may be made for its own test's prompts: so many of them, so long.
        if runs.hooked:
            return None
        raise
    return Canary(loss, tokens.kind, tokens.hash) if np.isfinite(loss) else None
