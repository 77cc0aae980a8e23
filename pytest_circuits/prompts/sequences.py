"""Sequences of tokens that are no prompts: random ones, repeated, and the canary's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_circuits.findings.choices import is_whole
from pytest_circuits.prompts.drawn import Stream
from pytest_circuits.prompts.tokens import PromptError, bos_id, check_rows, digest, ordinary_tokens

if TYPE_CHECKING:
    from collections.abc import Container

#: The longest block drawn unless a test asks for another.
LONGEST_BLOCK = 50
#: In a block of two the token after the earlier occurrence is the token before the current one,
#: and a previous-token head would pass for an induction head.
SHORTEST_BLOCK = 3
#: How many sequences are drawn anew: their losses spread little, each being a mean over a block.
_ANEW = 8
#: How many lengths of blocks there may be.
_LENGTHS = 2


@dataclass(frozen=True)
class DrawnTokens:
    """Sequences of a first token and a block, repeated; those of the shorter block first.

    Attributes:
        sequences: ``[sequence][1 + 2 T]`` token ids, T being the length of the sequence's block.
        unrelated: the same first token and block of each sequence, and then an unrelated block
            (see :meth:`RepeatedTokens.draw`); same shape.
        blocks: the lengths of the repeated blocks, one or two, ascending.
        first_token: the text of the first token.
        first_is_bos: whether that is the tokenizer's BOS; otherwise an ordinary token.
        strings_hash: a hash of the tokens' ids and strings.
        within_windows: whether the blocks were to be longer than an attention window of the model,
            and could not be.
    """

    sequences: tuple[tuple[int, ...], ...]
    unrelated: tuple[tuple[int, ...], ...]
    blocks: tuple[int, ...]
    first_token: str
    first_is_bos: bool
    strings_hash: str
    within_windows: bool = False

    @property
    def strata(self) -> tuple[int, ...]:
        """The length of each sequence's block, ``[sequence]``."""
        return tuple(len(sequence) // 2 for sequence in self.sequences)

    @property
    def clusters(self) -> tuple[int, ...]:
        """One label for each sequence; the same for all where a length has only one.

        A single sequence says nothing of how much those of its length vary.
        """
        count = len(self.sequences)
        alone = any(self.strata.count(block) == 1 for block in self.blocks)
        return (0,) * count if alone else tuple(range(count))

    @property
    def control(self) -> tuple[tuple[int, ...], ...]:
        """The sequences of the shorter block with their second one turned by ⌈T/2⌉ places.

        a₁ … a_T is followed by a_{h+1} … a_T a₁ … a_h, h = ⌈T/2⌉. Repeated keys change the softmax:
        as in the sequence itself, every query of the second block sees its own token twice, and as
        many other tokens twice and once. But its earlier occurrence does not stand T before it, nor
        what followed that T − 1 before it, where the scores look.
        """
        block = self.blocks[0]
        half = compared(block) + 1
        return tuple(
            (*one[: 1 + block], *one[1 + half : 1 + block], *one[1 : 1 + half])
            for one in self.sequences
            if len(one) == 1 + 2 * block
        )


def compared(block: int) -> int:
    """How many queries of sequence and control can be compared, from T + 1 on: ⌈T/2⌉ − 1.

    So far the token T − 1 before the query stands once in the sequence and in the control. In the
    control it stands twice further on, and so has less attention.
    """
    return (block + 1) // 2 - 1


@dataclass(frozen=True)
class RepeatedTokens:
    """A first token, a block of distinct random tokens, and the same block again.

    Attributes:
        batch: number of sequences; of a second, longer block there are half as many.
        block: length of the block, or two lengths, ascending; by default two, see :meth:`draw`.
        seed: seed of the draw.
        shortest: how far a block that is too long for the model's context, its vocabulary or the
            memory may be shortened. By default none is, and what memory holds is not asked.
    """

    batch: int = 10
    block: int | tuple[int, int] | None = None
    seed: int = 0
    shortest: int | None = None

    def __post_init__(self) -> None:
        given: tuple[Any, ...] = ()
        if self.block is not None:
            two = isinstance(self.block, tuple | list) and len(self.block) == _LENGTHS
            given = tuple(self.block) if two else (self.block,)  # type: ignore[arg-type]
        named = [("batch", self.batch), ("seed", self.seed), *(("block", each) for each in given)]
        for name, number in named:
            if not is_whole(number):
                also = ", or two of them (20, 100)" if name == "block" else ""
                raise PromptError(
                    f"repeated tokens: {name} is a whole number{also}, not {number!r}"
                )
        # Those of numpy are no seeds, and can't be in a file.
        lengths = tuple(map(int, given))
        object.__setattr__(self, "batch", int(self.batch))
        object.__setattr__(self, "seed", int(self.seed))
        if lengths:
            object.__setattr__(self, "block", lengths if len(lengths) > 1 else lengths[0])
        if self.batch < 1 or any(length < SHORTEST_BLOCK for length in lengths):
            raise PromptError(
                f"repeated tokens need a batch of at least 1 and a block of at least "
                f"{SHORTEST_BLOCK}, got batch={self.batch}, block={self.block}"
            )
        if sorted(set(lengths)) != list(lengths):
            raise PromptError(
                f"of two lengths of a block the shorter one comes first, got block={self.block}"
            )

    def anew(self, seed: str, n: int | None = None) -> RepeatedTokens:
        """Other sequences of the same length.

        Args:
            seed: seed of the draw; the same seed draws the same sequences.
            n: how many; by default 8, each of which tells as much as its block is long.
        """
        return RepeatedTokens(
            batch=_ANEW if n is None else n,
            block=self.block,
            seed=int(hashlib.sha256(seed.encode()).hexdigest()[:12], 16),
        )

    def _blocks(
        self, longest: int, window: int, affordable: int | None, *, one_length: bool
    ) -> list[int]:
        """The lengths of the blocks, ascending; see :meth:`draw`."""
        if self.block is not None:
            return [self.block] if isinstance(self.block, int) else list(self.block)
        one = max(SHORTEST_BLOCK, min(LONGEST_BLOCK, longest))
        if one_length:
            return [one]
        beyond = window + 1 if window < min(longest, affordable or longest) else 0
        longer = min(max(2 * one, beyond), longest)
        if longer <= one:
            one, longer = max(SHORTEST_BLOCK, one // 2), one
        return sorted({one, longer})

    def draw(
        self,
        tokenizer: Any,  # noqa: ANN401 — any Hugging Face tokenizer
        context: int,
        vocabulary: int,
        *,
        window: int = 0,
        affordable: int | None = None,
        one_length: bool = False,
    ) -> DrawnTokens:
        """Draw the sequences: ``batch`` of the first length, and half as many of the second.

        By default the lengths are min(50, L), with L the longest block that fits into context and
        vocabulary, and a longer one: max(100, 1 + the largest attention window) or, where that
        does not fit, min(100, L). In a block that is longer than a window, what a query looks for
        lies beyond it. Where nothing longer than the first fits, the first is halved.

        Ordinary tokens only: never special, added or padding ids, so that a model fine-tuned
        with a few added tokens is measured on the same ones. The stream is that of
        ``random.Random(seed).random()``, which Python guarantees; the longer blocks have one of
        their own, ``random.Random(f"long {seed}")``. Tokens in a block are distinct: a repeat
        inside it would make even a perfect induction head score below 1.

        The unrelated blocks, over which an ablation takes its means, have a stream of their own,
        ``random.Random(f"control {seed}")``, so they follow from the seed and the sequences. They
        are of distinct tokens too, none of them in the sequence's own block. A vocabulary of fewer
        than two blocks has no such tokens: then they are drawn from all, and drawn again until none
        stands where it stood in the block.

        Args:
            tokenizer: a Hugging Face tokenizer.
            context: the model's longest sequence.
            vocabulary: rows of the model's embedding.
            window: the model's largest attention window, in tokens; 0 if it has none.
            affordable: the longest block that memory holds, if that is less than the context's.
            one_length: whether the default is the first length alone.

        Raises:
            PromptError: if the context or the vocabulary is too small, or BOS has no embedding.
        """
        fitting = max(SHORTEST_BLOCK, (context - 1) // 2)
        ordinary = ordinary_tokens(tokenizer, vocabulary)
        bos = bos_id(tokenizer)
        known = len(ordinary) - (bos is None)
        # A vocabulary that lacks tokens for the shorter block is refused below.
        longest = min(fitting, max(known, min(LONGEST_BLOCK, fitting)))
        blocks = self._blocks(longest, window, affordable, one_length=one_length)
        if self.shortest is not None:
            room = min(fitting, known, affordable or fitting)
            if room < self.shortest:
                raise PromptError(
                    f"a block of {self.shortest} tokens, twice, is too long: context, vocabulary "
                    f"and memory have room for {room}"
                )
            blocks = sorted({min(block, room) for block in blocks})
        block = blocks[-1]
        if 1 + 2 * block > context:
            raise PromptError(
                f"a block of {block} tokens, twice, after a first token needs {1 + 2 * block} "
                f"positions, and the model has {context}"
            )
        check_rows(tokenizer, () if bos is None else (bos,), vocabulary)
        if known < block:
            raise PromptError(
                f"a block of {block} distinct tokens needs {block + (bos is None)} ordinary "
                f"tokens, and the vocabulary has {len(ordinary)}: ask for a shorter block"
            )
        stream = Stream(self.seed)
        # One ordinary token for every sequence, kept out of the blocks.
        first = stream.take(ordinary) if bos is None else bos
        sequences = []
        for length, count in zip(blocks, (self.batch, _half(self.batch)), strict=False):
            for _ in range(count):
                drawn = _distinct(ordinary, length, stream)
                sequences.append((first, *drawn, *drawn))
            stream = Stream(f"long {self.seed}")
        strings = [tokenizer.convert_ids_to_tokens(list(sequence)) for sequence in sequences]
        stream = Stream(f"control {self.seed}")
        unrelated = []
        for sequence in sequences:
            before = sequence[: 1 + len(sequence) // 2]
            unrelated.append((*before, *_unrelated(ordinary, before[1:], stream)))
        return DrawnTokens(
            sequences=tuple(sequences),
            unrelated=tuple(unrelated),
            blocks=tuple(blocks),
            first_token=str(tokenizer.convert_ids_to_tokens(first)),
            first_is_bos=bos is not None,
            strings_hash=digest([sequences, strings]),
            within_windows=self.block is None and not one_length and window >= block,
        )


def _half(batch: int) -> int:
    """How many sequences the longer block has: two or more, where the shorter one has as many."""
    return max(min(2, batch), (batch + 1) // 2)


#: Builder of repeated random tokens: ``repeated_tokens(batch=10, block=None, seed=0)``.
repeated_tokens = RepeatedTokens


def _distinct(
    ordinary: list[int],
    count: int,
    stream: Stream,
    without: Container[int] = (),
) -> list[int]:
    """``count`` distinct tokens: draws that repeat one, or one of ``without``, are drawn again."""
    drawn: dict[int, None] = {}
    while len(drawn) < count:
        token = stream.choose(ordinary)
        if token not in without:
            drawn[token] = None
    return list(drawn)


def _unrelated(ordinary: list[int], block: tuple[int, ...], stream: Stream) -> list[int]:
    """Distinct tokens as many as the block's, none of them in it or, at least, in its place."""
    count = len(block)
    if len(ordinary) >= 2 * count:
        return _distinct(ordinary, count, stream, frozenset(block))
    while True:
        drawn = _distinct(ordinary, count, stream)
        if all(one != other for one, other in zip(block, drawn, strict=True)):
            return drawn


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
    sequence that :class:`RepeatedTokens` draws of one length.

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
        drawn = RepeatedTokens().draw(
            tokenizer, context=context, vocabulary=vocabulary, one_length=True
        )
    except PromptError:
        return None
    blocks = tuple(sequence[: 1 + drawn.blocks[0]] for sequence in drawn.sequences)
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
