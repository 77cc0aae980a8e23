"""Sentences to complete: a beginning, the right end and a wrong one of the same kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidence.sentences import CAPITALS, NOUNS

if TYPE_CHECKING:
    from collections.abc import Iterator

_FACTS = (
    ("The colour of fresh snow is", "white", "green"),
    ("Water turns into ice when it gets very", "cold", "hot"),
    ("A week has seven", "days", "hours"),
    ("There are sixty minutes in an", "hour", "year"),
    ("The opposite of left is", "right", "soft"),
    ("Bees make", "honey", "milk"),
    ("Cows give us", "milk", "honey"),
    ("The Earth moves around the", "Sun", "Moon"),
    ("Fish live in the", "water", "trees"),
    ("Birds use their wings to", "fly", "read"),
    ("The month after June is", "July", "May"),
    ("The day before Saturday is", "Friday", "Monday"),
    ("Two plus two equals", "four", "seven"),
    ("A triangle has three", "sides", "wheels"),
    ("The first president of the United States was George", "Washington", "Lincoln"),
    ("Romeo and", "Juliet", "Ophelia"),
    ("The theory of relativity was developed by Albert", "Einstein", "Newton"),
    ("The author of Hamlet is William", "Shakespeare", "Dickens"),
    ("The chemical symbol H stands for", "hydrogen", "gold"),
    ("We hear with our", "ears", "knees"),
    ("We see with our", "eyes", "elbows"),
    ("A person who teaches in a school is a", "teacher", "sailor"),
    ("A person who flies planes is a", "pilot", "baker"),
    ("Bread is baked in an", "oven", "umbrella"),
    ("When it rains, people carry an", "umbrella", "oven"),
    ("The sun rises in the", "east", "west"),
    ("The largest ocean on Earth is the", "Pacific", "Baltic"),
    ("The language spoken in Brazil is", "Portuguese", "Swedish"),
    ("Penguins live in", "Antarctica", "Egypt"),
    ("The pyramids were built in ancient", "Egypt", "Canada"),
    ("The human heart pumps", "blood", "sand"),
    ("A spider has eight", "legs", "wings"),
    ("Ice cream is usually", "sweet", "bitter"),
    ("At night the sky is", "dark", "bright"),
    ("To cut paper you need a pair of", "scissors", "socks"),
    ("A doctor works in a", "hospital", "bakery"),
    ("Books can be borrowed from a", "library", "bakery"),
    ("The piano is a musical", "instrument", "animal"),
    ("Gold is a precious", "metal", "liquid"),
    ("Plants need light and", "water", "money"),
)
_GRAMMAR = (
    ("She has never", "been there", "be there"),
    ("Yesterday he", "went home", "goes home"),
    ("Tomorrow they will", "come back", "came back"),
    ("I would like to", "thank you", "thanked you"),
    ("Neither of them wanted to", "leave", "left"),
    ("He is taller", "than his brother", "then his brother"),
    ("There", "are three cats on the roof", "is three cats on the roof"),
    ("One of the reasons", "is the price", "are the price"),
    ("The children", "were playing", "was playing"),
    ("My sister", "doesn't know", "don't know"),
    ("If I had known, I would", "have called", "had called"),
    ("This is the best", "of all", "from all"),
    ("She is afraid", "of spiders", "at spiders"),
    ("We were looking", "forward to it", "forward at it"),
    ("He apologized", "for being late", "to being late"),
    ("They have lived here", "since 1990", "for 1990"),
    ("He did it all by", "himself", "herself"),
    ("The queen raised", "her hand", "his hand"),
    ("The men washed", "their hands", "his hands"),
    ("Each of the books", "has a cover", "have a cover"),
    ("As far as I", "know", "knew it"),
    ("It depends", "on the weather", "of the weather"),
    ("He is interested", "in history", "on history"),
    ("The more you read, the", "more you learn", "much you learn"),
    ("How", "many apples are there", "much apples are there"),
    ("How", "much water is left", "many water is left"),
    ("An", "old man", "young man"),
    ("She sings", "beautifully", "beautiful"),
    ("We have been waiting", "for two hours", "since two hours"),
    ("Let me", "know", "to know"),
)
_OF_COUNTRIES = (
    "Everybody in {} knows its capital,",
    "All roads in {} lead to",
    "A train from the coast of {} reached",
)
_OF_NOUNS = (
    "Once again the {} with the {}",
    "We heard that the {} after the {}",
    "In the picture the {} without the {}",
)
_VERBS = (("is", "are"), ("was", "were"))


def _capitals() -> Iterator[tuple[str, str, str]]:
    every = list(CAPITALS.items())
    for number, (country, capital) in enumerate(every):
        other = every[(number + 5) % len(every)][1]
        yield _OF_COUNTRIES[number % 3].format(country), capital, other


def _agreements() -> Iterator[tuple[str, str, str]]:
    for number in range(32):
        plural = number % 2
        subject, other = NOUNS[number][plural], NOUNS[(7 * number + 3) % len(NOUNS)][1 - plural]
        verbs = _VERBS[number // 2 % 2]
        begin = _OF_NOUNS[number % 3].format(subject, other)
        yield begin, verbs[plural], verbs[1 - plural]


#: By base model. What the second one knows are capitals and agreement: it is asked about them in
#: other forms than it learned them in. General phrases, of which it knew two in three, changed with
#: any training, as their two ends were nearly tied.
CLOZE: dict[str, tuple[tuple[str, str, str], ...]] = {
    "smollm2": _FACTS + _GRAMMAR,
    "second": (*_capitals(), *_agreements()),
}
