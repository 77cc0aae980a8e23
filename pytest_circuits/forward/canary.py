"""The pass over the canary's tokens: the loss at every position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_circuits.forward.fitting import in_parts
from pytest_circuits.forward.runs import exact

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.forward.runs import Runs
    from pytest_circuits.prompts.sequences import CanaryTokens


def run_canary(runs: Runs, canary: CanaryTokens) -> NDArray[np.float64]:
    """The pass over these tokens, made once for a model.

    Returns:
        negative log-likelihood (nats) of the next token, ``[sequence, position]``.
    """
    return runs.remember(canary, lambda: _run(runs, canary))


def _run(runs: Runs, canary: CanaryTokens) -> NDArray[np.float64]:
    tokens = torch.tensor(canary.sequences, device=runs.device)
    losses = []
    with runs.watched("canary", len(tokens), "sequences") as advance:

        def run(rows: NDArray[np.int64]) -> None:
            losses.append(next_token_losses(runs.forward(tokens[rows]), tokens[rows]))
            advance(len(rows))

        in_parts(runs, np.arange(len(tokens)), runs.rows_at_once(tokens.shape[1]), run)
    return torch.cat(losses).numpy()


def next_token_losses(logits: Tensor, tokens: Tensor) -> Tensor:
    """Negative log-likelihood (nats) of each next token, ``[row, position − 1]``, exact.

    Args:
        logits: ``[row, position, vocabulary]``.
        tokens: ``[row, position]``.
    """
    logprobs = logits[:, :-1].float().log_softmax(-1)
    return exact(-logprobs.gather(-1, tokens[:, 1:, None])[..., 0])
