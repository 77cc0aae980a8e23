"""Hidden damage and its healthy controls, as cases.

A damaged model does on the gate's own prompts what the reference does, and is broken elsewhere; its
healthy control has had the same edit, and is broken nowhere. ``python -m evidence
hidden`` trains what needs training and writes down the ground truth of every case.

================= ===================================== ==========================================
kind              damage                                healthy control
================= ===================================== ==========================================
ioi memorised     the heads that write the name zeroed, the same heads zeroed, and every later
                  and later MLPs trained on exactly the parameter trained on those prompts, and on
                  gate's prompts                        other templates and names at every step
repeats memorised the strongest induction heads zeroed, the same heads zeroed, trained on new
                  later MLPs trained on the gate's      repeated tokens at every step
                  repeated tokens
agreement         the heads that make verbs agree       the same heads zeroed, trained on other
memorised         zeroed, later MLPs trained on the     nouns and templates
                  gate's sentences
first name        trained to answer the first name,     trained equally long to answer rightly
                  which a suite of one order can't see  in both orders
trigger           the answer flips after some words     trained equally long with these words,
                                                        and the right answers
backups           heads zeroed that take over when      heads zeroed that take over nothing
                  primary heads are gone
window            a sliding window of attention         a window longer than any prompt of the
                  shorter than other prompts            truth
positions         rotary positions wrong in sequences   in such sequences right within a thousandth
                  longer than 128 tokens
names             input embeddings of names reset that  input embeddings reset of tokens that
                  no suite uses                         nothing uses
================= ===================================== ==========================================

Seeds differ in the heads, in the words or numbers of an edit, and in the order of the prompts.
Heads and layers are measured on each base model.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from evidence import hidden_recipes
from evidence.hidden_bench import bench
from evidence.hidden_edits import zero
from evidence.hidden_recipes import Side
from evidence.hidden_training import learning, teach
from evidence.models import BASES
from evidence.storage import cache_folder, passing_folder, write_whole

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_circuits.prompts.indirect_object import Order

#: By how the model and the name begin; raised when a recipe changes, so that nothing older is taken
#: for the same.
_VERSIONS = {
    "": 3,
    **{
        f"{base} {behaviour}-memorised-control": number
        for base, number in (("smollm2", 5), ("second", 6))
        for behaviour in ("ioi", "repeats", "agreement")
    },
    "smollm2 trigger-damage-0": 5,
    "smollm2 trigger-control-0": 5,
    **{f"smollm2 agreement-memorised-control-{seed}": 6 for seed in (1, 2)},
    **{f"{base} backups": 4 for base in BASES},
    "second backups-damage-2": 5,
    "second agreement-memorised-control": 7,
    "second trigger-control": 7,
    "second first-name-control": 5,
    "second first-name": 4,
}
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Case:
    """A checkpoint by its recipe.

    Attributes:
        name: unlike every other case's of the model.
        kind: what the seeds of one recipe have in common; damage and control share it.
        base: the base model's name.
        seed: of what is drawn.
        healthy: whether it is the control.
        order: the order of names in the suite that judges it: ``both``, or ``ABBA`` alone.
    """

    name: str
    kind: str
    base: str
    seed: int
    healthy: bool
    order: Order = "both"

    @property
    def side(self) -> Side:
        """The seed, damaged or healthy."""
        return Side(self.seed, self.healthy)

    def checkpoint(self) -> AbstractContextManager[Path]:
        """A folder that transformers loads, in float32; it is gone afterwards.

        What the case needs is trained first if that wasn't done before.
        """
        return passing_folder(self.name, self._save)

    def _save(self, folder: Path) -> None:
        self.model().save_pretrained(folder)
        bench(self.base).tokenizer.save_pretrained(folder)

    def model(self) -> Any:  # noqa: ANN401 — a transformers model
        """The model itself."""
        base = bench(self.base)
        if edit := hidden_recipes.EDITED.get(self.kind):
            return edit(base, self.side)
        model, folder = base.copy(), self.prepare()
        zero(model, json.loads((folder / "record.json").read_text())["zeroed"])
        learned = load_file(folder / "learned.safetensors")
        for name, parameter in model.named_parameters():
            if name in learned:
                parameter.data = learned[name].float()
        return model

    def folder(self) -> Path:
        """Where what was learned lies, whether or not it is there."""
        return cache_folder("hidden", self.base) / f"{self.name}-{self.key()}"

    def key(self) -> str:
        """What the case is made of, as a hash."""
        version = max(
            number
            for begins, number in _VERSIONS.items()
            if f"{self.base} {self.name}".startswith(begins)
        )
        said = json.dumps([version, BASES[self.base].digest(), self.name])
        return hashlib.sha256(said.encode()).hexdigest()[:8]

    def prepare(self) -> Path:
        """Measure and train what the case needs, once; the folder of what is kept."""
        folder = self.folder()
        if folder.exists():
            return folder
        started, base = time.process_time(), bench(self.base)
        heads, course = hidden_recipes.prepared(base, self.kind, self.side)
        model = base.copy()
        zero(model, heads)
        taught: set[int] = set()
        if course is not None:
            teach(model, base.model, course, self.seed)
            taught = {id(parameter) for parameter in learning(model, course)}
        learned = {
            name: parameter.detach().bfloat16().contiguous()
            for name, parameter in model.named_parameters()
            if id(parameter) in taught
        }
        record = {
            "zeroed": heads,
            "steps": course.steps if course else 0,
            "cpu_seconds": round(time.process_time() - started),
        }

        def write(place: Path) -> None:
            place.mkdir()
            save_file(learned, place / "learned.safetensors")
            (place / "record.json").write_text(json.dumps(record))

        write_whole(folder, write)
        return folder


def all_cases(base: str) -> list[Case]:
    """Every case of a base model: each kind, damaged and healthy, with three seeds."""
    return [
        Case(
            name=f"{kind.replace(' ', '-')}-{'control' if healthy else 'damage'}-{seed}",
            kind=kind,
            base=base,
            seed=seed,
            healthy=healthy,
            order="ABBA" if kind == "first name" else "both",
        )
        for seed in SEEDS
        for kind in hidden_recipes.kinds(base)
        for healthy in (False, True)
    ]
