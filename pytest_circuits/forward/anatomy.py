"""Where the parts of a model are: its heads, what its layers write, and what of it can be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_circuits.findings.finding import not_finite
from pytest_circuits.models import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.forward.runs import Hook

    Points = tuple["Point | None", ...]


#: What a site is called in messages, if not by its name.
_NAMES = {
    "attention": "attention patterns",
    "contributions": "contributions of single heads",
    "added": "resid_mid",
}


@dataclass(frozen=True)
class Point:
    """A hook point, and how to see heads in what it holds.

    Attributes:
        name: its full name.
        heads: how many heads it holds, side by side or on an axis of their own; None where it
            holds a layer's whole activation.
        heads_first: whether heads come before positions.
    """

    name: str
    heads: int | None = None
    heads_first: bool = False

    def split(self, value: Tensor) -> Tensor:
        """From what the hook point holds to ``[row, position, head, width]``."""
        if self.heads is None:
            return value
        if self.heads_first:
            return value.transpose(1, 2)
        return value.reshape(*value.shape[:2], self.heads, -1)

    def hook(self, function: Callable[..., Tensor | None]) -> Hook:
        """A hook there whose function is given heads on their own axis, and returns them so."""
        if self.heads is None:
            return self.name, function

        def split(value: Tensor, **named: object) -> Tensor | None:
            found = function(self.split(value), **named)
            if found is None:
                return None
            return found.transpose(1, 2) if self.heads_first else found.reshape(value.shape)

        return self.name, split


@dataclass(frozen=True)
class Anatomy:
    """What of a model can be recorded and replaced, and where.

    Attributes:
        family: the class of the model, which messages call it by.
        heads: how many query heads each layer has; 0 in a layer without attention.
        key_value_heads: how many heads its keys and values have; 0 in a layer that has none of
            its own.
        points: the hook points of each site, by site and layer; None in a layer without the site.
        refusals: why a site can't be used, by site.
        factors: by what each layer's part is multiplied before the next sum, by site: what heads
            write before it is the attention's output (``head_out``), and the outputs of attention,
            MLP and other mixers before they join the residual stream.
        past: whether the model can be given keys and values of earlier positions.
        causal: whether no position looked at a later one.
        finite: whether the model gave finite numbers, so that anything could be checked.
    """

    family: str
    heads: tuple[int, ...]
    key_value_heads: tuple[int, ...]
    points: Mapping[str, Points]
    refusals: Mapping[str, str]
    factors: Mapping[str, tuple[float, ...]]
    past: bool
    finite: bool
    causal: bool

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.heads)

    def require(self, site: str, measure: str) -> None:
        """Refuse a site that can't be used.

        Args:
            site: a site; ``attention``, to be read; or ``contributions``, what each head writes.
            measure: the measure that needs it.

        Raises:
            ModelError: if it can't be used, with the model's class, the measure and the reason.
            InvalidFindingError: if nothing could be checked, as the model's numbers are not finite.
        """
        if not self.finite:
            raise not_finite(measure, "logits on drawn tokens")
        if site in self.refusals:
            named = _NAMES.get(site, site)
            raise ModelError(f"{measure}: {self.family} has no {named}: {self.refusals[site]}.")

    @property
    def stream(self) -> tuple[Point, ...] | None:
        """Where the residual stream is, before each layer and after the last; None if unknown."""
        if {"resid_pre", "resid_post"} & set(self.refusals):
            return None
        before = [self.at("resid_pre", layer) for layer in range(self.layers)]
        return (*before, self.at("resid_post", self.layers - 1))

    def at(self, site: str, layer: int) -> Point:
        """The hook point of a site in a layer that has it."""
        point = self.points[site][layer]
        assert point is not None, f"layer {layer} has no {site}"
        return point

    @property
    def mixers(self) -> bool:
        """Whether a layer has another part than attention and MLP that mixes positions."""
        return any(point is not None for point in self.points["mixer_out"])

    @property
    def absent_heads(self) -> NDArray[np.bool_] | None:
        """Which query heads the model doesn't have, ``[layer, head]``; None if it has all."""
        return _beyond(np.array(self.heads))

    def absent(self, site: str) -> NDArray[np.bool_] | None:
        """Which of a site's cells the model doesn't have.

        Returns:
            ``[layer, head]``, or ``[layer]`` for a site of whole layers; None if it has all.
        """
        points = self.points[site]
        if any(point is not None and point.heads is not None for point in points):
            return _beyond(np.array([0 if point is None else point.heads for point in points]))
        missing = np.array([point is None for point in points])
        return missing if missing.any() else None


def _beyond(counts: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Which of the most heads that a layer has each layer lacks, ``[layer, head]``."""
    missing: NDArray[np.bool_] = np.arange(counts.max()) >= counts[:, None]
    return missing if missing.any() else None


def output_weights(bridge: TransformerBridge, layer: int, heads: int) -> Tensor:
    """What a layer's heads write with, W_O ``[head, d_head, d_model]``.

    Args:
        bridge: the model.
        layer: the layer.
        heads: how many heads it has.

    Raises:
        ModelError: if the weights are packed, so that only a forward pass can use them.
    """
    attention: Any = bridge.blocks[layer].attn
    try:
        weights: Tensor = attention.W_O
    except ValueError:  # transformer-lens takes the heads of all layers for equally wide
        weights = attention.o.weight.T
        weights = weights.reshape(heads, -1, weights.shape[1])
    except NotImplementedError as error:
        raise ModelError(
            "the model's weights are quantised and stay packed, so that what its heads write can't "
            "be read.\n"
            "Patching, ablation and attention scores work; for this measure, use the checkpoint "
            "that was quantised."
        ) from error
    return weights


def mix(pattern: Tensor, values: Tensor) -> Tensor:
    """What heads mix by a pattern: z, ``[row, query, head, d_head]``.

    Args:
        pattern: ``[row, query, head, key]``.
        values: ``[row, key, key-value head, d_head]``; successive heads share one.
    """
    own = values.repeat_interleave(pattern.shape[2] // values.shape[2], dim=2)
    # Some models' patterns are more exact than their values.
    return torch.einsum("nqhk,nkhd->nqhd", pattern, own.to(pattern.dtype)).to(values.dtype)
