"""What a team would look at instead of a suite, in the same seconds: losses, KL, new prompts.

Plain torch on transformers' models. Each rival is a few numbers of a checkpoint, and says red if
one of them is worse than the base model's by more than is allowed. Of losses and behaviours that
is pytest-circuits' own tolerance; of a divergence, for which no customary threshold exists, it is
the one that serves best on the real fine-tunes of SmolLM2, and only the second model and hidden
damage grade it.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from evidence.hidden_gate import gate
from evidence.hidden_truth import (
    Questions,
    Repeats,
    agreements,
    indirect_objects,
    logit_difference,
    padded,
    questions,
    repeat_loss,
    repeats,
)
from evidence.texts import documents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# Templates, names and nouns that neither a suite nor the ground truth uses.
_GIVING = (
    "In the evening {A} and {B} counted the apples, and {S} gave a basket to",
    "Nobody helped {A} and {B} with the tent. At last {S} passed a rope to",
    "The bus was full, so {A} stood beside {B}, and {S} handed a ticket to",
    "Long ago {A} and {B} shared a house in the hills, and {S} wrote a song for",
)
_NAMES = (
    "Richard", "Martha", "Thomas", "Diana", "Samuel", "Rose", "Joseph", "Kate", "Andrew", "Philip",
    "Martin", "Sophie",
)  # fmt: skip
_AGREEING = (
    "In the end the {subject} facing the {distractor}",
    "Maybe the {subject} after the {distractor}",
)
_NOUNS = (
    ("window", "windows"), ("horse", "horses"), ("bridge", "bridges"), ("wall", "walls"),
    ("ship", "ships"), ("letter", "letters"), ("road", "roads"), ("field", "fields"),
)  # fmt: skip
_COUNTRIES = {
    "Norway": "Oslo", "Portugal": "Lisbon", "Hungary": "Budapest", "Peru": "Lima",
    "Ireland": "Dublin", "Denmark": "Copenhagen", "Iraq": "Baghdad", "Finland": "Helsinki",
    "Chile": "Santiago", "Austria": "Vienna",
}  # fmt: skip
_SAID = "On the map of {country} the capital is marked, and it is called"

#: Tokens of a window of text.
_WINDOW = 128
_BATCH = 8


@dataclass(frozen=True)
class Material:
    """What a base model's rivals are measured on.

    Attributes:
        text: windows of fresh text, ``[window][position]``.
        repeated: fresh repeated tokens, of two lengths.
        asked: fresh prompts with answers, by behaviour.
        gates: the prompts of the suite, last positions of which a divergence is taken at.
    """

    text: tuple[tuple[int, ...], ...]
    repeated: tuple[Repeats, ...]
    asked: Mapping[str, Questions]
    gates: tuple[Questions, ...]


def material(base: Path, windows: int) -> Material:
    """What to measure on, for a base model; so many windows of text."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    draw = random.Random("rivals")
    begin = () if tokenizer.bos_token_id is None else (tokenizer.bos_token_id,)
    room = _WINDOW - len(begin)
    texts: list[tuple[int, ...]] = []
    for text in documents("modern", "held out"):
        ids = tokenizer.encode(text, add_special_tokens=False, verbose=False)
        if len(ids) >= room:
            texts.append((*begin, *ids[:room]))
    draw.shuffle(texts)
    special = set(tokenizer.all_special_ids)
    ordinary = [token for token in range(len(tokenizer)) if token not in special]
    first = begin[0] if begin else ordinary.pop()
    asked = {
        "names": questions(tokenizer, indirect_objects(_GIVING, _NAMES, draw, 24)),
        "agreement": questions(tokenizer, agreements(_AGREEING, _NOUNS, draw, 24)),
        "capitals": questions(tokenizer, _capitals(draw, 24)),
    }
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return Material(
        tuple(texts[:windows]),
        tuple(repeats(ordinary, first, draw, shape) for shape in ((10, 50), (5, 100))),
        asked,
        tuple(gate(model, tokenizer).questions.values()),
    )


def _capitals(draw: random.Random, count: int) -> list[tuple[str, str, str]]:
    """``(prompt, capital, another country's)`` for so many draws."""
    found = []
    for _ in range(count):
        country, other = draw.sample(sorted(_COUNTRIES), 2)
        found.append((_SAID.format(country=country), _COUNTRIES[country], _COUNTRIES[other]))
    return found


@dataclass(frozen=True)
class Numbers:
    """What rivals saw of a checkpoint.

    Attributes:
        losses: text loss and repeat loss, in nats.
        behaviours: logit differences and shares right on new prompts, and repeat losses there.
        divergences: KL(base ‖ checkpoint) on text, and at the suite's last positions, in nats.
        seconds: what each of these three took, of both cores' time, without loading the model.
    """

    losses: Mapping[str, float]
    behaviours: Mapping[str, float]
    divergences: Mapping[str, float]
    seconds: Mapping[str, float]


def numbers(checkpoint: Path, base: Path, on: Material, dtype: torch.dtype) -> Numbers:
    """A checkpoint's numbers, and its divergence from the base model."""
    model, reference = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=dtype) for folder in (checkpoint, base)
    )
    seconds: dict[str, float] = {}

    def timed(name: str, measured: Callable[[], Any]) -> Any:  # noqa: ANN401 — what it gives
        begun = time.process_time()
        found = measured()
        seconds[name] = round(time.process_time() - begun, 1)
        return found

    losses = timed("losses", lambda: {
        "text": _text_loss(model, on.text),
        "repeats": repeat_loss(model, on.repeated[0]),
    })  # fmt: skip
    behaviours: dict[str, float] = timed("behaviours", lambda: _behaviours(model, on))
    divergences = timed("divergences", lambda: {
        "text": _divergence_on_text(model, reference, on.text),
        "prompts": _divergence_on_prompts(model, reference, on.gates),
    })  # fmt: skip
    return Numbers(losses, behaviours, divergences, seconds)


def _behaviours(model: Any, on: Material) -> dict[str, float]:  # noqa: ANN401 — a transformers model
    found = {
        f"{name} {quantity}": value
        for name, asked in on.asked.items()
        for quantity, value in logit_difference(model, asked).items()
    }
    return found | {f"repeats of {one.block}": repeat_loss(model, one) for one in on.repeated}


@torch.no_grad()
def _text_loss(model: Any, text: Sequence[Sequence[int]]) -> float:  # noqa: ANN401
    total = 0.0
    for ids in torch.split(torch.tensor(text), _BATCH):
        guessed = model(ids).logits[:, :-1].float().log_softmax(-1)
        total -= float(guessed.gather(-1, ids[:, 1:, None]).sum())
    return total / (len(text) * (_WINDOW - 1))


@torch.no_grad()
def _divergence_on_text(model: Any, reference: Any, text: Sequence[Sequence[int]]) -> float:  # noqa: ANN401
    parts = [
        _divergence(reference(ids).logits, model(ids).logits)
        for ids in torch.split(torch.tensor(text), _BATCH)
    ]
    return float(torch.cat([part.flatten() for part in parts]).mean())


@torch.no_grad()
def _divergence_on_prompts(model: Any, reference: Any, asked: Sequence[Questions]) -> float:  # noqa: ANN401
    found = []
    for one in asked:
        ids, last = padded(one.rows)
        rows = torch.arange(len(last))
        found.append(_divergence(reference(ids).logits[rows, last], model(ids).logits[rows, last]))
    return float(torch.cat(found).mean())


def _divergence(expected: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    """KL(expected ‖ found) over the vocabulary that both have, in nats, ``[…]``."""
    words = min(expected.shape[-1], found.shape[-1])
    p, q = (logits[..., :words].float().log_softmax(-1) for logits in (expected, found))
    return (p.exp() * (p - q)).sum(-1)


#: How much worse a number may be: of a loss and a logit difference a floor or a share of the base
#: model's, whichever is larger; of a share of prompts a floor.
_LOSS, _TEXT, _LOGITS, _SHARE = (0.15, 0.05), (0.05, 0.0125), (0.2, 0.05), (0.1, 0.0)


def worse_losses(case: Numbers, base: Numbers) -> bool:
    """Whether text or repeat loss rose by more than a suite tolerates."""
    return _rose(case.losses["text"], base.losses["text"], _TEXT) or _rose(
        case.losses["repeats"], base.losses["repeats"], _LOSS
    )


def worse_behaviours(case: Numbers, base: Numbers) -> bool:
    """Whether a behaviour on new prompts got worse by more than a suite tolerates."""

    def worse(name: str) -> bool:
        now, before = case.behaviours[name], base.behaviours[name]
        if name.startswith("repeats"):
            return _rose(now, before, _LOSS)
        return _rose(-now, -before, _SHARE if name.endswith("accuracy") else _LOGITS)

    return any(map(worse, base.behaviours))


def _rose(now: float, before: float, allowed: tuple[float, float]) -> bool:
    floor, share = allowed
    return now - before > max(floor, share * abs(before))


def best_threshold(harmful: Sequence[float], benign: Sequence[float]) -> float:
    """The threshold above which a divergence is called red, with the fewest errors on these.

    Half-way between two neighbouring values; of several that err as little, the middle one.
    """
    values = sorted({*harmful, *benign})
    between = [(low + high) / 2 for low, high in pairwise(values)]

    def errors(threshold: float) -> int:
        return sum(one <= threshold for one in harmful) + sum(one > threshold for one in benign)

    fewest = min(map(errors, between))
    best = [threshold for threshold in between if errors(threshold) == fewest]
    return best[len(best) // 2]
