"""How long `pytest-circuits diff` takes, beside what git and Python take for less.

It builds a repository with 100 baselines (the quickstart's four, on models of many names), changes
all of them, and runs the three commands in turn, so that each ratio is of neighbours in time.

    python benchmarks/diff.py
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from paired import show, spread

EXAMPLES = Path(__file__).parents[1] / "example_suites/quickstart/__circuits__/recall/test_recall"
DIFF = "pytest-circuits diff"
#: The interpreter and numpy, which is what a diff needs to begin with.
NUMPY = 'python -c "import numpy"'
GIT = "git diff --stat"


def main() -> None:
    """Build the repository, time the commands, print times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--baselines", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--rounds", type=int, default=15, help="how often (default: 15)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        build(top, options.baselines)
        times = measure(top, options.rounds)
    lines = [f"{options.baselines} changed baselines, {options.rounds} rounds"]
    for name, seconds in times.items():
        lines.append(f"{name:<26} {spread([1000 * each for each in seconds], 0)} ms")
        if name != DIFF:
            ratios = [mine / other for mine, other in zip(times[DIFF], seconds, strict=True)]
            lines[-1] += f"; diff takes {spread(ratios, 1)} times that"
    show(*lines)


def build(top: Path, baselines: int) -> None:
    """A repository whose working tree has another number in every one of its baselines."""
    git(top, "init", "-q")
    examples = sorted(EXAMPLES.glob("*.json"))
    files = []
    for number in range(baselines):
        example = examples[number % len(examples)]
        alias = f"model-{number // len(examples)}"
        files.append(top / "suite/__circuits__" / alias / "test_recall" / example.name)
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(example, files[-1])
    git(top, "add", "--all")
    git(top, "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-qm", "Approve")
    for file in files:
        document = json.loads(file.read_text(encoding="utf-8"))
        for finding in document["findings"]:
            finding["values"] = [[round(0.7 * v, 4) for v in row] for row in finding["values"]]
        file.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")


def measure(top: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of every command in every round, after one round that warms caches up."""
    commands = {
        DIFF: [sys.executable, "-m", "pytest_circuits.cli", "diff"],
        NUMPY: [sys.executable, "-c", "import numpy"],
        GIT: ["git", "--no-pager", "diff", "--stat"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            begun = time.perf_counter()
            subprocess.run(command, cwd=top, check=False, stdout=subprocess.DEVNULL)  # noqa: S603
            if number:
                times[name].append(time.perf_counter() - begun)
    return times


def git(top: Path, *arguments: str) -> None:
    """Run git in a folder, without the user's configuration."""
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *arguments], cwd=top, check=True, env=environment)  # noqa: S603, S607


if __name__ == "__main__":
    main()
