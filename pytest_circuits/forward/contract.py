"""The contract: what is recorded of a model, and put in, is what measures take it for.

Two short passes over two drawn prompts decide for each site. The first records every hook point.
The second runs the first prompt many times, each row with something else put in; every layer gets
the stream that it had in the first pass, so that layers are checked independently of each other. A
site that breaks the contract in any layer is refused, with the reason; all others can be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from pytest_circuits.forward.anatomy import Anatomy, Point, mix, output_weights
from pytest_circuits.forward.contract_edits import check_edits
from pytest_circuits.forward.precision import ROUNDING, SAME, exact
from pytest_circuits.forward.trial import FirstPass
from pytest_circuits.models import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from pytest_circuits.forward.runs import Runs

#: Where the parts of a block that aren't attention or MLP write.
_MIXERS = tuple(f"{name}.hook_out" for name in ("linear_attn", "mamba", "mixer", "conv"))
#: The hook points in a block that may hold a site, the first that keeps the contract being taken.
#: Some families normalise the queries of all heads together, or compute queries and a gate by one
#: projection: there, what belongs to one head's queries is known only after their norm.
_HOOKS: dict[str, tuple[str, ...]] = {
    "resid_pre": ("hook_in",),
    "resid_mid": ("hook_resid_mid",),
    "resid_post": ("hook_out",),
    "attn_out": ("hook_attn_out",),
    "mlp_out": ("hook_mlp_out",),
    "head_out": ("attn.hook_z",),
    "head_v": ("attn.hook_v",),
    "head_q": ("attn.hook_q", "attn.hook_q_normed"),
    "head_k": ("attn.hook_k", "attn.hook_k_normed"),
    "attention": ("attn.hook_pattern",),
}
#: Sites that take others: what they are put in as, and what they are computed from.
_THROUGH = (
    ("head_pattern", "head_out", "head_v", "attention"),
    ("resid_mid", "added", "resid_pre"),
)
#: What heads write sums to what attention writes, and only what becomes of it isn't known.
_NORM_NOT_SHOWN = "transformer-lens doesn't show the norm after the attention"
#: How far a fitted factor may lie from what it is taken for, as a share of it.
_FITTED = {torch.float64: 1e-6, torch.float32: 1e-3, torch.bfloat16: 0.05, torch.float16: 0.01}
#: What attention writes, before a norm or a factor.
_WRITTEN = "attn.hook_out"
#: Sites that only a layer with attention has, and what is asked of them beside the sites proper:
#: that attention can be read, and that what heads write can be computed one by one.
_OF_ATTENTION = (
    "attn_out",
    "head_out",
    "head_q",
    "head_k",
    "head_v",
    "head_pattern",
    "attention",
    "contributions",
)


def examine(runs: Runs) -> Anatomy:
    """Find out what of a model can be used, by two short passes.

    Raises:
        ModelError: if the model can't be run.
    """
    hooks = [hook for candidates in _HOOKS.values() for hook in candidates]
    first = FirstPass.of(runs, [*hooks, _WRITTEN, *_MIXERS])
    sites = Sites(first)
    sites.check()
    check_edits(sites)
    return sites.anatomy()


@dataclass
class Candidate:
    """A hook point that may hold a site.

    Attributes:
        hook: its name in a block.
        points: it in each layer; None in a layer that doesn't have the site.
        fault: why it doesn't hold the site; None as long as nothing speaks against it.
    """

    hook: str
    points: tuple[Point | None, ...]
    fault: str | None = None


class Sites:
    """Where sites are, and what the first pass says of them.

    Attributes:
        heads: how many query heads each layer has.
        key_value_heads: how many heads its own keys and values have.
        candidates: the hook points that may hold each site.
        refusals: why a site can't be used.
        summed: whether what heads write is known to sum to what their attention writes.
        factors: as in :class:`.Anatomy`.
    """

    def __init__(self, first: FirstPass) -> None:
        self.first = first
        self.layers = range(first.runs.layers)
        self.positions = first.tokens.shape[1]
        streams = (held for name, held in first.seen.items() if name.endswith("hook_in"))
        self.dtype = next(streams, first.logits).dtype
        self.heads = [self._count_heads(layer) for layer in self.layers]
        self.key_value_heads = [self._count_key_value_heads(layer) for layer in self.layers]
        self.candidates = {
            site: [self._candidate(site, hook) for hook in hooks] for site, hooks in _HOOKS.items()
        }
        self.mixers = tuple(self._mixer(layer) for layer in self.layers)
        # What a layer adds to the stream before its MLP.
        (attention,) = self.candidates["attn_out"]
        added = zip(attention.points, self.mixers, strict=True)
        both = tuple(point if point is not None else mixer for point, mixer in added)
        self.candidates["added"] = [Candidate("hook_attn_out", both, attention.fault)]
        self.refusals: dict[str, str] = {}
        self.summed = False
        self.factors: dict[str, tuple[float, ...]] = {}

    def anatomy(self) -> Anatomy:
        """All of it; of several candidates the first that has no fault."""
        points = {"mixer_out": self.mixers}
        for site, candidates in self.candidates.items():
            good = [candidate for candidate in candidates if candidate.fault is None]
            points[site] = (good or candidates)[0].points
            if not good:
                self.refusals.setdefault(site, str(candidates[0].fault))
            elif not any(points[site]):
                self.refusals.setdefault(site, f"transformer-lens shows no {good[0].hook} in it")
        for site, *others in _THROUGH:
            for other in others:
                if other in self.refusals:
                    self.refusals.setdefault(site, self.refusals[other])
        runs = self.first.runs
        heads, grouped = tuple(self.heads), tuple(self.key_value_heads)
        return Anatomy(
            runs.family,
            heads,
            grouped,
            points,
            self.refusals,
            self.factors,
            self.first.past,
            self.first.finite,
            self.first.causal,
        )

    # Finding heads and sites

    def _count_heads(self, layer: int) -> int:
        """How many query heads a layer has; 0 without attention."""
        pattern = self.first.get(layer, "attn.hook_pattern")
        if pattern is not None and pattern.shape[-2:] == (self.positions, self.positions):
            return int(pattern.shape[1])
        shown = pattern is not None or self.first.get(layer, "attn.hook_z") is not None
        return int(self.first.runs.bridge.cfg.n_heads) if shown else 0

    def _count_key_value_heads(self, layer: int) -> int:
        """How many heads a layer's keys and values have; 0 if it has none of its own."""
        for shown, beside in (("attn.hook_v", "attn.hook_z"), ("attn.hook_k", "attn.hook_q")):
            own, queries = self.first.get(layer, shown), self.first.get(layer, beside)
            if own is None or queries is None or not self.heads[layer]:
                continue
            if self._heads_first(own):
                return int(own.shape[1])
            # A key-value head is as wide as what a query head mixes of it, or as its query.
            return own[0, 0].numel() * self.heads[layer] // queries[0, 0].numel()
        return 0

    def _heads_first(self, value: Tensor) -> bool:
        return value.ndim == 4 and value.shape[1] != self.positions == value.shape[2]  # noqa: PLR2004

    def _candidate(self, site: str, hook: str) -> Candidate:
        """Where a hook point holds a site, if its shapes allow that."""
        counts = self.key_value_heads if site in ("head_k", "head_v") else self.heads
        candidate = Candidate(hook, ())
        for layer in self.layers:
            value = self.first.get(layer, hook)
            needed = counts[layer] if site in _OF_ATTENTION else site.startswith("resid")
            point = None
            if value is None and needed:
                candidate.fault = f"transformer-lens shows no {hook} in layer {layer}"
            elif value is not None and (needed or site == "mlp_out"):
                point = self._point(site, f"blocks.{layer}.{hook}", value, counts[layer])
                if point is None:
                    shape = " × ".join(map(str, value.shape[1:]))
                    heads = f" and {counts[layer]} heads" if site in _OF_ATTENTION else ""
                    candidate.fault = (
                        f"{hook} of layer {layer} holds {shape} numbers for {self.positions} "
                        f"positions{heads}"
                    )
            candidate.points += (point,)
        return candidate

    def _point(self, site: str, name: str, value: Tensor, heads: int) -> Point | None:
        """The hook point; None if what it holds hasn't the shape of the site."""
        if site == "attention":
            square = (self.positions, self.positions)
            return Point(name) if value.shape[1:] == (heads, *square) else None
        if not site.startswith("head_"):
            width = int(self.first.runs.bridge.cfg.d_model)
            return Point(name) if value.shape[1:] == (self.positions, width) else None
        if self._heads_first(value):
            return Point(name, heads, heads_first=True) if value.shape[1] == heads else None
        if value.shape[1] == self.positions and value[0, 0].numel() % heads == 0:
            return Point(name, heads)
        return None

    def _mixer(self, layer: int) -> Point | None:
        """Where another part than attention and MLP writes, if the layer has one."""
        for hook in _MIXERS:
            value = self.first.get(layer, hook)
            if value is not None:
                return self._point("mixer_out", f"blocks.{layer}.{hook}", value, 0)
        return None

    def held(self, point: Point) -> Tensor:
        """What a hook point held, ``[2, position, …]``, heads third where it has any."""
        return point.split(self.first.seen[point.name])

    # What the first pass shows

    def check(self) -> None:
        """Refuse what isn't what it is taken for."""
        if not any(self.heads):
            for site in _OF_ATTENTION:
                self.refusals[site] = "transformer-lens shows no attention heads in it"
        if not any(self.candidates["mlp_out"][0].points):
            without = self.first.runs.bridge.cfg.attn_only
            shown = "it has no MLPs" if without else "transformer-lens shows no MLPs in it"
            self.refusals["mlp_out"] = shown
        self._check_stream()
        self._check_ends()
        if any(self.heads):
            self._check_widths()
            self._check_attention()
            self._check_contributions()
        self._check_factors()

    def _at(self, site: str, layer: int) -> Tensor | None:
        """What the first candidate of a site held in a layer."""
        point = self.candidates[site][0].points[layer]
        return None if point is None else self.held(point)

    def by_head(self, layer: int, z: Tensor) -> Tensor:
        """What heads of a layer mix, from its hook point, ``[row, head, position, d_head]``."""
        point = self.candidates["head_out"][0].points[layer]
        return z if point is None else point.split(z).transpose(1, 2)

    def near(
        self,
        one: Tensor,
        other: Tensor,
        bounds: dict[torch.dtype, float] = ROUNDING,
        scale: Tensor | None = None,
    ) -> bool:
        """Whether two tensors are the same but for rounding.

        Numbers that are not finite count as the same: measures refuse them.

        Args:
            one: the one.
            other: the other.
            bounds: the rounding of each dtype, as a share of the largest number.
            scale: where that number is looked for; by default in the other.
        """
        if not one.numel():
            return True
        largest = (other if scale is None else scale).abs().max()
        # Some parts of a model are more exact than what they get.
        bound = max(bounds[other.dtype], bounds[self.dtype])
        return not bool((one - other).abs().max() > bound * largest)

    def sums(self, moved: Tensor, added: Tensor, stream: Tensor) -> bool:
        """Whether a stream moved by what is added to it, but for rounding.

        That is relative to what is added, and to the stream number by number: some of a stream's
        numbers are thousands of times larger than what is added to others.
        """
        rounded = SAME[self.dtype] * stream.abs()
        largest = added.abs().amax(-1, keepdim=True)
        return not bool(((moved - added).abs() > ROUNDING[self.dtype] * largest + rounded).any())

    def _check_stream(self) -> None:
        """The stream between attention and MLP has to be what was before plus what is added."""
        (mid,) = self.candidates["resid_mid"]
        if mid.fault is not None:
            mid.fault = self._no_mid()
            return
        for layer in self.layers:
            before, added, between = (
                self._at(s, layer) for s in ("resid_pre", "added", "resid_mid")
            )
            if before is None or added is None or between is None:
                mid.fault = f"transformer-lens doesn't show what layer {layer} adds before its MLP"
                return
            if not self.sums(exact(between) - exact(before), exact(added), exact(between)):
                mid.fault = (
                    "there the stream is not what came before plus what the attention adds.\n"
                    "Use resid_pre, attn_out or mlp_out"
                )

    def _check_ends(self) -> None:
        """What is after a layer has to be what the next one gets."""
        (end,) = self.candidates["resid_post"]
        for layer in self.layers[:-1]:
            after, following = self._at("resid_post", layer), self._at("resid_pre", layer + 1)
            if after is None or following is None or end.fault is not None:
                return
            if not self.near(after, following, SAME):
                end.fault = f"what comes after layer {layer} is not what the next one gets"

    def _no_mid(self) -> str:
        """Why the stream between attention and MLP isn't shown."""
        if self.first.runs.bridge.cfg.attn_only:
            return "without MLPs it is resid_post"
        if "mlp_out" in self.refusals or not all(self.heads):
            return "transformer-lens doesn't show the stream within its layers"
        return (
            "its attention and its MLP read the same residual stream.\n"
            "Use resid_pre, attn_out or mlp_out"
        )

    def _check_widths(self) -> None:
        """A head's queries have to be as wide as its keys."""
        for queries in self.candidates["head_q"]:
            for layer in self.layers:
                keys = self.candidates["head_k"][0].points[layer]
                point = queries.points[layer]
                if keys is None or point is None:
                    continue
                width, expected = self.held(point).shape[-1], self.held(keys).shape[-1]
                if width != expected:
                    queries.fault = (
                        f"one projection gives a head's queries and something else "
                        f"({width} numbers, where its keys are {expected})"
                    )

    def _check_attention(self) -> None:
        """Attention has to be what heads mix their values by, or at least to sum to one."""
        (candidate,) = self.candidates["attention"]
        for layer in self.layers:
            pattern = self._at("attention", layer)
            if pattern is None:
                continue
            z, values = self._at("head_out", layer), self._at("head_v", layer)
            if z is not None and values is not None and self._mixed(pattern, values, z):
                continue
            self.refusals["head_pattern"] = (
                "what its heads mix is not attention × values: there is a gate or a norm in between"
                if values is not None
                else f"transformer-lens shows no values in layer {layer}"
            )
            sums = pattern.sum(-1)
            if not self.near(sums, torch.ones_like(sums)):
                candidate.fault = (
                    f"in layer {layer} it doesn't sum to one, and isn't what heads mix values by"
                )
        if candidate.fault is not None:
            self.refusals["head_pattern"] = candidate.fault

    def _mixed(self, pattern: Tensor, values: Tensor, z: Tensor) -> bool:
        """Whether a layer's heads mix these values by this pattern."""
        grouped = values.shape[2]
        return pattern.shape[1] % grouped == 0 and self.near(
            mix(pattern.transpose(1, 2), values), z
        )

    def _check_contributions(self) -> None:
        """What heads write one by one has to sum to what attention writes."""
        factors = []
        self.summed = True
        for layer in self.layers:
            factor, fault = self._contribution(layer) if self.heads[layer] else (1.0, None)
            factors.append(factor)
            if fault is not None:
                self.refusals.setdefault("contributions", fault)
                self.summed &= fault.startswith(_NORM_NOT_SHOWN)
        self.factors["head_out"] = tuple(factors)

    def _contribution(self, layer: int) -> tuple[float, str | None]:
        """The factor between what heads write and what attention adds, and what is wrong."""
        bridge: Any = self.first.runs.bridge
        z, added = self._at("head_out", layer), self._at("attn_out", layer)
        # What a norm after the attention gets is what heads write; else there may be a factor.
        norm = getattr(bridge.blocks[layer], "ln1_post", None)
        normed = norm is not None
        written = self.first.get(layer, _WRITTEN) if normed else added
        if z is None or written is None:
            return 1.0, f"transformer-lens doesn't show what attention of layer {layer} writes"
        try:
            weights = output_weights(bridge, layer, self.heads[layer])
        except ModelError:  # packed: measures that need them say so
            self.summed = False
            return 1.0, None
        if weights.shape[:2] != z.shape[2:]:
            return 1.0, f"the output projection of layer {layer} doesn't fit its heads"
        total = torch.einsum("nphk,hkd->npd", exact(z), exact(weights))
        bias = getattr(bridge.blocks[layer].attn, "b_O", None)
        total = total if bias is None else total + exact(bias)
        factor = self._factors([total.to(written)], written, written)[0]
        if not self.near(factor * total.to(written), written):
            return 1.0, f"in layer {layer} heads don't sum to what their attention writes"
        if normed and not hasattr(norm, "uses_rms_norm"):
            return factor, f"{_NORM_NOT_SHOWN} of layer {layer}"
        return factor, None

    def _check_factors(self) -> None:
        """By what each part is multiplied before it joins the residual stream."""
        sites = ("attn_out", "mlp_out", "mixer_out")
        found: dict[str, list[float]] = {site: [] for site in sites}
        for layer in self.layers:
            parts = {
                site: self.held(point)
                for site in sites
                if (point := self._points(site)[layer]) is not None
            }
            before, after = self._at("resid_pre", layer), self._at("resid_post", layer)
            factors = dict.fromkeys(sites, 1.0)
            if before is not None and after is not None and parts:
                moved = exact(after) - exact(before)
                fitted = self._factors(list(parts.values()), moved, after)
                factors |= dict(zip(parts, fitted, strict=True))
            for site in sites:
                found[site].append(factors[site])
        self.factors |= {site: tuple(factors) for site, factors in found.items()}

    def _points(self, site: str) -> tuple[Point | None, ...]:
        return self.mixers if site == "mixer_out" else self.candidates[site][0].points

    def _factors(self, parts: Sequence[Tensor], total: Tensor, stream: Tensor) -> list[float]:
        """The factors with which parts sum to a total; all 1 where none do.

        Least squares, each number weighted by its rounding. Unless the model's config has factors,
        they are 1 if that is near; else the nearest of the config's, or what was fitted.

        Args:
            parts: ``[row, position, d_model]`` each.
            total: what they sum to.
            stream: where that is added, whose numbers' rounding it has.
        """
        ones = [1.0] * len(parts)
        if not self.first.finite:
            return ones
        columns = torch.stack([exact(part).flatten() for part in parts], dim=1)
        if not columns.any():
            return ones
        target, scale = exact(total).flatten(), exact(stream).abs().flatten()
        rounding = torch.finfo(self.dtype).eps * (scale + columns.abs().amax())
        weighted = columns / rounding[:, None], (target / rounding)[:, None]
        fitted = torch.linalg.lstsq(*weighted, driver="gelsd").solution[:, 0]
        if not self.sums(target, columns @ fitted, scale):
            return ones
        return [self._named(float(factor)) for factor in fitted]

    def _named(self, factor: float) -> float:
        """The number that a fitted factor is taken for."""
        closest = min(self._numbers, key=lambda number: abs(number - factor))
        near = abs(closest - factor) <= _FITTED[self.dtype] * abs(factor)
        return closest if near else factor

    @cached_property
    def _numbers(self) -> list[float]:
        """1, and all factors in the model's config."""
        config = getattr(self.first.runs.bridge.original_model, "config", None)
        named = config.to_dict() if config is not None else {}
        found = [1.0]
        for name, value in named.items():
            if any(word in name for word in ("multiplier", "scal", "factor")):
                listed = value if isinstance(value, list | tuple) else [value]
                found += [each for each in listed if isinstance(each, float)]
        return found
