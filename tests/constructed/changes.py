"""Changes of a checkpoint whose nature is known, because they are made on purpose.

Each is a function of a checkpoint, the reference's roles and a seed; it returns another
checkpoint and leaves the first as it is.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from constructed.layouts import Layout, layout_of
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_circuits.findings import Head

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A model's files in memory.

    Attributes:
        tensors: by name; a change replaces tensors and never writes into one.
        config: ``config.json``.
        tokenizer: ``tokenizer.json``.
        folder: where the remaining files are.
    """

    tensors: Tensors
    config: dict[str, Any]
    tokenizer: dict[str, Any]
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        return cls(
            tensors=load_file(folder / "model.safetensors"),
            config=json.loads((folder / "config.json").read_text(encoding="utf-8")),
            tokenizer=json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")),
            folder=folder,
        )

    def write(self, folder: Path) -> Path:
        """Write it into a new folder."""
        shutil.copytree(
            self.folder, folder, ignore=shutil.ignore_patterns("*.safetensors", "*config.json.bak")
        )
        save_file(
            {name: tensor.contiguous() for name, tensor in self.tensors.items()},
            folder / "model.safetensors",
            metadata={"format": "pt"},
        )
        for name in ("config", "tokenizer"):
            text = json.dumps(getattr(self, name), ensure_ascii=False)
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
        return folder

    @property
    def layout(self) -> Layout:
        return layout_of(self.config)

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Checkpoint:
        """Every tensor changed alike."""
        return self.with_(**{name: change(tensor) for name, tensor in self.tensors.items()})

    def with_(self, **tensors: torch.Tensor) -> Checkpoint:
        return replace(self, tensors=self.tensors | tensors)


@dataclass(frozen=True)
class Roles:
    """The members of the reference's roles, strongest first."""

    induction: tuple[Head, ...]
    previous: tuple[Head, ...]
    attribution: tuple[Head, ...]

    def one(self, seed: int) -> Head:
        """An induction head, drawn."""
        return random.Random(seed).choice(self.induction)


# ---- Benign ------------------------------------------------------------------------------------


def bf16_round_trip(model: Checkpoint) -> Checkpoint:
    return model.map(lambda tensor: tensor.bfloat16().to(tensor.dtype))


def int8_round_trip(model: Checkpoint) -> Checkpoint:
    """Symmetric, a scale for each row of a matrix: its largest magnitude is 127."""

    def quantised(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.ndim < 2:
            return tensor
        scale = (tensor.abs().amax(dim=1, keepdim=True) / 127).clamp(min=1e-12)
        return (tensor / scale).round() * scale

    return model.map(quantised)


def noise(model: Checkpoint, share: float, seed: int) -> Checkpoint:
    """Normal noise, as large as a share of each tensor's own standard deviation."""
    draw = torch.Generator().manual_seed(seed)

    def noisy(tensor: torch.Tensor) -> torch.Tensor:
        return tensor + share * tensor.std() * torch.randn(tensor.shape, generator=draw)

    return model.map(noisy)


def heads_permuted(model: Checkpoint, seed: int) -> Checkpoint:
    """The same function with no head in its place.

    Whole groups of query heads change places with their key and value, and query heads change
    places in their group.
    """
    layout, stream = model.layout, random.Random(seed)
    changed: Tensors = {}
    for layer in range(layout.layers):
        groups = _deranged(layout.kv_heads, stream)
        queries = [
            group * layout.group + member
            for group in groups
            for member in _shuffled(layout.group, stream)
        ]
        for part, order in (
            (layout.query, queries),
            (layout.key, groups),
            (layout.value, groups),
        ):
            changed |= _rows(model, layout.of(layer, part), order)
        changed |= _columns(model, layout.of(layer, layout.output), queries)
    return model.with_(**changed)


def hidden_units_permuted(model: Checkpoint, seed: int) -> Checkpoint:
    """The same function: neurons of each MLP and value channels of each head change places."""
    layout, stream = model.layout, random.Random(seed)
    changed: Tensors = {}
    for layer in range(layout.layers):
        if layout.neurons:
            name = layout.of(layer, layout.mlp_output)
            order = _shuffled(model.tensors[f"{name}.weight"].shape[1], stream)
            changed |= _columns(model, name, order)
            for part in layout.neurons:
                changed |= _rows(model, layout.of(layer, part), order)
        value, output = layout.of(layer, layout.value), layout.of(layer, layout.output)
        channels = len(model.tensors[f"{value}.weight"]) // layout.kv_heads
        orders = [_shuffled(channels, stream) for _ in range(layout.kv_heads)]
        changed |= _rows(
            model, value, [kv * channels + c for kv, order in enumerate(orders) for c in order]
        )
        changed |= _columns(
            model,
            output,
            [
                head * channels + c
                for head in range(layout.heads)
                for c in orders[head // layout.group]
            ],
        )
    return model.with_(**changed)


# ---- Damage ------------------------------------------------------------------------------------


def heads_zeroed(model: Checkpoint, heads: Sequence[Head]) -> Checkpoint:
    """Heads that write nothing."""
    changed: Tensors = {}
    for head in heads:
        name = f"{model.layout.of(head.layer, model.layout.output)}.weight"
        weight = changed.get(name, model.tensors[name]).clone()
        _of_head(weight.T, head.head_index, model.layout.heads).zero_()
        changed[name] = weight
    return model.with_(**changed)


def key_zeroed(model: Checkpoint, head: Head) -> Checkpoint:
    """A head (with those that share its key) that attends to every position alike."""
    layout = model.layout
    changed: Tensors = {}
    for name in _both(model, layout.of(head.layer, layout.key)):
        changed[name] = model.tensors[name].clone()
        _of_head(changed[name], head.head_index // layout.group, layout.kv_heads).zero_()
    return model.with_(**changed)


def unembedding_scaled(model: Checkpoint, factor: float) -> Checkpoint:
    """Logits that are smaller throughout; a tied unembedding is untied first."""
    name = model.layout.unembedding
    tensors = {f"{name}.weight": model.tensors[f"{model.layout.embedding}.weight"]} | model.tensors
    untied = replace(model, tensors=tensors, config=model.config | {"tie_word_embeddings": False})
    return untied.with_(**{key: factor * untied.tensors[key] for key in _both(untied, name)})


def attention_zeroed(model: Checkpoint, layer: int) -> Checkpoint:
    """A layer whose attention writes nothing."""
    names = _both(model, model.layout.of(layer, model.layout.output))
    return model.with_(**{name: torch.zeros_like(model.tensors[name]) for name in names})


def head_reinitialised(model: Checkpoint, head: Head, seed: int) -> Checkpoint:
    """A head that knows nothing: normal weights, as large as those of its layer's heads.

    Keys and values that other heads read too stay what they are.
    """
    layout, draw = model.layout, torch.Generator().manual_seed(seed)
    parts = [(layout.query, layout.heads), (layout.output, layout.heads)]
    if layout.group == 1:
        parts += [(layout.key, layout.heads), (layout.value, layout.heads)]
    changed: Tensors = {}
    for part, count in parts:
        name = f"{layout.of(head.layer, part)}.weight"
        weight = changed[name] = model.tensors[name].clone()
        own = _of_head(weight.T if part == layout.output else weight, head.head_index, count)
        own.copy_(weight.std() * torch.randn(own.shape, generator=draw))
    return model.with_(**changed)


# ---- Not comparable, broken --------------------------------------------------------------------


def another_tokenizer(model: Checkpoint) -> Checkpoint:
    """Ordinary tokens have the ids of their neighbours."""
    tokenizer = copy.deepcopy(model.tokenizer)
    special = {token["content"] for token in tokenizer["added_tokens"]}
    vocabulary = tokenizer["model"]["vocab"]
    ordinary = [token for token in vocabulary if token not in special]
    ids = [vocabulary[token] for token in ordinary]
    vocabulary.update(zip(ordinary, [*ids[1:], ids[0]], strict=True))
    return replace(model, tokenizer=tokenizer)


def layer_added(model: Checkpoint) -> Checkpoint:
    """The same function in another shape: the last layer again, writing nothing."""
    layout = model.layout
    last, new = layout.layers - 1, layout.layers
    names = [name for name in model.tensors if name.startswith(layout.layer.format(last))]
    silent = {
        name
        for part in (layout.output, layout.mlp_output)
        for name in _both(model, layout.of(last, part))
    }
    added = {
        layout.of(new, name.removeprefix(layout.layer.format(last))): (
            torch.zeros_like(model.tensors[name]) if name in silent else model.tensors[name].clone()
        )
        for name in names
    }
    larger = replace(model, config=model.config | {layout.layer_count: new + 1})
    return larger.with_(**added)


def not_a_number(model: Checkpoint) -> Checkpoint:
    """One weight of the last layer is NaN."""
    layout = model.layout
    name = f"{layout.of(layout.layers - 1, layout.value)}.weight"
    weight = model.tensors[name].clone()
    weight[0, 0] = torch.nan
    return model.with_(**{name: weight})


def without_attention(model: Checkpoint) -> Checkpoint:
    """Every head attends to every position alike, and none has a role."""
    layout = model.layout
    names = [
        name
        for layer in range(layout.layers)
        for name in _both(model, layout.of(layer, layout.key))
    ]
    return model.with_(**{name: torch.zeros_like(model.tensors[name]) for name in names})


# ---- What they are made of ---------------------------------------------------------------------


def _both(model: Checkpoint, part: str) -> list[str]:
    """A part's weight, and its bias where it has one."""
    return [name for name in (f"{part}.weight", f"{part}.bias") if name in model.tensors]


def _of_head(rows: torch.Tensor, head: int, heads: int) -> torch.Tensor:
    """A head's rows, as a view."""
    size = len(rows) // heads
    return rows[head * size : (head + 1) * size]


def _rows(model: Checkpoint, part: str, order: Sequence[int]) -> Tensors:
    """A part with its rows, in equal blocks, in another order; its bias with them."""
    names = _both(model, part)
    return {name: _reordered(model.tensors[name], order) for name in names}


def _columns(model: Checkpoint, part: str, order: Sequence[int]) -> Tensors:
    name = f"{part}.weight"
    return {name: _reordered(model.tensors[name].T, order).T}


def _reordered(rows: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
    return rows.unflatten(0, (len(order), -1))[list(order)].flatten(0, 1)


def _shuffled(count: int, stream: random.Random) -> list[int]:
    return stream.sample(range(count), count)


def _deranged(count: int, stream: random.Random) -> list[int]:
    """An order that leaves nothing in its place."""
    while True:
        order = _shuffled(count, stream)
        if all(place != index for place, index in enumerate(order)):
            return order
