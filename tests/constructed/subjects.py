"""The models on which changes are made, and the prompts on which they are measured."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits import PromptPairs, prompts
from pytest_circuits.prompts import RepeatedTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

#: Pairs in a suite; half of them mirror the other half where a task has mirrored pairs.
PAIRS = 16
#: Sequences of repeated tokens in a suite.
SEQUENCES = 10


@dataclass(frozen=True)
class Wording:
    """What may be different about prompts of one task.

    Attributes:
        seed: of the draw.
        template: the task's own, or another.
        longer: tokens more than usual.
    """

    seed: int = 0
    another_template: bool = False
    longer: bool = False


@dataclass(frozen=True)
class Subject:
    """A model under test.

    Attributes:
        name: as in ``expected.toml``.
        folder: its checkpoint.
        block: length of the repeated block.
        task: makes so many prompt pairs of a wording.
        at_once: how many changed models are kept in memory together.
        learns: whether a light fine-tune has anything left to improve.
    """

    name: str
    folder: Path
    block: int
    task: Callable[[int, Wording], PromptPairs]
    at_once: int
    learns: bool = False

    def pairs(self, wording: Wording, count: int = PAIRS) -> PromptPairs:
        return self.task(count, wording)

    def repeated(self, wording: Wording, batch: int = SEQUENCES) -> RepeatedTokens:
        # Shorter rather than longer: a small model's context is full.
        block = self.block - 2 * wording.longer
        return RepeatedTokens(batch=batch, block=block, seed=wording.seed)


def ioi(count: int, wording: Wording) -> PromptPairs:
    """Indirect object identification."""
    pairs = prompts.ioi(n=count, seed=wording.seed)

    def say(text: str) -> str:
        if wording.another_template:
            return f"Then, {text[0].lower()}{text[1:]}"
        return f"It was a long day. {text}" if wording.longer else text

    return PromptPairs(
        clean=[say(text) for text in pairs.clean],
        corrupted=[say(text) for text in pairs.corrupted],
        answers=pairs.answers,
        wrong_answers=pairs.wrong_answers,
        clusters=pairs.clusters,
    )


def word_recall(words: Sequence[str]) -> Callable[[int, Wording], PromptPairs]:
    """The word that comes next in a list that begins again; corrupted: that word is another."""

    def pairs(count: int, wording: Wording) -> PromptPairs:
        stream = random.Random(wording.seed)
        clean, corrupted, answers, wrong = [], [], [], []
        for _ in range(count):
            length = stream.randrange(7, 9) + 4 * wording.longer
            *listed, other = stream.sample(words, length + 1)
            place = stream.randrange(2, 6)
            changed = [*listed[:place], other, *listed[place + 1 :]]
            before = listed[-1:] if wording.another_template else []
            clean.append(" ".join([*before, *listed, *listed[:place]]))
            corrupted.append(" ".join([*before, *changed, *changed[:place]]))
            answers.append(listed[place])
            wrong.append(other)
        return PromptPairs(clean, corrupted, answers, wrong)

    return pairs


def as_json(pairs: PromptPairs) -> str:
    """Pairs as ``PromptPairs.from_json`` reads them."""
    keys = ("clean", "corrupted", "answer", "wrong_answer", "cluster")
    columns = (pairs.clean, pairs.corrupted, pairs.answers, pairs.wrong_answers, pairs.clusters)
    return json.dumps([dict(zip(keys, pair, strict=True)) for pair in zip(*columns, strict=True)])
