"""The state of a case elsewhere after it and its reference were fine-tuned further, both alike.

Both are trained on the same batches of source code, for half the steps of a ``code`` fine-tune; a
whole one is benign on SmolLM2 and ambiguous on the second model. Training may repair what is broken
elsewhere, and may break what is intact, as a model with zeroed heads has less redundancy.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from evidence.hidden_bench import bench
from evidence.hidden_labels import state
from evidence.hidden_run import TARGETS, probes, special
from evidence.recipes import recipe_of
from evidence.storage import cache_folder, measured_once
from evidence.training import batches_of, fine_tune

if TYPE_CHECKING:
    from pathlib import Path

    from evidence.hidden import Case
    from evidence.hidden_labels import Numbers, State

#: Raised when the training or what is asked changes.
_VERSION = 1
#: The share of the steps of a whole fine-tune.
_SHARE = 0.5


def file(case: Case) -> Path:
    """Where what was found lies, whether or not it is there."""
    folder = cache_folder("hidden", case.base, "further")
    return folder / f"{case.name}-{case.key()}-{_VERSION}.json"


def of(case: Case) -> State:
    """Whether a case is broken or intact elsewhere, after the same further fine-tune of both."""

    def measured() -> dict[str, Numbers]:
        return {
            "reference": _reference(case.base, *special(case)),
            "case": _further(case.model(), case.base, *special(case)),
        }

    return _state(case, measured_once(file(case), measured))


def known(case: Case) -> State | Literal[""]:
    """The same as far as it was measured before: judging trains nothing."""
    place = file(case)
    return _state(case, json.loads(place.read_text("utf-8"))) if place.exists() else ""


def _state(case: Case, found: dict[str, Numbers]) -> State:
    return state((found["reference"], found["case"]), TARGETS[case.kind])[0]


@cache
def _reference(base: str, kind: str, seed: int) -> Numbers:
    return _further(bench(base).copy(), base, kind, seed)


def _further(model: Any, base: str, kind: str, seed: int) -> Numbers:  # noqa: ANN401
    """Train a model in place, and measure it elsewhere."""
    whole = recipe_of(base, "code", 0)
    recipe = replace(whole, steps=int(_SHARE * whole.steps))
    batches = batches_of(recipe, bench(base).tokenizer)
    fine_tune(model.requires_grad_(), batches, recipe.rate, recipe.steps)
    return probes(base).measure(model.requires_grad_(requires_grad=False), kind, seed)
