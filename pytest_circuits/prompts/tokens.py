"""Texts as a tokenizer encodes them, what it says about itself, and what it can't do."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: The last position, where the answer is read: every prompt has it by this name.
END = "END"
#: How a position is named, at the end of a message.
NAMED = "Give the prompt up to and including the token that has the name."


class PromptError(ValueError):
    """Prompts are unfit for what was asked; the message shows which and why."""


class PromptWarning(UserWarning):
    """Prompts fit, but are not quite what was asked for; the message says how they differ."""


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


def vocabulary(tokenizer: Any, ids: Iterable[int]) -> dict[str, Any]:  # noqa: ANN401
    """The tokens of these ids, each once: by them another tokenizer's can be told."""
    used = sorted(set(map(int, ids)))
    return {"ids": used, "tokens": list(map(str, tokenizer.convert_ids_to_tokens(used)))}


def adds_one_token(tokenizer: Any, text: str, more: str) -> bool:  # noqa: ANN401
    """Whether a text has one token more with something after it, and is the same up to there."""
    try:
        start = encode(tokenizer, text)
    except PromptError:
        return False
    added = ids_after(tokenizer, start, text + more)
    return added is not None and len(added) == 1


def ids_after(tokenizer: Any, start: Sequence[int], text: str) -> list[int] | None:  # noqa: ANN401
    """The ids that a text has after ``start``; None if it begins with others, or has none."""
    try:
        tokens = encode(tokenizer, text)
    except PromptError:
        return None
    return tokens[len(start) :] if tokens[: len(start)] == list(start) else None


def is_single_token(tokenizer: Any, word: str) -> bool:  # noqa: ANN401
    """Whether a word is one token inside a text, that is after a space and another word.

    By itself it may not be: some tokenizers (Llama 2's, loaded without its class) put a token
    before every text. The word itself stands for the other one, so that no further word has to be
    known.
    """
    return adds_one_token(tokenizer, f" {word}", f" {word}")


def show(tokenizer: Any, tokens: Sequence[int]) -> str:  # noqa: ANN401
    """Tokens side by side, as Python writes them, so that a line break breaks no message."""
    return "|".join(repr(tokenizer.decode([token]))[1:-1] for token in tokens)


def _unknown(text: str, detail: str) -> str:
    return (
        f"{text!r} has words that this model's tokenizer doesn't know:\n  {detail}\n"
        f"Write the prompt with words of its vocabulary."
    )


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


def after_bos(tokenizer: Any, tokens: Sequence[int]) -> list[int]:  # noqa: ANN401
    """The tokens of a text after the tokenizer's BOS token, where it has one.

    A text that begins with BOS, as one rendered by a chat template may, has no second one before
    it.
    """
    bos = bos_id(tokenizer)
    return list(tokens) if bos is None or list(tokens[:1]) == [bos] else [bos, *tokens]


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
    found = []
    for number, text in enumerate(texts):
        tokens = tuple(after_bos(tokenizer, encode(tokenizer, text)))
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


def check_position(name: str, prefix: str, prompt: str) -> None:
    """Refuse a position that is no beginning of its clean prompt.

    Raises:
        PromptError: if so; the caller knows which pair it is.
    """
    if not prefix or not prompt.startswith(prefix):
        raise PromptError(
            f"position {name!r} is {prefix!r}, with which its clean prompt does not begin:\n"
            f"  {prompt}\n"
            f"{NAMED}"
        )


def partition(labels: Sequence[str]) -> list[int]:
    """Which labels are the same, whatever they are: the number of each, as they first come."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels]


def digest(value: object) -> str:
    """A short hash of anything JSON can hold."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
