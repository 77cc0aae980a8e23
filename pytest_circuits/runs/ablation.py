"""Ablation: runs in which heads and MLPs say something else than they would."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from pytest_circuits.findings import ChoiceError, Head
from pytest_circuits.prompts import PromptError
from pytest_circuits.runs.patching import together
from pytest_circuits.runs.prompted import grouped
from pytest_circuits.runs.runs import exact
from pytest_circuits.runs.sites import SITES, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from transformer_lens.hook_points import HookPoint

    from pytest_circuits.runs.runs import Hook, Runs
    from pytest_circuits.runs.sites import Site

    Prompts = Sequence[Sequence[int]]

Value = Literal["zero", "mean", "resample"]


@dataclass(frozen=True)
class Nodes:
    """A set of heads and MLPs.

    Attributes:
        heads: whether each is in it, ``[layer, head]``.
        mlps: the same, ``[layer]``; no layers where the model has no MLPs.
    """

    heads: NDArray[np.bool_]
    mlps: NDArray[np.bool_]

    @property
    def names(self) -> list[str]:
        """What is in it: ``L5H1``, ``L0 mlp``."""
        heads = [str(Head(*cell)) for cell in np.argwhere(self.heads).tolist()]
        return heads + [f"L{layer} mlp" for layer in np.flatnonzero(self.mlps).tolist()]

    def __str__(self) -> str:
        return ", ".join(self.names)

    def __invert__(self) -> Nodes:
        return Nodes(~self.heads, ~self.mlps)

    def __or__(self, other: Nodes) -> Nodes:
        return Nodes(self.heads | other.heads, self.mlps | other.mlps)

    def __sub__(self, other: Nodes) -> Nodes:
        return Nodes(self.heads & ~other.heads, self.mlps & ~other.mlps)


def nodes(
    runs: Runs, heads: Sequence[Head] = (), mlps: Sequence[int] | Literal["all"] = ()
) -> Nodes:
    """The set of these heads and MLPs.

    Raises:
        ChoiceError: for one that the model doesn't have.
    """
    layers = runs.layers if runs.has_hook(SITES["mlp_out"].at(0)) else 0
    made = Nodes(np.zeros((runs.layers, runs.heads), bool), np.zeros(layers, bool))
    for head in heads:
        if head.layer >= runs.layers or head.head_index >= runs.heads:
            last = f"L{runs.layers - 1}H{runs.heads - 1}"
            raise ChoiceError(f"this model has no head {head}: its last one is {last}")
        made.heads[head] = True
    for layer in range(layers) if mlps == "all" else mlps:
        if not 0 <= layer < layers:
            has = f"its last one is that of layer {layers - 1}" if layers else "it has none"
            raise ChoiceError(f"this model has no MLP of layer {layer}: {has}")
        made.mlps[layer] = True
    return made


@dataclass(frozen=True)
class Replacement:
    """What every head and MLP says instead, for each prompt.

    Attributes:
        z: ``[group][layer]``, tensors ``[row, position, head, d_head]``; None for zeros.
        mlp: the same of MLPs, ``[row, position, d_model]``; no layers where there are none.
    """

    z: Sequence[Sequence[Tensor]] | None
    mlp: Sequence[Sequence[Tensor]] | None


ZERO = Replacement(None, None)


def recorded(runs: Runs, prompts: Prompts) -> Replacement:
    """What heads and MLPs say on other prompts, one for each and as long as it."""
    return Replacement(
        record(runs, prompts, SITES["head_out"]).layers,
        record(runs, prompts, SITES["mlp_out"]).layers if _has_mlps(runs) else None,
    )


def mean_of(
    runs: Runs, prompts: Prompts, templates: Sequence[str], reference: Prompts, of: Sequence[str]
) -> Replacement:
    """What heads and MLPs say on the mean over reference prompts.

    The mean is taken at each position, over the prompts of the same template and length.

    Args:
        runs: the model.
        prompts: the prompts that it is for.
        templates: their templates.
        reference: the prompts that the mean is over.
        of: their templates.

    Raises:
        PromptError: if a prompt has no reference of its template and length.
    """
    where = _by_kind(reference, of)
    kinds = [_kind(prompt, template) for prompt, template in zip(prompts, templates, strict=True)]
    _check_kinds(kinds, where)

    def means(site: Site) -> list[tuple[Tensor, ...]]:
        found = record(runs, reference, site)
        at = {row: (g, i) for g, rows in enumerate(found.rows) for i, row in enumerate(rows)}
        # All prompts of a kind are equally long, so they may lie in several passes, but fit.
        made = {
            kind: [
                torch.stack([found.layers[g][layer][i] for g, i in map(at.__getitem__, rows)]).mean(
                    0
                )
                for layer in range(runs.layers)
            ]
            for kind, rows in where.items()
            if kind in set(kinds)
        }
        return [
            tuple(
                torch.stack([made[kinds[row]][layer] for row in rows])
                for layer in range(runs.layers)
            )
            for rows, _ in grouped(runs, prompts)
        ]

    return Replacement(
        means(SITES["head_out"]), means(SITES["mlp_out"]) if _has_mlps(runs) else None
    )


def fewest_references(
    prompts: Prompts, templates: Sequence[str], reference: Prompts, of: Sequence[str]
) -> int:
    """Over how few reference prompts the mean for a prompt is; arguments as for :func:`mean_of`."""
    where = _by_kind(reference, of)
    return min(
        len(where[_kind(prompt, template)])
        for prompt, template in zip(prompts, templates, strict=True)
    )


def drawn_from(
    prompts: Prompts,
    templates: Sequence[str],
    reference: Prompts,
    of: Sequence[str],
    seed: int,
) -> list[tuple[int, ...]]:
    """A reference prompt for each prompt, drawn from others of its template and length.

    The stream is that of ``random.Random(seed).random()``.

    Raises:
        PromptError: if a prompt has no reference of its template and length but itself.
    """
    where = _by_kind(reference, of)
    stream = random.Random(seed)  # noqa: S311 — a reproducible draw is the point
    drawn = []
    for prompt, template in zip(prompts, templates, strict=True):
        kind = _kind(prompt, template)
        _check_kinds([kind], where)
        others = [row for row in where[kind] if tuple(reference[row]) != tuple(prompt)]
        if not others:
            raise PromptError(
                f"a prompt of {len(prompt)} tokens{_of_template(template)} has no other to be "
                f"resampled from: give a larger reference set"
            )
        drawn.append(tuple(reference[others[int(stream.random() * len(others))]]))
    return drawn


def run_ablated(
    runs: Runs,
    prompts: Prompts,
    replacement: Replacement,
    *,
    sets: Sequence[Nodes],
    read: Callable[[Tensor, tuple[int, ...]], Tensor],
    positions: Sequence[tuple[int, ...]] | None = None,
    measure: str = "ablate",
) -> NDArray[np.float64]:
    """Run the prompts once for every set, with that set's heads and MLPs replaced.

    Heads are replaced at z, before the output projection (whose bias stays); MLPs where their
    output joins the residual stream. Many sets go through the model together.

    Args:
        runs: the model.
        prompts: token ids of each.
        replacement: what they say instead.
        sets: what is replaced.
        read: from logits ``[row, position, vocabulary]`` and the rows' prompt indices to one
            number each, ``[row]``.
        positions: where, the index of each position in every prompt; everywhere by default.
        measure: what for, to be told while it runs.

    Returns:
        the numbers, ``[prompt, set]``.
    """
    results = np.zeros((len(prompts), len(sets)))
    with runs.watched(measure, len(sets), "ablations") as advance:
        for number, (rows, tokens) in enumerate(grouped(runs, prompts)):
            where = torch.ones(tokens.shape, dtype=torch.bool, device=runs.device)
            if positions is not None:
                where = torch.zeros_like(where)
                for position in positions:
                    where[range(len(rows)), [position[row] for row in rows]] = True
            for part in together(runs, len(rows), tokens.shape[1], len(sets)):
                chosen = sets[part]
                hooks = list(_hooks(runs, replacement, number, chosen, where))
                logits = runs.forward(tokens.repeat(len(chosen), 1), hooks)
                numbers = exact(read(logits, rows * len(chosen))).numpy()
                results[list(rows), part] = numbers.reshape(len(chosen), len(rows)).T
                advance(len(chosen) * len(rows) / len(prompts))
    return results


@contextmanager
def silenced(runs: Runs, silent: Nodes) -> Iterator[None]:
    """While these heads and MLPs say nothing at all, whatever is run."""
    put: list[tuple[HookPoint, object]] = []
    everywhere = torch.ones((1, 1), dtype=torch.bool, device=runs.device)
    try:
        for name, hook in _hooks(runs, ZERO, 0, [silent], everywhere):
            point = runs.bridge.hook_dict[name]
            point.add_hook(hook)
            put.append((point, point.fwd_hooks[-1]))
        before, runs.silenced = runs.silenced, (*runs.silenced, *silent.names)
        try:
            yield
        finally:
            runs.silenced = before
    finally:
        for point, handle in put:
            if handle in point.fwd_hooks:  # somebody may have reset the model's hooks since
                handle.hook.remove()
                point.fwd_hooks.remove(handle)


def _hooks(
    runs: Runs, replacement: Replacement, group: int, sets: Sequence[Nodes], where: Tensor
) -> Iterator[Hook]:
    heads = torch.tensor(np.stack([one.heads for one in sets]), device=runs.device)
    mlps = torch.tensor(np.stack([one.mlps for one in sets]), device=runs.device)
    for layer in range(runs.layers):
        if heads[:, layer].any():
            instead = None if replacement.z is None else replacement.z[group][layer]
            chosen = heads[:, layer, None, None, :, None]  # [set, row, position, head, d]
            yield SITES["head_out"].at(layer), _replace(chosen, where[..., None, None], instead)
        if mlps.shape[1] and mlps[:, layer].any():
            instead = None if replacement.mlp is None else replacement.mlp[group][layer]
            chosen = mlps[:, layer, None, None, None]  # [set, row, position, d]
            yield SITES["mlp_out"].at(layer), _replace(chosen, where[..., None], instead)


def _replace(chosen: Tensor, where: Tensor, instead: Tensor | None) -> Callable[..., Tensor]:
    def hook(value: Tensor, **_: object) -> Tensor:
        copies = value.view(len(chosen), -1, *value.shape[1:])
        other = copies.new_zeros(()) if instead is None else instead[None]
        return torch.where(chosen & where[None], other, copies).view(value.shape)

    return hook


def _has_mlps(runs: Runs) -> bool:
    return runs.has_hook(SITES["mlp_out"].at(0))


def _kind(prompt: Sequence[int], template: str) -> tuple[str, int]:
    return template, len(prompt)


def _by_kind(prompts: Prompts, templates: Sequence[str]) -> dict[tuple[str, int], list[int]]:
    found: dict[tuple[str, int], list[int]] = {}
    for row, (prompt, template) in enumerate(zip(prompts, templates, strict=True)):
        found.setdefault(_kind(prompt, template), []).append(row)
    return found


def _check_kinds(kinds: Sequence[tuple[str, int]], known: dict[tuple[str, int], list[int]]) -> None:
    for template, length in kinds:
        if (template, length) not in known:
            raise PromptError(
                f"no reference prompt has the {length} tokens{_of_template(template)} of the "
                f"prompts it stands in for: give a reference set with the same templates"
            )


def _of_template(template: str) -> str:
    return f" and the template {template!r}" if template else ""
