"""The canary's tokens: a fixed text, which no circuit here is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pytest_circuits.prompts.errors import PromptError
from pytest_circuits.prompts.pairs import digest
from pytest_circuits.prompts.repeated import RepeatedTokens
from pytest_circuits.prompts.tokens import bos_id

#: Plain prose on several topics. Another text would make every stored canary incomparable.
TEXT = (
    "The river rises in a wide bog below the hills and takes three days to reach the sea. In "
    "spring, when the snow melts, it carries so much gravel that the bridges are checked every "
    "morning. Bread needs only flour, water, salt and time: mix them in the evening, let the dough "
    "rest overnight, and bake it in a very hot oven until the crust sounds hollow when you knock "
    "on it. A string quartet has two violins, a viola and a cello, and none of the four players "
    "conducts; they watch each other's bows instead. Light from the nearest star takes more than "
    "four years to arrive, so what we see tonight is already old. The court decided that the "
    "landlord had to return the deposit, because nobody had written down what was broken when the "
    "tenant moved in. In the second half the visitors played with ten men, defended well, and "
    "still lost by one goal. Vaccines teach the body to recognise a disease that it has never met. "
    "When prices rise faster than wages, families buy less, and shops that sell furniture close "
    "before those that sell shoes. She put the letter back into the drawer, waited for the rain to "
    "stop, and walked home along the railway line without telling anyone what she had read."
)
#: A text of fewer tokens says little about a model.
_FEWEST = 32
#: A text of which a tokenizer doesn't know more than this share is no text to its model.
_MOST_UNKNOWN = 0.1


@dataclass(frozen=True)
class CanaryTokens:
    """What the canary's loss is measured on.

    Attributes:
        sequences: ``[batch][position]`` token ids.
        kind: ``text``, or ``drawn tokens`` in its place.
        hash: a hash of the tokens' ids and strings, in their order.
    """

    sequences: tuple[tuple[int, ...], ...]
    kind: Literal["text", "drawn tokens"]
    hash: str


def canary_tokens(
    tokenizer: Any,  # noqa: ANN401 — any Hugging Face tokenizer
    context: int,
    vocabulary: int,
) -> CanaryTokens | None:
    """The text as this tokenizer encodes it, after BOS where it has one, cut to the context.

    A tokenizer can't encode the text if it raises, if more than a tenth of the tokens are
    unknown, if a token has no embedding, or if fewer than 32 are left in the context. Ordinary
    tokens take its place: the first token and the first block, which repeats nothing, of each
    sequence that :class:`RepeatedTokens` draws by default.

    Args:
        tokenizer: a Hugging Face tokenizer.
        context: the model's longest sequence.
        vocabulary: rows of the model's embedding.

    Returns:
        the tokens, or None for a model that is too small for either (its context for blocks of
        three, or its vocabulary for a block that fills the context up to 50).
    """
    bos = bos_id(tokenizer)
    first = () if bos is None else (bos,)
    encoded = (*first, *_encode(tokenizer))[:context]
    if len(encoded) - len(first) >= _FEWEST and max(encoded) < vocabulary:
        return _canary(tokenizer, (encoded,), "text")
    try:
        drawn = RepeatedTokens().draw(tokenizer, context=context, vocabulary=vocabulary)
    except PromptError:
        return None
    blocks = tuple(sequence[: 1 + drawn.block] for sequence in drawn.sequences)
    return _canary(tokenizer, blocks, "drawn tokens")


def _encode(tokenizer: Any) -> tuple[int, ...]:  # noqa: ANN401
    """The text's tokens, none if the tokenizer doesn't know it."""
    try:
        # Not verbose: it would warn of texts longer than the model's context.
        tokens = tokenizer.encode(TEXT, add_special_tokens=False, verbose=False)
    except Exception:  # noqa: BLE001 — a tokenizer without an unknown token raises a bare Exception
        return ()
    unknown = tokens.count(tokenizer.unk_token_id)
    return () if unknown > _MOST_UNKNOWN * len(tokens) else tuple(map(int, tokens))


def _canary(
    tokenizer: Any,  # noqa: ANN401
    sequences: tuple[tuple[int, ...], ...],
    kind: Literal["text", "drawn tokens"],
) -> CanaryTokens:
    strings = [tokenizer.convert_ids_to_tokens(list(sequence)) for sequence in sequences]
    return CanaryTokens(sequences, kind, digest([sequences, strings]))
