"""Capitals of countries: recall of facts (as in Meng et al. 2022, arXiv:2202.05262)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_circuits.prompts.drawn import DrawnPairs, Stream, check_count
from pytest_circuits.prompts.entries import Entry
from pytest_circuits.prompts.pairs import PromptPairs, pairs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# True of every country below, so that a clean prompt says nothing false.
_TEMPLATES = (
    "The capital of {country} is the city of",
    "The government of {country} sits in the city of",
    "The embassy in {country} is in the capital city of",
    "A star on the map of {country} marks the capital,",
)
# Those of pairs that are drawn anew: no prompt of theirs is in another draw.
_NEW_TEMPLATES = (
    "The national museum of {country} is in the capital city,",
    "On a visit to {country} the minister arrived in the capital,",
    "The largest airport of {country} is near its capital,",
    "People in {country} who work for the state often live in the capital,",
)
# Countries whose government sits in the capital. All of these words are single tokens for GPT-2,
# Llama 3.1, Qwen3, Gemma 3 and SmolLM2. Their number is even: a template has them in twos.
_CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin",
    "Britain": "London", "Russia": "Moscow", "Japan": "Tokyo", "China": "Beijing",
    "Greece": "Athens", "Portugal": "Lisbon", "Austria": "Vienna", "Poland": "Warsaw",
    "Ireland": "Dublin", "Sweden": "Stockholm", "Norway": "Oslo", "Denmark": "Copenhagen",
    "Iraq": "Baghdad", "Canada": "Ottawa", "Cuba": "Havana", "Belgium": "Brussels",
    "Syria": "Damascus", "Iran": "Tehran", "Finland": "Helsinki", "Hungary": "Budapest",
    "Australia": "Canberra", "Peru": "Lima", "Chile": "Santiago", "Jamaica": "Kingston",
}  # fmt: skip


def country_capital(n: int = 16, seed: int = 0) -> PromptPairs:
    """``n`` prompt pairs about the capitals of countries.

    After "The capital of France is the city of" comes " Paris". The corrupted prompt names
    another country, and the wrong answer is its capital. Pairs come in twos, clean and corrupted
    exchanged, which share a cluster. Every prompt there is, a template with a country in it, is
    clean in one pair at most: so there are 112 pairs, and fewer for a tokenizer that splits some
    of the 28 countries or their capitals. Drawn anew they have four other templates.

    Named position: ``country``.

    Example:
        >>> pairs = country_capital(n=2, seed=0)
        >>> pairs.clean[0], pairs.answers[0], pairs.wrong_answers[0]
        ('The capital of Hungary is the city of', ' Budapest', ' Damascus')
        >>> pairs.corrupted[0] == pairs.clean[1]
        True

    Args:
        n: number of pairs, even.
        seed: seed of the draw; its stream is that of ``random.Random(seed).random()``.

    Raises:
        PromptError: for a number of pairs that there is not.
    """
    return _drawn(partial(_draw, n=n, seed=seed), again=_anew)


def _anew(seed: str, n: int) -> PromptPairs:
    return _drawn(partial(_draw, n=n, seed=seed, templates=_NEW_TEMPLATES))


def _drawn(
    draw: Callable[..., PromptPairs], again: Callable[[str, int], PromptPairs] | None = None
) -> DrawnPairs:
    return DrawnPairs(
        draw,
        (*_CAPITALS, *_CAPITALS.values()),
        what="countries or capitals that are not single tokens here",
        again=again,
    )


def _draw(
    without: Collection[str],
    *,
    n: int,
    seed: int | str,
    templates: tuple[str, ...] = _TEMPLATES,
) -> PromptPairs:
    countries = [
        country
        for country, capital in _CAPITALS.items()
        if country not in without and capital not in without
    ]
    even = len(countries) - len(countries) % 2
    most = len(templates) * even
    n = check_count("country_capital", n, most, even=True, anew=templates is _NEW_TEMPLATES)
    stream = Stream(seed)
    left = [list(countries) for _ in templates]
    entries = []
    for number in range(n // 2):
        # Templates in turn, so that a small set has all of them.
        place = number % len(templates)
        first, second = stream.take(left[place]), stream.take(left[place])
        entries += [
            _entry(place, templates[place], *couple)
            for couple in ((first, second), (second, first))
        ]
    return pairs_of(entries, name=f"country_capital(n={n}, seed={seed})")


def _entry(number: int, template: str, country: str, other: str) -> Entry:
    return Entry(
        clean=template.format(country=country),
        corrupted=template.format(country=other),
        answer=f" {_CAPITALS[country]}",
        wrong_answer=f" {_CAPITALS[other]}",
        cluster=f"{number}:{'-'.join(sorted((country, other)))}",
        template=str(number),
        positions={"country": template.partition("{country}")[0] + country},
    )
