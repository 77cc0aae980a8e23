"""Reading the residual stream as the model reads its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.models import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from pytest_circuits.runs.runs import Runs


def read_out(runs: Runs, residual: Tensor) -> Tensor:
    """The logits that these vectors would give at the end of the residual stream.

    They go through the final norm, which looks at each anew, the unembedding, and what the model
    does with its logits then (soft-capping): transformer-lens' own reading.

    Args:
        runs: the model.
        residual: ``[…, d_model]``.

    Returns:
        logits ``[…, vocabulary]``.

    Raises:
        ModelError: if the model reads its last residual stream otherwise.
    """
    from transformer_lens.tools.analysis.logit_lens import logit_readout

    try:
        return logit_readout(runs.bridge, residual).values
    except (ValueError, NotImplementedError) as error:
        family = type(runs.bridge.original_model).__name__
        raise ModelError(f"{family} has no logit lens: {error}") from error
