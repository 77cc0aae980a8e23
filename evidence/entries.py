"""What is true of a case, and what each onlooker says of it, as an entry of the table."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from evidence import (
    harness,
    hidden,
    hidden_further,
    hidden_gate,
    hidden_run,
    hidden_truth,
    recipes,
    rivals,
    truth,
)
from evidence.judging import DTYPES, Judge
from evidence.labels import LIMITS, damage, label
from evidence.models import BASES
from evidence.storage import cache_folder, measured_once, sources
from evidence.table import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evidence.cases import Case
    from pytest_circuits.prompts.indirect_object import Order

#: What is true of a case of hidden damage, by its label and whether it was made as a control.
_TRUTHS = {("hidden damage", False): "harmful", ("healthy control", True): "benign"}
#: Windows of text for losses and divergences: with all rivals together, as many seconds as a suite
#: that is loaded takes.
_WINDOWS = {"smollm2": 24, "second": 48}
#: The terminal's first lines that the table keeps.
_LINES = 4


def entries(base: str, begins: str = "") -> Iterator[Entry]:
    """The entries of a base model's cases, divergences not yet called red.

    Args:
        base: the base model's name.
        begins: only cases whose names begin so.
    """
    for case in recipes.all_cases(base):
        if case.name.startswith(begins):
            before, now = truth.reference(base), truth.of(case)
            moved = damage(before, now)
            worst = max(moved, key=lambda name: moved[name] / LIMITS[name][0])
            why = f"{worst} {moved[worst]:+.2f}"
            yield _entry(case, f"real: {case.kind}", label(before, now), why, "both")
    for built in hidden.all_cases(base):
        if built.name.startswith(begins):
            found = hidden_run.of(built)
            kind = f"hidden: {built.kind}{', healthy control' if built.healthy else ''}"
            # What did not become what it was made as says nothing of its kind.
            true = _TRUTHS.get((found["label"], built.healthy), "not as built")
            yield _entry(built, kind, true, found["why"], built.order)


def _entry(case: Case | hidden.Case, kind: str, true: str, why: str, order: Order) -> Entry:
    judge = _judge(case.base, order)
    runs, numbers = judge.said(case), _numbers(case, order)
    base, said = _numbers_of_base(case.base, order), runs["regression"]
    settled = [finding.new_prompts for finding in said.findings if finding.new_prompts]
    red = {
        "suite": said.exit != 0,
        **{f"suite, {name}": run.exit != 0 for name, run in runs.items() if run is not said},
        "behaviours": any(finding.behaviour for finding in said.findings),
        "circuits": any(finding.mechanism for finding in said.findings),
        "losses": rivals.worse_losses(numbers, base),
        "new prompts": rivals.worse_behaviours(numbers, base),
    }
    if (fell := harness.fell(case)) is not None:
        red["lm-eval"] = fell
    if isinstance(case, hidden.Case):
        # A run that is red without them stays red.
        red["suite, new prompts always"] = said.exit != 0 or judge.said_always(case).exit != 0
    further = hidden_further.known(case) if isinstance(case, hidden.Case) else ""
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
        seconds={"suite": said.seconds, **numbers.seconds},
        further=further,
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
                f"divergence on {where}": not entry.divergences[where] <= threshold
                for where, threshold in thresholds.items()
            },
        )
        for entry in every
    ]


@cache
def _judge(base: str, order: str) -> Judge:
    return Judge(base, order)


def _numbers(case: Case | hidden.Case, order: Order) -> rivals.Numbers:
    return _kept(f"{case.base}-{case.name}-{case.key()}", lambda: _measured(case, order))


def _measured(case: Case | hidden.Case, order: Order) -> rivals.Numbers:
    base = BASES[case.base].folder()
    with case.checkpoint() as folder:
        asked, of_base = (_material(case.base, order, one) for one in (folder, base))
        return rivals.numbers(folder, base, asked, of_base, _dtype(case.base))


@cache
def _numbers_of_base(base: str, order: Order) -> rivals.Numbers:
    folder = BASES[base].folder()

    def measured() -> rivals.Numbers:
        asked = _material(base, order, folder)
        return rivals.numbers(folder, folder, asked, asked, _dtype(base))

    return _kept(f"{base}-reference-{order}-{BASES[base].digest()[:8]}", measured)


def _material(base: str, order: Order, folder: Path) -> rivals.Material:
    """What a checkpoint is asked, made once for all that have the same tokenizer."""
    tokenizer = (folder / "tokenizer.json").read_bytes()
    key = base, order, hashlib.sha256(tokenizer).hexdigest()
    if key not in _MATERIAL:
        _MATERIAL[key] = rivals.material(folder, BASES[base].folder(), _WINDOWS[base], order)
    return _MATERIAL[key]


_MATERIAL: dict[tuple[str, str, str], rivals.Material] = {}


def _dtype(base: str) -> torch.dtype:
    """The suite's."""
    return torch.bfloat16 if DTYPES[base] == "bfloat16" else torch.float32


def _kept(name: str, measure: Callable[[], rivals.Numbers]) -> rivals.Numbers:
    fields: dict[str, Any] = measured_once(_place(name), lambda: asdict(measure()))
    return rivals.Numbers(**fields)


def _place(name: str) -> Path:
    """Where a checkpoint's numbers are kept, as long as the code that measures them is the same."""
    files = [Path(str(module.__file__)) for module in (rivals, hidden_gate, hidden_truth)]
    return cache_folder("rivals", sources(files)) / f"{name}.json"
