"""Where activations are recorded and put in, by the names that every family's model answers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from pytest_circuits.forward.fitting import grouped
from pytest_circuits.forward.precision import exact
from pytest_circuits.forward.prompted import keep, run_prompts, run_recorded
from pytest_circuits.forward.runs import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from pytest_circuits.forward.anatomy import Points
    from pytest_circuits.forward.prompted import PromptGroup
    from pytest_circuits.forward.runs import Runs


@dataclass(frozen=True)
class Site:
    """A kind of activation.

    Attributes:
        name: what users call it.
        of_heads: whether there is one for each head.
        grouped: whether that is a key-value head, which several query heads may share.
        stands_for: the site at which it is put in, as something else, if not at its own.
    """

    name: str
    of_heads: bool = False
    grouped: bool = False
    stands_for: str | None = None

    def points(self, runs: Runs) -> Points:
        """The hook points at which it is put in, by layer."""
        return runs.anatomy.points[self.stands_for or self.name]


#: Two sites are put in as something else. resid_mid as what the attention, or what a layer has in
#: its place, adds to the residual stream: the second norm's input is but one of two ways on from
#: there. head_pattern as what the head then mixes: some families' attention (GPT-Neo, GPT-J, OPT)
#: shows its pattern only after it has used it.
_SITES = (
    Site("resid_pre"),
    Site("resid_mid", stands_for="added"),
    Site("resid_post"),
    Site("attn_out"),
    Site("mlp_out"),
    Site("head_out", of_heads=True),
    Site("head_q", of_heads=True),
    Site("head_k", of_heads=True, grouped=True),
    Site("head_v", of_heads=True, grouped=True),
    Site("head_pattern", of_heads=True, stands_for="head_out"),
)
SITES = {site.name: site for site in _SITES}
#: What no pass over prompts keeps, and is recorded when it is needed.
_RECORDED = ("resid_mid", "added", "attn_out", "mlp_out", "head_q", "head_k", "head_v", "attention")
#: Bytes of activations up to which those of all sites are recorded together.
_ROOM_FOR_ALL = 1 << 27


#: What every pass over prompts keeps.
_KEPT: dict[str, Callable[[PromptGroup], tuple[Tensor | None, ...]]] = {
    "head_out": lambda group: group.z,
    "resid_pre": lambda group: group.stream[:-1],
    "resid_post": lambda group: group.stream[1:],
}


@dataclass(frozen=True)
class Activations:
    """What a site held in passes over prompts, grouped as :func:`run_prompts` groups them.

    Attributes:
        rows: the prompts of each group.
        layers: ``[group][layer]``, tensors ``[row, position, …]`` with heads third where the site
            has any; None in a layer without the site.
    """

    rows: tuple[tuple[int, ...], ...]
    layers: tuple[tuple[Tensor | None, ...], ...]


def record(
    runs: Runs, prompts: Sequence[Sequence[int]], site: str, measure: str = "recording"
) -> Activations:
    """What a site holds in every layer on these prompts, made once for all who need it.

    Args:
        runs: the model.
        prompts: token ids of each.
        site: a site's name, or ``attention``, which is ``[row, query, head, key]``.
        measure: what needs it, for the message.

    Raises:
        ModelError: if the model has no such site.
    """
    name = "attention" if site == "head_pattern" else site
    runs.anatomy.require(site, measure)
    groups = run_prompts(runs, prompts).groups
    rows = tuple(group.rows for group in groups)
    if name in _KEPT and (groups[0].stream or name == "head_out"):
        return Activations(rows, tuple(_KEPT[name](group) for group in groups))
    seen = _seen(runs, prompts, name)
    layers: list[tuple[Tensor | None, ...]] = [tuple(held[name]) for held in seen.groups]
    if name == "attention":
        layers = [
            tuple(None if pattern is None else pattern.transpose(1, 2) for pattern in of_group)
            for of_group in layers
        ]
    return Activations(rows, tuple(layers))


@dataclass(frozen=True)
class _Seen:
    """What hook points of every block were given in passes over prompts.

    Attributes:
        groups: for each group of prompts by site, a tensor a layer.
    """

    groups: tuple[dict[str, list[Tensor | None]], ...]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return bytes_of(self.groups)


def _seen(runs: Runs, prompts: Sequence[Sequence[int]], site: str) -> _Seen:
    """One pass for all sites, where there is room for all, so that another needs none."""
    sites: tuple[str, ...] = (site,)
    if _bytes_of_all(runs, prompts) <= _ROOM_FOR_ALL:
        usable = [name for name in _RECORDED if name not in runs.anatomy.refusals]
        sites = tuple(dict.fromkeys([*usable, site]))
    key = ("activations", sites, tuple(map(tuple, prompts)))
    return runs.remember(key, lambda: _record(runs, prompts, sites))


def _bytes_of_all(runs: Runs, prompts: Sequence[Sequence[int]]) -> int:
    """About as many bytes as all sites hold on these prompts."""
    cfg = runs.bridge.cfg
    width = 4 * cfg.d_model + 2 * runs.key_value_heads * cfg.d_head
    of_layer = sum(len(prompt) * (width + runs.heads * len(prompt)) for prompt in prompts)
    return int(of_layer * runs.layers * next(runs.bridge.parameters()).element_size())


def _record(runs: Runs, prompts: Sequence[Sequence[int]], sites: Sequence[str]) -> _Seen:
    points = {site: runs.anatomy.points[site] for site in sites}
    groups = []
    with runs.watched("record activations", len(prompts), "prompts") as advance:
        for group, tokens in grouped(runs, prompts):
            seen: dict[str, Tensor] = {}
            names = {point.name for each in points.values() for point in each if point is not None}
            hooks = [(name, keep(seen, name)) for name in sorted(names)]
            found = run_recorded(runs, tokens, hooks, seen).seen
            groups.append(
                {
                    site: [None if at is None else at.split(found[at.name]) for at in each]
                    for site, each in points.items()
                }
            )
            advance(len(group))
    return _Seen(tuple(groups))


def gradients(
    runs: Runs,
    site: Site,
    prompts: Sequence[Sequence[int]],
    read: Callable[[Tensor, tuple[int, ...]], Tensor],
) -> list[tuple[Tensor | None, ...]]:
    """How a number of each prompt changes with what the site holds there.

    Args:
        runs: the model.
        site: where.
        prompts: what is run.
        read: from logits at the last position ``[row, vocabulary]`` and the rows' prompt indices
            to one number each; differentiable.

    Returns:
        the gradients, ``[group][layer]``, tensors ``[row, position, …]`` with heads third where
        the site has any, None in a layer without the site; exact, on the CPU.

    Raises:
        ValueError: if the number has no gradient.
    """
    points = site.points(runs)
    found: list[tuple[Tensor | None, ...]] = []
    with runs.watched(f"gradients at {site.name}", len(prompts), "prompts") as advance:
        for rows, tokens in grouped(runs, prompts):
            # A gradient with respect to nothing added is one with respect to what it is added to,
            # whatever the model does with the tensor that the hook was given.
            added: list[Tensor] = []
            hooks = [point.hook(_add_nothing(added)) for point in points if point is not None]
            logits = runs.forward(tokens, hooks, differentiable=True)[:, -1]
            numbers = read(logits, rows)
            if not numbers.requires_grad:
                raise ValueError(
                    "this metric has no gradient (it counts, ranks or detaches), so that nothing "
                    "can be estimated from one; patch instead"
                )
            # Prompts don't touch each other, so the gradient of their sum holds each one's own.
            back = iter(torch.autograd.grad(numbers.sum(), added))
            found.append(tuple(None if point is None else exact(next(back)) for point in points))
            advance(len(rows))
    return found


def _add_nothing(added: list[Tensor]) -> Callable[..., Tensor]:
    def hook(value: Tensor, **_: object) -> Tensor:
        added.append(torch.zeros_like(value, requires_grad=True))
        return value + added[-1]

    return hook
