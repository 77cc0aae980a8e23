"""How many times faster than transformer-lens' own functions patching sweeps are.

Both sweep the same prompts on the same model with as many threads, in turn. Ours is the whole
measure, from texts to a finding with its errors. Both have the prompts' own runs at hand, which all
measures of a run share; what our first sweep takes, which makes them, stands beside it.

    python benchmarks/sweeps.py                         # the whole table: hours
    python benchmarks/sweeps.py --rows '^residual' --share 4
    python benchmarks/sweeps.py --device cuda
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

# transformer-lens draws a bar for every sweep.
os.environ.setdefault("TQDM_DISABLE", "1")

import torch
from against import CLOSE, compare
from paired import clock_of, show, spread
from plain import Plain
from subjects import DIFFER, LLAMA_1B, LLAMA_TINY, bundled, ioi_pairs, llama, smollm2, word_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from against import Comparison
    from paired import Clock
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.prompts import PromptPairs


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        name: what is swept.
        model: on which model: ``smollm2``, ``bundled`` or ``llama``.
        site: where is patched.
        positions: ``each`` by itself, or ``all`` together.
        differ: ``late`` or ``early``.
        pairs: how many prompt pairs.
        least: how many times faster it should be, None where there is no target.
        share: of so many cells transformer-lens sweeps one, where nothing else is asked for.
        threads: how many.
    """

    name: str
    model: str
    site: str
    positions: str
    differ: str
    pairs: int = 1
    least: float | None = None
    share: int = 1
    threads: int = 1


def _table(device: str) -> list[Row]:
    """The rows for a device."""
    if device != "cpu":
        return [
            Row(f"{model} {name}", model, site, positions, differ, least=100)
            for model in ("smollm2", "llama")
            for name, site, positions in (
                ("residual", "resid_pre", "each"),
                ("head out", "head_out", "all"),
            )
            for differ in DIFFER
        ]
    basic = [
        Row("residual", "smollm2", "resid_pre", "each", "late", least=70),
        Row("residual", "smollm2", "resid_pre", "each", "early", least=15),
        Row("head out", "smollm2", "head_out", "all", "late", least=25),
        Row("head out", "smollm2", "head_out", "all", "early", least=11),
    ]
    rows = list(basic)
    for differ in DIFFER:
        rows += [
            Row("head out, 16 pairs", "smollm2", "head_out", "all", differ, pairs=16, share=8),
            Row("head out by position", "smollm2", "head_out", "each", differ, share=16),
        ]
    rows += [
        Row(f"{row.name}, two threads", row.model, row.site, row.positions, row.differ, threads=2)
        for row in basic
    ]
    for differ in DIFFER:
        rows += [
            Row("bundled residual", "bundled", "resid_pre", "each", differ, least=20),
            Row("bundled head out by position", "bundled", "head_out", "each", differ),
        ]
    # Rows of the accelerators' table, to be tried without one.
    return [*rows, Row("llama residual", "llama", "resid_pre", "each", "late", share=8)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for, and print a table of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--rows", default="", help="only rows whose name and prompts match this")
    parser.add_argument("--repeat", type=int, default=5, help="rounds of each row (default: 5)")
    parser.add_argument(
        "--share",
        type=int,
        help="have transformer-lens sweep one in SHARE cells, drawn anew in each round, and scale "
        "its time up (default: all cells, and one in 8 or 16 of the largest sweeps)",
    )
    parser.add_argument("--tiny", action="store_true", help="the Llama in a toy's size")
    options = parser.parse_args(arguments)
    models: dict[str, Callable[[str], TransformerBridge]] = {
        "smollm2": smollm2,
        "bundled": bundled,
        "llama": lambda device: llama(device, **(LLAMA_TINY if options.tiny else LLAMA_1B)),
    }
    rows = [
        row for row in _table(options.device) if re.search(options.rows, f"{row.name} {row.differ}")
    ]
    if not rows:
        raise SystemExit(f"no row matches {options.rows!r}")
    show(
        f"{options.repeat} rounds each: median (least … most); torch {torch.__version__}, "
        f"{options.device}",
        "",
        "| sweep | prompts differ | times as fast | at least | ours, s | our first, s | theirs, s "
        "| clock | cells swept by theirs | deviation |",
        "|---|---|---|---|---|---|---|---|---|---|",
    )
    wrong = []
    for name, group in groupby(rows, key=lambda row: row.model):
        bridge = models[name](options.device)
        for row in group:
            share = options.share or row.share
            found = _measured(row, bridge, options.repeat, share)
            show(_line(row, _clock(row, bridge).name, share, found))
            if found.deviation > CLOSE:
                wrong.append(f"{row.name} ({row.differ})")
    if wrong:
        raise SystemExit(f"the two disagree: {', '.join(wrong)}")


def _measured(row: Row, bridge: TransformerBridge, repeat: int, share: int) -> Comparison:
    torch.set_num_threads(row.threads)
    pairs = _pairs(row, bridge)
    return compare(
        bridge,
        pairs,
        Plain(bridge, pairs.check(bridge.tokenizer), row.site, row.positions),
        _clock(row, bridge),
        site=row.site,
        positions=row.positions,
        repeat=repeat,
        share=share,
    )


def _clock(row: Row, bridge: TransformerBridge) -> Clock:
    return clock_of(next(bridge.parameters()).device, row.threads)


def _line(row: Row, clock: str, share: int, found: Comparison) -> str:
    """The row's line of the table."""
    missed = row.least is not None and statistics.median(found.faster) < row.least
    return (
        f"| {row.name} | {row.differ} | {spread(found.faster, 1)}{', missed' if missed else ''} "
        f"| {row.least or '–'} | {spread(found.ours, 3)} | {found.first:.3f} "
        f"| {spread(found.theirs, 2)} | {clock} "
        f"| {'all' if share == 1 else f'one in {share}'} | {found.deviation:.0e} |"
    )


def _pairs(row: Row, bridge: TransformerBridge) -> PromptPairs:
    if row.model == "smollm2":
        return ioi_pairs(row.pairs, row.differ)
    return word_pairs(bridge, row.pairs, DIFFER[row.differ])


if __name__ == "__main__":
    main()
