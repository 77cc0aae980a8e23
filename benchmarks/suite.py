"""How long a suite takes: cold, again with nothing changed, and without its circuit tests.

Fresh processes, in turn, on a copy of the suite. Cold is without pytest's cache; again, every
finding has to be remembered, which is looked up in the report.

    python benchmarks/suite.py
    python benchmarks/suite.py --suite example_suites/quickstart
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from paired import WALL, show, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

SUITE = Path(__file__).parents[1] / "example_suites/smollm2"
#: Seconds that a run with nothing changed may take beyond a plain one.
MOST = 1.5


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the suite in turn, and print times and differences."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--suite", type=Path, default=SUITE, help="its folder (default: SmolLM2's)")
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / options.suite.name
        leave_out = shutil.ignore_patterns(".pytest_cache", "__pycache__")
        shutil.copytree(options.suite, top, ignore=leave_out)
        run(top)  # compiles what is imported
        times = [one_round(top) for _ in range(options.repeat)]
    plain, cold, again = zip(*times, strict=True)
    beyond = [run_again - without for without, _, run_again in times]
    show(
        f"{options.suite.name}, {options.repeat} rounds, wall s: median (least … most)",
        f"plain pytest           {spread(plain, 2)}",
        f"cold                   {spread(cold, 2)}",
        f"again, nothing changed {spread(again, 2)}",
        f"again beyond plain     {spread(beyond, 2)}; at most {MOST} are wanted",
    )


def one_round(suite: Path) -> tuple[float, float, float]:
    """Seconds without circuit tests, cold, and again."""
    shutil.rmtree(suite / ".pytest_cache", ignore_errors=True)
    report = suite / "report.json"
    with_report = ("--circuits", f"--circuits-json={report}")
    plain, cold = run(suite), run(suite, *with_report)
    again = run(suite, *with_report)
    counts = json.loads(report.read_text(encoding="utf-8"))["summary"]
    if not counts["findings"] or counts["remembered"] < counts["findings"]:
        raise SystemExit(f"{counts['remembered']} of {counts['findings']} findings were remembered")
    return plain, cold, again


def run(suite: Path, *arguments: str) -> float:
    """Wall seconds of a pytest run, which must be green."""
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    done, seconds = WALL.time(
        lambda: subprocess.run(command, cwd=suite, check=False, capture_output=True, text=True)  # noqa: S603
    )
    if done.returncode:
        raise SystemExit(f"pytest {' '.join(arguments)} failed:\n{done.stdout}")
    return seconds


if __name__ == "__main__":
    main()
