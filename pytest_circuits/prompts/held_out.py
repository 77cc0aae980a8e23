"""Pairs that no circuit was measured on: those that a user holds out, drawn from by a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.prompts.pairs import PromptPairs
from pytest_circuits.prompts.tokens import PromptError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: How many pairs are drawn anew. From prompt to prompt the paired differences of SmolLM2 and itself
#: with 3 % noise spread by 0.7 logits on IOI (0.35 to 1.0 on five builders; with 1 % noise 0.13 to
#: 0.3). Then 64 pairs in 32 clusters tell a loss of twice the tolerance of 0.2 logits from chance
#: in 91 % of all draws, 48 pairs in 79 %.
PAIRS = 64


def check_held_out(pairs: PromptPairs, held_out: object) -> PromptPairs:
    """Pairs that can be held out of others.

    Raises:
        PromptError: if they are no pairs, are put to the model in another way, or have a clean
            prompt that is one of the others', clean or corrupted.
    """
    if not isinstance(held_out, PromptPairs):
        raise PromptError(
            f"held_out is pairs of prompts (PromptPairs), not {type(held_out).__name__}"
        )
    if (pairs.chat is None) is not (held_out.chat is None):
        chats, plain = (
            ("held_out", "the pairs") if pairs.chat is None else ("the pairs", "held_out")
        )
        raise PromptError(
            f"{chats} are put to a chat model and {plain} are plain texts: what is held out has "
            f"to ask for the same behaviour in the same way"
        )
    own = {
        text: f"the {side} prompt of pair {number}"
        for side in _SIDES
        for number, text in enumerate(_prompts(pairs, side))
    }
    for number, prompt in enumerate(_prompts(held_out, "clean")):
        if prompt in own:
            raise PromptError(
                f"held_out: pair {number} has {own[prompt]}:\n"
                f"  {held_out.clean[number]!r}\n"
                f"What is held out must be new to whoever knows the pairs."
            )
    return held_out


def drawn_from(held_out: PromptPairs, seed: str, n: int) -> PromptPairs:
    """``n`` of the pairs, drawn by a seed; all of them if there are no more."""
    if len(held_out) <= n:
        return held_out
    from pytest_circuits.prompts.drawn import Stream

    left, stream = list(range(len(held_out))), Stream(seed)
    rows = sorted(stream.take(left) for _ in range(n))

    def of(column: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(column[row] for row in rows)

    columns = ("clean", "corrupted", "answers", "wrong_answers", "clusters", "templates")
    # What was checked as a whole needs no second check: a chat's messages are complete by now.
    drawn = object.__new__(PromptPairs)
    vars(drawn).update(
        {column: of(getattr(held_out, column)) for column in columns},
        positions={name: of(texts) for name, texts in held_out.positions.items()},
        messages={side: of(each) for side, each in held_out.messages.items()},
        name=f"{n} of {held_out.name}",
        chat=held_out.chat,
        held_out=None,
    )
    return drawn


#: A corrupted prompt is known as well: patching runs it, and it may be a clean one the other way.
_SIDES = ("corrupted", "clean")


def _prompts(pairs: PromptPairs, side: str) -> list[str]:
    """The prompts of one side; white space is no difference."""
    texts = pairs.messages[side] if pairs.messages else getattr(pairs, side)
    return [" ".join(str(text).split()) for text in texts]
