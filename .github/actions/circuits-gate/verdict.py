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
#: pytest's exit status where it was stopped.
_STOPPED = 2
#: pytest's exit status where it had nothing to run.
_NOTHING_RUN = 5
#: How many of a run's tests tell of circuits that don't hold, and how many of nothing.
_FOUND = ("failing", "failed_claims")
_UNKNOWN = ("failed_without_finding", "uncollected", "unfinished")


def main() -> int:
    """Write the outputs and return the exit status."""
    status, folder = int(sys.argv[1]), os.environ["INPUT_REPORT"]
    summary = _summary(Path(folder, "report.json"))
    if status == 0 and summary is not None:
        # A plugin, or code that ends the process, may hide what the run came to.
        status = _told(summary)
    verdict = _verdict(status, summary)
    counts: dict[str, int] = {}
    if summary is not None:
        figures = {name: summary[name] for name in ("judged", *_FOUND, *_UNKNOWN)}
        counts = {**summary["verdicts"], **figures}
    write_outputs(
        {
            "verdict": verdict,
            "counts": json.dumps(counts, separators=(",", ":")),
            "report": "" if summary is None else folder,
        }
    )
    if verdict == "failed" and not any(counts[name] for name in _FOUND):
        _say("what failed is not in the report, as a test that is no circuit test: see its output")
    if summary is not None and not summary["complete"]:
        _say("the run is incomplete: pytest ended before every circuit test had run to its end")
        return status or _STOPPED
    if status == 0 and verdict == "error":
        _say("nothing was judged: does the suite compare findings, or claim anything of them?")
        return _NOTHING_RUN
    return status


def _told(summary: dict[str, Any]) -> int:
    """The exit status of a run by its report, which says incomplete where it has none."""
    if any(summary[name] for name in (*_FOUND, "failed_without_finding", "uncollected")):
        return summary["exit_status"] or _TESTS_FAILED
    return summary["exit_status"] or 0


def _summary(report: Path) -> dict[str, Any] | None:
    """The figures of a report; None where there is none, or only a part of one."""
    try:
        told = json.loads(report.read_text(encoding="utf-8"))
        figures = {**told["summary"], "unfinished": len(told["unfinished"])}
        status = told["exit_status"]
        return {**figures, "exit_status": status, "complete": told["status"] == "complete"}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _verdict(status: int, summary: dict[str, Any] | None) -> str:
    """What it came to: a gate that couldn't measure has not found a regression."""
    if summary is None:
        return "error"
    if status == 0:
        return "passed" if summary["complete"] and summary["judged"] else "error"
    told = any(summary[name] for name in _FOUND) or not any(summary[name] for name in _UNKNOWN)
    return "failed" if status == _TESTS_FAILED and told else "error"


def _say(message: str) -> None:
    print(f"::error title=circuits-gate::{message}")


if __name__ == "__main__":
    sys.exit(main())
