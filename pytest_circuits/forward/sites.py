"""Where activations are recorded and put in, by the names that every family's model answers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from pytest_circuits.forward.fitting import grouped
from pytest_circuits.forward.prompted import keep, run_prompts, run_recorded
from pytest_circuits.forward.runs import ROUNDING, bytes_of, exact
from pytest_circuits.models import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from pytest_circuits.forward.prompted import PromptGroup
    from pytest_circuits.forward.runs import Runs


@dataclass(frozen=True)
class Site:
    """A kind of activation.

    Attributes:
        name: what users call it.
        hook: the name of its hook point in a block.
        of_heads: whether there is one for each head.
        grouped: whether that is a key-value head, which several query heads may share.
        stands_for: what is put in at the hook point in its stead, if not what the site holds.
    """

    name: str
    hook: str
    of_heads: bool = False
    grouped: bool = False
    stands_for: str | None = None

    def at(self, layer: int) -> str:
        """The full name of its hook point in a layer."""
        return f"blocks.{layer}.{self.hook}"


#: Two sites are put in as something else. resid_mid as what the attention adds to the residual
#: stream: the second norm's input is but one of two ways on from there. head_pattern as what the
#: head then mixes: some families' attention (GPT-Neo, GPT-J, OPT) shows its pattern only after it
#: has used it.
_SITES = (
    Site("resid_pre", "hook_in"),
    Site("resid_mid", "hook_attn_out", stands_for="attn_out"),
    Site("resid_post", "hook_out"),
    Site("attn_out", "hook_attn_out"),
    Site("mlp_out", "hook_mlp_out"),
    Site("head_out", "attn.hook_z", of_heads=True),
    Site("head_q", "attn.hook_q", of_heads=True),
    Site("head_k", "attn.hook_k", of_heads=True, grouped=True),
    Site("head_v", "attn.hook_v", of_heads=True, grouped=True),
    Site("head_pattern", "attn.hook_z", of_heads=True, stands_for="head_out"),
)
SITES = {site.name: site for site in _SITES}

_RESID_MID, _PATTERN, _VALUES = "hook_resid_mid", "attn.hook_pattern", "attn.hook_v"
#: What is recorded for a site that no pass over prompts keeps.
_PARTS: dict[str, tuple[str, ...]] = {
    site.name: (site.hook,)
    for site in _SITES
    if site.name not in ("resid_pre", "resid_post", "head_out", "head_pattern")
} | {"resid_mid": ("hook_attn_out", _RESID_MID), "head_pattern": (_PATTERN, _VALUES)}
#: Bytes of activations up to which those of all sites are recorded together.
_ROOM_FOR_ALL = 1 << 27


#: What every pass over prompts keeps.
_KEPT: dict[str, Callable[[PromptGroup], tuple[Tensor, ...]]] = {
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
            has any.
    """

    rows: tuple[tuple[int, ...], ...]
    layers: tuple[tuple[Tensor, ...], ...]


def record(runs: Runs, prompts: Sequence[Sequence[int]], site: Site) -> Activations:
    """What a site holds in every layer on these prompts, made once for all who need it.

    Raises:
        ModelError: if the model has no such site.
    """
    check_site(runs, site)
    if site.name in _KEPT:
        groups = run_prompts(runs, prompts).groups
        return Activations(
            tuple(group.rows for group in groups),
            tuple(_KEPT[site.name](group) for group in groups),
        )
    groups = run_prompts(runs, prompts).groups
    seen = _seen(runs, prompts, site)
    layers = []
    for group, held in zip(groups, seen.groups, strict=True):
        if site.name == "resid_mid":
            parts = zip(group.stream[:-1], held[site.hook], held[_RESID_MID], strict=True)
            layers.append(tuple(_mid(runs, *of_layer) for of_layer in parts))
        elif site.name == "head_pattern":
            parts = zip(group.z, held[_PATTERN], held[_VALUES], strict=True)
            layers.append(tuple(_mixed(runs, *of_layer) for of_layer in parts))
        else:
            layers.append(tuple(held[site.hook]))
    return Activations(tuple(group.rows for group in groups), tuple(layers))


def check_site(runs: Runs, site: Site) -> None:
    """Refuse a site that the model doesn't have.

    Raises:
        ModelError: saying why.
    """
    layers = range(runs.layers)
    if not all(runs.has_hook(site.at(layer)) for layer in layers):
        why = "it has no MLPs" if site.name == "mlp_out" else f"it has no {site.hook}"
        raise ModelError(f"{runs.family} has no {site.name}: {why}.")
    if site.name == "resid_mid" and not all(
        runs.has_hook(f"blocks.{layer}.{_RESID_MID}") for layer in layers
    ):
        alone = not runs.has_hook("blocks.0.hook_mlp_out")
        raise ModelError(
            f"{runs.family} has no resid_mid: "
            + (
                "without MLPs it is resid_post."
                if alone
                else "its attention and its MLP read the same residual stream.\n"
                "Use resid_pre, attn_out or mlp_out."
            )
        )


@dataclass(frozen=True)
class _Seen:
    """What hook points of every block were given in passes over prompts.

    Attributes:
        groups: for each group of prompts by the hook point's name in a block, a tensor a layer.
    """

    groups: tuple[dict[str, list[Tensor]], ...]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return bytes_of(self.groups)


def _seen(runs: Runs, prompts: Sequence[Sequence[int]], site: Site) -> _Seen:
    """One pass for all sites, where there is room for all, so that another needs none."""
    parts = _PARTS[site.name]
    if _bytes_of_all(runs, prompts) <= _ROOM_FOR_ALL:
        every = dict.fromkeys(part for parts in _PARTS.values() for part in parts)
        parts = tuple(
            part
            for part in every
            if all(runs.has_hook(f"blocks.{layer}.{part}") for layer in range(runs.layers))
        )
    key = ("activations", parts, tuple(map(tuple, prompts)))
    return runs.remember(key, lambda: _record(runs, prompts, parts))


def _bytes_of_all(runs: Runs, prompts: Sequence[Sequence[int]]) -> int:
    """About as many bytes as all sites hold on these prompts."""
    cfg = runs.bridge.cfg
    width = 4 * cfg.d_model + 2 * runs.key_value_heads * cfg.d_head
    of_layer = sum(len(prompt) * (width + runs.heads * len(prompt)) for prompt in prompts)
    return int(of_layer * runs.layers * next(runs.bridge.parameters()).element_size())


def _record(runs: Runs, prompts: Sequence[Sequence[int]], parts: Sequence[str]) -> _Seen:
    groups = []
    with runs.watched("record activations", len(prompts), "prompts") as advance:
        for group, tokens in grouped(runs, prompts):
            seen: dict[str, Tensor] = {}
            names = [f"blocks.{layer}.{part}" for part in parts for layer in range(runs.layers)]
            hooks = [(name, keep(seen, name)) for name in names]
            found = run_recorded(runs, tokens, hooks, seen).seen
            groups.append(
                {
                    part: [found[f"blocks.{layer}.{part}"] for layer in range(runs.layers)]
                    for part in parts
                }
            )
            advance(len(group))
    return _Seen(tuple(groups))


def _mid(runs: Runs, before: Tensor, added: Tensor, between: Tensor) -> Tensor:
    """The stream between attention and MLP, if it is what putting it in takes it to be."""
    if not _near(between, before + added):
        raise ModelError(
            f"{runs.family} has no resid_mid: there the "
            f"stream is not what came before plus what the attention adds.\n"
            f"Use resid_pre, attn_out or mlp_out."
        )
    return between


def _mixed(runs: Runs, z: Tensor, shown: Tensor, values: Tensor) -> Tensor:
    """The pattern, ``[row, query, head, key]``, if heads mix their values by it."""
    pattern = shown.transpose(1, 2)
    if not _near(z, mix(pattern, values)):
        raise ModelError(
            f"{runs.family} has no head_pattern: its heads do "
            f"not mix their values by what is seen of it.\nUse head_out, head_q or head_k."
        )
    return pattern


def mix(pattern: Tensor, values: Tensor) -> Tensor:
    """What heads mix by a pattern: z, ``[row, query, head, d_head]``.

    Args:
        pattern: ``[row, query, head, key]``.
        values: ``[row, key, key-value head, d_head]``; successive heads share one.
    """
    own = values.repeat_interleave(pattern.shape[2] // values.shape[2], dim=2)
    return torch.einsum("nqhk,nkhd->nqhd", pattern, own)


def _near(held: Tensor, made: Tensor) -> bool:
    # What is not finite is near: that is for whoever reads it to tell.
    return not bool((held - made).abs().max() > ROUNDING[held.dtype] * held.abs().max())


def gradients(
    runs: Runs,
    site: Site,
    prompts: Sequence[Sequence[int]],
    read: Callable[[Tensor, tuple[int, ...]], Tensor],
) -> list[tuple[Tensor, ...]]:
    """How a number of each prompt changes with what the site holds there.

    Args:
        runs: the model.
        site: where.
        prompts: what is run.
        read: from logits at the last position ``[row, vocabulary]`` and the rows' prompt indices
            to one number each; differentiable.

    Returns:
        the gradients, ``[group][layer]``, tensors ``[row, position, …]`` with heads third where
        the site has any; exact, on the CPU.

    Raises:
        ModelError: if the model has no such site.
        ValueError: if the number has no gradient.
    """
    check_site(runs, site)
    found = []
    with runs.watched(f"gradients at {site.name}", len(prompts), "prompts") as advance:
        for rows, tokens in grouped(runs, prompts):
            # A gradient with respect to nothing added is one with respect to what it is added to,
            # whatever the model does with the tensor that the hook was given.
            added: list[Tensor] = []
            hooks = [(site.at(layer), _add_nothing(added)) for layer in range(runs.layers)]
            logits = runs.forward(tokens, hooks, differentiable=True)[:, -1]
            numbers = read(logits, rows)
            if not numbers.requires_grad:
                raise ValueError(
                    "this metric has no gradient (it counts, ranks or detaches), so that nothing "
                    "can be estimated from one; patch instead"
                )
            # Prompts don't touch each other, so the gradient of their sum holds each one's own.
            back = torch.autograd.grad(numbers.sum(), added)
            found.append(tuple(exact(gradient) for gradient in back))
            advance(len(rows))
    return found


def _add_nothing(added: list[Tensor]) -> Callable[..., Tensor]:
    def hook(value: Tensor, **_: object) -> Tensor:
        added.append(torch.zeros_like(value, requires_grad=True))
        return value + added[-1]

    return hook
