"""Reading the residual stream as the model reads its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_circuits.models import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from pytest_circuits.forward.runs import Runs


def read_out(runs: Runs, residual: Tensor) -> Tensor:
    """The logits that these vectors would give at the end of the residual stream.

    They go through the final norm, which looks at each anew, the unembedding, and what the model
    does with its logits then (soft-capping): transformer-lens' own reading.

    Args:
        runs: the model.
        residual: ``[…, d_model]``.

    Returns:
        logits ``[…, vocabulary]``.

    Raises:
        ModelError: if the model reads its last residual stream otherwise.
    """
    from transformer_lens.tools.analysis.logit_lens import logit_readout

    try:
        return logit_readout(runs.bridge, residual).values.to(residual.device)
    except (ValueError, NotImplementedError) as error:
        family = type(runs.bridge.original_model).__name__
        raise ModelError(f"{family} has no logit lens: {error}") from error


def end_logits(runs: Runs, residual: Tensor, columns: Tensor | None = None) -> Tensor:
    """The same, without asking whether the model reads its stream so, and for some tokens only.

    Args:
        runs: the model.
        residual: ``[row, d_model]``.
        columns: the tokens whose logits are wanted, ``[row, token]``; None for all.

    Returns:
        logits ``[row, vocabulary]`` or ``[row, token]``.
    """
    bridge: Any = runs.bridge
    here = residual.device
    with torch.no_grad():
        if runs.has_hook("ln_final.hook_in"):
            residual = bridge.ln_final(residual[None])[0]
        unembedding, bias = bridge.W_U.to(residual.dtype), bridge.b_U.to(residual.dtype)
        residual = residual.to(unembedding.device)
        if columns is None:
            logits = residual @ unembedding + bias
        else:
            columns = columns.to(unembedding.device)
            picked = unembedding.T[columns]  # [row, token, d_model]
            logits = torch.einsum("rd,rtd->rt", residual, picked) + bias[columns]
        found: Tensor = bridge.adapter.apply_output_logits_transform(logits)
    return found.to(here)


def output_weights(runs: Runs, layer: int) -> Tensor:
    """What a layer's heads write with, W_O ``[head, d_head, d_model]``.

    Raises:
        ModelError: if the weights are packed, so that only a forward pass can use them.
    """
    bridge: Any = runs.bridge
    try:
        weights: Tensor = bridge.blocks[layer].attn.W_O
    except NotImplementedError as error:
        raise ModelError(
            "the model's weights are quantised and stay packed, so that what its heads write can't "
            "be read.\n"
            "Patching, ablation and attention scores work; for this measure, use the checkpoint "
            "that was quantised."
        ) from error
    return weights
