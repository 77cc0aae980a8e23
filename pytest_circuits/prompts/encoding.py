"""Texts as a tokenizer encodes them, and tokens as messages show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Sequence


def encode(tokenizer: Any, text: str) -> list[int]:  # noqa: ANN401 — any Hugging Face tokenizer
    """The token ids of a text as it stands, no special token added.

    Raises:
        PromptError: if the tokenizer doesn't know a part of it.
    """
    try:
        tokens = tokenizer.encode(text, add_special_tokens=False)
    except Exception as error:  # a tokenizer without an unknown token raises a bare Exception
        raise PromptError(_unknown(text, str(error))) from error
    unknown = tokenizer.unk_token_id
    if unknown is not None and unknown in tokens and tokenizer.unk_token not in text:
        raise PromptError(_unknown(text, show(tokenizer, tokens)))
    return [int(token) for token in tokens]


def is_single_token(tokenizer: Any, word: str) -> bool:  # noqa: ANN401
    """Whether a word is one token inside a text, that is after a space."""
    try:
        return len(encode(tokenizer, f" {word}")) == 1
    except PromptError:
        return False


def show(tokenizer: Any, tokens: Sequence[int]) -> str:  # noqa: ANN401
    """Tokens side by side, as Python writes them, so that a line break breaks no message."""
    return "|".join(repr(tokenizer.decode([token]))[1:-1] for token in tokens)


def _unknown(text: str, detail: str) -> str:
    return (
        f"{text!r} has words that this model's tokenizer doesn't know:\n  {detail}\n"
        f"Write the prompt with words of its vocabulary."
    )
