"""What a process pays before it can measure anything: CPU seconds of imports and of loading.

Fresh processes, in turn. What a line has beyond the one before it is the cost of what it adds.

    python benchmarks/start_up.py
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from paired import rounds, show, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

LOAD = "from pytest_circuits.models import load, parse_source; load(parse_source({!r}))"
STEPS = {
    "torch": "import torch",
    "and transformers' models": "import torch, transformers.modeling_utils",
    "and transformer-lens' hooked models": (
        "from transformer_lens.model_bridge import TransformerBridge"
    ),
    "all three as a run imports them": (
        "from pytest_circuits.models.loading import import_libraries; import_libraries()"
    ),
    "and the bundled model, loaded": LOAD.format("bundled:recall"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every step in turn, and print its seconds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--model", help="load this source as well, a checkpoint's folder say")
    options = parser.parse_args(arguments)
    steps = dict(STEPS)
    if options.model:
        steps["or the model asked for"] = LOAD.format(options.model)
    times = rounds(options.repeat, *(partial(_seconds, code) for code in steps.values()))
    show(f"{options.repeat} rounds, CPU s: median (least … most)")
    for name, seconds in zip(steps, zip(*times, strict=True), strict=True):
        show(f"{name:<40} {spread(seconds, 2)}")


def _seconds(code: str) -> float:
    """CPU seconds of a fresh interpreter that runs the code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
