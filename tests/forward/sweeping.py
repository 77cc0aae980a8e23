"""Sweeps over small random models: as they are made, and by whole passes with hooks."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from measures.families import FAMILIES, VARIANTS, hooked

from pytest_circuits.forward import SITES, Reading, Runs, cells_of, patch_cells, run_prompts
from pytest_circuits.forward.replay import check

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.forward.replay import _Check

    Prompts = Sequence[Sequence[int]]
    Positions = list[tuple[int, ...]] | None

ALL_FAMILIES = FAMILIES | VARIANTS
#: How far a replayed run may lie from a whole one, as a share of the largest effect.
EXACT = 1e-4


def whole(bridge: TransformerBridge) -> Runs:
    """Runs that are not replayed, for a hook that changes nothing stands in the way."""
    bridge.add_hook("blocks.0.hook_in", lambda stream, hook: stream)
    return Runs(bridge)


class Both(NamedTuple):
    """The same model twice: as it is, and where every run is a whole pass with hooks."""

    runs: Runs
    whole: Runs

    @classmethod
    def of(cls, model: nn.Module) -> Both:
        """A plain model, hooked twice."""
        return cls(Runs(hooked(model)), whole(hooked(model)))

    @contextmanager
    def untouched(self) -> Iterator[Both]:
        """While nobody but us has the models."""
        with self.runs.untouched(), self.whole.untouched():
            yield self


def drawn(*lengths: int, seed: int = 0) -> list[list[int]]:
    """A prompt of each length, <bos> first."""
    stream = random.Random(f"prompts {seed}")
    return [[0, *stream.sample(range(1, 40), length - 1)] for length in lengths]


def changed(prompts: Prompts, *places: int) -> list[list[int]]:
    """The same with another token at one place each, the first that can differ."""
    found = []
    for prompt, place in zip(prompts, places or [2] * len(prompts), strict=True):
        new = next(token for token in range(1, 40) if token not in prompt)
        found.append([*prompt[:place], new, *prompt[place + 1 :]])
    return found


def difference(prompts: Prompts) -> Reading:
    """The difference of two logits, of other tokens for each prompt."""
    tokens = [(3 + row, 30 - row) for row in range(len(prompts))]
    return Reading(lambda logits, _: logits[:, 0].double() - logits[:, 1].double(), tokens)


#: Something of the whole vocabulary, and something of several positions.
ENTROPY = Reading(lambda logits, _: torch.distributions.Categorical(logits=logits).entropy())
LATER = Reading(lambda logits, _: logits.log_softmax(-1)[..., 7].mean(1), since=3)


def as_they_are(runs: Runs, prompts: Prompts, read: Reading) -> NDArray[np.float64]:
    """What is read off the prompts with nothing put in."""
    found = np.zeros(len(prompts))
    for group in run_prompts(runs, prompts).groups:
        logits = group.logits[:, None]
        if read.since is not None:
            with torch.no_grad():
                logits = runs.bridge(group.tokens, return_type="logits")
        found[list(group.rows)] = read.of_run(logits, group.rows).double().numpy()
    return found


def each(prompts: Prompts) -> Positions:
    """Every position, counted from the end where prompts have several lengths."""
    lengths = [len(prompt) for prompt in prompts]
    return [
        tuple(length - min(lengths) + place for length in lengths) for place in range(min(lengths))
    ]


def patched(
    runs: Runs,
    site: str,
    source: Prompts,
    target: Prompts,
    *,
    positions: Positions = None,
    read: Reading | None = None,
    source_runs: Runs | None = None,
) -> NDArray[np.float64]:
    """What each cell moves, ``[prompt, layer, cell]``."""
    place = SITES[site]
    read = read or difference(target)
    heads = runs.key_value_heads if place.grouped else runs.heads
    unpatched = as_they_are(runs, target, read)
    found = patch_cells(
        runs,
        place,
        source,
        target,
        cells=cells_of(heads if place.of_heads else None, positions),
        read=read,
        unpatched=unpatched,
        source_runs=source_runs,
    )
    return found - unpatched[:, None, None]


def off(found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """The largest deviation as a share of the largest effect."""
    largest = np.abs(expected).max()
    assert largest > 1e-3  # or there would be nothing to see
    return float(np.abs(found - expected).max() / largest)


def checked(runs: Runs, prompts: Prompts) -> _Check:
    """What of the model can be replayed."""
    return check(runs, run_prompts(runs, prompts).groups[-1])
