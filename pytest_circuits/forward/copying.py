"""What each head would write at every position if it attended to that position alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_circuits.forward.lens import output_weights, read_out
from pytest_circuits.forward.sites import SITES, keep, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from pytest_circuits.forward.runs import Runs


def copied_logits(
    runs: Runs, prompts: Sequence[Sequence[int]], positions: Sequence[Sequence[int]]
) -> Iterator[tuple[int, Sequence[int], Tensor]]:
    """The logits of what a head's OV circuit makes of the stream after the first layer.

    Every layer gets the residual stream behind the first one, so that its values are those of
    that stream, through the layer's own norm, biases and groups, whatever the architecture. A
    head's values times W_O, which is what it writes if it attends to one position alone, go
    through the norm behind the attention, where there is one, and then to the end of the stream.

    Args:
        runs: the model.
        prompts: token ids of each.
        positions: indices in each prompt.

    Yields:
        layer, rows of a group of prompts, and logits ``[row, position, head, vocabulary]``.
    """
    stream = record(runs, prompts, SITES["resid_post"])
    for group, (rows, layers) in enumerate(zip(stream.rows, stream.layers, strict=True)):
        tokens = torch.tensor([list(prompts[row]) for row in rows], device=runs.device)
        values: dict[int, Tensor] = {}
        hooks: list[tuple[str, Callable[..., Tensor | None]]] = []
        for layer in range(runs.layers):
            hooks += [
                (SITES["resid_pre"].at(layer), _instead(stream.layers[group][0])),
                (SITES["head_v"].at(layer), keep(values, layer)),
            ]
        runs.forward(tokens, hooks)
        where = torch.tensor([list(positions[row]) for row in rows], device=runs.device)
        everyone = torch.arange(len(rows), device=runs.device)[:, None]
        for layer in range(len(layers)):
            yield layer, rows, _logits(runs, layer, values[layer][everyone, where])


def _logits(runs: Runs, layer: int, values: Tensor) -> Tensor:
    """From values ``[row, position, key-value head, d_head]`` to every head's logits."""
    bridge: Any = runs.bridge
    block = bridge.blocks[layer]
    own = values.repeat_interleave(runs.heads // values.shape[2], dim=2)
    with torch.no_grad():
        output = output_weights(runs, layer).to(own.dtype)
        written = torch.einsum("nphk,hkd->nphd", own.to(output.device), output)
        behind = getattr(block, "ln1_post", None)
        if behind is not None:
            flat: Tensor = behind(written.flatten(0, 2)[None])[0]
            written = flat.view(written.shape)
    return read_out(runs, written.to(values.device))


def _instead(value: Tensor) -> Callable[..., Tensor]:
    def hook(_: Tensor, **__: object) -> Tensor:
        return value

    return hook
