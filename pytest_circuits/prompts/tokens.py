"""What a tokenizer says about itself, whoever handed it over."""

from __future__ import annotations

from typing import Any


def bos_id(tokenizer: Any) -> int | None:  # noqa: ANN401 — any Hugging Face tokenizer
    """The id of the tokenizer's BOS token; None if it has none of its own.

    transformer-lens makes EOS stand in for a BOS that a tokenizer lacks (Qwen's, for one). A
    model that was never trained with a first token should not be measured with one, so what the
    tokenizer was made with decides.
    """
    stand_in = (
        tokenizer.bos_token == tokenizer.eos_token
        and tokenizer.init_kwargs.get("bos_token") is None
    )
    return None if tokenizer.bos_token_id is None or stand_in else int(tokenizer.bos_token_id)
