"""What is true of a case, and what each onlooker says of it, as an entry of the table."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from evidence import hidden, hidden_run, recipes, rivals, truth
from evidence.judging import DTYPES, Judge
from evidence.labels import damage, label
from evidence.models import BASES
from evidence.storage import cache_folder, write_whole
from evidence.table import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evidence.cases import Case

#: The words of the rule for hidden damage in the table's.
_TRUTHS = {"hidden damage": "harmful", "healthy control": "benign", "neither": "not as built"}
#: Windows of text for losses and divergences: about the seconds that the suite takes.
_WINDOWS = {"smollm2": 24, "second": 48}
#: Runs that are columns beside the default one.
_GATES = ("behaviour", "change", "no new prompts")
#: The terminal's first lines that the table keeps.
_LINES = 4


def entries(base: str, begins: str = "", *, judged: bool = False) -> Iterator[Entry]:
    """The entries of a base model's cases whose truth is known, divergences not yet called red.

    Args:
        base: the base model's name.
        begins: only cases whose names begin so.
        judged: only cases that were judged already.
    """
    for case in recipes.all_cases(base):
        known = case.name.startswith(begins) and truth.place(case).exists()
        if known and (not judged or _is_judged(case, "both")):
            before, now = truth.reference(base), truth.of(case)
            moved = max(damage(before, now).items(), key=lambda pair: pair[1])
            why = f"{moved[0]} {moved[1]:+.2f}"
            yield _entry(case, f"real: {case.kind}", label(before, now), why, "both")
    for built in hidden.all_cases(base):
        known = built.name.startswith(begins) and hidden_run.truth_file(built).exists()
        if known and (not judged or _is_judged(built, built.order)):
            found = hidden_run.of(built)
            kind = f"hidden: {built.kind}{', healthy control' if built.healthy else ''}"
            yield _entry(built, kind, _TRUTHS[found["label"]], found["why"], built.order)


def _entry(case: Case | hidden.Case, kind: str, true: str, why: str, order: str) -> Entry:
    judge = _judge(case.base, order)
    runs, numbers, base = judge.said(case), _numbers(case), _numbers_of_base(case.base)
    said = runs["regression"]
    settled = [finding.new_prompts for finding in said.findings if finding.new_prompts]
    red = {
        "gate": said.exit != 0,
        **{f"gate: {name}": run.exit != 0 for name, run in runs.items() if name in _GATES},
        "behaviours": any(finding.behaviour for finding in said.findings),
        "circuits": any(finding.mechanism for finding in said.findings),
        "losses": rivals.worse_losses(numbers, base),
        "new prompts": rivals.worse_behaviours(numbers, base),
    }
    if isinstance(case, hidden.Case):
        # A run that is red stays red.
        red["gate: new prompts always"] = said.exit != 0 or judge.said_always(case).exit != 0
    return Entry(
        model=case.base,
        case=case.name,
        kind=kind,
        truth=true,
        why=why,
        red=red,
        divergences=dict(numbers.divergences),
        verdicts={finding.test: finding.verdict for finding in said.findings},
        failing=[finding.test for finding in said.findings if not finding.passes],
        settled={outcome: settled.count(outcome) for outcome in sorted({*settled})},
        lines=[line for line in said.lines if line][:_LINES],
        seconds={"gate": judge.seconds(case), **numbers.seconds},
    )


def with_divergences(every: list[Entry]) -> list[Entry]:
    """The entries with what divergences say, by the threshold that serves SmolLM2's best."""
    chosen = [
        entry for entry in every if entry.model == "smollm2" and entry.kind.startswith("real")
    ]
    thresholds = {
        where: rivals.best_threshold(
            *(
                [entry.divergences[where] for entry in chosen if entry.truth == true]
                for true in ("harmful", "benign")
            )
        )
        for where in ("text", "prompts")
    }
    return [
        replace(
            entry,
            red=entry.red
            | {
                f"divergence on {where}": entry.divergences[where] > threshold
                for where, threshold in thresholds.items()
            },
        )
        for entry in every
    ]


def _is_judged(case: Case | hidden.Case, order: str) -> bool:
    return _judge(case.base, order).knows(case) and _place(f"{case.base}-{case.name}").exists()


@cache
def _judge(base: str, order: str) -> Judge:
    return Judge(base, order)


@cache
def _material(base: str) -> rivals.Material:
    return rivals.material(BASES[base].folder(), _WINDOWS[base])


def _numbers(case: Case | hidden.Case) -> rivals.Numbers:
    return _kept(f"{case.base}-{case.name}", lambda: _measured(case))


def _measured(case: Case | hidden.Case) -> rivals.Numbers:
    base = BASES[case.base].folder()
    with case.checkpoint() as folder:
        return rivals.numbers(folder, base, _material(case.base), _dtype(case.base))


@cache
def _numbers_of_base(base: str) -> rivals.Numbers:
    folder = BASES[base].folder()
    return _kept(
        f"{base}-reference",
        lambda: rivals.numbers(folder, folder, _material(base), _dtype(base)),
    )


def _dtype(base: str) -> torch.dtype:
    """The suite's."""
    return torch.bfloat16 if DTYPES[base] == "bfloat16" else torch.float32


def _kept(name: str, measure: Callable[[], rivals.Numbers]) -> rivals.Numbers:
    place = _place(name)
    if not place.exists():
        found = json.dumps(asdict(measure()), indent=1)
        write_whole(place, lambda path: path.write_text(found))
    fields: dict[str, Any] = json.loads(place.read_text())
    return rivals.Numbers(**fields)


def _place(name: str) -> Path:
    """Where a checkpoint's numbers are kept, as long as the code that measures them is the same."""
    digest = hashlib.sha256(Path(rivals.__file__).read_bytes()).hexdigest()[:8]
    return cache_folder("rivals", digest) / f"{name}.json"
