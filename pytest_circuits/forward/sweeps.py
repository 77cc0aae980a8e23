"""Sweeps: many runs of the same prompts, each with something put in, in few passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.forward.fitting import in_parts
from pytest_circuits.forward.precision import exact
from pytest_circuits.forward.replay import check, replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_circuits.forward.edits import Edits, Reading
    from pytest_circuits.forward.prompted import PromptGroup
    from pytest_circuits.forward.runs import Runs


def sweep(
    runs: Runs,
    group: PromptGroup,
    edits: Edits,
    read: Reading,
    advance: Callable[[float], None],
) -> NDArray[np.float64]:
    """The number of each run, ``[run]``.

    Runs go through the model from the layer and the position on where they can differ, many at
    once; where that can't be done with a model, as whole passes with hooks.

    Args:
        runs: the model.
        group: the prompts' own run.
        edits: what is run.
        read: what is read off.
        advance: is told how many runs are done.
    """
    if not len(edits.rows):
        return np.zeros(0)
    with runs.untouched():
        can = check(runs, group)
        if can.blocks:
            return replay(runs, group, edits, read, advance, past=can.past)
        return _passes(runs, group, edits, read, advance)


def _passes(
    runs: Runs,
    group: PromptGroup,
    edits: Edits,
    read: Reading,
    advance: Callable[[float], None],
) -> NDArray[np.float64]:
    """The same by whole passes: the plain way, which works with every model."""
    found = np.zeros(len(edits.rows))
    most = runs.rows_at_once(group.tokens.shape[1])

    def run(chosen: NDArray[np.int64]) -> None:
        rows = edits.rows[chosen]
        hooks = [hook for layer in range(runs.layers + 1) for hook in edits.hooks(layer, chosen, 0)]
        logits = runs.forward(group.tokens[rows], hooks)
        prompts = tuple(group.rows[row] for row in rows)
        found[chosen] = exact(read.of_run(logits, prompts)).numpy()
        advance(len(chosen))

    in_parts(runs, np.arange(len(found)), most, run)
    return found
