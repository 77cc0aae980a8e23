"""Patching as transformer-lens' own functions do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from against import CellByCell
from transformer_lens import patching

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.prompts import TokenizedPairs

#: transformer-lens' function for a site of ours and the positions that are patched together.
FUNCTIONS = {
    ("resid_pre", "each"): patching.get_act_patch_resid_pre,
    ("head_out", "all"): patching.get_act_patch_attn_head_out_all_pos,
    ("head_out", "each"): patching.get_act_patch_attn_head_out_by_pos,
}


class Plain(CellByCell):
    """transformer-lens' own sweep.

    Attributes:
        bridge: the model.
    """

    def __init__(
        self, bridge: TransformerBridge, pairs: TokenizedPairs, site: str, positions: str
    ) -> None:
        self.bridge = bridge
        # They are one function with other arguments, which takes a list of cells as well.
        arguments = dict(FUNCTIONS[site, positions].keywords)
        lengths = {
            "layer": bridge.cfg.n_layers,
            "pos": len(pairs.clean[0]),
            "head": bridge.cfg.n_heads,
        }
        super().__init__(pairs, tuple(lengths[axis] for axis in arguments.pop("index_axis_names")))
        self._arguments = arguments

    def unpatched(self) -> tuple[Any, Any, Any]:
        """The metric of the corrupted and of the clean prompts, and the clean activations."""
        hook = f"hook_{self._arguments['activation_name']}"
        clean, cache = self.bridge.run_with_cache(
            self._tokens(self.pairs.clean), names_filter=lambda name: name.endswith(hook)
        )
        corrupted = self.bridge(self._tokens(self.pairs.corrupted), return_type="logits")
        return self._read(corrupted), self._read(clean), cache

    def patched(self, cells: NDArray[np.int64], clean: Any) -> torch.Tensor:  # noqa: ANN401
        """The metric with each of some cells put in, given the clean activations."""
        return patching.generic_activation_patch(
            self.bridge,
            self._tokens(self.pairs.corrupted),
            clean,
            self._read,
            index_df=pd.DataFrame(cells),
            **self._arguments,
        )

    def _read(self, logits: torch.Tensor) -> torch.Tensor:
        return self.metric(logits[:, -1])

    def _tokens(self, prompts: tuple[tuple[int, ...], ...]) -> torch.Tensor:
        return torch.tensor(prompts, device=next(self.bridge.parameters()).device)
