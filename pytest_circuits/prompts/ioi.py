"""Indirect object identification (Wang et al. 2022, arXiv:2211.00593)."""

from __future__ import annotations

import random

from pytest_circuits.prompts.pairs import PromptError, PromptPairs

# {A} and {B} are introduced in this order; {S} does the giving, and the other one is the answer.
_TEMPLATES = (
    "When {A} and {B} went to the store, {S} gave a drink to",
    "When {A} and {B} went to the park, {S} handed a ball to",
    "After {A} and {B} got to the office, {S} sent a letter to",
    "While {A} and {B} were at the school, {S} passed a book to",
)
_NAMES = (
    "John", "Mary", "Tom", "James", "Sarah", "Robert", "Anna", "David",
    "Michael", "Laura", "Peter", "Alice", "Paul", "Emma", "Mark", "Jane",
)  # fmt: skip


def ioi(n: int = 16, seed: int = 0) -> PromptPairs:
    """``n`` prompt pairs for indirect object identification.

    In a clean prompt one of two names gives something, and the other is the answer (`" Mary"`);
    in the corrupted prompt the giver is swapped, and with it the answer. Pairs come in twos with
    the same template and names: in one the first name gives (BABA order in the paper's words), in
    the other the second (ABBA). The two share a cluster.

    Example:
        >>> pairs = ioi(n=2, seed=0)
        >>> len(pairs), len(set(pairs.clusters))
        (2, 1)

    Args:
        n: number of pairs, even.
        seed: seed of the draw of names; its stream is that of ``random.Random(seed).random()``.

    Raises:
        PromptError: if ``n`` is odd, below 2, or more than there are templates and names for.
    """
    combinations = [
        (template, first, second)
        for template in _TEMPLATES
        for first in _NAMES
        for second in _NAMES
        if first < second
    ]
    if n < 2 or n % 2 or n // 2 > len(combinations):  # noqa: PLR2004
        raise PromptError(f"ioi gives an even number of pairs from 2 to {2 * len(combinations)}")
    stream = random.Random(seed)  # noqa: S311 — a reproducible draw is the point
    clean, corrupted, answers, wrong, clusters = [], [], [], [], []
    for number in range(n // 2):
        # Templates in turn, so that a small set has all of them.
        group = [c for c in combinations if c[0] == _TEMPLATES[number % len(_TEMPLATES)]]
        chosen = group[int(stream.random() * len(group))]
        combinations.remove(chosen)
        template, *names = chosen
        if stream.random() < 0.5:  # noqa: PLR2004
            names.reverse()
        for giver, other in (names, reversed(names)):
            clean.append(template.format(A=names[0], B=names[1], S=giver))
            corrupted.append(template.format(A=names[0], B=names[1], S=other))
            answers.append(f" {other}")
            wrong.append(f" {giver}")
            clusters.append(f"{_TEMPLATES.index(template)}:{'-'.join(sorted(names))}")
    return PromptPairs(
        clean,
        corrupted,
        answers,
        wrong,
        clusters=clusters,
        name=f"ioi(n={n}, seed={seed})",
    )
