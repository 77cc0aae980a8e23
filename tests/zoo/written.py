"""What parts of a plain model write: lens, copying, attribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from zoo.places import module_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn
    from zoo.cases import Seen
    from zoo.plain import Layers, Plain


def lens(plain: Plain, seen: Seen) -> Tensor:
    """What the end of the model makes of the stream behind each layer, ``[row, layer, …]``."""
    tokens = torch.tensor(seen.tokens.clean)
    streams = torch.stack(seen.clean["resid_post"], dim=1)  # [row, layer, position, d_model]

    def change(part: Tensor) -> None:
        part.copy_(streams.flatten(0, 1))

    with torch.no_grad():
        out = plain.run(tokens.repeat_interleave(plain.layers, dim=0), [(plain.end, change)])
    logits: Tensor = out.logits[:, -1].unflatten(0, (len(tokens), plain.layers))
    return logits


def copied(plain: Plain, tokens: Tensor, seen: dict[str, Any]) -> Layers:
    """What each head makes of the stream after the first layer, ``[head, row, position, …]``.

    A layer is given that stream, and of what comes out of its values a head's alone goes
    through the output projection, the norm that follows it, and the end of the model.
    """
    stream = seen["resid_post"][0]
    shape = (len(tokens), plain.layers)
    values: Layers = [None] * plain.layers

    def put_in(layer: int) -> Callable[[Tensor], None]:
        return lambda part: part.unflatten(0, shape)[:, layer].copy_(stream)

    def keep(layer: int) -> Callable[[Tensor], None]:
        return lambda part: values.__setitem__(layer, part.unflatten(0, shape)[:, layer])

    changes = [
        (place, make(layer))
        for site, make in (("resid_pre", put_in), ("head_v", keep))
        for layer, place in enumerate(plain.places[site])
        if place is not None
    ]
    with torch.no_grad():
        plain.run(tokens.repeat_interleave(plain.layers, dim=0), changes)
        return [
            None if one is None else _said_of(plain, tokens, layer, one)
            for layer, one in enumerate(values)
        ]


def attributed(plain: Plain, pairs: Seen) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """What parts write into logit(answer) − logit(wrong) at the last position.

    Returns:
        of heads, ``[row, layer, head]``, of components, ``[row]`` by label, and the whole
        before final soft-capping, ``[row]``.
    """
    seen, answers, wrong = pairs.clean, pairs.tokens.answers, pairs.tokens.wrong_answers
    weight: Any = plain.unembedding.weight
    along = (weight[list(answers)] - weight[list(wrong)]).double()
    last = seen["resid_post"][-1][:, -1]
    final, shift = frozen(plain.norm, last)
    bias = along.new_zeros(len(along)) + along @ shift
    unembedding: Any = plain.unembedding
    if getattr(unembedding, "bias", None) is not None:
        more = unembedding.bias.double()
        bias = bias + more[list(answers)] - more[list(wrong)]
    scale = plain.family.logit_scale
    gains = [_gain(plain, layer) for layer in range(plain.layers)]

    def written(part: Tensor, layer: int = plain.layers) -> Tensor:
        """What that adds, joining the stream in a layer; by default behind all of them."""
        factor = scale * math.prod(gains[layer:])
        return factor * (final(part.double()) * along).sum(-1)

    heads = torch.full((plain.layers, len(along), plain.heads), torch.nan, dtype=torch.float64)
    components = {"embedding": written(plain.begins(seen, 0)[:, -1], 0)}
    for layer in range(plain.layers):
        for part in ("attn", "mixer", "mlp"):
            given = seen.get(f"{part}_out", [None] * plain.layers)[layer]
            if given is not None:
                components[f"L{layer} {part}"] = plain.scale(part) * written(given[:, -1], layer)
        if plain.outputs[layer] is not None:
            shares = plain.scale("attn") * written(_shares(plain, seen, layer), layer)
            heads[layer, :, : len(shares)] = shares.T
    bias = scale * bias
    return heads.transpose(0, 1), components | {"bias": bias}, written(last) + bias


def _said_of(plain: Plain, tokens: Tensor, layer: int, values: Tensor) -> Tensor:
    heads = plain.heads_of(layer)
    of = torch.arange(heads) // (heads // values.shape[2])
    shares = _alone(plain, layer, values[:, :, of])  # [head, row, position, d_model]
    if plain.family.attention_norm:
        norm: Any = module_of(plain.blocks[layer], plain.family.attention_norm)
        shares = norm(shares)
    change = (plain.end, lambda part: part.copy_(shares.flatten(0, 1)))
    logits: Tensor = plain.run(tokens.repeat(heads, 1), [change]).logits
    return logits.unflatten(0, (heads, len(tokens)))


def _alone(plain: Plain, layer: int, mixed: Tensor) -> Tensor:
    """Each head's ``[…, head, d_head]`` through the output projection, ``[head, …, d_model]``."""
    output: Any = plain.outputs[layer]
    nothing = torch.zeros_like(mixed)
    heads = range(mixed.shape[-2])
    with torch.no_grad():
        alone = [
            output(nothing.index_copy(-2, torch.tensor([head]), mixed[..., [head], :]).flatten(-2))
            for head in heads
        ]
        return torch.stack(alone) - output(nothing.flatten(-2))


def _gain(plain: Plain, layer: int) -> float:
    """What the stream behind a layer is multiplied with."""
    return float(getattr(plain.blocks[layer], plain.family.gain)) if plain.family.gain else 1.0


def _shares(plain: Plain, seen: dict[str, Any], layer: int) -> Tensor:
    """What each head of a layer adds at the last position, ``[head, row, d_model]``."""
    shares = _alone(plain, layer, seen["head_out"][layer][:, -1])
    if not plain.family.attention_norm:
        return shares.double()
    norm = module_of(plain.blocks[layer], plain.family.attention_norm)
    through, _ = frozen(norm, seen["before_norm"][layer][:, -1])
    return through(shares.double())


def frozen(norm: nn.Module | None, seen: Tensor) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """A norm with the scale that it has on these ``[row, d_model]``, and its bias.

    With that scale it is γ ⊙ (x − mean x)/σ + β, without centring for an RMS norm. All of it is
    read off what the norm itself gives, however it stores its weight: β is its value at 0, γ
    follows from its value at a vector with mean 0 and variance 1, and it centres if it maps a
    constant to β.
    """
    if norm is None:
        return lambda part: part, torch.zeros(seen.shape[-1], dtype=torch.float64)
    given = seen.new_ones(1, seen.shape[-1])
    signs = given * (1 - 2 * (torch.arange(seen.shape[-1]) % 2))
    with torch.no_grad():
        shift = norm(torch.zeros_like(given)).double()
        weight = (norm(signs).double() - shift) * signs.double()
        centres = bool((norm(given).double() - shift).abs().max() < 1e-3 * weight.abs().max())
        values = (norm(seen).double() - shift) / weight

    def centred(part: Tensor) -> Tensor:
        return part - part.mean(-1, keepdim=True) if centres else part

    last = centred(seen.double())
    share = (values * last).sum(-1, keepdim=True) / last.square().sum(-1, keepdim=True)
    return lambda part: weight * centred(part) * share, shift[0]
