"""What a sweep runs together: which of its runs begin where, and how many fit into one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

#: What a call of a block costs however little it computes, in tokens: its weights have to come
#: from memory, and Python has to get to the arithmetic. Measured on SmolLM2, one thread.
_CALL = 30


def shared_starts(starts: Sequence[int], layers: Sequence[int], length: int) -> list[int]:
    """From where on each run is computed, so that runs of about the same start share their passes.

    A run whose positions can differ from some start on may be computed from any earlier one. Alone
    it computes the fewest positions; together with others it shares calls of blocks. Of all ways to
    draw the lines the cheapest is taken.

    Args:
        starts: the first position of each run that can differ.
        layers: how many layers each has to run.
        length: positions of the prompts.

    Returns:
        a start for each run, no later than its own.
    """
    own = sorted(set(starts))
    work = dict.fromkeys(own, 0)
    deepest = dict.fromkeys(own, 0)
    for start, count in zip(starts, layers, strict=True):
        work[start] += count
        deepest[start] = max(deepest[start], count)
    # best[i]: the cheapest for the starts from the i-th on, and where its first part ends.
    best: list[tuple[float, int]] = [(0.0, len(own))] * (len(own) + 1)
    for first in reversed(range(len(own))):
        tokens = calls = 0
        best[first] = (float("inf"), first)
        for last in range(first, len(own)):
            tokens += work[own[last]] * (length - own[first])
            calls = max(calls, deepest[own[last]])
            cost = tokens + _CALL * calls + best[last + 1][0]
            if cost < best[first][0]:
                best[first] = (cost, last + 1)
    shared = {}
    first = 0
    while first < len(own):
        end = best[first][1]
        shared.update(dict.fromkeys(own[first:end], own[first]))
        first = end
    return [shared[start] for start in starts]


def portions(sizes: NDArray[np.int64], budget: int) -> list[slice]:
    """Consecutive parts whose sizes sum to no more than a budget, or that are one alone."""
    parts, first, held = [], 0, 0
    for number, size in enumerate(sizes.tolist()):
        if number > first and held + size > budget:
            parts.append(slice(first, number))
            first, held = number, 0
        held += size
    return [*parts, slice(first, len(sizes))]
