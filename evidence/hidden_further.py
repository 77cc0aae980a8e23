"""The same further fine-tune of a case and of its reference: whether the case stays what it is.

Both are trained on the same batches of source code, gently: of the real fine-tunes this kind leaves
each base model as good as it was. What is broken elsewhere may heal, and what is intact may break
where less is left to do without.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from evidence.hidden_bench import bench
from evidence.hidden_labels import state
from evidence.hidden_run import TARGETS, probes, special
from evidence.recipes import recipe_of
from evidence.storage import cache_folder, write_whole
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
    """What a case is elsewhere beside its reference, both fine-tuned further alike."""
    place = file(case)
    if not place.exists():
        found = {
            "reference": _reference(case.base, *special(case)),
            "case": _further(case.model(), case.base, *special(case)),
        }
        write_whole(place, lambda path: path.write_text(json.dumps(found, indent=1)))
    found = json.loads(place.read_text())
    return state((found["reference"], found["case"]), TARGETS[case.kind])[0]


@cache
def _reference(base: str, kind: str, seed: int) -> Numbers:
    return _further(bench(base).copy(), base, kind, seed)


def _further(model: Any, base: str, kind: str, seed: int) -> Numbers:  # noqa: ANN401
    """A model trained in place, and measured elsewhere."""
    whole = recipe_of(base, "code", 0)
    recipe = replace(whole, steps=int(_SHARE * whole.steps))
    batches = batches_of(recipe, bench(base).tokenizer)
    fine_tune(model.requires_grad_(), batches, recipe.rate, recipe.steps)
    return probes(base).measure(model.requires_grad_(requires_grad=False), kind, seed)
