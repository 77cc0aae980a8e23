"""Ablation: runs in which heads and MLPs say something else than they would."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from pytest_circuits.findings import ChoiceError, Head
from pytest_circuits.findings.choices import is_whole
from pytest_circuits.forward.fitting import grouped
from pytest_circuits.forward.prompted import first_difference, run_prompts
from pytest_circuits.forward.sites import record
from pytest_circuits.forward.sweeps import sweep
from pytest_circuits.prompts import PromptError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.forward.anatomy import Anatomy
    from pytest_circuits.forward.edits import Reading
    from pytest_circuits.forward.prompted import PromptGroup
    from pytest_circuits.forward.runs import Hook, Runs

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
    there = every_node(runs)
    made = Nodes(np.zeros_like(there.heads), np.zeros_like(there.mlps))
    for head in heads:
        if head.layer >= runs.layers or head.head_index >= runs.anatomy.heads[head.layer]:
            raise ChoiceError(
                f"this {runs.family} has no head {head}: {_heads_of(runs, head.layer)}"
            )
        made.heads[head] = True
    with_mlps = np.flatnonzero(there.mlps).tolist()
    layers = with_mlps if isinstance(mlps, str) and mlps == "all" else mlps
    if isinstance(layers, str) or not isinstance(layers, Iterable):
        raise ChoiceError(f"mlps is a list of layers, or 'all', not {mlps!r}")
    for layer in layers:
        if not is_whole(layer):
            raise ChoiceError(f"mlps is a list of layers, and {layer!r} is no layer's number")
        if layer not in with_mlps:
            has = f"its last one is that of layer {with_mlps[-1]}" if with_mlps else "it has none"
            raise ChoiceError(f"this {runs.family} has no MLP of layer {layer}: {has}")
        made.mlps[layer] = True
    return made


def every_node(runs: Runs) -> Nodes:
    """All heads and MLPs of the model."""
    counts = np.array(runs.anatomy.heads)
    mlps = np.array([point is not None for point in runs.anatomy.points["mlp_out"]])
    return Nodes(np.arange(counts.max()) < counts[:, None], mlps if mlps.any() else mlps[:0])


def _heads_of(runs: Runs, layer: int) -> str:
    """Which heads there are, for a message about one in this layer that there isn't."""
    counts = runs.anatomy.heads
    if not any(counts):
        return "transformer-lens shows no attention heads in it"
    if layer < runs.layers and not counts[layer]:
        return f"layer {layer} has no attention"
    if layer < runs.layers and counts[layer] < runs.heads:
        return f"the last one in layer {layer} is L{layer}H{counts[layer] - 1}"
    last = max(number for number, count in enumerate(counts) if count)
    return f"its last one is L{last}H{counts[last] - 1}"


@dataclass(frozen=True)
class Replacement:
    """What every head and MLP says instead, for each prompt.

    Attributes:
        z: ``[group][layer]``, tensors ``[row, position, head, d_head]``; None for zeros.
        mlp: the same of MLPs, ``[row, position, d_model]``; no layers where there are none.
        since: the first position of each prompt where that can be something else, ``[prompt]``;
            None where it can be everywhere.
    """

    z: Sequence[Sequence[Tensor | None]] | None
    mlp: Sequence[Sequence[Tensor | None]] | None
    since: Sequence[int] | None = None


ZERO = Replacement(None, None)


def recorded(runs: Runs, prompts: Prompts, others: Prompts) -> Replacement:
    """What heads and MLPs say on other prompts, one for each and as long as it."""
    return Replacement(
        _recorded(runs, others, "head_out"),
        _recorded(runs, others, "mlp_out"),
        [first_difference(*both) for both in zip(others, prompts, strict=True)]
        if runs.causal
        else None,
    )


def _recorded(runs: Runs, prompts: Prompts, site: str) -> Sequence[Sequence[Tensor | None]] | None:
    """What a site holds on prompts; None where the model doesn't have it."""
    if site in runs.anatomy.refusals:
        return None
    return record(runs, prompts, site, "ablation").layers


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

    def means(site: str) -> list[tuple[Tensor | None, ...]] | None:
        if site in runs.anatomy.refusals:
            return None
        found = record(runs, reference, site, "ablation")
        at = {row: (g, i) for g, rows in enumerate(found.rows) for i, row in enumerate(rows)}
        # All prompts of a kind are equally long, so they may lie in several passes, but fit.
        made = {
            kind: [
                _mean([(found.layers[g][layer], i) for g, i in map(at.__getitem__, rows)])
                for layer in range(runs.layers)
            ]
            for kind, rows in where.items()
            if kind in set(kinds)
        }
        return [
            tuple(
                _stacked([made[kinds[row]][layer] for row in rows]) for layer in range(runs.layers)
            )
            for rows, _ in grouped(runs, prompts)
        ]

    return Replacement(means("head_out"), means("mlp_out"))


def _mean(rows: Sequence[tuple[Tensor | None, int]]) -> Tensor | None:
    """The mean of some rows of tensors; None in a layer that has none."""
    stacked = _stacked([None if held is None else held[row] for held, row in rows])
    return None if stacked is None else stacked.mean(0)


def _stacked(tensors: Sequence[Tensor | None]) -> Tensor | None:
    """Tensors of a layer together; None in a layer that has none."""
    there = [tensor for tensor in tensors if tensor is not None]
    return torch.stack(there) if there else None


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
    read: Reading,
    intact: NDArray[np.float64],
    positions: Sequence[tuple[int, ...]] | None = None,
    measure: str = "ablate",
) -> NDArray[np.float64]:
    """Run the prompts once for every set, with that set's heads and MLPs replaced.

    Heads are replaced at z, before the output projection (whose bias stays); MLPs where their
    output joins the residual stream. An empty set changes nothing, and is not run.

    Args:
        runs: the model.
        prompts: token ids of each.
        replacement: what they say instead.
        sets: what is replaced.
        read: what is read off.
        intact: the same of the prompts with nothing replaced, ``[prompt]``.
        positions: where, the index of each position in every prompt; everywhere by default.
        measure: what for, to be told while it runs.

    Returns:
        the numbers, ``[prompt, set]``.

    Raises:
        ModelError: if there is too little memory for a single run.
    """
    _require(runs, sets, measure)
    results = np.tile(intact[:, None], (1, len(sets)))
    with runs.watched(measure, len(sets), "ablations") as advance:
        for number, group in enumerate(run_prompts(runs, prompts).groups):
            edits = _Ablations.of(runs, replacement, number, group, sets=sets, positions=positions)
            idle = len(group.rows) * len(sets) - len(edits.rows)
            advance(idle / len(prompts))
            numbers = sweep(runs, group, edits, read, lambda done: advance(done / len(prompts)))
            results[np.array(group.rows)[edits.rows], edits.sets] = numbers
    return results


def _require(runs: Runs, sets: Sequence[Nodes], measure: str) -> None:
    """Refuse sets of nodes that can't be replaced in this model.

    Raises:
        ModelError: saying why.
    """
    if any(one.heads.any() for one in sets):
        runs.anatomy.require("head_out", measure)
    if any(one.mlps.any() for one in sets):
        runs.anatomy.require("mlp_out", measure)


@dataclass(frozen=True)
class _Ablations:
    """Runs with a set's heads and MLPs replaced.

    Attributes:
        rows, first, start: as in :class:`.Edits`.
        sets: the set of each, ``[run]``.
        heads: which heads each set holds, ``[set, layer, head]``.
        mlps: which MLPs, ``[set, layer]``.
        where: at which positions, ``[row, position]``; None for everywhere.
        z: what heads say instead, ``[layer]``, tensors ``[row, position, head, d_head]``; None for
            nothing.
        mlp: the same of MLPs, ``[row, position, d_model]``.
        anatomy: where heads and MLPs are.
    """

    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    start: NDArray[np.int64]
    sets: NDArray[np.int64]
    heads: NDArray[np.bool_]
    mlps: NDArray[np.bool_]
    where: Tensor | None
    z: Sequence[Tensor | None] | None
    mlp: Sequence[Tensor | None] | None
    anatomy: Anatomy

    @classmethod
    def of(
        cls,
        runs: Runs,
        replacement: Replacement,
        number: int,
        group: PromptGroup,
        *,
        sets: Sequence[Nodes],
        positions: Sequence[tuple[int, ...]] | None,
    ) -> _Ablations:
        """The runs of a group of prompts, which is the replacement's of that number."""
        heads = np.stack([one.heads for one in sets])
        mlps = np.stack([one.mlps for one in sets])
        touched = np.any(heads, axis=-1)  # [set, layer]
        touched[:, : mlps.shape[1]] |= mlps
        since, where = np.zeros(len(group.rows), int), None
        if positions is not None:
            places = np.array([[position[row] for position in positions] for row in group.rows])
            since = places.min(1)
            where = torch.zeros(group.tokens.shape, dtype=torch.bool, device=runs.device)
            where[torch.arange(len(places))[:, None], torch.from_numpy(places)] = True
        if replacement.since is not None:
            since = np.maximum(since, np.array(replacement.since)[list(group.rows)])
        grid = np.indices((len(group.rows), len(sets))).reshape(2, -1)
        felt = np.any(touched, axis=-1)[grid[1]] & (since < group.tokens.shape[1])[grid[0]]
        rows, chosen = grid[:, felt]
        return cls(
            rows=rows,
            first=touched.argmax(-1)[chosen],
            start=since[rows],
            sets=chosen,
            heads=heads,
            mlps=mlps,
            where=where,
            z=None if replacement.z is None else replacement.z[number],
            mlp=None if replacement.mlp is None else replacement.mlp[number],
            anatomy=runs.anatomy,
        )

    def hooks(self, layer: int, chosen: NDArray[np.int64], start: int) -> list[Hook]:
        """The replacements in this layer."""
        if layer == self.heads.shape[1]:  # nothing is replaced after the last layer
            return []
        sets, rows = self.sets[chosen], torch.from_numpy(self.rows[chosen])
        hooks: list[Hook] = []
        heads = self.heads[sets, layer]
        if heads.any():
            instead = None if self.z is None else self.z[layer]
            # [run, position, head, d], of the heads that the layer has
            replaced = torch.from_numpy(heads[:, : self.anatomy.heads[layer]])[:, None, :, None]
            hooks.append(
                self.anatomy.at("head_out", layer).hook(
                    self._replace(replaced, rows, start, instead)
                )
            )
        if self.mlps.shape[1] and self.mlps[sets, layer].any():
            instead = None if self.mlp is None else self.mlp[layer]
            replaced = torch.from_numpy(self.mlps[sets, layer])[:, None, None]
            hooks.append(
                self.anatomy.at("mlp_out", layer).hook(
                    self._replace(replaced, rows, start, instead)
                )
            )
        return hooks

    def _replace(
        self, replaced: Tensor, rows: Tensor, start: int, instead: Tensor | None
    ) -> Callable[..., Tensor]:
        def hook(value: Tensor, **_: object) -> Tensor:
            here = replaced.to(value.device)
            if self.where is not None:
                where = self.where[rows.to(value.device), start:]
                here = here & where.reshape(*where.shape, *[1] * (value.ndim - where.ndim))
            other = value.new_zeros(())
            if instead is not None:
                other = instead[rows.to(value.device), start:]
            return torch.where(here, other, value)

        return hook


@contextmanager
def silenced(runs: Runs, silent: Nodes) -> Iterator[None]:
    """While these heads and MLPs say nothing at all, whatever is run.

    Raises:
        ModelError: if they can't be replaced in this model.
    """
    _require(runs, [silent], "ablated")
    with runs.hooks_on(list(_silencing(runs.anatomy, silent))):
        names = {*runs.silenced, *silent.names}
        # In one order, whichever was ablated first.
        before, runs.silenced = runs.silenced, tuple(sorted(names, key=_layer_and_head))
        try:
            yield
        finally:
            runs.silenced = before


def _layer_and_head(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _silencing(anatomy: Anatomy, silent: Nodes) -> Iterator[Hook]:
    for layer, heads in enumerate(silent.heads):
        if heads.any():
            chosen = torch.from_numpy(heads[: anatomy.heads[layer]])[:, None]
            yield anatomy.at("head_out", layer).hook(_silence(chosen))
    for layer in np.flatnonzero(silent.mlps).tolist():
        yield anatomy.at("mlp_out", layer).hook(_silence(torch.ones(1, dtype=torch.bool)))


def _silence(silent: Tensor) -> Callable[..., Tensor]:
    def hook(value: Tensor, **_: object) -> Tensor:
        return value.masked_fill(silent.to(value.device), 0)

    return hook


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
