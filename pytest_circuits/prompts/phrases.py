"""Repeated phrases: induction in words, with an answer to patch (cf. Olsson et al. 2022)."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from pytest_circuits.prompts.drawn import DrawnPairs, Stream, check_count
from pytest_circuits.prompts.entries import Entry
from pytest_circuits.prompts.pairs import PromptPairs, pairs_of
from pytest_circuits.prompts.sequences import SHORTEST_BLOCK
from pytest_circuits.prompts.tokens import PromptError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

# The words of the bundled models but "a"; common enough to be single tokens elsewhere too.
_WORDS = (
    "apple", "bear", "bell", "bird", "boat", "book", "bread", "bridge", "cake", "candle", "cat",
    "chair", "cloud", "coat", "coin", "corn", "cow", "cup", "deer", "desk", "dog", "door", "drum",
    "duck", "egg", "farm", "fish", "flag", "fork", "fox", "frog", "garden", "gate", "goat", "gold",
    "hat", "horse", "house", "key", "lake", "lamp", "leaf", "lion", "map", "milk", "moon", "nest",
    "owl", "pear", "pen", "pig", "rain", "ring", "river", "road", "rose", "salt", "ship", "shoe",
    "snow", "star", "stone", "tree",
)  # fmt: skip


def repeated_phrases(
    n: int = 16, seed: int = 0, *, length: int = 8, words: Sequence[str] | None = None
) -> PromptPairs:
    """``n`` prompt pairs in which a phrase of random words is repeated up to its last word.

    After " dog star farm leaf candle dog star farm leaf" comes " candle". In the corrupted prompt
    another word, which is the wrong answer, stands in the answer's place in the phrase. The words
    of a phrase are distinct. A prompt begins with a space, so that its first word is the same
    token as the others of that word. Drawn anew half of the phrases are twice as long.

    Named positions: ``A1`` (the first occurrence of the last token) and ``B1`` (the token after
    it, which is the answer, and what the corrupted prompt changes).

    Example:
        >>> pairs = repeated_phrases(n=1, seed=0, length=5)
        >>> pairs.clean[0], pairs.answers[0], pairs.wrong_answers[0]
        (' river nest farm corn gate river nest farm corn', ' gate', ' egg')
        >>> pairs.corrupted[0]
        ' river nest farm corn egg river nest farm corn'

    Args:
        n: number of pairs.
        seed: seed of the draw; its stream is that of ``random.Random(seed).random()``.
        length: words in a phrase, at least 3.
        words: distinct words to draw from, more than ``length``; by default 63 common nouns, the
            vocabulary of the bundled models.

    Raises:
        PromptError: for a number of pairs, a length or words that don't do.
    """
    pool = _WORDS if words is None else tuple(words)
    if isinstance(words, str) or any(len(word.split()) != 1 for word in pool):
        raise PromptError("words is a list of words without spaces")
    pool = tuple(word.strip() for word in pool)
    if len(set(pool)) < len(pool):
        raise PromptError("words has a word twice")
    if length < SHORTEST_BLOCK:
        raise PromptError(f"length is at least {SHORTEST_BLOCK}, not {length}")
    own = words is not None
    draw = partial(_draw, words=pool, n=n, seed=seed, length=length, own=own)
    known = draw(()).clean
    return DrawnPairs(draw, pool, again=partial(_anew, words=pool, length=length, known=known))


def _anew(
    seed: str, n: int, *, words: Sequence[str], length: int, known: Sequence[str]
) -> PromptPairs:
    draw = partial(_draw_lengths, words=words, n=n, seed=seed, length=length, known=known)
    return DrawnPairs(draw, words)


def _draw_lengths(
    without: Collection[str],
    *,
    words: Sequence[str],
    n: int,
    seed: str,
    length: int,
    known: Sequence[str],
) -> PromptPairs:
    """Phrases of the length and, as many, of twice the length, or of as many words as there are."""
    longer = min(2 * length, len([word for word in words if word not in without]) - 1)
    lengths = sorted({length, longer}) if longer > length else [length]
    drawn = [
        _phrases(words, without, n // len(lengths), f"{seed} {each}", length=each, known=known)
        for each in lengths
    ]
    name = f"repeated_phrases(n={n}, seed={seed}, lengths={lengths})"
    return pairs_of([entry for entries in drawn for entry in entries], name=name)


def _draw(
    without: Collection[str], *, words: Sequence[str], n: int, seed: int, length: int, own: bool
) -> PromptPairs:
    entries = _phrases(words, without, n, seed, length=length)
    options = f", length={length}" * (length != 8) + ", own words" * own  # noqa: PLR2004
    return pairs_of(entries, name=f"repeated_phrases(n={n}, seed={seed}{options})")


def _phrases(
    words: Sequence[str],
    without: Collection[str],
    n: int,
    seed: int | str,
    *,
    length: int,
    known: Sequence[str] = (),
) -> list[Entry]:
    """The pairs of one length, none of them with a clean prompt that is known.

    Those beside known ones are as many as there are, if there are fewer.
    """
    words = [word for word in words if word not in without]
    if len(words) <= length:
        raise PromptError(
            f"phrases of {length} words need {length + 1} words to draw from, not {len(words)}"
        )
    most = math.perm(len(words), length)
    n = check_count("repeated_phrases", n, most - len(known), anew=bool(known))
    stream = Stream(seed)
    entries: dict[str, Entry] = {}
    while len(entries) < n:
        left = list(words)
        *start, answer, wrong = (stream.take(left) for _ in range(length + 1))
        begun = "".join(f" {word}" for word in start)
        entry = Entry(
            clean=f"{begun} {answer}{begun}",
            corrupted=f"{begun} {wrong}{begun}",
            answer=f" {answer}",
            wrong_answer=f" {wrong}",
            cluster=f"{length}:{len(entries)}" if known else str(len(entries)),
            positions={"A1": begun, "B1": f"{begun} {answer}"},
        )
        # A phrase that was drawn before is drawn again.
        if entry.clean not in known:
            entries.setdefault(entry.clean, entry)
    return list(entries.values())
