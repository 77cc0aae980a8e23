"""Print what comes of each measure on each architecture.

    python -m zoo.report [--list | --refusals] [specimen …]

with ``tests`` on the path. A line for each specimen, under it whatever is not equal, and at the end
the largest deviation of each measure. With ``--list``, only the specimens' names; with
``--refusals``, the refusals that refusals.toml does not list, in its format.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from zoo.cases import Other, Stored, store
from zoo.expected import refusal_of, surprises
from zoo.outcomes import outcomes_of
from zoo.specimens import SPECIMENS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.outcomes import Outcome

#: Characters that tell no refusal from another.
_FEW = 8


def measured(names: list[str]) -> Iterator[tuple[str, float, dict[str, Outcome] | str]]:
    """Of each specimen, the seconds it takes and what comes of its measures, or a traceback."""
    with tempfile.TemporaryDirectory() as folder:
        other = Other(Path(folder, "other"))
        for name in names:
            began = time.perf_counter()
            try:
                stored = store(SPECIMENS[name], Path(folder, name.replace("/", "-")))
                found: Any = outcomes_of(Stored(SPECIMENS[name], stored, other))
            except Exception:  # noqa: BLE001
                found = traceback.format_exc(limit=-4)
            yield name, time.perf_counter() - began, found


def lines(names: list[str]) -> Iterator[str]:
    """The report, as it is made."""
    found: dict[str, dict[str, Outcome]] = {}
    unexpected = 0
    for name, seconds, outcomes in measured(names):
        if isinstance(outcomes, str):
            yield f"{name}: THE HARNESS FAILED\n{outcomes}"
            continue
        found[name] = outcomes
        yield f"{name} ({seconds:.1f} s): {summary(outcomes)}"
        for message, of in by_message(outcomes).items():
            yield f"    {', '.join(of)}:\n        {message}"
        odd = surprises(name, outcomes)
        unexpected += len(odd)
        # What is not equal was shown.
        shown = {f"{measure}: {outcome}" for measure, outcome in outcomes.items()}
        yield from (f"    UNEXPECTED {each}" for each in odd if each not in shown)
    yield f"\n{len(found)} specimens, {unexpected} unexpected outcomes"
    yield "largest deviation of each measure:"
    for measure, (deviation, name) in largest(found).items():
        yield f"    {measure}: {deviation:.1e} ({name})"


def missing_refusals(names: list[str]) -> Iterator[str]:
    """What the table of refusals lacks: to be named, and shortened to what tells it from others."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for name, _, outcomes in measured(names):
        for measure, one in outcomes.items() if isinstance(outcomes, dict) else ():
            if one.kind == "refused" and one.has and refusal_of(name, measure) is None:
                measures, specimens = found.setdefault(_tells(one, name), ({}, {}))
                measures[measure] = specimens[name] = None
    for says, (measures, specimens) in found.items():
        yield f'[[refusal]]\nname = ""\nsays = {json.dumps(says, ensure_ascii=False)}'
        yield f"measures = {json.dumps(list(measures))}"
        yield f"specimens = {json.dumps(list(specimens))}\n"


def _tells(refusal: Outcome, specimen: str) -> str:
    """The first words of a refusal that hold neither the class's name nor a number."""
    parts = (
        refusal.message.replace(SPECIMENS[specimen].model, "\n").replace(" (", "\n").splitlines()
    )
    return next(words for part in parts if len(words := part.strip(" :.")) > _FEW)


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
    asked = [name for name in sys.argv[1:] if not name.startswith("--")] or list(SPECIMENS)
    how = {"--list": iter, "--refusals": missing_refusals}
    for line in next((how[name] for name in sys.argv if name in how), lines)(asked):
        print(line, flush=True)  # noqa: T201
