"""How much memory a sweep on SmolLM2 takes at its peak, against its budget.

Each sweep is made in a process of its own, after a sweep over one pair has brought in everything
that any sweep needs, and after the prompts' own runs, which are remembered within a budget of their
own. Then the peak is set back to what there is: what it grows by is the sweep's. On a CPU it is the
process's resident memory, as Linux counts it.

    python benchmarks/memory.py
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from paired import show
from subjects import LLAMA_TINY, ioi_pairs, llama, smollm2, word_pairs

from pytest_circuits import measures
from pytest_circuits.forward import Runs, run_prompts
from pytest_circuits.forward.fitting import budget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.prompts import PromptPairs

#: Site, positions patched together, and prompt pairs: from what fits easily to what doesn't.
SWEEPS = (
    ("resid_pre", "each", 1),
    ("resid_pre", "each", 64),
    ("head_out", "all", 64),
    ("head_out", "each", 8),
)
MIB = 1 << 20


def main(arguments: Sequence[str] | None = None) -> None:
    """Make every sweep in a process of its own, or one of them in this one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--one", type=int, help="make only this sweep, in this process")
    parser.add_argument("--tiny", action="store_true", help="a Llama in a toy's size instead")
    options = parser.parse_args(arguments)
    if options.one is not None:
        _one(options.device, *SWEEPS[options.one], tiny=options.tiny)
        return
    show("| sweep | prompt pairs | peak, MiB | budget, MiB |", "|---|---|---|---|")
    given = sys.argv[1:] if arguments is None else list(arguments)
    for number in range(len(SWEEPS)):
        command = [sys.executable, __file__, *given, f"--one={number}"]
        subprocess.run(command, check=True)  # noqa: S603


def _one(device: str, site: str, positions: str, count: int, *, tiny: bool) -> None:
    torch.set_num_threads(1)
    bridge = llama(device, **LLAMA_TINY) if tiny else smollm2(device)

    def pairs_of(count: int) -> PromptPairs:
        return word_pairs(bridge, count, 2) if tiny else ioi_pairs(count, "early")

    runs = Runs(bridge)
    measures.patch(runs, pairs_of(1), site=site, positions=positions)
    tokens = pairs_of(count).check(bridge.tokenizer)
    for prompts in (tokens.clean, tokens.corrupted):
        run_prompts(runs, prompts)
    allowed = budget(runs.device)
    before = set_back(device)
    measures.patch(runs, pairs_of(count), site=site, positions=positions)
    grown = (peak(device) - before) / MIB
    show(f"| {site}, {positions} | {count} | {grown:.0f} | {allowed / MIB:.0f} |")


def set_back(device: str) -> int:
    """Bytes that there are, from which the peak is counted again."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # man 5 proc: resets VmHWM
    return _kept_by_linux("VmRSS")


def peak(device: str) -> int:
    """The most bytes that there were at once since."""
    return torch.cuda.max_memory_allocated() if device != "cpu" else _kept_by_linux("VmHWM")


def _kept_by_linux(name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"^{name}:\s*(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise SystemExit("on a CPU only Linux tells the peak")
    return int(found[1]) * 1024


if __name__ == "__main__":
    main()
