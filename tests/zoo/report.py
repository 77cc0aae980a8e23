"""Print what comes of each measure on each architecture.

    python -m zoo.report [--list] [specimen …]

with ``tests`` on the path. A line for each specimen, under it whatever is not equal, and at the end
the largest deviation of each measure.
"""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers
from zoo.cases import Other, Stored, store
from zoo.expected import surprises
from zoo.outcomes import outcomes_of
from zoo.specimens import SPECIMENS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.outcomes import Outcome


def lines(names: list[str]) -> Iterator[str]:
    """The report, as it is made."""
    found: dict[str, dict[str, Outcome]] = {}
    unexpected = 0
    with tempfile.TemporaryDirectory() as folder:
        other = Other(Path(folder, "other"))
        for name in names:
            began = time.perf_counter()
            try:
                stored = store(SPECIMENS[name], Path(folder, name.replace("/", "-")))
                built = time.perf_counter()
                found[name] = outcomes_of(Stored(SPECIMENS[name], stored, other))
            except Exception:  # noqa: BLE001
                yield f"{name}: THE HARNESS FAILED\n{traceback.format_exc(limit=-4)}"
                continue
            took = f"{built - began:.1f} + {time.perf_counter() - built:.1f} s"
            yield f"{name} ({took}): {summary(found[name])}"
            for message, of in by_message(found[name]).items():
                yield f"    {', '.join(of)}:\n        {message}"
            odd = surprises(name, found[name])
            unexpected += len(odd)
            # What is not equal was shown.
            shown = {f"{measure}: {outcome}" for measure, outcome in found[name].items()}
            yield from (f"    UNEXPECTED {each}" for each in odd if each not in shown)
    yield f"\n{len(found)} specimens, {unexpected} unexpected outcomes"
    yield "largest deviation of each measure:"
    for measure, (deviation, name) in largest(found).items():
        yield f"    {measure}: {deviation:.1e} ({name})"


def summary(outcomes: dict[str, Outcome]) -> str:
    """How many measures came out how, and the largest deviation."""
    counts = Counter(one.kind if one.has else f"{one.kind}: has none" for one in outcomes.values())
    worst = max(one.deviation for one in outcomes.values())
    return ", ".join(f"{count} {kind}" for kind, count in counts.items()) + f"; {worst:.1e}"


def by_message(outcomes: dict[str, Outcome]) -> dict[str, list[str]]:
    """What is not equal, in words, and the measures of which that is true."""
    measures: dict[str, list[str]] = {}
    for measure, outcome in outcomes.items():
        if outcome.kind != "equal":
            measures.setdefault(" / ".join(str(outcome).splitlines()), []).append(measure)
    return measures


def largest(found: dict[str, dict[str, Outcome]]) -> dict[str, tuple[float, str]]:
    """The largest deviation of each measure among those that are equal, and where it is."""
    worst: dict[str, tuple[float, str]] = {}
    for name, outcomes in found.items():
        for measure, outcome in outcomes.items():
            if outcome.kind == "equal":
                worst[measure] = max(worst.get(measure, (0.0, "")), (outcome.deviation, name))
    return worst


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    asked = [name for name in sys.argv[1:] if name != "--list"] or list(SPECIMENS)
    for line in asked if "--list" in sys.argv else lines(asked):
        print(line, flush=True)  # noqa: T201
