"""Years that are greater than a year (Hanna et al. 2023, arXiv:2305.00586)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pytest_circuits.prompts.drawn import DrawnPairs, Stream, check_count
from pytest_circuits.prompts.entries import Entry
from pytest_circuits.prompts.pairs import PromptPairs, pairs_of
from pytest_circuits.prompts.tokens import PromptError, adds_one_token, is_single_token

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_TEMPLATE = "The {noun} lasted from the year {start} to the year {stem}"
# Those of pairs that are drawn anew: no prompt of theirs is in another draw.
_NEW_TEMPLATES = (
    "The {noun} began in the year {start} and ended in the year {stem}",
    "The {noun} went on from the year {start} until the year {stem}",
    "The {noun} that was begun in the year {start} was over by the year {stem}",
)
_NOUNS = (
    "war", "siege", "trial", "voyage", "drought", "project", "reign", "dispute", "conflict",
    "battle", "campaign", "strike", "famine", "treaty", "lease", "mission", "expedition",
    "occupation", "rebellion", "crisis", "festival", "partnership", "journey", "study",
    "exhibition", "tour", "construction", "alliance", "marriage", "friendship", "peace", "search",
)  # fmt: skip
# Later years are often tokens of their own.
_CENTURIES = range(11, 18)
# The last digits in which the span of a corrupted prompt begins, by how many they are: every
# answer is greater.
_LOWEST = {1: 0, 2: 1}
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

    This is for tokenizers that have the last two digits of a year as one token, as GPT-2's has
    " 17|32". For those that cut off the last digit alone (Llama's, Mistral's, Qwen's, Gemma's and
    SmolLM2's " |1|7|3|2", Llama 3's " |173|2") ``digits=1`` asks for it alone: "The war
    lasted from the year 1732 to the year 173". Then Y = 2 is the last digit, k at most 4, and the
    span of the corrupted prompt begins in 1730. In both forms one token is changed.

    Years that a tokenizer has otherwise (as one token, say) are dropped; if there is no other,
    the pairs are refused. Drawn anew they have three other templates.

    Named positions: ``noun``, and what an answer must exceed: ``YY``, or ``Y`` with ``digits=1``.

    Example:
        >>> pairs = greater_than(n=1, seed=0)
        >>> pairs.clean[0]
        'The alliance lasted from the year 1632 to the year 16'
        >>> pairs.corrupted[0]
        'The alliance lasted from the year 1601 to the year 16'
        >>> pairs.answers[0], pairs.wrong_answers[0]
        ('37', '27')
        >>> pairs = greater_than(n=1, seed=0, digits=1)
        >>> pairs.clean[0], pairs.answers[0], pairs.wrong_answers[0]
        ('The alliance lasted from the year 1632 to the year 163', '3', '1')

    Args:
        n: number of pairs. Those with the same two answers share a cluster; with ``digits=1``
            there are 16 clusters at most.
        seed: seed of the draw; its stream is that of ``random.Random(seed).random()``.
        digits: how many digits an answer has, the last ones of its year.

    Raises:
        PromptError: for a number of pairs, or of digits, that there is not.
    """
    if digits not in (1, 2):
        raise PromptError(f"digits is 1 or 2, not {digits!r}")
    last, other = ("two digits are", 1) if digits == 2 else ("digit is", 2)  # noqa: PLR2004
    what = f"nouns that are not single tokens here, or years whose last {last} not one token"
    what = f"{what} (see digits={other})"
    return _drawn(
        partial(_draw, n=n, seed=seed, digits=digits),
        digits,
        what,
        again=partial(_anew, digits=digits, what=what),
    )


def _anew(seed: str, n: int, *, digits: int, what: str) -> PromptPairs:
    draw = partial(_draw, n=n, seed=seed, digits=digits, templates=_NEW_TEMPLATES)
    return _drawn(draw, digits, what)


def _drawn(
    draw: Callable[..., PromptPairs],
    digits: int,
    what: str,
    again: Callable[[str, int], PromptPairs] | None = None,
) -> DrawnPairs:
    return DrawnPairs(
        draw,
        (*_NOUNS, *_years(digits)),
        what=what,
        fits=partial(_fits, digits=digits),
        again=again,
    )


def _years(digits: int) -> list[str]:
    """Every year that a span may begin in, and those of the corrupted prompts."""
    return [
        f"{century}{year:02}"
        for century in _CENTURIES
        for year in range(100)
        if year % 10**digits >= _LOWEST[digits]
    ]


def _fits(tokenizer: Any, word: str, *, digits: int) -> bool:  # noqa: ANN401
    """Whether a noun is a single token; whether the last digits of a year are."""
    if word in _NOUNS:
        return is_single_token(tokenizer, word)
    return adds_one_token(tokenizer, f" year {word[:-digits]}", word[-digits:])


def _draw(
    without: Collection[str],
    *,
    n: int,
    seed: int | str,
    digits: int,
    templates: tuple[str, ...] = (_TEMPLATE,),
) -> PromptPairs:
    nouns = [noun for noun in _NOUNS if noun not in without]
    steps = {year: found for year in _years(digits) if (found := _steps(year, digits, without))}
    years = list(steps)
    most = len(nouns) * len(years)
    n = check_count("greater_than", n, most, anew=templates is _NEW_TEMPLATES)
    stream = Stream(seed)
    entries: dict[str, Entry] = {}
    while len(entries) < n:
        noun, start = stream.choose(nouns), stream.choose(years)
        # In turn, which takes no draw: the default draws stay what they were.
        template = templates[len(entries) % len(templates)]
        entry = _entry(template, noun, start, stream.choose(steps[start]), digits)
        # A prompt that was drawn before is drawn again.
        entries.setdefault(entry.clean, entry)
    options = f", digits={digits}" * (digits != 2)  # noqa: PLR2004
    return pairs_of(list(entries.values()), name=f"greater_than(n={n}, seed={seed}{options})")


def _steps(year: str, digits: int, without: Collection[str]) -> list[int]:
    """The k by which a year's answers may lie above and below it."""
    stem, start, lowest = year[:-digits], int(year[-digits:]), _LOWEST[digits]

    def fit(*ends: int) -> bool:
        return not any(f"{stem}{end:0{digits}}" in without for end in ends)

    return [
        k
        for k in range(1, _FURTHEST + 1)
        if start - k > lowest and start + k < 10**digits
        if fit(lowest, start, start - k, start + k)
    ]


def _entry(template: str, noun: str, year: str, step: int, digits: int) -> Entry:
    stem, start = year[:-digits], int(year[-digits:])
    lowest, above, below = (
        f"{end:0{digits}}" for end in (_LOWEST[digits], start + step, start - step)
    )
    clean, corrupted = (
        template.format(noun=noun, start=begun, stem=stem) for begun in (year, stem + lowest)
    )
    return Entry(
        clean=clean,
        corrupted=corrupted,
        answer=above,
        wrong_answer=below,
        cluster=f"{above}-{below}",
        positions={
            "noun": clean[: clean.index(noun) + len(noun)],
            "Y" * digits: clean[: clean.index(year) + len(year)],
        },
    )
