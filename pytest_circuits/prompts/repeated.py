"""Random tokens, repeated: the input on which induction shows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from pytest_circuits.prompts.pairs import PromptError, digest
from pytest_circuits.prompts.tokens import bos_id

#: The longest block drawn unless a test asks for another.
LONGEST_BLOCK = 50
#: In a block of two the token after the earlier occurrence is the token before the current one,
#: and a previous-token head would pass for an induction head.
SHORTEST_BLOCK = 3


@dataclass(frozen=True)
class DrawnTokens:
    """Sequences of a first token and a block, repeated.

    Attributes:
        sequences: ``[batch][1 + 2 block]`` token ids.
        block: length of the repeated block.
        first_token: the text of the first token.
        first_is_bos: whether that is the tokenizer's BOS; otherwise an ordinary token.
        strings_hash: a hash of the tokens' ids and strings.
    """

    sequences: tuple[tuple[int, ...], ...]
    block: int
    first_token: str
    first_is_bos: bool
    strings_hash: str


@dataclass(frozen=True)
class RepeatedTokens:
    """A first token, ``block`` distinct random tokens, and the same block again.

    Attributes:
        batch: number of sequences.
        block: length of the block; by default min(50, (context − 1) // 2).
        seed: seed of the draw.
    """

    batch: int = 10
    block: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 1 or (self.block is not None and self.block < SHORTEST_BLOCK):
            raise PromptError(
                f"repeated tokens need a batch of at least 1 and a block of at least "
                f"{SHORTEST_BLOCK}, got batch={self.batch}, block={self.block}"
            )

    def draw(self, tokenizer: Any, context: int, vocabulary: int) -> DrawnTokens:  # noqa: ANN401
        """Draw the sequences.

        Ordinary tokens only: never special, added or padding ids, so that a model fine-tuned
        with a few added tokens is measured on the same ones. The stream is that of
        ``random.Random(seed).random()``, which Python guarantees. Tokens in a block are
        distinct: a repeat inside it would make even a perfect induction head score below 1.

        Args:
            tokenizer: a Hugging Face tokenizer.
            context: the model's longest sequence.
            vocabulary: rows of the model's embedding.

        Raises:
            PromptError: if the context or the vocabulary is too small.
        """
        fitting = max(SHORTEST_BLOCK, min(LONGEST_BLOCK, (context - 1) // 2))
        block = fitting if self.block is None else self.block
        if 1 + 2 * block > context:
            raise PromptError(
                f"a block of {block} tokens, twice, after a first token needs {1 + 2 * block} "
                f"positions, and the model has {context}"
            )
        special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
        ordinary = [
            token for token in range(min(len(tokenizer), vocabulary)) if token not in special
        ]
        bos = bos_id(tokenizer)
        needed = block + (bos is None)
        if len(ordinary) < needed:
            raise PromptError(
                f"a block of {block} distinct tokens needs {needed} ordinary tokens, "
                f"and the vocabulary has {len(ordinary)}: ask for a shorter block"
            )
        stream = random.Random(self.seed)  # noqa: S311 — a reproducible draw is the point
        sequences = []
        first = bos
        if first is None:
            # One ordinary token for every sequence, kept out of the blocks.
            first = ordinary.pop(int(stream.random() * len(ordinary)))
        for _ in range(self.batch):
            drawn = _distinct(ordinary, block, stream)
            sequences.append((int(first), *drawn, *drawn))
        strings = [tokenizer.convert_ids_to_tokens(list(sequence)) for sequence in sequences]
        return DrawnTokens(
            sequences=tuple(sequences),
            block=block,
            first_token=str(tokenizer.convert_ids_to_tokens(int(first))),
            first_is_bos=bos is not None,
            strings_hash=digest([sequences, strings]),
        )


def _distinct(ordinary: list[int], count: int, stream: random.Random) -> list[int]:
    """``count`` distinct tokens: draws that repeat one are drawn again."""
    drawn: dict[int, None] = {}
    while len(drawn) < count:
        drawn[ordinary[int(stream.random() * len(ordinary))]] = None
    return list(drawn)
