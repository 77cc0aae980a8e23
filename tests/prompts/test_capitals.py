from __future__ import annotations

from collections import Counter

import pytest

from pytest_circuits.prompts import PromptError, PromptWarning, country_capital
from pytest_circuits.prompts.capitals import _CAPITALS, _TEMPLATES
from pytest_circuits.testing import word_tokenizer

FRAME = sorted({word for template in _TEMPLATES for word in template.split()} - {"{country}"})
PLACES = [*_CAPITALS, *_CAPITALS.values()]
#: A prompt for each template and country.
MOST = len(_TEMPLATES) * len(_CAPITALS)


def country(text):
    return next(word for word in text.split() if word in _CAPITALS)


def test_the_draw_is_the_same_on_every_machine():
    pairs = country_capital(n=4)

    assert pairs.hash == "fbd9bf4605096b60"
    assert pairs.name == "country_capital(n=4, seed=0)"
    assert country_capital(n=4, seed=1).hash != pairs.hash


def test_answers_are_the_capitals_of_the_two_countries():
    pairs = country_capital(n=64)

    for clean, corrupted, answer, wrong in zip(
        pairs.clean, pairs.corrupted, pairs.answers, pairs.wrong_answers, strict=True
    ):
        assert answer == f" {_CAPITALS[country(clean)]}"
        assert wrong == f" {_CAPITALS[country(corrupted)]}"
        assert clean.replace(country(clean), country(corrupted)) == corrupted != clean


def test_mirrored_pairs_share_a_cluster_and_every_prompt_there_is_occurs_once():
    pairs = country_capital(n=MOST)

    assert set(Counter(pairs.clusters).values()) == {2}
    assert pairs.clean[::2] == pairs.corrupted[1::2]
    assert set(pairs.clean) == {
        template.format(country=country) for template in _TEMPLATES for country in _CAPITALS
    }
    assert Counter(pairs.templates) == {str(number): MOST // 4 for number in range(4)}


def test_the_country_has_a_name():
    tokenized = country_capital(n=8).check(word_tokenizer(["a", *FRAME, *PLACES]))

    assert tokenized.dropped == ()
    assert tokenized.at("country") == (4, 4, 4, 4, 4, 4, 7, 7)


def test_a_country_goes_with_its_capital():
    known = [place for place in PLACES if place not in ("France", "Rome")]
    tokenizer = word_tokenizer(["a", *FRAME, *known])
    with pytest.warns(PromptWarning, match="dropped 2 countries or capitals .*: France, Rome$"):
        tokenized = country_capital(n=MOST - 8).check(tokenizer)

    vocabulary = tokenizer.get_vocab()
    ids = {token for row in tokenized.clean for token in row} | set(tokenized.answers)
    assert len(tokenized) == MOST - 8
    assert not ids & {vocabulary["Paris"], vocabulary["Italy"]}


def test_an_odd_number_of_countries_leaves_one_of_them_out_in_each_template():
    tokenizer = word_tokenizer(["a", *FRAME, *(place for place in PLACES if place != "France")])
    with pytest.warns(PromptWarning, match=": France$"):
        tokenized = country_capital(n=MOST - 8).check(tokenizer)

    assert len(set(tokenized.clean)) == MOST - 8
    with pytest.raises(PromptError, match=rf"an even number of pairs from 2 to {MOST - 8}\)"):
        country_capital(n=MOST - 6).check(tokenizer)


def test_there_must_be_two_countries():
    with pytest.raises(PromptError, match="country_capital has no pairs of these words"):
        country_capital(n=2).check(word_tokenizer(["a", *FRAME, "France", "Paris", "Italy"]))


@pytest.mark.parametrize("n", [0, 3, MOST + 2])
def test_a_number_of_pairs_that_there_is_not_is_refused(n):
    with pytest.raises(PromptError, match=f"an even number of pairs from 2 to {MOST}$"):
        country_capital(n=n)
