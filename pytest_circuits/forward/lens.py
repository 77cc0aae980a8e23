"""Reading the residual stream as the model reads its end, and what heads would write into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_circuits.forward.anatomy import output_weights
from pytest_circuits.forward.prompted import keep
from pytest_circuits.forward.sites import record
from pytest_circuits.models import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from pytest_circuits.forward.runs import Runs


def read_out(runs: Runs, residual: Tensor, measure: str) -> Tensor:
    """The logits that these vectors would give at the end of the residual stream.

    They go through the final norm, which looks at each anew, the unembedding, and what the model
    does with its logits then (soft-capping): transformer-lens' own reading.

    Args:
        runs: the model.
        residual: ``[…, d_model]``.
        measure: what they are for, for the message.

    Returns:
        logits ``[…, vocabulary]``.

    Raises:
        ModelError: if the model reads its last residual stream otherwise.
    """
    from transformer_lens.tools.analysis.logit_lens import logit_readout

    try:
        return logit_readout(runs.bridge, residual).values.to(residual.device)
    except (ValueError, NotImplementedError) as error:
        raise ModelError(f"{measure}: {runs.family} has no logit lens: {error}") from error


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


def copied_logits(
    runs: Runs, prompts: Sequence[Sequence[int]], positions: Sequence[Sequence[int]]
) -> Iterator[tuple[int, Sequence[int], Tensor]]:
    """The logits of what a head's OV circuit makes of the stream after the first layer.

    Every layer gets the residual stream after the first one, so that its values are those of
    that stream, through the layer's own norm, biases and groups, whatever the architecture. A
    head's values times W_O, which is what it writes if it attends to one position alone, go
    through the norm after the attention, where there is one, and then to the end of the stream.

    Args:
        runs: the model.
        prompts: token ids of each.
        positions: indices in each prompt.

    Yields:
        layer, rows of a group of prompts, and logits ``[row, position, head, vocabulary]``.
    """
    stream = record(runs, prompts, "resid_post", "copying_scores")
    into, of = (runs.anatomy.points[site] for site in ("resid_pre", "head_v"))
    for group, rows in enumerate(stream.rows):
        tokens = torch.tensor([list(prompts[row]) for row in rows], device=runs.device)
        values: dict[int, Tensor] = {}
        hooks: list[tuple[str, Callable[..., Tensor | None]]] = []
        for layer in range(runs.layers):
            start, at = into[layer], of[layer]
            first = stream.layers[group][0]
            if start is not None and at is not None and first is not None:
                hooks += [start.hook(_instead(first)), at.hook(keep(values, layer))]
        runs.forward(tokens, hooks)
        where = torch.tensor([list(positions[row]) for row in rows], device=runs.device)
        everyone = torch.arange(len(rows), device=runs.device)[:, None]
        for layer, of_layer in values.items():
            yield layer, rows, _logits(runs, layer, of_layer[everyone, where])


def _logits(runs: Runs, layer: int, values: Tensor) -> Tensor:
    """From values ``[row, position, key-value head, d_head]`` to every head's logits."""
    bridge: Any = runs.bridge
    block = bridge.blocks[layer]
    own = values.repeat_interleave(runs.anatomy.heads[layer] // values.shape[2], dim=2)
    with torch.no_grad():
        output = output_weights(runs.bridge, layer, runs.anatomy.heads[layer]).to(own.dtype)
        written = torch.einsum("nphk,hkd->nphd", own.to(output.device), output)
        written = written * runs.anatomy.factors["head_out"][layer]
        behind = getattr(block, "ln1_post", None)
        if behind is not None:
            flat: Tensor = behind(written.flatten(0, 2)[None])[0]
            written = flat.view(written.shape)
    return read_out(runs, written.to(values.device), "copying_scores")


def _instead(value: Tensor) -> Callable[..., Tensor]:
    def hook(_: Tensor, **__: object) -> Tensor:
        return value

    return hook
