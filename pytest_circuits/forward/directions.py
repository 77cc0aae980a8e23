"""What is written along a direction of the logits: back through norms, to what heads write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_circuits.forward.anatomy import output_weights
from pytest_circuits.forward.precision import exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from pytest_circuits.forward.runs import Runs


def along_heads(
    runs: Runs, z: Sequence[Tensor | None], attention_scale: Tensor, direction: Tensor
) -> tuple[Tensor, Tensor]:
    """What heads and output biases of each layer add along a direction at the stream's end.

    Args:
        runs: the model.
        z: every head's mixed values, one tensor a layer, ``[row, head, d_head]``; None in a layer
            without heads.
        attention_scale: what the norm that follows the attention divides by, ``[layer, row, 1]``.
        direction: ``[row, d_model]``.

    Returns:
        of heads ``[row, layer, head]``, NaN where there is none, and for all where what they write
        can't be told one by one; of biases ``[row, layer]``.
    """
    bridge: Any = runs.bridge
    anatomy = runs.anatomy
    heads = direction.new_full((len(direction), runs.layers, runs.heads), torch.nan)
    biases = direction.new_zeros(heads.shape[:2])
    if "contributions" in anatomy.refusals:
        return heads, biases
    for layer, of_layer in enumerate(z):
        if of_layer is None:
            continue
        block = bridge.blocks[layer]
        own = anatomy.factors["attn_out"][layer] * direction
        # Where a head's share joins the residual stream after a norm, it goes through it.
        if getattr(block, "ln1_post", None) is not None:
            own, biases[:, layer] = _before_norm(block.ln1_post, own, attention_scale[layer])
        own = anatomy.factors["head_out"][layer] * own
        count = of_layer.shape[1]
        written = torch.einsum("hkd,nd->nhk", exact(output_weights(bridge, layer, count)), own)
        heads[:, layer, :count] = (written * exact(of_layer)).sum(-1)
        bias = getattr(block.attn, "b_O", None)
        if bias is not None:
            biases[:, layer] += own @ exact(bias)
    return heads, biases


def before_final_norm(runs: Runs, direction: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The direction in the stream that is ``direction`` behind the final norm, and what that adds.

    Args:
        runs: the model.
        direction: ``[row, d_model]``.
        scale: what the final norm divides by, ``[row, 1]``.
    """
    # A model without norms has no scale either, and a final "norm" that passes all through.
    if not runs.has_hook("ln_final.hook_scale"):
        return direction, direction.new_zeros(len(direction))
    bridge: Any = runs.bridge
    return _before_norm(bridge.ln_final, direction, scale)


def logit_factor(runs: Runs) -> float:
    """By what the model multiplies the unembedding's logits.

    That is the slope at 0 of what it does to them, which a soft cap doesn't change.
    """
    bridge: Any = runs.bridge
    small = exact(torch.full((1, 1), 1e-6))
    return float(bridge.adapter.apply_output_logits_transform(small.clone())) / float(small)


def _before_norm(norm: Any, direction: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    """The direction before a norm that is ``direction`` after it, and what the norm's bias adds.

    With the scale σ that the norm had in this very pass it is linear:
    (γ ⊙ (x − mean x) / σ + β) · d = x · d′ + β · d, d′ = (γ ⊙ d − mean (γ ⊙ d)) / σ; RMS norms
    centre nothing and have no β, and some store γ − 1.

    Args:
        norm: transformer-lens' norm.
        direction: ``[row, d_model]``.
        scale: σ where the direction is read, ``[row, 1]``.
    """
    added = direction.new_zeros(len(direction))
    before = direction
    weight = getattr(norm, "weight", None)
    if weight is not None:
        before = before * (exact(weight) + (1 if getattr(norm, "uses_weight_offset", False) else 0))
    if not norm.uses_rms_norm:
        before = before - before.mean(-1, keepdim=True)
        if getattr(norm, "bias", None) is not None:
            added = direction @ exact(norm.bias)
    return before / exact(scale), added
