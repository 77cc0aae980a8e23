"""What it costs to look, after every test, at what others are measured with.

First the parts, in CPU milliseconds, on the bundled model and on SmolLM2 where it is there: noting
a model when it is loaded, a look at it after a test, and the weights' hash and the tokenizer's,
which are made only after tests that held the model. Then a whole suite in fresh processes, with and
without the looks, in turn.

    python benchmarks/isolation.py
    python benchmarks/isolation.py --suite example_suites/quickstart
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from paired import CPU, ratios, rounds, show, spread

from pytest_circuits.forward import Runs
from pytest_circuits.models import load, parse_source
from pytest_circuits.models.model_state import ModelState
from pytest_circuits.models.torch_state import TorchState, foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOP = Path(__file__).parents[1]
SMOLLM2 = Path("~/.cache/pytest-circuits/SmolLM2-135M-Instruct-Q4_1").expanduser()
#: What is read of a child's times.
_TIMES = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
    "capture_output=True); used = resource.getrusage(resource.RUSAGE_CHILDREN); "
    "print(used.ru_utime + used.ru_stime)"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the parts, then the suite in turn, and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    suite = TOP / "example_suites/smollm2"
    parser.add_argument("--suite", type=Path, default=suite, help="its folder (default: SmolLM2's)")
    parser.add_argument("--repeat", type=int, default=5, help="rounds of parts (default: 5)")
    # One takes more than a minute on SmolLM2.
    parser.add_argument("--rounds", type=int, default=2, help="of the suite (default: 2)")
    options = parser.parse_args(arguments)
    show(
        "| CPU ms | noted once | look | hash of weights | of the tokenizer |",
        "|---|---|---|---|---|",
    )
    for source in ("bundled:recall", *([str(SMOLLM2)] if SMOLLM2.is_dir() else [])):
        show(parts(source, options.repeat))
    state = TorchState()
    torch = milliseconds(lambda: (state.changes(), foreign()), options.repeat)
    show(f"| torch | {milliseconds(TorchState, options.repeat)} | {torch} | – | – |")
    times = rounds(
        options.rounds,
        lambda: run(options.suite),
        lambda: run(options.suite, "-p", "no:circuits-isolation"),
    )
    show(
        f"{options.suite.name}, cold, CPU s: with {spread([each[0] for each in times], 2)}, "
        f"without {spread([each[1] for each in times], 2)}, "
        f"times as long {spread(ratios(times, of=0, to=1), 3)}"
    )


def parts(source: str, repeat: int) -> str:
    """A row of the table of parts."""
    bridge = load(parse_source(source)).bridge
    runs = Runs(bridge)
    state = ModelState(bridge)
    state.changes()
    made = milliseconds(lambda: ModelState(bridge), repeat)
    look = milliseconds(state.changes, repeat)
    weights = milliseconds(runs.weights, repeat)
    return (
        f"| {source} | {made} | {look} | {weights} | {milliseconds(state.hidden_changes, repeat)} |"
    )


def milliseconds(work: Callable[[], object], repeat: int) -> str:
    """The median of some rounds."""
    return f"{1000 * statistics.median(CPU.time(work)[1] for _ in range(repeat + 2)):.2f}"


def run(suite: Path, *arguments: str) -> float:
    """CPU seconds of a cold run, which must be green."""
    options = ("-q", "-p", "no:cacheprovider", "--circuits", *arguments)
    command = [sys.executable, "-c", _TIMES, sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=suite, check=True, capture_output=True, text=True)  # noqa: S603
    return float(done.stdout)


if __name__ == "__main__":
    main()
