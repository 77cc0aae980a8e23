"""What a tokenizer says about itself, whoever handed it over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Iterable


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


def check_rows(tokenizer: Any, tokens: Iterable[int], rows: int) -> None:  # noqa: ANN401
    """Make sure that tokens have embeddings, before the model looks for one.

    A tokenizer with more tokens than the embeddings have rows is no mistake by itself: many
    models never see the last ones. Using one of them is.

    Args:
        tokenizer: a Hugging Face tokenizer.
        tokens: token ids that the model is to see, or to predict.
        rows: rows of the model's embedding.

    Raises:
        PromptError: if one of them has none.
    """
    outside = sorted({token for token in tokens if token >= rows})
    if outside:
        token = tokenizer.convert_ids_to_tokens(outside[0])
        raise PromptError(
            f"the tokenizer's token {token!r} (id {outside[0]}) has no embedding: the model's "
            f"embeddings have {rows} rows.\n"
            f"After adding tokens, call model.resize_token_embeddings(len(tokenizer)) before "
            f"training, or use the tokenizer that the model was trained with."
        )


def ordinary_tokens(tokenizer: Any, rows: int | None = None) -> list[int]:  # noqa: ANN401
    """The ids of a tokenizer's tokens that are neither special nor added, in order.

    Ids that only pad the embeddings, or that the tokenizer leaves out between others, are none of
    them. Tokens added in fine-tuning change nothing here.

    Args:
        tokenizer: a Hugging Face tokenizer.
        rows: rows of the model's embedding; tokens that have none are left out.
    """
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    ids = set(tokenizer.get_vocab().values())
    return sorted(token for token in ids - special if rows is None or token < rows)
