"""What a checkpoint does elsewhere: on prompts, lengths and conditions that no gate looks at.

The ground truth of hidden damage and of its healthy controls. Plain torch, given a transformers
model and a tokenizer: what is judged must not be measured by the code that judges it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping, Sequence

# None of these templates, names and nouns is in a builder of prompts, even where it draws anew, or
# in what a case was trained on. The second model once learned names and nouns of any prompts from a
# grammar, which its healthy controls see again; damaged models don't.
TEMPLATES = (
    "Yesterday {A} met {B} at the library, where {S} gave a pencil to",
    "When {A} and {B} walked to the lake, {S} gave a sandwich to",
    "When the bell rang, {A} saw {B} in the yard, and {S} gave a cookie to",
    "The other day {A} and {B} had a picnic, and {S} gave a plate to",
    "At the end of the show {A} sat down with {B}, and {S} handed the flowers to",
    "It was raining when {A} and {B} came home, and {S} gave a towel to",
)
NAMES = (
    "Daniel", "Lucy", "Walter", "Helen", "Simon", "Julia", "George", "Rachel", "Samuel", "Karen",
    "Frank", "Susan", "Henry", "Grace", "Thomas", "Linda",
)  # fmt: skip
AGREEMENT_TEMPLATES = (
    "I know that the {subject} behind the {distractor}",
    "Every day the {subject} across from the {distractor}",
    "She said the {subject} by the {distractor}",
)
NOUNS = (
    ("brother", "brothers"), ("mother", "mothers"), ("house", "houses"), ("chair", "chairs"),
    ("book", "books"), ("boat", "boats"), ("town", "towns"), ("school", "schools"),
    ("hotel", "hotels"), ("store", "stores"),
)  # fmt: skip
VERBS = (("is", "are"), ("was", "were"))
CAPITAL_TEMPLATES = (
    "The most famous square of {country} is in the capital,",
    "Most of the ministers of {country} have a house in the capital city of",
    "The first newspaper of {country} was printed in the capital city,",
)
#: Lengths of the repeated block, and how many sequences of each.
REPEATS = {20: 4, 50: 2, 100: 1, 150: 1}


@dataclass(frozen=True)
class Questions:
    """Prompts with a right and a wrong next token.

    Attributes:
        rows: token ids of each prompt; lengths may differ.
        right: the id of each prompt's right next token.
        wrong: the id of the wrong one, another than the right one.
    """

    rows: tuple[tuple[int, ...], ...]
    right: tuple[int, ...]
    wrong: tuple[int, ...]


@dataclass(frozen=True)
class Repeats:
    """Sequences of a first token and a block, twice; ``rows`` is ``[batch][1 + 2 block]``."""

    rows: tuple[tuple[int, ...], ...]
    block: int


def questions(tokenizer: Any, texts: Iterable[tuple[str, str, str]]) -> Questions:  # noqa: ANN401
    """Questions of ``(prompt, answer, wrong answer)``, the answers without their space.

    A name of several tokens is judged by its first one; a question whose answers begin with the
    same token is left out. Prompts begin with the tokenizer's BOS where it has one.
    """
    first = () if tokenizer.bos_token_id is None else (tokenizer.bos_token_id,)

    def begins(word: str) -> int:
        return int(tokenizer.encode(f" {word}", add_special_tokens=False)[0])

    found = [
        ((*first, *tokenizer.encode(text, add_special_tokens=False)), begins(right), begins(wrong))
        for text, right, wrong in texts
        if begins(right) != begins(wrong)
    ]
    rows, rights, wrongs = zip(*found, strict=True)
    return Questions(rows, rights, wrongs)


def indirect_objects(
    templates: Sequence[str],
    names: Sequence[str],
    draw: random.Random,
    count: int,
    *,
    orders: Sequence[int] = (0, 1),
    before: str = "",
) -> list[tuple[str, str, str]]:
    """``(prompt, answer, wrong)`` of indirect object identification, templates and orders in turn.

    Args:
        templates: sentences with ``{A}``, ``{B}`` and the giver ``{S}``.
        names: names to draw from.
        draw: where the names are drawn.
        count: how many prompts for each order.
        orders: who gives: the first (0) or the second name (1).
        before: text before every prompt.
    """
    found = []
    for number in range(count):
        couple = draw.sample(list(names), 2)
        for giver in orders:
            subject, other = couple[giver], couple[1 - giver]
            text = templates[number % len(templates)].format(A=couple[0], B=couple[1], S=subject)
            found.append((f"{before}{text}", other, subject))
    return found


def agreements(
    templates: Sequence[str],
    nouns: Sequence[tuple[str, str]],
    draw: random.Random,
    count: int,
) -> list[tuple[str, str, str]]:
    """``(prompt, verb, wrong verb)`` for ``count`` sentences, each with both numbers."""
    found = []
    for number in range(count):
        subject, other = draw.sample(list(nouns), 2)
        verbs, distractor = draw.choice(VERBS), draw.choice(other)
        for form in (0, 1):
            text = templates[number % len(templates)].format(
                subject=subject[form], distractor=distractor
            )
            found.append((text, verbs[form], verbs[1 - form]))
    return found


def capitals(
    templates: Sequence[str], of: Mapping[str, str], draw: random.Random, count: int
) -> list[tuple[str, str, str]]:
    """``(prompt, capital, capital of another country)`` for ``count`` countries."""
    found = []
    for number in range(count):
        country, other = draw.sample(list(of), 2)
        text = templates[number % len(templates)].format(country=country)
        found.append((text, of[country], of[other]))
    return found


def repeats(
    ordinary: Sequence[int], first: int, draw: random.Random, shape: tuple[int, int]
) -> Repeats:
    """``batch`` sequences of distinct random tokens, repeated; ``shape`` is (batch, block)."""
    batch, block = shape
    drawn = [draw.sample(list(ordinary), block) for _ in range(batch)]
    return Repeats(tuple((first, *one, *one) for one in drawn), block)


@torch.no_grad()
def logit_difference(model: Any, asked: Questions) -> dict[str, float]:  # noqa: ANN401
    """Mean of logit(right) − logit(wrong) at the last position, and the share above 0."""
    ids, last = padded(asked.rows)
    hidden = model.base_model(ids).last_hidden_state[torch.arange(len(last)), last]
    logits = model.get_output_embeddings()(hidden).float()
    right, wrong = torch.tensor(asked.right), torch.tensor(asked.wrong)
    margin = (logits.gather(1, right[:, None]) - logits.gather(1, wrong[:, None]))[:, 0]
    return {"logit_diff": float(margin.mean()), "accuracy": float((margin > 0).float().mean())}


@torch.no_grad()
def repeat_loss(model: Any, repeated: Repeats) -> float:  # noqa: ANN401
    """Mean next-token negative log-likelihood over the second block, in nats."""
    ids = torch.tensor(repeated.rows)
    hidden = model.base_model(ids).last_hidden_state[:, repeated.block : -1]
    guessed = model.get_output_embeddings()(hidden).float().log_softmax(-1)
    return float(-guessed.gather(-1, ids[:, 1 + repeated.block :, None]).mean())


@torch.no_grad()
def text_loss(model: Any, rows: Sequence[Sequence[int]]) -> float:  # noqa: ANN401
    """Mean next-token negative log-likelihood of texts of equal length, in nats."""
    ids = torch.tensor(rows)
    guessed = model(ids).logits[:, :-1].log_softmax(-1)
    return float(-guessed.gather(-1, ids[:, 1:, None]).mean())


def padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows filled up on the right, where a causal model doesn't look, and their last positions."""
    last = torch.tensor([len(row) - 1 for row in rows])
    width = int(last.max()) + 1
    return torch.tensor([[*row, *[row[-1]] * (width - len(row))] for row in rows]), last
