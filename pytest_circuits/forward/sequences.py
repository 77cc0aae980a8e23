"""Passes over token sequences: losses of next tokens, attention, and what heads write."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.forward.fitting import grouped, in_parts
from pytest_circuits.forward.next_tokens import NextTokens
from pytest_circuits.forward.precision import exact
from pytest_circuits.forward.runs import bytes_of
from pytest_circuits.prompts.sequences import compared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.forward.runs import Runs
    from pytest_circuits.prompts import DrawnTokens
    from pytest_circuits.prompts.sequences import CanaryTokens


@dataclass(frozen=True)
class RepeatedRun:
    """What a pass over ``[first token, block, the same block]`` gave, T being the block's length.

    Attributes:
        previous: mean attention from each query to the token before it, over queries 1 … 2T,
            ``[sequence, layer, head]``; NaN for a head that a layer doesn't have.
        induction: the same to the token after the query's earlier occurrence, A[q, q − (T − 1)],
            over queries T+1 … 2T.
        duplicate: the same to the earlier occurrence itself, A[q, q − T], same queries.
        induction_compared, duplicate_compared: the same two over the queries that are like those
            of the control (:func:`pytest_circuits.prompts.sequences.compared`).
        current: the same to the query itself, A[i, i], over queries 1 … 2T.
        first: the same to the first token, A[i, 0], same queries.
        outputs: what each head writes for the next token, over queries T+1 … 2T−1, in logits
            (:class:`.next_tokens.NextTokens`), same shape; NaN throughout where that can't
            be told, and on the control, where nothing asks for it.
        losses: negative log-likelihood (nats) of the next token at positions 0 … 2T−1 of each
            sequence, ``[position]``.
        hits: whether the next token had the largest logit, likewise.
    """

    previous: NDArray[np.float64]
    induction: NDArray[np.float64]
    duplicate: NDArray[np.float64]
    induction_compared: NDArray[np.float64]
    duplicate_compared: NDArray[np.float64]
    current: NDArray[np.float64]
    first: NDArray[np.float64]
    outputs: NDArray[np.float64]
    losses: tuple[NDArray[np.float64], ...]
    hits: tuple[NDArray[np.float64], ...]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return bytes_of([getattr(self, part.name) for part in fields(self)])


def run_repeated(runs: Runs, drawn: DrawnTokens) -> RepeatedRun:
    """The pass over these sequences, made once for all measures that need it."""
    return runs.remember(
        ("repeated", drawn), lambda: _run_repeated(runs, drawn.sequences, outputs=True)
    )


def run_repeated_alone(runs: Runs, drawn: DrawnTokens) -> RepeatedRun:
    """The same pass without attention and what heads write, which stay NaN: a third of its time."""
    return runs.remember(
        ("repeated alone", drawn), lambda: _run_repeated(runs, drawn.sequences, attention=False)
    )


def run_control(runs: Runs, drawn: DrawnTokens) -> RepeatedRun:
    """The same of the control sequences, which are those of the shorter block alone."""
    return runs.remember(("control", drawn), lambda: _run_repeated(runs, drawn.control))


def _stripes(block: int) -> dict[str, tuple[int, range]]:
    """How far behind the query each score looks, and the queries that count."""
    everywhere, second = range(1, 1 + 2 * block), range(1 + block, 1 + 2 * block)
    return {
        "previous": (1, everywhere),
        "induction": (block - 1, second),
        "duplicate": (block, second),
        "induction_compared": (block - 1, second[: compared(block)]),
        "duplicate_compared": (block, second[: compared(block)]),
        "current": (0, everywhere),
    }


def _run_repeated(
    runs: Runs,
    sequences: Sequence[Sequence[int]],
    *,
    attention: bool = True,
    outputs: bool = False,
) -> RepeatedRun:
    points = runs.anatomy.points["attention"]
    # Where it can't be read, measures of it say so, and the losses need none.
    if not attention or "attention" in runs.anatomy.refusals:
        points = (None,) * runs.layers
    of_heads = (len(sequences), runs.layers, runs.heads)
    means = {name: np.full(of_heads, np.nan) for name in [*_stripes(0), "first", "outputs"]}
    losses, hits = ([np.zeros(0)] * len(sequences) for _ in range(2))

    def read(rows: NDArray[np.int64], layer: int) -> Callable[..., None]:
        def hook(pattern: Tensor, **_: object) -> None:
            there = (rows[:, None], layer, np.arange(pattern.shape[1]))
            for name, (offset, queries) in _stripes(pattern.shape[-1] // 2).items():
                # diagonal[…, i] is A[i + offset, i]
                diagonal = pattern.diagonal(-offset, dim1=-2, dim2=-1)
                counted = diagonal[..., queries.start - offset : queries.stop - offset]
                means[name][there] = exact(counted).mean(-1).numpy()
            means["first"][there] = exact(pattern[..., 1:, 0]).mean(-1).numpy()

        return hook

    def run(rows: NDArray[np.int64], tokens: Tensor) -> None:
        hooks = [
            point.hook(read(rows, layer)) for layer, point in enumerate(points) if point is not None
        ]
        if outputs:
            written = NextTokens(runs, tokens, since=1 + tokens.shape[1] // 2)
            logits = runs.forward(tokens, [*hooks, *written.hooks()])
            means["outputs"][rows] = written.outputs(logits)
        else:
            logits = runs.forward(tokens, hooks)
        right = exact(logits[:, :-1].argmax(-1) == tokens[:, 1:]).numpy()
        for place, row in enumerate(next_token_losses(logits, tokens).numpy()):
            losses[rows[place]], hits[rows[place]] = row, right[place]

    _run_in_parts(runs, sequences, run, what="repeated tokens", unit="sequences")
    return RepeatedRun(**means, losses=tuple(losses), hits=tuple(hits))


@dataclass(frozen=True)
class TextRun:
    """Passes over token sequences.

    Attributes:
        losses: negative log-likelihood (nats) of each next token of each sequence, ``[position]``.
    """

    losses: tuple[NDArray[np.float64], ...]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return bytes_of(self.losses)


def run_texts(runs: Runs, sequences: Sequence[Sequence[int]]) -> TextRun:
    """The passes over these sequences, made once; each length is a pass of its own."""
    key = ("texts", tuple(map(tuple, sequences)))
    return runs.remember(
        key, lambda: TextRun(tuple(_losses(runs, sequences, what="losses", unit="texts")))
    )


def run_canary(runs: Runs, canary: CanaryTokens) -> NDArray[np.float64]:
    """The pass over these tokens, made once for a model.

    Returns:
        negative log-likelihood (nats) of the next token, ``[sequence, position]``.
    """
    return runs.remember(
        canary,
        lambda: np.stack(_losses(runs, canary.sequences, what="canary", unit="sequences")),
    )


def _losses(
    runs: Runs, sequences: Sequence[Sequence[int]], *, what: str, unit: str
) -> list[NDArray[np.float64]]:
    """The loss of each next token of each sequence, ``[position]``."""
    losses: list[NDArray[np.float64]] = [np.zeros(0)] * len(sequences)

    def run(rows: NDArray[np.int64], tokens: Tensor) -> None:
        found = next_token_losses(runs.forward(tokens), tokens).numpy()
        for row, of_row in zip(rows, found, strict=True):
            losses[row] = of_row

    _run_in_parts(runs, sequences, run, what=what, unit=unit)
    return losses


def _run_in_parts(
    runs: Runs,
    sequences: Sequence[Sequence[int]],
    run: Callable[[NDArray[np.int64], Tensor], None],
    *,
    what: str,
    unit: str,
) -> None:
    """Run sequences in as many parts as fit into memory.

    Args:
        runs: the model.
        sequences: token ids of each.
        run: runs a part, by the indices of its sequences and their tokens ``[row, position]``.
        what: what is done, for the progress.
        unit: what a sequence is called then, in the plural.
    """
    with runs.watched(what, len(sequences), unit) as advance:
        for rows, tokens in grouped(runs, sequences):

            def of_group(
                part: NDArray[np.int64],
                rows: NDArray[np.int64] = np.array(rows),  # noqa: B008 — of this group
                tokens: Tensor = tokens,
            ) -> None:
                run(rows[part], tokens[part])
                advance(len(part))

            in_parts(runs, np.arange(len(rows)), runs.rows_at_once(tokens.shape[1]), of_group)


def next_token_losses(logits: Tensor, tokens: Tensor) -> Tensor:
    """Negative log-likelihood (nats) of each next token, ``[row, position − 1]``, exact.

    Args:
        logits: ``[row, position, vocabulary]``.
        tokens: ``[row, position]``.
    """
    logprobs = logits[:, :-1].float().log_softmax(-1)
    return exact(-logprobs.gather(-1, tokens[:, 1:, None])[..., 0])
