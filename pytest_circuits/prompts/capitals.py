"""Capitals of countries: recall of facts (as in Meng et al. 2022, arXiv:2202.05262)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_circuits.prompts.drawn import DrawnPairs, Stream, check_count
from pytest_circuits.prompts.entries import Entry
from pytest_circuits.prompts.pairs import PromptPairs, pairs_of

if TYPE_CHECKING:
    from collections.abc import Collection

_TEMPLATES = (
    "The capital of {country} is the city of",
    "The government of {country} sits in the city of",
    "The embassy in {country} is in the capital city of",
    "The president of {country} lives in the capital,",
)
_CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin",
    "England": "London", "Russia": "Moscow", "Japan": "Tokyo", "China": "Beijing",
    "Egypt": "Cairo", "Greece": "Athens", "Portugal": "Lisbon", "Austria": "Vienna",
    "Poland": "Warsaw", "Ireland": "Dublin", "Sweden": "Stockholm", "Norway": "Oslo",
    "Denmark": "Copenhagen", "Iraq": "Baghdad", "Canada": "Ottawa", "Cuba": "Havana",
    "Belgium": "Brussels", "Syria": "Damascus", "Scotland": "Edinburgh", "India": "Delhi",
}  # fmt: skip


def country_capital(n: int = 16, seed: int = 0) -> PromptPairs:
    """``n`` prompt pairs about the capitals of countries.

    After "The capital of France is the city of" comes " Paris". The corrupted prompt names
    another country, and the wrong answer is its capital. Pairs come in twos, clean and corrupted
    exchanged, which share a cluster.

    Named position: ``country``.

    Example:
        >>> pairs = country_capital(n=2, seed=0)
        >>> pairs.clean[0], pairs.answers[0], pairs.wrong_answers[0]
        ('The capital of Sweden is the city of', ' Stockholm', ' Baghdad')
        >>> pairs.corrupted[0] == pairs.clean[1]
        True

    Args:
        n: number of pairs, even.
        seed: seed of the draw; its stream is that of ``random.Random(seed).random()``.

    Raises:
        PromptError: for a number of pairs that there is not.
    """
    return DrawnPairs(
        partial(_draw, n=n, seed=seed),
        (*_CAPITALS, *_CAPITALS.values()),
        what="countries or capitals that are not single tokens here",
    )


def _draw(without: Collection[str], *, n: int, seed: int) -> PromptPairs:
    countries = [
        country
        for country, capital in _CAPITALS.items()
        if country not in without and capital not in without
    ]
    couples = [
        [(a, b) for i, a in enumerate(countries) for b in countries[i + 1 :]] for _ in _TEMPLATES
    ]
    check_count("country_capital", n, 2 * sum(map(len, couples)), even=True)
    stream = Stream(seed)
    entries = []
    for number in range(n // 2):
        # Templates in turn, so that a small set has all of them.
        template = number % len(_TEMPLATES)
        first, second = stream.take(couples[template])
        if stream.coin():
            first, second = second, first
        entries += [_entry(template, first, second), _entry(template, second, first)]
    return pairs_of(entries, name=f"country_capital(n={n}, seed={seed})")


def _entry(number: int, country: str, other: str) -> Entry:
    template = _TEMPLATES[number]
    return Entry(
        clean=template.format(country=country),
        corrupted=template.format(country=other),
        answer=f" {_CAPITALS[country]}",
        wrong_answer=f" {_CAPITALS[other]}",
        cluster=f"{number}:{'-'.join(sorted((country, other)))}",
        template=str(number),
        positions={"country": template.partition("{country}")[0] + country},
    )
