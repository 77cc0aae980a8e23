"""Plain texts as a tokenizer sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts.encoding import encode
from pytest_circuits.prompts.errors import PromptError
from pytest_circuits.prompts.tokens import bos_id, check_rows

if TYPE_CHECKING:
    from collections.abc import Sequence


def tokenize_texts(
    tokenizer: Any,  # noqa: ANN401 — any Hugging Face tokenizer
    texts: Sequence[str],
    context: int,
    vocabulary: int,
) -> tuple[tuple[int, ...], ...]:
    """The tokens of each text, after BOS where the tokenizer has one.

    Args:
        tokenizer: a Hugging Face tokenizer.
        texts: the texts.
        context: the model's longest sequence.
        vocabulary: rows of the model's embedding.

    Raises:
        PromptError: if a text is empty, has unknown words or tokens without an embedding, or is
            longer than the context.
    """
    bos = bos_id(tokenizer)
    first = () if bos is None else (bos,)
    found = []
    for number, text in enumerate(texts):
        tokens = (*first, *encode(tokenizer, text))
        if len(tokens) < 2:  # noqa: PLR2004 — one to predict, and one to predict it from
            raise PromptError(f"text {number} has no token to predict: {text!r}")
        if len(tokens) > context:
            raise PromptError(
                f"text {number} has {len(tokens)} tokens, and the model's context is {context}: "
                f"cut it into several"
            )
        check_rows(tokenizer, tokens, vocabulary)
        found.append(tokens)
    return tuple(found)
