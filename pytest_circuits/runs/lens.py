"""Reading the residual stream as the model reads its end: final norm and unembedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from pytest_circuits.runs.runs import Runs


def read_out(runs: Runs, residual: Tensor) -> Tensor:
    """The logits that these vectors would give at the end of the residual stream.

    The final norm looks at each anew. Final soft-capping is left out.

    Args:
        runs: the model.
        residual: ``[…, d_model]``.

    Returns:
        logits ``[…, vocabulary]``.
    """
    bridge: Any = runs.bridge
    with torch.no_grad():
        rows = residual.reshape(1, -1, residual.shape[-1])
        logits: Tensor = bridge.unembed(bridge.ln_final(rows))[0]
    return logits.reshape(*residual.shape[:-1], -1)
