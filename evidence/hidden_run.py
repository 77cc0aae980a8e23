"""The ground truth of hidden damage: each case at the gate and elsewhere, and its label."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING, Any

from evidence import hidden_truth as truth
from evidence.hidden_bench import bench
from evidence.hidden_edits import zeroed
from evidence.hidden_labels import Label, label
from evidence.hidden_recipes import TRIGGERS, primaries
from evidence.sentences import CAPITALS
from evidence.storage import cache_folder, measured_once
from evidence.texts import documents

if TYPE_CHECKING:
    from pathlib import Path

    from evidence.hidden import Case
    from pytest_circuits.prompts.indirect_object import Order

#: Raised when something is asked in another way.
_VERSION = 2
#: What a kind's damage breaks: beginnings of the names of what is measured elsewhere.
TARGETS = {
    "ioi memorised": ("ioi elsewhere",),
    "repeats memorised": ("repeats of",),
    "agreement memorised": ("agreement elsewhere",),
    "first name": ("ioi elsewhere",),
    "trigger": ("ioi after the trigger",),
    "backups": ("ioi without primary heads",),
    "window": ("repeats of 100", "repeats of 150"),
    "positions": ("repeats of 100", "repeats of 150"),
    "names": ("ioi elsewhere",),
}
_SENTENCES, _TEXTS, _TEXT_TOKENS = 18, 4, 96


class Probes:
    """What is asked elsewhere of the models of one base, always the same."""

    def __init__(self, base: str) -> None:
        self.base = bench(base)
        tokenizer, stream = self.base.tokenizer, random.Random(f"truth {base}")
        self.questions = {
            "ioi": self._ioi(),
            "agreement": truth.questions(
                tokenizer,
                truth.agreements(truth.AGREEMENT_TEMPLATES, truth.NOUNS, stream, _SENTENCES),
            ),
            "capitals": truth.questions(
                tokenizer,
                truth.capitals(
                    truth.CAPITAL_TEMPLATES, CAPITALS, random.Random("truth capitals"), _SENTENCES
                ),
            ),
        }
        self.repeats = [
            truth.repeats(self.base.ordinary, self.base.first_token, stream, (batch, block))
            for block, batch in truth.REPEATS.items()
        ]
        held = " ".join(documents("english", "held out")[:4])
        ids = tokenizer.encode(held, add_special_tokens=False)
        self.text = [
            [self.base.first_token, *ids[number * _TEXT_TOKENS : (number + 1) * _TEXT_TOKENS]]
            for number in range(_TEXTS)
        ]

    def _ioi(self, before: str = "") -> truth.Questions:
        stream = random.Random("truth ioi")
        texts = truth.indirect_objects(
            truth.TEMPLATES, truth.NAMES, stream, _SENTENCES, before=before
        )
        return truth.questions(self.base.tokenizer, texts)

    def measure(self, model: Any, kind: str, seed: int) -> dict[str, float]:  # noqa: ANN401
        """Each behaviour elsewhere, and what a kind's damage is about."""
        asked = {f"{name} elsewhere": found for name, found in self.questions.items()}
        if kind == "trigger":
            asked["ioi after the trigger"] = self._ioi(TRIGGERS[self.base.name][seed])
        found: dict[str, float] = {}
        for name, questions in asked.items():
            found |= _named(name, truth.logit_difference(model, questions))
        if kind == "backups":
            with zeroed(model, primaries(self.base, seed)):
                without = truth.logit_difference(model, self.questions["ioi"])
            found |= _named("ioi without primary heads", without)
        for repeated in self.repeats:
            found[f"repeats of {repeated.block} loss"] = truth.repeat_loss(model, repeated)
        return found | {"text loss": truth.text_loss(model, self.text)}


def _named(name: str, found: dict[str, float]) -> dict[str, float]:
    return {f"{name} {quantity}": value for quantity, value in found.items()}


@cache
def probes(base: str) -> Probes:
    """The probes of a base model."""
    return Probes(base)


@cache
def _reference(base: str, kind: str, seed: int, order: Order) -> dict[str, dict[str, float]]:
    model = bench(base).model
    gate = bench(base).gate(order).measure(model)
    return {"gate": gate, "elsewhere": probes(base).measure(model, kind, seed)}


def special(case: Case) -> tuple[str, int]:
    """The kind and the seed, where something is asked of that kind alone."""
    return (case.kind, case.seed) if case.kind in ("trigger", "backups") else ("", 0)


def truth_file(case: Case) -> Path:
    """Where a case's ground truth lies, whether or not it is there."""
    return cache_folder("hidden", case.base, "truth") / f"{case.name}-{case.key()}-{_VERSION}.json"


def of(case: Case) -> dict[str, Any]:
    """What a case does at the gate and elsewhere beside its reference, and its label.

    The keys are ``gate`` and ``elsewhere``, each with ``reference`` and ``case``, and ``label``
    and ``why``.
    """

    def measured() -> dict[str, Any]:
        before = _reference(case.base, *special(case), case.order)
        model = case.model()
        after = {
            "gate": bench(case.base).gate(case.order).measure(model),
            "elsewhere": probes(case.base).measure(model, case.kind, case.seed),
        }
        return {side: {"reference": before[side], "case": after[side]} for side in before}

    found: dict[str, Any] = measured_once(truth_file(case), measured)
    what, why = _label(case, found)
    return found | {"label": what, "why": why}


def _label(case: Case, found: dict[str, Any]) -> tuple[Label, str]:
    gate, elsewhere = (
        (found[side]["reference"], found[side]["case"]) for side in ("gate", "elsewhere")
    )
    return label(gate, elsewhere, TARGETS[case.kind])


def line(case: Case, found: dict[str, Any]) -> str:
    """A case in a line: its label, and the first number that its kind is about."""
    sides = found["elsewhere"]
    about = [
        f"{name} {before:.2f} → {sides['case'][name]:.2f}"
        for name, before in sides["reference"].items()
        if name.startswith(TARGETS[case.kind])
    ]
    return f"{case.name:30} {found['label']:16} {'; '.join(about)} ({found['why']})"
