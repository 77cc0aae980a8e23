"""Say what a gate came to, from pytest's exit status and the report; end with the gate's status."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from outputs import write_outputs

#: pytest's exit status for tests that failed.
_TESTS_FAILED = 1
#: pytest's exit status where it had nothing to run.
_NOTHING_RUN = 5


def main() -> int:
    """Write the outputs and return the exit status."""
    status, folder = int(sys.argv[1]), os.environ["INPUT_REPORT"]
    summary = _summary(Path(folder, "report.json"))
    verdict = _verdict(status, summary)
    counts: dict[str, int] = {}
    if summary is not None:
        counts = {
            **summary["verdicts"],
            "failing": summary["failing"],
            "failed_without_finding": summary["failed_without_finding"],
        }
    write_outputs(
        {
            "verdict": verdict,
            "counts": json.dumps(counts, separators=(",", ":")),
            "report": "" if summary is None else folder,
        }
    )
    if status == 0 and verdict == "error":
        print("::error title=circuits-gate::nothing was measured: does the suite compare findings?")
        return _NOTHING_RUN
    return status


def _summary(report: Path) -> dict[str, Any] | None:
    """The figures of a report; None where there is none, or only a part of one."""
    try:
        summary: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))["summary"]
    except (OSError, ValueError):
        return None
    return summary


def _verdict(status: int, summary: dict[str, Any] | None) -> str:
    """What it came to: a gate that couldn't measure has not found a regression."""
    if summary is None:
        return "error"
    if status == 0:
        return "passed" if summary["findings"] else "error"
    told = summary["failing"] or not summary["failed_without_finding"]
    return "failed" if status == _TESTS_FAILED and told else "error"


if __name__ == "__main__":
    sys.exit(main())
