"""How a sweep's time grows with layers, positions and prompts.

On random Llamas of d_model 256, prompts that differ half-way. With L layers and P positions there
are L·P/2 cells, each through half of the layers and a quarter of the positions: if all were equal,
twice as many layers would take four times as long, and twice as many positions too.

    python benchmarks/growth.py
"""

from __future__ import annotations

import argparse
import statistics
from typing import TYPE_CHECKING

import torch
from paired import CPU, show
from subjects import llama, word_pairs

from pytest_circuits import measures
from pytest_circuits.forward import Runs

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The model, but for its layers, and what is swept if nothing else is said.
SHAPE = {
    "vocab_size": 2000,
    "hidden_size": 256,
    "intermediate_size": 1024,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
}
LAYERS, LENGTH, PAIRS = 8, 16, 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Sweep the residual stream and heads, with more and more of each, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=5, help="of each the median (default: 5)")
    parser.add_argument("--doublings", type=int, default=3, help="of each (default: 3)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    show(
        f"CPU seconds, median of {options.repeat}; in brackets, times the line before",
        "",
        "| layers | positions | prompt pairs | residual by position | head out |",
        "|---|---|---|---|---|",
    )
    doublings = [2**number for number in range(options.doublings + 1)]
    for sizes in (
        [(LAYERS // 2 * times, LENGTH, PAIRS) for times in doublings],
        [(LAYERS, LENGTH // 2 * times, PAIRS) for times in doublings],
        [(LAYERS, LENGTH, PAIRS * times) for times in doublings],
    ):
        before: tuple[float, ...] = ()
        for size in sizes:
            seconds = _seconds(*size, repeat=options.repeat)
            shown = [f"{each:.3f}" for each in seconds]
            if before:
                shown = [
                    f"{text} (× {now / last:.1f})"
                    for text, now, last in zip(shown, seconds, before, strict=True)
                ]
            show(f"| {' | '.join(map(str, size))} | {' | '.join(shown)} |")
            before = seconds


def _seconds(layers: int, length: int, count: int, *, repeat: int) -> tuple[float, ...]:
    """Seconds of a residual sweep by position, and of a sweep over heads."""
    bridge = llama("cpu", **SHAPE, num_hidden_layers=layers)
    pairs = word_pairs(bridge, count, length // 2, length)
    found = []
    for site in ("resid_pre", "head_out"):
        taken = []
        for _ in range(repeat + 1):
            runs = Runs(bridge)  # anew, so that nothing is remembered from the last time
            taken.append(CPU.time(lambda: measures.patch(runs, pairs, site=site))[1])  # noqa: B023
        found.append(statistics.median(taken[1:]))  # the first one warms up
    return tuple(found)


if __name__ == "__main__":
    main()
