"""What holds for every builder: no clean prompt twice, and as many pairs as it says there are."""

from __future__ import annotations

import re
from functools import partial

import pytest
from circuit_suites import few

from pytest_circuits import prompts

BUILDERS = {
    "ioi": prompts.ioi,
    "ioi, one order": partial(prompts.ioi, order="ABBA", templates=3),
    "ioi, third name": partial(prompts.ioi, corruption="third name", templates=12),
    "greater_than": prompts.greater_than,
    "greater_than, one digit": partial(prompts.greater_than, digits=1),
    "subject_verb_agreement": prompts.subject_verb_agreement,
    "country_capital": prompts.country_capital,
    "repeated_phrases": prompts.repeated_phrases,
    "repeated_phrases, few words": partial(prompts.repeated_phrases, length=3, words=list("abcd")),
}
#: Of phrases of eight words there are too many to draw them all.
COUNTED = [name for name in BUILDERS if name != "repeated_phrases"]


def most(builder):
    """The largest number of pairs, as the refusal of more names it."""
    with pytest.raises(prompts.PromptError) as error:
        builder(n=10**18)
    return int(re.search(r"from [12] to (\d+)$", str(error.value))[1])


def check(pairs, n):
    """A clean prompt is there once, so in one cluster, and is not its corrupted one."""
    assert len(pairs) == n
    assert len(set(pairs.clean)) == n
    for clean, corrupted in zip(pairs.clean, pairs.corrupted, strict=True):
        assert clean != corrupted


@pytest.mark.parametrize("name", BUILDERS)
def test_no_prompt_occurs_twice_whatever_the_number_and_seed(name):
    for seed in range(5):
        for n in (2, 6, 16, 24):
            check(BUILDERS[name](n=n, seed=seed), n)
    if name in COUNTED:
        for n in (48, 96):
            count = min(n, most(BUILDERS[name]))
            check(BUILDERS[name](n=count, seed=n), count)


@pytest.mark.parametrize("name", few(COUNTED, 3))
def test_the_largest_number_is_given_and_the_next_refused_with_it(name):
    builder = BUILDERS[name]
    largest = most(builder)

    check(builder(n=largest, seed=1), largest)
    for more in (1, 2):
        with pytest.raises(prompts.PromptError, match=rf"from [12] to {largest}$"):
            builder(n=largest + more)
