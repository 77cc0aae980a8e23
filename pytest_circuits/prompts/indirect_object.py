"""Indirect object identification (Wang et al. 2022, arXiv:2211.00593)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from pytest_circuits.prompts.drawn import DrawnPairs, Stream, check_count
from pytest_circuits.prompts.entries import Entry
from pytest_circuits.prompts.pairs import PromptPairs, pairs_of
from pytest_circuits.prompts.tokens import PromptError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Order = Literal["both", "ABBA", "BABA"]
Corruption = Literal["swap", "third name"]

# {A} and {B} are introduced in this order; {S} does the giving, and the other one is the answer.
# The first four are those of the default draw, which baselines rest on: add to the end.
_TEMPLATES = (
    "When {A} and {B} went to the store, {S} gave a drink to",
    "When {A} and {B} went to the park, {S} handed a ball to",
    "After {A} and {B} got to the office, {S} sent a letter to",
    "While {A} and {B} were at the school, {S} passed a book to",
    "Then, {A} and {B} had a long talk about the trip, and {S} showed a map to",
    "Before {A} and {B} left the kitchen, {S} served a cup of tea to",
    "Once {A} and {B} had found a seat on the train, {S} lent a pen to",
    "On Sunday {A} and {B} went for a walk, and {S} threw a stick to",
    "Last year {A} and {B} stayed at the same hotel, and {S} offered a ring to",
    "Because {A} and {B} were late for dinner, {S} brought a present to",
    "Afterwards {A} and {B} looked for the keys in the car, until {S} tossed a lamp to",
    "As soon as {A} and {B} reached the hospital, {S} gave a flower to",
)
_NAMES = (
    "John", "Mary", "Tom", "James", "Sarah", "Robert", "Anna", "David",
    "Michael", "Laura", "Peter", "Alice", "Paul", "Emma", "Mark", "Jane",
)  # fmt: skip
# One of the two is one of these where pairs are drawn anew, so that none of them can be in a
# default draw. Some are names of children's stories.
_RESERVE = (
    "Lily", "Tim", "Sue", "Bob", "Mia", "Kevin", "Claire", "Jim", "Nick", "Ben", "Sam", "Max",
    "Lisa", "Adam", "Maria", "Eric", "Carl", "Louis", "Joe", "Bill", "Fred", "Roy", "Marie", "Eva",
    "Judy", "Nora", "Molly", "Carol", "Anne", "Elizabeth", "Joan", "Victoria",
)  # fmt: skip


def ioi(
    n: int = 16,
    seed: int = 0,
    *,
    order: Order = "both",
    corruption: Corruption = "swap",
    templates: int = 4,
) -> PromptPairs:
    """``n`` prompt pairs for indirect object identification.

    In a clean prompt one of two names gives something, and the other is the answer (`" Mary"`);
    the wrong answer is the giver. Pairs come in twos with the same template and names: in one the
    first name gives (BABA order in the paper's words), in the other the second (ABBA). The two
    share a cluster.

    Drawn anew they have all templates, both orders, and at least one name of 32 others.

    Named positions: ``IO`` (the answer's name), ``S1`` and ``S2`` (the giver's first and second
    mention), ``S1+1`` (the token after ``S1``).

    Example:
        >>> pairs = ioi(n=2, seed=0)
        >>> pairs.clean[0], pairs.answers[0]
        ('When Emma and Mark went to the store, Emma gave a drink to', ' Mark')
        >>> len(pairs), len(set(pairs.clusters))
        (2, 1)

    Args:
        n: number of pairs, even unless one order is asked for.
        seed: seed of the draw of names; its stream is that of ``random.Random(seed).random()``.
        order: ``both``, or one of the two alone.
        corruption: what stands in ``S2``'s place in a corrupted prompt. ``swap``: the other name,
            so that the answer is the giver. ``third name``: a name that neither of the two has
            (the paper's ABC prompts), so that there is no answer. The clean prompts are the same.
        templates: how many of the templates are taken in turn, from 1 to 12. The first four have
            the giver's act in the same place, and prompts of one length.

    Raises:
        PromptError: for a number of pairs or an option that there is not.
    """
    if order not in ("both", "ABBA", "BABA"):
        raise PromptError(f"order is both, ABBA or BABA, not {order!r}")
    if corruption not in ("swap", "third name"):
        raise PromptError(f"corruption is 'swap' or 'third name', not {corruption!r}")
    if not 1 <= templates <= len(_TEMPLATES):
        raise PromptError(f"templates is a number from 1 to {len(_TEMPLATES)}, not {templates}")
    third = corruption == "third name"
    return DrawnPairs(
        partial(_draw, n=n, seed=seed, order=order, third=third, count=templates),
        _NAMES,
        what=_DROPPED,
        again=partial(_anew, third=third),
    )


_DROPPED = "names that are not single tokens here"


def _anew(seed: str, n: int, *, third: bool) -> PromptPairs:
    draw = partial(
        _draw, n=n, seed=seed, order="both", third=third, count=len(_TEMPLATES), reserve=_RESERVE
    )
    return DrawnPairs(draw, (*_NAMES, *_RESERVE), what=_DROPPED)


def _draw(
    without: Collection[str],
    *,
    n: int,
    seed: int | str,
    order: Order,
    third: bool,
    count: int,
    reserve: Sequence[str] = (),
) -> PromptPairs:
    names = [name for name in (*_NAMES, *reserve) if name not in without]
    every = [(a, b) for a in names for b in names if a < b]
    if reserve:
        every = [couple for couple in every if not set(couple) <= set(_NAMES)]
    couples = [list(every) for _ in range(count)]
    givers = {"both": (0, 1), "BABA": (0,), "ABBA": (1,)}[order]
    most = len(givers) * sum(map(len, couples))
    n = check_count("ioi", n, most, even=len(givers) > 1, anew=bool(reserve))
    # A stream of its own, so that the clean prompts are those of the other corruption.
    stream, strangers = Stream(seed), Stream(f"third name {seed}")
    entries = []
    for number in range(n // len(givers)):
        # Templates in turn, so that a small set has all of them.
        chosen = stream.take(couples[number % count])
        if stream.coin():
            chosen = (chosen[1], chosen[0])
        others = [name for name in names if name not in chosen]
        if third and not others:
            raise PromptError("ioi needs three names for a third one")
        stranger = strangers.choose(others) if third else None
        entries += [_entry(number % count, chosen, giver, stranger) for giver in givers]
    options = f", {order}" * (order != "both") + ", third name" * third
    options += f", templates={count}" * (count != 4)  # noqa: PLR2004
    return pairs_of(entries, name=f"ioi(n={n}, seed={seed}{options})")


def _entry(number: int, names: tuple[str, str], giver: int, stranger: str | None) -> Entry:
    """The pair in which the first (0) or second (1) name gives."""
    subject, other = names[giver], names[1 - giver]
    before, between, middle, after = _parts(_TEMPLATES[number])
    introduced = f"{before}{names[0]}", f"{before}{names[0]}{between}{names[1]}"
    opening = introduced[1] + middle
    next_words = between, middle
    return Entry(
        clean=f"{opening}{subject}{after}",
        corrupted=f"{opening}{stranger or other}{after}",
        answer=f" {other}",
        wrong_answer=f" {subject}",
        cluster=f"{number}:{'-'.join(sorted(names))}",
        template=str(number),
        positions={
            "IO": introduced[1 - giver],
            "S1": introduced[giver],
            "S1+1": f"{introduced[giver]} {next_words[giver].split()[0]}",
            "S2": f"{opening}{subject}",
        },
    )


def _parts(template: str) -> tuple[str, str, str, str]:
    """What stands before, between and after the three names."""
    before, rest = template.split("{A}")
    between, rest = rest.split("{B}")
    middle, after = rest.split("{S}")
    return before, between, middle, after
