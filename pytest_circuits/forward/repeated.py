"""One pass over repeated tokens: attention along diagonals, and the loss at every position."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_circuits.forward.canary import next_token_losses
from pytest_circuits.forward.fitting import in_parts
from pytest_circuits.forward.runs import exact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.forward.runs import Runs
    from pytest_circuits.prompts import DrawnTokens


@dataclass(frozen=True)
class RepeatedRun:
    """What a pass over ``[first token, block, the same block]`` gave.

    Attributes:
        previous: mean attention from each query to the token before it, over queries 1 … 2T,
            ``[sequence, layer, head]``.
        induction: the same to the token after the query's earlier occurrence, A[q, q − (T − 1)],
            over queries T+1 … 2T.
        duplicate: the same to the earlier occurrence itself, A[q, q − T], same queries.
        current: the same to the query itself, A[i, i], over queries 1 … 2T.
        first: the same to the first token, A[i, 0], same queries.
        losses: negative log-likelihood (nats) of the next token at positions 0 … 2T−1,
            ``[sequence, position]``.
        hits: whether the next token had the largest logit, same shape.
    """

    previous: NDArray[np.float64]
    induction: NDArray[np.float64]
    duplicate: NDArray[np.float64]
    current: NDArray[np.float64]
    first: NDArray[np.float64]
    losses: NDArray[np.float64]
    hits: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(getattr(self, part.name).nbytes for part in fields(self))


def run_repeated(runs: Runs, drawn: DrawnTokens) -> RepeatedRun:
    """The pass over these sequences, made once for all measures that need it."""
    return runs.remember(("repeated", drawn), lambda: _run(runs, drawn.sequences, drawn.block))


def run_control(runs: Runs, drawn: DrawnTokens) -> RepeatedRun:
    """The same of the control sequences, whose second block repeats nothing."""
    return runs.remember(("control", drawn), lambda: _run(runs, drawn.control, drawn.block))


def _run(runs: Runs, sequences: Sequence[Sequence[int]], block: int) -> RepeatedRun:
    tokens = torch.tensor(sequences, device=runs.device)
    # offset of the diagonal, and the first query that counts
    stripes = {
        "previous": (1, 1),
        "induction": (block - 1, block + 1),
        "duplicate": (block, block + 1),
        "current": (0, 1),
    }
    means = {name: np.zeros((len(tokens), runs.layers, runs.heads)) for name in [*stripes, "first"]}
    losses, hits = [], []

    def read(rows: NDArray[np.int64], layer: int) -> Callable[..., None]:
        def hook(pattern: Tensor, **_: object) -> None:
            for name, (offset, first) in stripes.items():
                # diagonal[…, i] is A[i + offset, i]
                diagonal = pattern.diagonal(-offset, dim1=-2, dim2=-1)[..., first - offset :]
                means[name][rows, layer] = exact(diagonal).mean(-1).numpy()
            means["first"][rows, layer] = exact(pattern[..., 1:, 0]).mean(-1).numpy()

        return hook

    with runs.watched("repeated tokens", len(tokens), "sequences") as advance:

        def run(rows: NDArray[np.int64]) -> None:
            logits = runs.forward(
                tokens[rows],
                [
                    (f"blocks.{layer}.attn.hook_pattern", read(rows, layer))
                    for layer in range(runs.layers)
                ],
            )
            found = next_token_losses(logits, tokens[rows])
            hits.append(exact(logits[:, :-1].argmax(-1) == tokens[rows, 1:]))
            losses.append(found)
            advance(len(rows))

        in_parts(runs, np.arange(len(tokens)), runs.rows_at_once(tokens.shape[1]), run)
    return RepeatedRun(**means, losses=torch.cat(losses).numpy(), hits=torch.cat(hits).numpy())
