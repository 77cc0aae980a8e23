"""What each head writes for the token that comes next, recorded in a pass over sequences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_circuits.forward.directions import along_heads, before_final_norm, logit_factor
from pytest_circuits.forward.precision import ROUNDING, exact
from pytest_circuits.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.forward.runs import Hook, Runs

#: Columns of the unembedding that are made exact at a time.
_COLUMNS = 8192
_FINAL_SCALE = "ln_final.hook_scale"
_NORMALISED = "unembed.hook_in"


@dataclass(frozen=True)
class NextTokens:
    """What heads write into logit(next token) − mean logit, over the queries since a position.

    output of head h at query q = x_h(q) · d(q), with x_h what it adds to the residual stream, and
    d(q) = γ ⊙ (W_U[:, next] − mean_v W_U[:, v]) / σ(q), centred where the final norm centres:
    direct attribution with the final norm's scale σ of this very pass, before final soft-capping,
    as :func:`pytest_circuits.measures.head_attribution` has it. The mean over the vocabulary takes
    away what raises all logits alike, which changes no probability.

    Attributes:
        runs: the model.
        tokens: ``[row, position]``.
        since: the first query; the last one is the last but one position.
    """

    runs: Runs
    tokens: Tensor
    since: int
    _seen: dict[str, Tensor] = field(default_factory=dict)

    def hooks(self) -> list[Hook]:
        """What records the pass; nothing where logits can't be attributed to heads."""
        anatomy, found = self.runs.anatomy, []
        if anatomy.stream is None or "contributions" in anatomy.refusals:
            return []
        names = (*self._attention_scales, anatomy.stream[-1].name, _FINAL_SCALE, _NORMALISED)
        found = [(name, self._keep(name)) for name in names if self.runs.has_hook(name)]
        for layer, point in enumerate(anatomy.points["head_out"]):
            if point is not None:
                found.append(point.hook(self._keep(f"z {layer}")))
        return found

    def outputs(self, logits: Tensor) -> NDArray[np.float64]:
        """The mean over the queries, ``[row, layer, head]`` in logits.

        NaN for heads that the model does not have, and for all where logits can't be attributed.

        Args:
            logits: what the pass gave, ``[row, position, vocabulary]``.
        """
        runs, rows = self.runs, len(self.tokens)
        direction = self._direction(logits) if _NORMALISED in self._seen else None
        if direction is None:
            return np.full((rows, runs.layers, runs.heads), np.nan)
        ones = direction.new_ones((len(direction), 1))
        scales = torch.stack([exact(self._seen.get(name, ones)) for name in self._attention_scales])
        z = [self._seen.get(f"z {layer}") for layer in range(runs.layers)]
        try:
            heads, _ = along_heads(runs, z, scales, direction)
        except ModelError:  # the weights are packed
            return np.full((rows, runs.layers, runs.heads), np.nan)
        means: NDArray[np.float64] = heads.reshape(rows, -1, *heads.shape[1:]).mean(1).numpy()
        return means

    @property
    def _attention_scales(self) -> list[str]:
        return [f"blocks.{layer}.ln1_post.hook_scale" for layer in range(self.runs.layers)]

    def _keep(self, name: str) -> Callable[..., Tensor | None]:
        def hook(value: Tensor, **_: object) -> None:
            self._seen[name] = value[:, self.since : -1].detach().clone().flatten(0, 1)

        return hook

    def _direction(self, logits: Tensor) -> Tensor | None:
        """The direction d, ``[row, d_model]``; None where it does not give the model's logits."""
        runs, seen = self.runs, self._seen
        bridge: Any = runs.bridge
        assert runs.anatomy.stream is not None
        # On the CPU, as an index they fit whichever device the unembedding is on.
        chosen = self.tokens[:, self.since + 1 :].flatten().cpu()
        weights = exact(bridge.W_U[:, chosen]).T
        stream, normalised = exact(seen[runs.anatomy.stream[-1].name]), exact(seen[_NORMALISED])
        if not weights.shape == stream.shape == normalised.shape:
            return None
        target = logit_factor(runs) * (weights - _mean_column(runs))
        ones = logits.new_ones((len(chosen), 1))
        direction, added = before_final_norm(runs, target, seen.get(_FINAL_SCALE, ones))
        total = (normalised * target).sum(-1)
        read = (normalised * weights).sum(-1)
        if getattr(bridge, "b_U", None) is not None:
            read = read + exact(bridge.b_U[chosen])
        predicted = logits[:, self.since : -1].flatten(0, 1)
        said = predicted.gather(1, chosen[:, None].to(logits.device))[:, 0]
        misses = (
            (stream * direction).sum(-1) + added - total,
            bridge.adapter.apply_output_logits_transform(read) - exact(said),
        )
        dtype = next(runs.bridge.parameters()).dtype
        allowed = ROUNDING[dtype] * max(1.0, float(total.abs().max()))
        return direction if all(float(miss.abs().max()) <= allowed for miss in misses) else None


def _mean_column(runs: Runs) -> Tensor:
    """The mean of the unembedding's columns over the vocabulary, ``[d_model]``, made once."""

    def mean() -> Tensor:
        bridge: Any = runs.bridge
        columns: Tensor = bridge.W_U
        total = exact(columns.new_zeros(columns.shape[0]))
        for first in range(0, columns.shape[1], _COLUMNS):
            total += exact(columns[:, first : first + _COLUMNS]).sum(-1)
        return total / columns.shape[1]

    return runs.remember("mean column of the unembedding", mean)
