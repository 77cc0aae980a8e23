"""Agreement of a verb with a subject that is not the nearest noun.

Linzen et al. 2016 (arXiv:1611.01368); prompt pairs as in Finlayson et al. 2021 (arXiv:2106.06087).
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from pytest_circuits.prompts.drawn import DrawnPairs, Stream, check_count
from pytest_circuits.prompts.entries import Entry
from pytest_circuits.prompts.pairs import PromptPairs, pairs_of

if TYPE_CHECKING:
    from collections.abc import Collection

_TEMPLATES = (
    "The {subject} near the {distractor}",
    "The {subject} next to the {distractor}",
    "The {subject} in front of the {distractor}",
    "The {subject} beside the {distractor}",
)
# Those of pairs that are drawn anew: no prompt of theirs is in another draw.
_NEW_TEMPLATES = (
    "The {subject} to the right of the {distractor}",
    "The {subject} on the left of the {distractor}",
    "The {subject} not far from the {distractor}",
    "The {subject} close to the {distractor}",
)
# Singular and plural.
_NOUNS = (
    ("author", "authors"), ("teacher", "teachers"), ("doctor", "doctors"),
    ("student", "students"), ("farmer", "farmers"), ("boy", "boys"), ("girl", "girls"),
    ("driver", "drivers"), ("lawyer", "lawyers"), ("writer", "writers"), ("singer", "singers"),
    ("king", "kings"), ("guard", "guards"), ("pilot", "pilots"), ("nurse", "nurses"),
    ("actor", "actors"), ("athlete", "athletes"), ("manager", "managers"),
    ("soldier", "soldiers"), ("player", "players"), ("friend", "friends"),
    ("artist", "artists"), ("dancer", "dancers"), ("judge", "judges"), ("dog", "dogs"),
    ("cat", "cats"), ("horse", "horses"), ("bird", "birds"), ("car", "cars"), ("tree", "trees"),
    ("table", "tables"), ("box", "boxes"),
)  # fmt: skip
_VERBS = (("is", "are"), ("was", "were"), ("has", "have"))


def subject_verb_agreement(n: int = 16, seed: int = 0) -> PromptPairs:
    """``n`` prompt pairs in which a verb must agree with its subject.

    After "The keys near the cabinet" comes " are", and not " is", whatever the number of the
    distractor, the noun in between. In the corrupted prompt the subject's number is changed ("The
    key near the cabinet"), and the wrong answer is the verb that agrees with it. Pairs come in
    twos, clean and corrupted exchanged, which share a cluster; so half the subjects are singular,
    and in half of the pairs the distractor has the other number than the subject of the clean
    prompt. Verbs are is/are, was/were and has/have, each equally often as far as ``n`` allows, in
    every template too. Drawn anew they have four other templates.

    Named positions: ``subject`` and ``distractor``, which is the last token, ``END``, too.

    Example:
        >>> pairs = subject_verb_agreement(n=2, seed=0)
        >>> pairs.clean[0], pairs.answers[0], pairs.wrong_answers[0]
        ('The bird near the authors', ' is', ' are')
        >>> pairs.corrupted[0] == pairs.clean[1]
        True

    Args:
        n: number of pairs, even.
        seed: seed of the draw; its stream is that of ``random.Random(seed).random()``.

    Raises:
        PromptError: for a number of pairs that there is not.
    """
    return DrawnPairs(partial(_draw, n=n, seed=seed), _WORDS, again=_anew)


_WORDS = tuple(word for couple in (*_NOUNS, *_VERBS) for word in couple)


def _anew(seed: str, n: int) -> PromptPairs:
    return DrawnPairs(partial(_draw, n=n, seed=seed, templates=_NEW_TEMPLATES), _WORDS)


def _draw(
    without: Collection[str],
    *,
    n: int,
    seed: int | str,
    templates: tuple[str, ...] = _TEMPLATES,
) -> PromptPairs:
    nouns, verbs = (
        [couple for couple in couples if not any(word in without for word in couple)]
        for couples in (_NOUNS, _VERBS)
    )
    # A noun is no distractor of itself.
    sentences = [
        [(subject, other) for subject in nouns for other in nouns if subject != other]
        for _ in templates
    ]
    most = 2 * sum(map(len, sentences)) if verbs else 0
    anew = templates is _NEW_TEMPLATES
    n = check_count("subject_verb_agreement", n, most, even=True, anew=anew)
    stream = Stream(seed)
    entries = []
    for number in range(n // 2):
        # Templates and verbs in turn, so that a small set has all of them. When every template
        # would meet the same verbs again, they go on by one.
        place = number % len(templates)
        verb = verbs[(number + number // math.lcm(len(templates), len(verbs))) % len(verbs)]
        subject, other = stream.take(sentences[place])
        distractor, first = stream.choose(other), stream.below(2)
        entries += [
            _entry(place, templates[place], (subject, distractor), verb, plural)
            for plural in (first, 1 - first)
        ]
    return pairs_of(entries, name=f"subject_verb_agreement(n={n}, seed={seed})")


def _entry(
    number: int,
    template: str,
    nouns: tuple[tuple[str, str], str],
    verb: tuple[str, str],
    plural: int,
) -> Entry:
    """The pair whose clean subject is singular (0) or plural (1), beside a distractor."""
    subject, distractor = nouns
    clean, corrupted = (
        template.format(subject=subject[form], distractor=distractor)
        for form in (plural, 1 - plural)
    )
    return Entry(
        clean=clean,
        corrupted=corrupted,
        answer=f" {verb[plural]}",
        wrong_answer=f" {verb[1 - plural]}",
        cluster=f"{number}:{subject[0]}-{distractor}:{verb[0]}",
        template=str(number),
        positions={"subject": f"The {subject[plural]}", "distractor": clean},
    )
