"""One pass over prompts: the residual stream, and what each component makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import torch
from transformers import DynamicCache

from pytest_circuits.forward.fitting import grouped, in_parts
from pytest_circuits.forward.precision import exact
from pytest_circuits.forward.runs import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.forward.runs import Hook, Runs


Key = TypeVar("Key", str, int)

#: What Gemma's norm after the attention divides by.
_ATTENTION_SCALE = "ln1_post.hook_scale"


@dataclass(frozen=True)
class PromptGroup:
    """A pass over prompts of one length; tensors are on the model's device, in its dtype.

    Attributes:
        rows: indices of these prompts among all.
        tokens: ``[row, position]``.
        logits: at the last position, ``[row, vocabulary]``.
        z: every head's mixed values, one tensor a layer, ``[row, position, head, d_head]``; None
            in a layer without heads.
        written: what each layer's attention, MLP and mixer add at the last position, after the norm
            that follows them where there is one, by site (``attn_out``, ``mlp_out``,
            ``mixer_out``) one tensor a layer, ``[row, d_model]``; None in a layer without it.
        attention_scale: what the norm that follows the attention divides by, ``[layer, row, 1]``;
            ones where there is none.
        stream: the residual stream before each layer and after the last one, one tensor each,
            ``[row, position, d_model]``; empty where transformer-lens doesn't show it.
        past: every layer's keys and values as its attention uses them, two tensors each,
            ``[row, key-value head, position, d_head]``; empty where the model keeps none.
        scale: what the final norm divides by, ``[row, 1]``; ones where there is no norm.
        normalised: what the unembedding gets, ``[row, d_model]``.
    """

    rows: tuple[int, ...]
    tokens: Tensor
    logits: Tensor
    z: tuple[Tensor | None, ...]
    written: Mapping[str, tuple[Tensor | None, ...]]
    attention_scale: Tensor
    stream: tuple[Tensor, ...]
    past: tuple[tuple[Tensor, Tensor], ...]
    scale: Tensor
    normalised: Tensor

    @property
    def residuals(self) -> Tensor:
        """The stream after each layer at the last position, ``[layer, row, d_model]``."""
        return torch.stack([behind[:, -1] for behind in self.stream[1:]])

    @property
    def embedding(self) -> Tensor:
        """What the first block gets at the last position, ``[row, d_model]``."""
        return self.stream[0][:, -1]


@dataclass(frozen=True)
class PromptRun:
    """Passes over prompts, one for each length that occurs."""

    groups: tuple[PromptGroup, ...]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return bytes_of(
            [
                (group.logits, dict(group.written), group.z, group.stream, group.past)
                for group in self.groups
            ]
        )

    def gather(self, pick: Callable[[PromptGroup], Tensor]) -> Tensor:
        """A per-row tensor of every group, put together in the prompts' order (on the CPU)."""
        parts = [exact(pick(group)) for group in self.groups]
        order = torch.tensor([row for group in self.groups for row in group.rows])
        return torch.cat(parts)[order.argsort()]


def run_prompts(runs: Runs, prompts: Sequence[Sequence[int]]) -> PromptRun:
    """The passes over these prompts, made once for all measures that need them.

    Prompts of different lengths are never padded: each length is a pass of its own.
    """
    key = ("prompts", tuple(map(tuple, prompts)))
    return runs.remember(key, lambda: _run(runs, prompts))


def _run(runs: Runs, prompts: Sequence[Sequence[int]]) -> PromptRun:
    found = []
    with runs.watched("run", len(prompts), "prompts") as advance:
        for rows, tokens in grouped(runs, prompts):
            found.append(_run_group(runs, rows, tokens))
            advance(len(rows))
    return PromptRun(tuple(found))


def first_difference(one: Sequence[int], other: Sequence[int]) -> int:
    """The first position where two prompts of one length differ; the length where none does."""
    both = enumerate(zip(one, other, strict=True))
    return next((position for position, (a, b) in both if a != b), len(one))


def _run_group(runs: Runs, rows: tuple[int, ...], tokens: Tensor) -> PromptGroup:
    seen: dict[str, Tensor] = {}
    points = runs.anatomy.points
    layers = range(runs.layers)
    written = {site: points[site] for site in ("attn_out", "mlp_out", "mixer_out")}
    at_end = [point.name for each in written.values() for point in each if point is not None]
    at_end += [f"blocks.{layer}.{_ATTENTION_SCALE}" for layer in layers]
    at_end += ["ln_final.hook_scale", "unembed.hook_in"]
    stream = () if runs.anatomy.stream is None else runs.anatomy.stream
    everywhere = [point.name for point in (*stream, *points["head_out"]) if point is not None]
    hooks = [(name, keep(seen, name, last=True)) for name in at_end if runs.has_hook(name)]
    hooks += [(name, keep(seen, name)) for name in everywhere]
    logits, found, past = run_recorded(runs, tokens, hooks, seen)

    ones = logits.new_ones((len(rows), 1))
    return PromptGroup(
        rows=rows,
        tokens=tokens,
        logits=logits,
        z=tuple(None if at is None else at.split(found[at.name]) for at in points["head_out"]),
        written={
            site: tuple(None if at is None else found[at.name] for at in each)
            for site, each in written.items()
        },
        attention_scale=torch.stack(
            [found.get(f"blocks.{layer}.{_ATTENTION_SCALE}", ones) for layer in layers]
        ),
        stream=tuple(found[point.name] for point in stream),
        past=past,
        scale=found.get("ln_final.hook_scale", ones),
        normalised=found["unembed.hook_in"],
    )


def keep(seen: dict[Key, Tensor], key: Key, *, last: bool = False) -> Callable[..., None]:
    """A hook that keeps what it is given, at every position or at the last one."""

    def hook(value: Tensor, **_: object) -> None:
        seen[key] = (value[:, -1] if last else value).detach().clone()

    return hook


class Recorded(NamedTuple):
    """What was seen of a pass.

    Attributes:
        logits: at the last position, ``[row, vocabulary]``.
        seen: what the hooks saw, by name.
        past: every layer's keys and values; empty where the model keeps none.
    """

    logits: Tensor
    seen: dict[str, Tensor]
    past: tuple[tuple[Tensor, Tensor], ...]


def run_recorded(
    runs: Runs, tokens: Tensor, hooks: Sequence[Hook], seen: dict[str, Tensor]
) -> Recorded:
    """A pass over prompts of one length, in as many parts as fit into memory.

    Args:
        runs: the model.
        tokens: ``[row, position]``.
        hooks: each puts a tensor ``[row, …]`` into ``seen``.
        seen: where hooks put what they see.
    """
    logits: list[Tensor] = []
    seen_in: list[dict[str, Tensor]] = []
    past: list[tuple[tuple[Tensor, Tensor], ...]] = []

    def run(rows: NDArray[np.int64]) -> None:
        seen.clear()
        kept = DynamicCache() if runs.anatomy.past else None
        last = runs.forward(tokens[rows], hooks, past_key_values=kept)[:, -1].clone()
        logits.append(last)  # from here on nothing takes memory
        seen_in.append(dict(seen))
        past.append(_past(kept, tokens.shape[1], runs))

    in_parts(runs, np.arange(len(tokens)), runs.rows_at_once(tokens.shape[1]), run)
    return Recorded(
        _together(logits),
        {name: _together([part[name] for part in seen_in]) for name in seen_in[0]},
        tuple(
            (_together([keys for keys, _ in parts]), _together([values for _, values in parts]))
            for parts in zip(*past, strict=True)
        ),
    )


def _together(parts: Sequence[Tensor]) -> Tensor:
    """Rows that were run in parts; not copied where there is one part."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _past(
    kept: DynamicCache | None, positions: int, runs: Runs
) -> tuple[tuple[Tensor, Tensor], ...]:
    """Keys and values of all layers; none where one of them kept none, or not of all positions."""
    found = []
    for layer in kept.layers if kept is not None else ():
        keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
        if keys is not None and values is not None and keys.shape[-2] == positions:
            found.append((keys.to(runs.device), values.to(runs.device)))
    return tuple(found) if len(found) == runs.layers else ()
