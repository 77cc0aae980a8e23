from __future__ import annotations

from collections import Counter
from contextlib import nullcontext

import pytest
from circuit_suites import few

from pytest_circuits.prompts import PromptError, PromptWarning, subject_verb_agreement
from pytest_circuits.prompts.agreement import _NOUNS, _TEMPLATES, _VERBS
from pytest_circuits.testing import word_tokenizer

FORMS = [word for couple in (*_NOUNS, *_VERBS) for word in couple]
FRAME = ["a", "The", "the", "near", "next", "to", "in", "front", "of", "beside"]
NUMBER = {noun: number for couple in _NOUNS for number, noun in enumerate(couple)}
VERB = {f" {verb}": number for couple in _VERBS for number, verb in enumerate(couple)}


def test_the_draw_is_the_same_on_every_machine():
    pairs = subject_verb_agreement(n=4)

    assert pairs.hash == "1f488ee47653bd02"
    assert pairs.name == "subject_verb_agreement(n=4, seed=0)"
    assert subject_verb_agreement(n=4, seed=1).hash != pairs.hash


def test_the_answer_agrees_with_the_subject_and_the_wrong_one_with_the_corrupted_subject():
    pairs = subject_verb_agreement(n=64)

    for clean, corrupted, answer, wrong in zip(
        pairs.clean, pairs.corrupted, pairs.answers, pairs.wrong_answers, strict=True
    ):
        subject, other = clean.split()[1], corrupted.split()[1]
        assert clean.split()[2:] == corrupted.split()[2:]
        assert NUMBER[subject] == VERB[answer] == 1 - VERB[wrong] == 1 - NUMBER[other]
        assert {subject, other} in [set(couple) for couple in _NOUNS]
        assert (answer.strip(), wrong.strip())[:: 1 - 2 * VERB[answer]] in _VERBS


def test_numbers_templates_and_distractors_are_balanced():
    pairs = subject_verb_agreement(n=64)
    words = [clean.split() for clean in pairs.clean]

    assert Counter(NUMBER[each[1]] for each in words) == {0: 32, 1: 32}
    assert Counter(NUMBER[each[1]] == NUMBER[each[-1]] for each in words) == {True: 32, False: 32}
    assert Counter(pairs.templates) == {"0": 16, "1": 16, "2": 16, "3": 16}


@pytest.mark.parametrize("unknown", few([{"is"}, set(), {"is", "were"}], 1))
def test_verbs_are_as_many_as_can_be_in_all_and_in_every_template(unknown):
    known = [form for form in FORMS if form not in unknown]
    verbs = [verb for verb in _VERBS if not {*verb} & {*unknown}]
    tokenizer = word_tokenizer([*FRAME, *known])
    answer = tokenizer.get_vocab()
    warning = pytest.warns(PromptWarning) if unknown else nullcontext()
    with warning:
        drawn = [subject_verb_agreement(n=n, seed=n).check(tokenizer) for n in range(2, 80, 2)]

    for tokenized in drawn:
        for template in [None, *_TEMPLATES]:
            found = [
                token
                for token, number in zip(tokenized.answers, tokenized.templates, strict=True)
                if template in (None, _TEMPLATES[int(number)])
            ]
            counts = [found.count(answer[form]) for verb in verbs for form in verb]
            assert max(counts) - min(counts) <= 1
            assert sum(counts) == len(found)


def test_mirrored_pairs_share_a_cluster_and_no_prompt_occurs_twice():
    pairs = subject_verb_agreement(n=512)

    assert set(Counter(pairs.clusters).values()) == {2}
    assert pairs.clean[::2] == pairs.corrupted[1::2]
    assert len(set(pairs.clean)) == 512


def test_a_distractor_is_another_noun():
    for clean in subject_verb_agreement(n=512).clean:
        subject, distractor = clean.split()[1], clean.split()[-1]
        assert subject.removesuffix("s") != distractor.removesuffix("s")


def test_subject_and_distractor_have_names():
    tokenized = subject_verb_agreement(n=8).check(word_tokenizer([*FRAME, *FORMS]))

    assert tokenized.dropped == ()
    assert tokenized.positions["subject"] == (2,) * 8
    assert tokenized.at("distractor") == tokenized.at("END") == (5, 5, 6, 6, 7, 7, 5, 5)


def test_a_noun_or_verb_goes_with_its_other_number():
    known = [form for form in FORMS if form not in ("authors", "has")]
    with pytest.warns(PromptWarning, match="dropped 2 words .*: authors, has$"):
        tokenized = subject_verb_agreement(n=512).check(word_tokenizer([*FRAME, *known]))

    ids = {token for row in tokenized.clean for token in row} | set(tokenized.answers)
    vocabulary = word_tokenizer([*FRAME, *known]).get_vocab()
    assert len(tokenized) == 512
    assert not ids & {vocabulary["author"], vocabulary["have"]}


def test_there_must_be_two_nouns_and_a_verb():
    for known in (["author", "authors", "is", "are"], [n for couple in _NOUNS for n in couple]):
        with pytest.raises(PromptError, match="subject_verb_agreement has no pairs of these words"):
            subject_verb_agreement(n=2).check(word_tokenizer([*FRAME, *known]))


@pytest.mark.parametrize("n", [0, 3, 10**5])
def test_a_number_of_pairs_that_there_is_not_is_refused(n):
    most = 2 * len(_TEMPLATES) * len(_NOUNS) * (len(_NOUNS) - 1)
    with pytest.raises(PromptError, match=f"an even number of pairs from 2 to {most}$"):
        subject_verb_agreement(n=n)
