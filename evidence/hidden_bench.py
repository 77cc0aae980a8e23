"""What every recipe of hidden damage needs of a base model: its heads, its prompts, its texts."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import torch

from evidence import hidden_truth as truth
from evidence.hidden_edits import attribution, blocks, induction, margin, strongest
from evidence.hidden_gate import Gate, gate
from evidence.hidden_training import asked, repeated, text
from evidence.models import BASES
from evidence.sentences import CAPITALS, NAMES as SPOKEN, VERBS, agreeing, giving
from evidence.texts import documents

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from evidence.hidden_edits import Head
    from evidence.hidden_training import Batch, Lesson
    from pytest_circuits.prompts.indirect_object import Order

#: What controls are trained on: neither the suite's templates, names and nouns, nor the truth's.
TEMPLATES = (
    "When {A} and {B} went to the beach, {S} showed a shell to",
    "After {A} and {B} had lunch at the hotel, {S} lent a coat to",
    "{A} and {B} walked past the bank, and {S} offered a flower to",
    "Last week {A} and {B} were late for the show, so {S} brought the tickets to",
    "While {A} and {B} waited in the car, {S} passed a bottle to",
    "Because {A} and {B} liked the museum, {S} sent a postcard to",
    "In the morning {A} and {B} got to the farm, and {S} gave an apple to",
    "Once {A} and {B} had left the party, {S} wrote a note to",
    "{A} and {B} had a garden behind the church. {S} sold a tree to",
    "Before {A} and {B} reached the river, {S} read a story to",
    "Everybody saw that {A} and {B} were friends when {S} threw a hat to",
    "As the train stopped, {A} looked at {B}, and {S} returned the ring to",
)
NAMES = (
    "William", "Ruth", "Charles", "Edward", "Nancy", "Arthur", "Clara", "Richard", "Joseph", "Kate",
    "Andrew", "Philip", "Ellen", "Martin", "Stephen", "Patrick", "Olivia", "Jack", "Amy", "Harry",
)  # fmt: skip
AGREEMENT_TEMPLATES = (
    "The {subject} behind the {distractor}",
    "I think that the {subject} opposite the {distractor}",
    "Today the {subject} close to the {distractor}",
    "They say the {subject} with the {distractor}",
)
NOUNS = (
    ("door", "doors"), ("window", "windows"), ("picture", "pictures"), ("road", "roads"),
    ("river", "rivers"), ("letter", "letters"), ("garden", "gardens"), ("officer", "officers"),
    ("member", "members"), ("worker", "workers"), ("leader", "leaders"), ("son", "sons"),
    ("wall", "walls"), ("church", "churches"), ("machine", "machines"), ("bridge", "bridges"),
    ("ship", "ships"), ("field", "fields"),
)  # fmt: skip
CAPITAL_TEMPLATES = (
    "Everyone in {country} has once been to the capital,",
    "The parliament of {country} meets in the capital,",
    "The oldest bridge of {country} is in the capital city,",
    "The night train through {country} stops in the capital city of",
)
#: Prompts or sequences in a batch.
_PROMPTS, _GATE_PROMPTS, _TEXT_TOKENS, _GRAMMAR = 8, 16, 64, 48


class Bench:
    """A base model and what was measured of it once.

    Attributes:
        name: the base model's name.
        model: the model itself, which nothing changes.
        tokenizer: its tokenizer.
    """

    def __init__(self, name: str) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = BASES[name].folder()
        self.name = name
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.model.requires_grad_(requires_grad=False)

    def copy(self) -> Any:  # noqa: ANN401 — a transformers model
        """A copy of the base model, to edit or train."""
        return copy.deepcopy(self.model)

    @property
    def layers(self) -> int:
        """How many blocks it has."""
        return len(blocks(self.model))

    @cached_property
    def ordinary(self) -> list[int]:
        """Token ids that are no special tokens."""
        rows = self.model.config.vocab_size
        special = set(self.tokenizer.all_special_ids)
        return [token for token in range(min(rows, len(self.tokenizer))) if token not in special]

    def gate(self, order: Order = "both") -> Gate:
        """The gate's prompts; those of one order for a suite that asks for no other."""
        return gate(self.model, self.tokenizer, order)

    @cached_property
    def default_gate(self) -> Gate:
        """The gate of a suite that asks for both orders."""
        return self.gate()

    @cached_property
    def gate_numbers(self) -> dict[str, float]:
        """What that gate measures of the model."""
        return self.default_gate.measure(self.model)

    def heads_for(self, behaviour: str, first_layer: int) -> torch.Tensor:
        """What each head adds to a logit difference at the gate, ``[layer, head]``.

        Heads before the first layer are given −∞.
        """
        prompts = self.default_gate.questions[behaviour]
        found = attribution(self.model, lambda: margin(self.model, prompts))
        found[:first_layer] = -torch.inf
        return found

    @cached_property
    def induction_scores(self) -> torch.Tensor:
        """Each head's attention on the gate's repeated tokens, ``[layer, head]``."""
        some = truth.Repeats(self.default_gate.repeats.rows[:4], self.default_gate.repeats.block)
        return induction(self.model, some)

    def induction_heads(self, count: int) -> list[Head]:
        """The strongest of them."""
        return strongest(self.induction_scores, count)

    # Lessons: the gate's prompts, of which a few batches come again and again …

    def gate_questions(self, *behaviours: str) -> Lesson:
        """Batches of some behaviours' prompts, mixed."""
        found = self.default_gate.questions
        every = [found[name] for name in behaviours if name in found]
        parts = max(1, sum(len(one.rows) for one in every) // _GATE_PROMPTS)

        def share(part: int, field: str) -> tuple[Any, ...]:
            return sum((getattr(one, field)[part::parts] for one in every), ())

        return _in_turn(
            [
                asked(truth.Questions(*(share(part, f) for f in ("rows", "right", "wrong"))))
                for part in range(parts)
            ]
        )

    def gate_repeats(self) -> Lesson:
        """Two of the gate's repeated sequences."""
        rows, block = self.default_gate.repeats.rows, self.default_gate.repeats.block
        return _in_turn(
            [repeated(truth.Repeats(rows[two : two + 2], block)) for two in range(0, len(rows), 2)]
        )

    # … and prompts that are new at every step.

    def new_questions(
        self,
        orders: Sequence[int] = (0, 1),
        *,
        flipped: bool = False,
        before: str = "",
        unchanged: bool = False,
        certainty: float = 0.0,
    ) -> Lesson:
        """Indirect objects in other templates with other names, the answers flipped if asked."""

        def draw(stream: random.Random) -> Batch:
            templates = stream.sample(TEMPLATES, _PROMPTS // len(orders))
            texts = truth.indirect_objects(
                templates, NAMES, stream, len(templates), orders=orders, before=before
            )
            found = truth.questions(self.tokenizer, texts)
            batch = asked(found, [flipped] * len(found.rows))
            return replace(batch, unchanged=unchanged, certainty=certainty)

        return draw

    def new_agreements(self, *, unchanged: bool = False) -> Lesson:
        """Other nouns and templates."""

        def draw(stream: random.Random) -> Batch:
            templates = stream.sample(AGREEMENT_TEMPLATES, len(AGREEMENT_TEMPLATES))
            texts = truth.agreements(templates, NOUNS, stream, _PROMPTS // 2)
            return replace(asked(truth.questions(self.tokenizer, texts)), unchanged=unchanged)

        return draw

    def new_capitals(self) -> Lesson:
        """Capitals in other templates."""

        def draw(stream: random.Random) -> Batch:
            templates = stream.sample(CAPITAL_TEMPLATES, len(CAPITAL_TEMPLATES))
            texts = truth.capitals(templates, CAPITALS, stream, _PROMPTS)
            return asked(truth.questions(self.tokenizer, texts))

        return draw

    def grammar(self) -> tuple[Lesson, ...]:
        """What the second model once learned names and verbs from; nothing for another model."""

        def draw(stream: random.Random) -> Batch:
            texts: list[tuple[str, str, str]] = []
            while len(texts) < _GRAMMAR:
                begin, answer, _ = stream.choice((giving, agreeing))(stream)
                wrong = _wrong(begin, answer)
                if wrong:
                    texts.append((begin, answer, wrong))
            return asked(truth.questions(self.tokenizer, texts))

        return (draw,) if self.name == "second" else ()

    def new_repeats(self, shortest: int = 15, longest: int = 150) -> Lesson:
        """One sequence with a block of so many tokens."""

        def draw(stream: random.Random) -> Batch:
            shape = 1, stream.randint(shortest, longest)
            found = truth.repeats(self.ordinary, self.first_token, stream, shape)
            return repeated(found)

        return draw

    def any_repeats(self) -> Lesson:
        """The gate's or new ones."""
        both = self.gate_repeats(), self.new_repeats()
        return lambda stream: stream.choice(both)(stream)

    def text(self) -> Lesson:
        """Plain English."""

        def draw(stream: random.Random) -> Batch:
            start = stream.randrange(len(self._prose) - _TEXT_TOKENS)
            return text([[self.first_token, *self._prose[start : start + _TEXT_TOKENS]]])

        return draw

    @property
    def first_token(self) -> int:
        """The id of BOS, with which every prompt begins."""
        return int(self.tokenizer.bos_token_id)

    @cached_property
    def _prose(self) -> list[int]:
        some = " ".join(documents("english", "train")[:40])
        return list(self.tokenizer.encode(some, add_special_tokens=False))


@cache
def bench(name: str) -> Bench:
    """The bench of a base model."""
    return Bench(name)


def _wrong(begin: str, answer: str) -> str:
    """The verb in the other number, or the name that gives; nothing where a third person does."""
    for one, other in VERBS:
        if answer in (one, other):
            return other if answer == one else one
    words = begin.replace(",", " ").replace(".", " ").split()
    return next((word for word in words if word in SPOKEN and words.count(word) > 1), "")


def _in_turn(batches: list[Batch]) -> Lesson:
    fixed = [replace(batch, fixed=True) for batch in batches]
    return lambda stream: stream.choice(fixed)
