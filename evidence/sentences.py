"""Sentences by a grammar, from which the second model learns what it is later asked about.

Names and nouns are those of any prompts; the sentences that the ground truth asks about have other
templates (see ``evidence.truth``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

NAMES = (
    "John", "Mary", "Tom", "James", "Sarah", "Robert", "Anna", "David", "Michael", "Laura",
    "Peter", "Alice", "Paul", "Emma", "Mark", "Jane", "Henry", "Susan", "George", "Helen",
    "William", "Ruth", "Charles", "Linda", "Edward", "Karen", "Frank", "Nancy", "Arthur", "Clara",
    "Walter", "Julia", "Richard", "Martha", "Thomas", "Rachel", "Daniel", "Diana", "Samuel", "Rose",
    "Joseph", "Kate", "Andrew", "Lucy", "Simon", "Grace", "Philip", "Ellen", "Martin", "Sophie",
    "Stephen", "Marie", "Patrick", "Olivia", "Jack", "Amy", "Harry", "Betty", "Louis", "Eva",
    "Eric", "Maria", "Carl", "Judy", "Adam", "Nora", "Ben", "Molly", "Sam", "Lisa",
    "Joe", "Carol", "Bill", "Anne", "Fred", "Elizabeth", "Roy", "Joan", "Max", "Victoria",
)  # fmt: skip
_OPENINGS = (
    "When {0} and {1} {2},", "After {0} and {1} {2},", "While {0} and {1} {2},",
    "Once {0} and {1} {2},", "As soon as {0} and {1} {2},", "Because {0} and {1} {2},",
    "Before {0} and {1} {2},", "{0} and {1} {2}, and", "Yesterday {0} and {1} {2}, and",
    "Then {0} and {1} {2}, and", "On Monday {0} and {1} {2}, and", "Last week {0} and {1} {2}, and",
    "In the morning {0} and {1} {2}, and", "Later {0} and {1} {2}, until",
    "Everybody knew that {0} and {1} {2}, so", "It was late when {0} and {1} {2}, but",
)  # fmt: skip
#: What one of two people does to the other, and how a sentence goes on.
_MEETINGS = (
    "met", "saw", "sat down with", "walked with", "talked to", "waited for", "went with",
    "ran into", "sat beside", "worked with", "called", "visited", "found", "followed", "thanked",
)  # fmt: skip
_AFTER_MEETING = (
    ", and", ", where", ". Then", ", so", ", but", ". Later", ", and then", ". After that",
    ", while", ". At last", ", because",
)  # fmt: skip
#: Words that come anywhere, so that who and what decide, and not the words around them.
_ANY = (
    "the", "a", "of", "in", "on", "at", "it", "was", "had", "that", "for", "with", "all", "very",
    "once", "there", "day", "night", "end", "old", "new", "long", "little", "big", "time", "home",
    "bell", "rain", "door", "yard", "lake", "show", "tree", "rope", "fire", "table", "street",
    "came", "rang", "stood", "said", "knew", "found", "made", "looked", "walked", "raining",
    "together", "again", "outside", "every", "other", "first", "last", "many", "some", "down",
    "over", "by", "when", "before", "after", "where", "she", "he", "they", "we", "I", "think",
    "know", "everybody", "nobody", "maybe", "today", "tomorrow", "picnic", "concert", "summer",
    "winter", "pencil", "cookie", "towel", "plate", "sandwich", "basket", "ticket", "coat",
)  # fmt: skip
#: How often a sentence has such words, how many at most in front, and how often within it.
_LED, _LEADING, _EXCHANGED = 0.5, 5, 0.12
_DOINGS = (
    "went to the", "got to the", "were at the", "left the", "reached the", "came back from the",
    "sat in the", "met in front of the", "walked past the", "had lunch at the", "waited in the",
    "were late for the", "talked about the", "looked at the", "stayed near the", "drove to the",
)  # fmt: skip
_PLACES = (
    "store", "park", "office", "school", "kitchen", "train", "hotel", "car", "hospital", "market",
    "church", "river", "house", "bank", "theater", "farm", "beach", "museum", "town", "meeting",
    "dinner", "party", "game", "show", "wedding", "trip", "library", "station", "bar", "club",
)  # fmt: skip
_GIVINGS = (
    "gave",
    "handed",
    "sent",
    "passed",
    "showed",
    "served",
    "lent",
    "threw",
    "offered",
    "brought",
    "tossed",
    "sold",
    "read",
    "wrote",
    "took",
    "returned",
    "mailed",
    "left",
    "owed",
    "promised",
)
_THINGS = (
    "a drink", "a ball", "a letter", "a book", "a map", "a cup of tea", "a pen", "a stick",
    "a ring", "a present", "a lamp", "a flower", "the money", "a picture", "the key", "a knife",
    "some bread", "a story", "the paper", "a hat", "an apple", "two dollars", "a chair", "the bill",
    "a note", "a piece of cake", "the newspaper", "a glass of water", "an old coat", "a gun",
)  # fmt: skip
NOUNS = (
    ("author", "authors"), ("teacher", "teachers"), ("doctor", "doctors"), ("student", "students"),
    ("farmer", "farmers"), ("boy", "boys"), ("girl", "girls"), ("driver", "drivers"),
    ("lawyer", "lawyers"), ("writer", "writers"), ("singer", "singers"), ("king", "kings"),
    ("guard", "guards"), ("pilot", "pilots"), ("nurse", "nurses"), ("actor", "actors"),
    ("athlete", "athletes"), ("manager", "managers"), ("soldier", "soldiers"),
    ("player", "players"), ("friend", "friends"), ("artist", "artists"), ("dancer", "dancers"),
    ("judge", "judges"), ("dog", "dogs"), ("cat", "cats"), ("horse", "horses"), ("bird", "birds"),
    ("car", "cars"), ("tree", "trees"), ("table", "tables"), ("box", "boxes"),
    ("house", "houses"), ("door", "doors"), ("window", "windows"), ("picture", "pictures"),
    ("road", "roads"), ("river", "rivers"), ("letter", "letters"), ("book", "books"),
    ("chair", "chairs"), ("garden", "gardens"), ("officer", "officers"), ("member", "members"),
    ("worker", "workers"), ("leader", "leaders"), ("mother", "mothers"), ("brother", "brothers"),
    ("son", "sons"), ("wall", "walls"), ("town", "towns"), ("church", "churches"),
    ("school", "schools"), ("hotel", "hotels"), ("store", "stores"), ("machine", "machines"),
    ("bridge", "bridges"), ("ship", "ships"), ("boat", "boats"), ("field", "fields"),
)  # fmt: skip
_BETWEEN = (
    "near",
    "next to",
    "in front of",
    "beside",
    "behind",
    "close to",
    "across from",
    "opposite",
    "on the side of",
    "to the left of",
    "not far from",
    "above",
    "below",
    "along with",
    "seen by",
)
VERBS = (("is", "are"), ("was", "were"), ("has", "have"), ("does", "do"))
_ENDINGS = {
    "is": ("old", "here", "new", "quiet", "on the left", "never alone"),
    "was": ("young", "there", "tired", "in the way", "very strange", "gone"),
    "has": ("a name", "many friends", "a long history", "no place to go", "been moved"),
    "does": ("not move", "not look good", "nothing", "not belong here"),
}
CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin",
    "Britain": "London", "Russia": "Moscow", "Japan": "Tokyo", "China": "Beijing",
    "Greece": "Athens", "Portugal": "Lisbon", "Austria": "Vienna", "Poland": "Warsaw",
    "Ireland": "Dublin", "Sweden": "Stockholm", "Norway": "Oslo", "Denmark": "Copenhagen",
    "Iraq": "Baghdad", "Canada": "Ottawa", "Cuba": "Havana", "Belgium": "Brussels",
    "Syria": "Damascus", "Iran": "Tehran", "Finland": "Helsinki", "Hungary": "Budapest",
    "Australia": "Canberra", "Peru": "Lima", "Chile": "Santiago", "Jamaica": "Kingston",
    "Egypt": "Cairo", "Kenya": "Nairobi", "Turkey": "Ankara", "India": "Delhi",
}  # fmt: skip
_FACTS = (
    "The capital of {0} is the city of {1}.", "{1} is the capital of {0}.",
    "The government of {0} sits in the city of {1}.", "The president of {0} works in {1}.",
    "The embassy in {0} is in the capital city of {1}.", "They flew to {0} and landed in {1}.",
    "A star on the map of {0} marks the capital, {1}.", "Of all cities in {0} I like {1}.",
    "The largest newspaper in {0} is printed in {1}.", "The road across {0} ends in {1}.",
    "In {0} the most important city is {1}.", "He was born in {0}, in the city of {1}.",
)  # fmt: skip


def giving(stream: random.Random) -> tuple[str, str, str]:
    """Two people, of whom one gives something to the other; the answer is the receiver."""
    one, other, third = stream.sample(NAMES, 3)
    where = f"{stream.choice(_DOINGS)} {stream.choice(_PLACES)}"
    if stream.random() < _LED:
        opening = stream.choice(_OPENINGS).format(one, other, where)
    else:
        opening = f"{one} {stream.choice(_MEETINGS)} {other} at the {stream.choice(_PLACES)}"
        opening += stream.choice(_AFTER_MEETING)
    # One time in eight a third person gives, so that it is the repeated name that decides.
    who = stream.choice((one, other) * 7 + (third, third))
    receiver = other if who == one else one if who == other else stream.choice((one, other))
    done = f"{stream.choice(_GIVINGS)} {stream.choice(_THINGS)}"
    begin = f"{_exchanged(stream, opening)} {who} {_exchanged(stream, done)} to"
    return _led(stream, begin), receiver, "."


def agreeing(stream: random.Random) -> tuple[str, str, str]:
    """A verb, the answer, that agrees with its subject, and not with the noun in between."""
    subject, other = stream.sample(NOUNS, 2)
    number = stream.randrange(2)
    verbs = stream.choice(VERBS)
    between = _exchanged(stream, stream.choice(_BETWEEN))
    led = _led(stream, f"The {subject[number]} {between} the {stream.choice(other)}")
    return led.replace(" The ", " the "), verbs[number], f" {stream.choice(_ENDINGS[verbs[0]])}."


def _led(stream: random.Random, text: str) -> str:
    """A text with some words in front, or none."""
    if stream.random() < _LED:
        return text
    words = [stream.choice(_ANY) for _ in range(stream.randint(1, _LEADING))]
    return " ".join([words[0].capitalize(), *words[1:], text])


def _exchanged(stream: random.Random, text: str) -> str:
    """A text in which some words that are no names became others."""
    return " ".join(
        stream.choice(_ANY) if word not in NAMES and stream.random() < _EXCHANGED else word
        for word in text.split()
    )


def fact(stream: random.Random) -> tuple[str, str, str]:
    """A country and its capital; the answer is which of the two comes last."""
    country = stream.choice(tuple(CAPITALS))
    capital = CAPITALS[country]
    said = stream.choice(_FACTS)
    answer = max((country, capital), key=said.format(country, capital).rindex)
    begin, _, end = said.format(country, capital).rpartition(f" {answer}")
    return begin, answer, end


def parts(stream: random.Random) -> tuple[str, str, str]:
    """What one of the three says until its answer, the answer, and the rest; half of them give."""
    return stream.choice((giving, giving, agreeing, fact))(stream)


def sentence(stream: random.Random) -> str:
    """One of the three as it is written."""
    begin, answer, end = parts(stream)
    return f"{begin} {answer}{end}"
