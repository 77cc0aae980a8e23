"""Which share of the matrix-multiply bound sweeps on SmolLM2 reach.

The bound is the time of the matrix products that a sweep can't do without, made by themselves, on
as many rows as they need and with weights of the model's size, each layer's read once:

- a cell's rows are the positions that can differ behind its patch, of the last layer the last one;
- keys and values are made where the stream differs, queries where somebody reads the outcome.

Attention itself, norms and the logits of two tokens are left out. The prompts' own runs are made
before, for all measures of a run.

    python benchmarks/bound.py
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import torch
from paired import CPU, ratios, rounds, show, spread
from subjects import DIFFER, LENGTH, LLAMA_TINY, ioi_pairs, llama, smollm2, word_pairs
from torch.nn.functional import linear

from pytest_circuits import measures
from pytest_circuits.forward import Runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformer_lens.config import TransformerBridgeConfig

    from pytest_circuits.prompts import PromptPairs

#: The share that is wanted.
WANTED = 0.75
#: Sites, and positions patched together.
SWEEPS = (("resid_pre", "each"), ("head_out", "all"), ("head_out", "each"))


@dataclass
class Rows:
    """How many rows go through each matrix of a layer.

    Attributes:
        queries: through W_Q.
        keys: through each of W_K and W_V.
        outputs: through W_O.
        heads: through a single head's part of W_O.
        mlp: through each matrix of the MLP.
    """

    queries: int = 0
    keys: int = 0
    outputs: int = 0
    heads: int = 0
    mlp: int = 0

    def products(self, config: TransformerBridgeConfig) -> list[tuple[int, int, int]]:
        """The matrix products: rows, size of what goes in, size of what comes out.

        Those of a Llama: its MLP has a gate.
        """
        model, head = config.d_model, config.d_head
        groups = getattr(config, "n_key_value_heads", None) or config.n_heads
        products = [
            (self.queries, model, config.n_heads * head),
            (self.keys, model, 2 * groups * head),
            (self.outputs, config.n_heads * head, model),
            (self.heads, head, model),
            (self.mlp, model, 2 * config.d_mlp),
            (self.mlp, config.d_mlp, model),
        ]
        return [each for each in products if each[0]]


def needed(
    config: TransformerBridgeConfig, site: str, positions: str, differ: int, length: int = LENGTH
) -> list[Rows]:
    """The rows of every layer that a sweep over one pair can't do without.

    Args:
        config: the model's.
        site: ``resid_pre`` or ``head_out``.
        positions: ``each`` by itself, or ``all`` together.
        differ: the position in which the prompts differ.
        length: tokens of a prompt.
    """
    layers, end = range(config.n_layers), length - 1
    rows = [Rows() for _ in layers]
    places = [range(p, p + 1) for p in range(differ, length)]
    if positions == "all":
        places = [range(differ, length)]
    for layer, patched in product(layers, places):
        if site == "head_out":
            written = len(patched) if layer < layers[-1] else int(end in patched)
            rows[layer].heads += config.n_heads * written
            rows[layer].mlp += config.n_heads * written
            _count(rows[layer + 1 :], patched, end, config.n_heads)
        elif layer or differ in patched:  # the embeddings are the same elsewhere
            _count(rows[layer:], patched, end, 1)
    return rows


def _count(rows: Sequence[Rows], differing: range, end: int, cells: int) -> None:
    """Count cells into the layers from where their stream differs, at first in some positions."""
    for layer in rows:
        read = range(differing.start, end + 1) if layer is not rows[-1] else range(end, end + 1)
        layer.keys += cells * len(differing)
        # Elsewhere the stream is as it was, and so are the queries.
        layer.queries += cells * len(set(differing) & set(read))
        layer.outputs += cells * len(read)
        layer.mlp += cells * len(read)
        differing = read


class Products:
    """The matrix products of a sweep, by themselves.

    Attributes:
        operations: floating-point operations of all of them.
    """

    def __init__(self, layers: Sequence[Sequence[tuple[int, int, int]]]) -> None:
        self._weights = [
            [torch.randn(size_out, size_in) for _, size_in, size_out in layer] for layer in layers
        ]
        shapes = [(count, size) for layer in layers for count, size, _ in layer]
        self._inputs = {
            size: torch.randn(max(n for n, s in shapes if s == size), size)
            for size in {size for _, size in shapes}
        }
        self._layers = layers
        self.operations = sum(2 * math.prod(each) for layer in layers for each in layer)

    def seconds(self) -> float:
        """The CPU seconds that they take."""
        return CPU.time(self._multiply)[1]

    def _multiply(self) -> None:
        for layer, weights in zip(self._layers, self._weights, strict=True):
            for (count, size, _), weight in zip(layer, weights, strict=True):
                linear(self._inputs[size][:count], weight)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure sweeps and their bounds, in turn, and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--tiny", action="store_true", help="a Llama in a toy's size instead")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    bridge = llama("cpu", **LLAMA_TINY) if options.tiny else smollm2("cpu")
    show(
        f"{options.repeat} rounds each: median (least … most); at least {WANTED} is wanted",
        "",
        "| sweep | prompts differ | share of the bound | sweep, s | bound, s | GFLOP | GFLOP/s |",
        "|---|---|---|---|---|---|---|",
    )
    for (site, positions), differ in product(SWEEPS, DIFFER):
        pairs = word_pairs(bridge, 1, DIFFER[differ]) if options.tiny else ioi_pairs(1, differ)
        rows = needed(bridge.cfg, site, positions, DIFFER[differ])
        products = Products([layer.products(bridge.cfg) for layer in rows])
        sweep = partial(_sweep, Runs(bridge), pairs, site, positions)
        sweep()  # makes the prompts' own runs
        times = rounds(options.repeat, sweep, products.seconds)
        swept, bound = ([taken[way] for taken in times] for way in (0, 1))
        rate = [products.operations / 1e9 / seconds for seconds in bound]
        show(
            f"| {site}, {positions} | {differ} | {spread(ratios(times, of=1, to=0), 2)} "
            f"| {spread(swept, 3)} | {spread(bound, 3)} | {products.operations / 1e9:.1f} "
            f"| {spread(rate, 0)} |"
        )


def _sweep(runs: Runs, pairs: PromptPairs, site: str, positions: str) -> float:
    return CPU.time(lambda: measures.patch(runs, pairs, site=site, positions=positions))[1]


if __name__ == "__main__":
    main()
