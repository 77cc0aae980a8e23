"""Which heads a behaviour rests on, by measurement, and edits of a model's weights and config.

Plain torch and transformers; every recipe of hidden damage takes its heads from here, so that it
fits another model.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from evidence.hidden_truth import Questions, Repeats, padded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

Head = tuple[int, int]


def blocks(model: Any) -> Sequence[Any]:  # noqa: ANN401 — any transformers model
    """The blocks of a decoder, first to last."""
    for path in ("layers", "h"):
        if hasattr(model.base_model, path):
            return list(getattr(model.base_model, path))
    raise TypeError(f"no blocks found in {type(model).__name__}")


def writer(block: Any) -> Any:  # noqa: ANN401
    """The projection that writes a block's heads: its input is every head's z, side by side."""
    for path in ("self_attn.o_proj", "attention.dense", "attn.c_proj", "attn.attention.out_proj"):
        try:
            return block.get_submodule(path)
        except AttributeError:
            continue
    raise TypeError(f"no output projection of heads found in {type(block).__name__}")


def final_norm(model: Any) -> Any:  # noqa: ANN401
    """The norm before the unembedding."""
    for name in ("norm", "final_layer_norm", "ln_f"):
        if hasattr(model.base_model, name):
            return getattr(model.base_model, name)
    raise TypeError(f"no final norm found in {type(model).__name__}")


def head_size(model: Any) -> int:  # noqa: ANN401
    """How many numbers a head's z has."""
    config = model.config
    return int(
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )


@contextmanager
def zeroed(model: Any, heads: Collection[Head]) -> Iterator[None]:  # noqa: ANN401
    """What heads write is zero while this lasts."""
    kept = {layer: writer(blocks(model)[layer]).weight.detach().clone() for layer, _ in heads}
    zero(model, heads)
    try:
        yield
    finally:
        with torch.no_grad():
            for layer, weight in kept.items():
                writer(blocks(model)[layer]).weight.copy_(weight)


@torch.no_grad()
def zero(model: Any, heads: Collection[Head]) -> None:  # noqa: ANN401
    """Have heads write nothing: their part of the output projection's weight is zero."""
    size = head_size(model)
    for layer, head in heads:
        module = writer(blocks(model)[layer])
        part = slice(head * size, (head + 1) * size)
        if isinstance(module, torch.nn.Linear):
            module.weight[:, part] = 0
        else:  # GPT-2's projections have their inputs first
            module.weight[part] = 0


def attribution(model: Any, value: Callable[[], torch.Tensor]) -> torch.Tensor:  # noqa: ANN401
    """What each head adds to a value, to first order: Σ z · ∂value/∂z, ``[layer, head]``.

    It is the estimated loss of the value if the head is zeroed: attribution patching to zero.
    """
    outputs: list[torch.Tensor] = []

    def watch(_: object, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        outputs.append(args[0] if args[0].requires_grad else args[0].requires_grad_())
        return (outputs[-1], *args[1:])

    handles = [writer(block).register_forward_pre_hook(watch) for block in blocks(model)]
    try:
        measured = value()
    finally:
        for handle in handles:
            handle.remove()
    gradients = torch.autograd.grad(measured, outputs)
    shape = -1, head_size(model)
    return torch.stack(
        [
            (z.detach() * gradient).reshape(*z.shape[:2], *shape).sum((0, 1, 3))
            for z, gradient in zip(outputs, gradients, strict=True)
        ]
    )


def margin(model: Any, asked: Questions) -> torch.Tensor:  # noqa: ANN401
    """The mean logit difference, with its gradient."""
    ids, last = padded(asked.rows)
    hidden = model.base_model(ids).last_hidden_state[torch.arange(len(last)), last]
    logits = model.get_output_embeddings()(hidden)
    right, wrong = torch.tensor(asked.right), torch.tensor(asked.wrong)
    lead: torch.Tensor = logits.gather(1, right[:, None]) - logits.gather(1, wrong[:, None])
    return lead.mean()


@torch.no_grad()
def induction(model: Any, repeated: Repeats) -> torch.Tensor:  # noqa: ANN401
    """Mean attention to the token after the earlier occurrence, ``[layer, head]``."""
    before = model.config._attn_implementation  # noqa: SLF001 — transformers has no public name
    model.set_attn_implementation("eager")
    try:
        found = model(torch.tensor(repeated.rows), output_attentions=True).attentions
    finally:
        model.set_attn_implementation(before)
    block = repeated.block
    query = torch.arange(block + 1, 2 * block + 1)
    return torch.stack([layer[:, :, query, query - block + 1].mean((0, 2)) for layer in found])


def strongest(scores: torch.Tensor, count: int, without: Collection[Head] = ()) -> list[Head]:
    """The heads of the largest values, largest first."""
    order = scores.flatten().argsort(descending=True).tolist()
    heads = [divmod(number, scores.shape[1]) for number in order]
    return [head for head in heads if head not in without][:count]
