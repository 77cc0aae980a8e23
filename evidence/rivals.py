"""What a team would look at instead of a suite: losses, KL, new prompts.

Plain torch on transformers' models. Texts and prompts are encoded by each checkpoint's own
tokenizer. Each rival is a few numbers of a checkpoint, and says red if one of them is worse than
the base model's by more than is allowed. Of losses and behaviours that is pytest-circuits' own
tolerance; of a divergence, for which no customary threshold exists, it is the one that serves best
on the real fine-tunes of SmolLM2, and only the second model and hidden damage grade it.
"""

from __future__ import annotations

import math
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
from evidence.truth import set_aside
from pytest_circuits.findings.allowance import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_circuits.prompts.indirect_object import Order

# Templates that nothing else uses; names and nouns that neither a suite nor the ground truth has.
_GIVING = (
    "In the evening {A} and {B} counted the apples, and {S} gave a basket to",
    "Nobody helped {A} and {B} with the tent. At last {S} passed a rope to",
    "The bus was full, so {A} stood beside {B}, and {S} handed a ticket to",
    "Long ago {A} and {B} shared a house in the hills, and {S} wrote a song for",
)
_NAMES = (
    "Martha", "Diana", "Rose", "Sophie", "Betty", "Eva", "Eric", "Nora", "Carol", "Fred", "Joan",
    "Carl",
)  # fmt: skip
_AGREEING = (
    "In the end the {subject} facing the {distractor}",
    "Maybe the {subject} after the {distractor}",
)
_NOUNS = (
    ("window", "windows"), ("picture", "pictures"), ("bridge", "bridges"), ("wall", "walls"),
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
#: Blocks that are repeated, and how many: the suite's two lengths.
_BLOCKS = ((50, 10), (100, 5))
_ASKED = 24


@dataclass(frozen=True)
class Material:
    """What a checkpoint is asked, as token ids of its own tokenizer.

    Attributes:
        text: windows of fresh text, ``[window][position]``.
        repeated: fresh repeated tokens, of two lengths.
        asked: fresh prompts with answers, by behaviour.
        gates: the prompts of the suite, last positions of which a divergence is taken at.
        shared: for each token of the base model its id here, as far as there is one: divergences
            are taken over what both can say.
    """

    text: tuple[tuple[int, ...], ...]
    repeated: tuple[Repeats, ...]
    asked: Mapping[str, Questions]
    gates: tuple[Questions, ...]
    shared: tuple[tuple[int, int], ...]


def material(checkpoint: Path, base: Path, windows: int, order: Order) -> Material:
    """What to ask a checkpoint.

    Args:
        checkpoint: its folder.
        base: the base model's, whose tokenizer chooses what is asked.
        windows: how many windows of text.
        order: the order of names in the suite's prompts.
    """
    chooses, tokenizer = (AutoTokenizer.from_pretrained(folder) for folder in (base, checkpoint))
    draw = random.Random("rivals")
    begin = () if tokenizer.bos_token_id is None else (tokenizer.bos_token_id,)
    room = _WINDOW - len(begin)
    texts: list[tuple[int, ...]] = []
    for text in set_aside("modern"):
        ids = tokenizer.encode(text, add_special_tokens=False, verbose=False)
        if len(ids) >= room:
            texts.append((*begin, *ids[:room]))
    draw.shuffle(texts)
    special, numbers = set(chooses.all_special_tokens), tokenizer.get_vocab()
    words = [word for word in sorted(chooses.get_vocab()) if word not in special]
    first = begin[0] if begin else numbers[words.pop()]
    drawn = [repeats(range(len(words)), -1, draw, (n, block)) for block, n in _BLOCKS]
    asked = {
        "names": questions(tokenizer, indirect_objects(_GIVING, _NAMES, draw, _ASKED)),
        "agreement": questions(tokenizer, agreements(_AGREEING, _NOUNS, draw, _ASKED)),
        "capitals": questions(tokenizer, _capitals(draw, _ASKED)),
    }
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)

    def of_words(row: tuple[int, ...]) -> tuple[int, ...]:
        return (first, *(numbers[words[number]] for number in row[1:]))

    return Material(
        tuple(texts[:windows]),
        tuple(Repeats(tuple(map(of_words, one.rows)), one.block) for one in drawn),
        asked,
        tuple(gate(model, tokenizer, order).questions.values()),
        tuple((number, numbers[word]) for word, number in chooses.get_vocab().items()),
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


def numbers(
    checkpoint: Path, base: Path, on: Material, of_base: Material, dtype: torch.dtype
) -> Numbers:
    """A checkpoint's numbers, and its divergence from the base model.

    Args:
        checkpoint: its folder.
        base: the base model's.
        on: what the checkpoint is asked.
        of_base: the same in the base model's tokens.
        dtype: of both.
    """
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
        **{f"repeats of {one.block}": repeat_loss(model, one) for one in on.repeated},
    })  # fmt: skip
    behaviours: dict[str, float] = timed("behaviours", lambda: _behaviours(model, on))
    divergence = _Divergence(model, reference, on, of_base)
    divergences = timed("divergences", lambda: {
        "text": divergence.on_text(),
        "prompts": divergence.on_prompts(),
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


@dataclass(frozen=True)
class _Divergence:
    """KL(base ‖ checkpoint) where both read the same tokens, each by numbers of its own."""

    model: Any
    reference: Any
    on: Material
    of_base: Material

    @torch.no_grad()
    def on_text(self) -> float:
        own_numbers = dict(self.on.shared)
        if tuple(tuple(map(own_numbers.get, row)) for row in self.of_base.text) != self.on.text:
            raise ValueError("its tokenizer splits texts otherwise: no position is the same")
        parts = []
        for start in range(0, len(self.on.text), _BATCH):
            found, expected = (
                model(torch.tensor(asked.text[start : start + _BATCH])).logits
                for model, asked in ((self.model, self.on), (self.reference, self.of_base))
            )
            parts.append(self._of(expected, found).flatten())
        return float(torch.cat(parts).mean())

    @torch.no_grad()
    def on_prompts(self) -> float:
        parts = []
        for own, of_base in zip(self.on.gates, self.of_base.gates, strict=True):
            found, expected = (
                _last_logits(model, asked)
                for model, asked in ((self.model, own), (self.reference, of_base))
            )
            parts.append(self._of(expected, found))
        return float(torch.cat(parts).mean())

    def _of(self, expected: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        of_base, own = torch.tensor(self.on.shared).T
        return _divergence(expected[..., of_base], found[..., own])


def _last_logits(model: Any, asked: Questions) -> torch.Tensor:  # noqa: ANN401
    ids, last = padded(asked.rows)
    logits: torch.Tensor = model(ids).logits[torch.arange(len(last)), last]
    return logits


def _divergence(expected: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    """KL(expected ‖ found) of logits over the last axis, in nats, ``[…]``."""
    p, q = (logits.float().log_softmax(-1) for logits in (expected, found))
    return (p.exp() * (p - q)).sum(-1)


#: How much worse a number may be: what a suite tolerates by default.
_TOLERATED = {
    "repeats": Allowance(floor=0.15, share=0.075, least=0.01),
    "text": Allowance(floor=0.05, share=0.0125, least=0.01),
    "logit_diff": Allowance(floor=0.2, share=0.05, least=0.1),
    "accuracy": Allowance(floor=0.1, share=0.0, least=0.1),
}


def worse_losses(case: Numbers, base: Numbers) -> bool:
    """Whether text or repeat loss rose by more than a suite tolerates."""
    return any(_worse(name, case.losses[name], before) for name, before in base.losses.items())


def worse_behaviours(case: Numbers, base: Numbers) -> bool:
    """Whether a behaviour on new prompts got worse by more than a suite tolerates."""
    return any(
        _worse(name, case.behaviours[name], before) for name, before in base.behaviours.items()
    )


def _worse(name: str, now: float, before: float) -> bool:
    kind = next(kind for kind in _TOLERATED if kind in name)
    by = now - before if kind in ("repeats", "text") else before - now
    # What is no number is worse than any.
    return not by <= _TOLERATED[kind].of(before)


def best_threshold(harmful: Sequence[float], benign: Sequence[float]) -> float:
    """The threshold above which a divergence is called red, with the fewest errors on these.

    What is no number, a broken model's, is beyond every threshold.

    Half-way between two neighbouring values; of several that err as little, the middle one.
    """
    values = sorted({value for value in (*harmful, *benign) if not math.isnan(value)})
    between = [(low + high) / 2 for low, high in pairwise(values)] or values

    def errors(threshold: float) -> int:
        below = [[one <= threshold for one in some] for some in (harmful, benign)]
        return below[0].count(True) + below[1].count(False)

    fewest = min(map(errors, between))
    best = [threshold for threshold in between if errors(threshold) == fewest]
    return best[len(best) // 2]
