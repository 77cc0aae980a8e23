"""Years that are greater than a year (Hanna et al. 2023, arXiv:2305.00586)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pytest_circuits.prompts.drawn import DrawnPairs, Stream, check_count
from pytest_circuits.prompts.entries import Entry
from pytest_circuits.prompts.pairs import PromptPairs, pairs_of
from pytest_circuits.prompts.tokens import PromptError, encode, is_single_token

if TYPE_CHECKING:
    from collections.abc import Collection

_TEMPLATE = "The {noun} lasted from the year {start} to the year {century}"
_NOUNS = (
    "war", "siege", "trial", "voyage", "drought", "project", "reign", "dispute", "conflict",
    "battle", "campaign", "strike", "famine", "treaty", "lease", "mission", "expedition",
    "occupation", "rebellion", "crisis", "festival", "partnership", "journey", "study",
    "exhibition", "tour", "construction", "alliance", "marriage", "friendship", "peace", "search",
)  # fmt: skip
# Later years are often tokens of their own.
_CENTURIES = range(11, 18)
# YY of the corrupted prompts, than which every answer is greater.
_LOWEST = 1
_YEARS = tuple(f"{century}{year:02}" for century in _CENTURIES for year in range(_LOWEST, 100))
# An answer is at most so many years away: few things last for half a century.
_FURTHEST = 10


def greater_than(n: int = 16, seed: int = 0, *, digits: Literal[1, 2] = 2) -> PromptPairs:
    """``n`` prompt pairs about a span of years, which can't end before it began.

    A clean prompt is "The war lasted from the year 1732 to the year 17", with XX = 17 and
    YY = 32. The answer is YY + k and the wrong answer YY − k, with the same k from 1 to 10, drawn
    for each pair. So the logit difference of a pair is logit(YY + k) − logit(YY − k), and above 0
    if the model prefers the year that is possible. In the corrupted prompt the span begins in
    XX01: both are possible then. (The paper sums probabilities over all years on either side;
    here, as in every measure on pairs, one token is set against one.)

    Named positions: ``noun``, and ``YY`` (the token that an answer must exceed).

    Tokenizers differ. GPT-2's makes " 1732" a century and two digits, " 17|32", so that an answer
    is two digits; years that it has otherwise (as one token, say) are dropped. One that splits
    numbers into single digits, as that of Llama 2, Qwen or SmolLM2, needs ``digits=1``: the
    answer is a decade's digit D + k against D − k, where YY is a year of decade D, and the
    position ``YY`` is that of D. One that cuts 1732 into 173|2, as Llama 3's, fits neither way.

    Example:
        >>> pairs = greater_than(n=1, seed=0)
        >>> pairs.clean[0]
        'The alliance lasted from the year 1632 to the year 16'
        >>> pairs.corrupted[0]
        'The alliance lasted from the year 1601 to the year 16'
        >>> pairs.answers[0], pairs.wrong_answers[0]
        ('37', '27')

    Args:
        n: number of pairs. Those with the same two answers share a cluster.
        seed: seed of the draw; its stream is that of ``random.Random(seed).random()``.
        digits: how many digits an answer has: those of the token that follows the century.

    Raises:
        PromptError: for a number of pairs, or of digits, that there is not.
    """
    if digits not in (1, 2):
        raise PromptError(f"digits is 1 or 2, not {digits!r}")
    what = "nouns that are not single tokens here, or years that are not a century and "
    what += "two digits (see digits=1)" if digits == 2 else "single digits (see digits=2)"  # noqa: PLR2004
    return DrawnPairs(
        partial(_draw, n=n, seed=seed, digits=digits),
        (*_NOUNS, *_YEARS),
        what=what,
        fits=partial(_fits, digits=digits),
    )


def _fits(tokenizer: Any, word: str, *, digits: int) -> bool:  # noqa: ANN401
    """Whether a noun is a single token; whether a year is its century and then the answers."""
    if word in _NOUNS:
        return is_single_token(tokenizer, word)
    century, year = word[:2], word[2:]
    parts = [year] if digits == 2 else list(year)  # noqa: PLR2004
    try:
        start, whole = encode(tokenizer, f" {century}"), encode(tokenizer, f" {word}")
        tokens = [token for part in parts for token in encode(tokenizer, part)]
    except PromptError:
        return False
    return len(tokens) == len(parts) and whole == [*start, *tokens]


def _draw(without: Collection[str], *, n: int, seed: int, digits: int) -> PromptPairs:
    nouns = [noun for noun in _NOUNS if noun not in without]
    steps = {
        f"{century}{year:02}": found
        for century in _CENTURIES
        if f"{century}{_LOWEST:02}" not in without
        for year in range(_LOWEST, 100)
        if (found := _steps(century, year, digits, without))
    }
    years = list(steps)
    check_count("greater_than", n, len(nouns) * len(years))
    stream = Stream(seed)
    entries: dict[str, Entry] = {}
    while len(entries) < n:
        noun, start = stream.choose(nouns), stream.choose(years)
        entry = _entry(noun, start, stream.choose(steps[start]), digits)
        # A prompt that was drawn before is drawn again.
        entries.setdefault(entry.clean, entry)
    options = f", digits={digits}" * (digits != 2)  # noqa: PLR2004
    return pairs_of(list(entries.values()), name=f"greater_than(n={n}, seed={seed}{options})")


def _steps(century: int, year: int, digits: int, without: Collection[str]) -> list[int]:
    """The k by which a year's answers may lie above and below it."""
    if f"{century}{year:02}" in without:
        return []
    if digits == 1:
        decade = year // 10
        return [k for k in range(1, 10) if decade - k >= 1 and decade + k <= 9]  # noqa: PLR2004
    return [
        k
        for k in range(1, _FURTHEST + 1)
        if year - k > _LOWEST
        and year + k <= 99  # noqa: PLR2004
        and not any(f"{century}{other:02}" in without for other in (year - k, year + k))
    ]


def _entry(noun: str, start: str, step: int, digits: int) -> Entry:
    century, token = start[:2], start[2 : 2 + digits]
    above, below = (f"{int(token) + sign * step:0{digits}}" for sign in (1, -1))
    clean, corrupted = (
        _TEMPLATE.format(noun=noun, start=year, century=century)
        for year in (start, f"{century}{_LOWEST:02}")
    )
    return Entry(
        clean=clean,
        corrupted=corrupted,
        answer=above,
        wrong_answer=below,
        cluster=f"{above}-{below}",
        positions={
            "noun": clean[: clean.index(noun) + len(noun)],
            "YY": clean[: clean.index(start) + len(century) + digits],
        },
    )
