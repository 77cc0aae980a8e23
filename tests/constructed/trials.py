"""What each row of ``expected.toml`` does, by its name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from constructed import changes
from constructed.finetuning import STEPS, fine_tuned
from constructed.subjects import Subject, Wording

from pytest_circuits.measures import repeat_loss
from pytest_circuits.models import load, parse_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from constructed.changes import Checkpoint, Roles

_USUAL = Wording()
#: Fresh prompts have seeds from here on.
_FRESH = 1000


@dataclass(frozen=True)
class Reference:
    """A subject as it was approved.

    Attributes:
        subject: the model and its prompts.
        model: its checkpoint in memory.
        roles: the heads of its roles.
        baselines: the approved files.
    """

    subject: Subject
    model: Checkpoint
    roles: Roles
    baselines: dict[str, bytes]

    def logits(self, folder: Path) -> torch.Tensor:
        """What a checkpoint gives on two sequences of the reference's prompts."""
        bridge = load(parse_source(str(folder)), device="cpu").bridge
        drawn = self.subject.repeated(Wording(), batch=2).draw(
            bridge.tokenizer, bridge.cfg.n_ctx, bridge.cfg.d_vocab
        )
        with torch.no_grad():
            return bridge(torch.tensor(drawn.sequences))

    def repeat_loss(self, folder: Path) -> float:
        """A checkpoint's loss on the reference's repeated tokens."""
        bridge = load(parse_source(str(folder)), device="cpu").bridge
        return float(repeat_loss(bridge, self.subject.repeated(Wording())))

    @cached_property
    def own_repeat_loss(self) -> float:
        """The reference's own."""
        return self.repeat_loss(self.model.folder)

    @cached_property
    def own_logits(self) -> torch.Tensor:
        """What the reference itself gives."""
        return self.logits(self.model.folder)


@dataclass(frozen=True)
class Trial:
    """One draw of a change.

    Attributes:
        draw: what was drawn; trials that share it are one and the same.
        model: makes the changed checkpoint; None for the unchanged one.
        wording: of the prompts it is measured on.
        threads: torch's threads.
        same_function: whether its logits must be those of the reference.
        improves: whether its repeat loss must be less than the reference's, where the subject has
            anything left to learn.
        approve: whether it is approved as a reference of its own rather than judged.
    """

    draw: str
    model: Callable[[], Checkpoint] | None = None
    wording: Wording = _USUAL
    threads: int = 1
    same_function: bool = False
    improves: bool = False
    approve: bool = False


def trial(change: str, reference: Reference, seed: int) -> Trial:
    """A row's change for a seed."""
    return _TRIALS[change](reference, seed)


def _once(change: Callable[[Reference], Checkpoint], *, approve: bool = False):
    """A change in which nothing is drawn."""
    return lambda reference, seed: Trial("", lambda: change(reference), approve=approve)


def _drawn(change: Callable[[Reference, int], Checkpoint], **is_so: bool):
    """A change in which every seed draws something else."""
    return lambda reference, seed: Trial(f"seed {seed}", lambda: change(reference, seed), **is_so)


def _of_role_key(reference: Reference, seed: int) -> Trial:
    head = reference.roles.one(seed)
    # Query heads of a group share a key, and zeroing it is one change.
    key = head.head_index // reference.model.layout.group
    return Trial(
        f"layer {head.layer}, key {key}", lambda: changes.key_zeroed(reference.model, head)
    )


def _of_role_layer(reference: Reference, seed: int) -> Trial:
    layer = reference.roles.one(seed).layer
    return Trial(f"layer {layer}", lambda: changes.attention_zeroed(reference.model, layer))


def _fine_tuned(reference: Reference, seed: int) -> Checkpoint:
    fresh = Wording(seed=_FRESH + seed)
    return fine_tuned(
        reference.model,
        reference.subject.repeated(fresh, batch=STEPS),
        reference.subject.pairs(fresh, count=2 * STEPS),
    )


def _other_prompts(wording: Wording):
    return lambda reference, seed: Trial("", wording=wording)


def _on_threads(threads: int):
    return lambda reference, seed: Trial("", threads=threads)


_TRIALS: dict[str, Callable[[Reference, int], Trial]] = {
    "bf16 round trip": _once(lambda r: changes.bf16_round_trip(r.model)),
    "int8 round trip": _once(lambda r: changes.int8_round_trip(r.model)),
    "noise 0.1 %": _drawn(lambda r, seed: changes.noise(r.model, 0.001, seed)),
    "noise 1 %": _drawn(lambda r, seed: changes.noise(r.model, 0.01, seed)),
    "noise 5 %": _drawn(lambda r, seed: changes.noise(r.model, 0.05, seed)),
    "noise 20 %": _drawn(lambda r, seed: changes.noise(r.model, 0.2, seed)),
    "one thread": _on_threads(1),
    "two threads": _on_threads(2),
    "heads permuted": _drawn(
        lambda r, seed: changes.heads_permuted(r.model, seed), same_function=True
    ),
    "hidden units permuted": _drawn(
        lambda r, seed: changes.hidden_units_permuted(r.model, seed), same_function=True
    ),
    "light fine-tune": _drawn(_fine_tuned, improves=True),
    "top induction head zeroed": _once(
        lambda r: changes.heads_zeroed(r.model, r.roles.induction[:1])
    ),
    "top five induction heads zeroed": _once(
        lambda r: changes.heads_zeroed(r.model, r.roles.induction[:5])
    ),
    "top attribution head zeroed": _once(
        lambda r: changes.heads_zeroed(r.model, r.roles.attribution[:1])
    ),
    "previous-token heads zeroed": _once(lambda r: changes.heads_zeroed(r.model, r.roles.previous)),
    "W_K of a role head zeroed": _of_role_key,
    "unembedding × 0.1": _once(lambda r: changes.unembedding_scaled(r.model, 0.1)),
    "attention of a role layer zeroed": _of_role_layer,
    "role head re-initialised": _drawn(
        lambda r, seed: changes.head_reinitialised(r.model, r.roles.one(seed), seed)
    ),
    "prompts reseeded": _other_prompts(Wording(seed=1)),
    "another template": _other_prompts(Wording(another_template=True)),
    "another length": _other_prompts(Wording(longer=True)),
    "another tokenizer": _once(lambda r: changes.another_tokenizer(r.model)),
    "another shape": _once(lambda r: changes.layer_added(r.model)),
    "NaN weights": _once(lambda r: changes.not_a_number(r.model)),
    "empty role approved": _once(lambda r: changes.without_attention(r.model), approve=True),
}
