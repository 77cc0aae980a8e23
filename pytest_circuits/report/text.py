"""Lines of a terminal, made to fit."""

from __future__ import annotations

import re
import unicodedata
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


#: Control and format characters, and halves of those that have two.
_OBEYED = ("Cc", "Cf", "Cs")
#: What GitHub's runner takes for a command: the one way at the beginning of a line, after spaces
#: of any kind, the other anywhere.
_COMMAND = re.compile(r"^\s*::|##\[")


class Part(NamedTuple):
    """A part of a line and the colour pytest gives it, if any."""

    text: str
    colour: str = ""


class Line(NamedTuple):
    """A line, in parts of one colour each."""

    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The line without colours."""
        return "".join(part.text for part in self.parts)

    @property
    def plain(self) -> Line:
        """The line with nothing in it that a terminal obeys, or GitHub where it reads logs."""
        line = Line(tuple(part._replace(text=plain(part.text)) for part in self.parts))
        obeyed = [match.end() - 1 for match in _COMMAND.finditer(line.text)]
        return line._without(obeyed) if obeyed else line

    def _without(self, places: Sequence[int]) -> Line:
        """The line with a question mark in some places."""
        text = "".join("?" if at in places else each for at, each in enumerate(self.text))
        ends = accumulate(len(part.text) for part in self.parts)
        return Line(
            tuple(
                part._replace(text=text[end - len(part.text) : end])
                for part, end in zip(self.parts, ends, strict=True)
            )
        )


def folded(
    text: str, width: int, colour: str = "", *, head: str = "", indent: str = "  "
) -> list[Line]:
    """A text of one colour, on as many lines as it needs: a number that is cut is a wrong one.

    It is broken between its clauses (``; ``), and a clause that is longer than a line at spaces.

    Args:
        text: the text.
        width: columns there are.
        colour: the lines' colour.
        head: what stands before it on its first line.
        indent: what stands before it on the others.
    """
    lines, begun = [head], False
    for piece in _pieces(text, max(1, width - len(indent))):
        gap = " " if begun else ""
        if len(lines[-1]) + len(gap) + len(piece) <= width:
            lines[-1] += gap + piece
        else:
            lines.append(indent + piece)
        begun = True
    return [Line((Part(cut(line.rstrip(), width), colour),)) for line in lines if line.strip()]


def _pieces(text: str, most: int) -> Iterator[str]:
    """Clauses, the words of those that are too long, and the parts of words that are."""
    for clause in re.split("(?<=;) ", text):
        for piece in [clause] if len(clause) <= most else clause.split(" "):
            yield from (piece[at : at + most] for at in range(0, len(piece), most))


def plain(text: str) -> str:
    """The text without what a terminal obeys instead of showing it, as many characters long.

    Names are whatever somebody called a thing: escape sequences, line ends, marks that turn the
    direction of writing.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in "\t\n\r\v\f\x85\u2028\u2029":
        return " "
    return "?" if unicodedata.category(character) in _OBEYED else character


def cut(text: str, width: int) -> str:
    """The text, or as much of its beginning as fits."""
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def squeeze(text: str, width: int) -> str:
    """The text, or as much of its beginning and its end as fits."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"


def names(labels: Sequence[str], most: int, *, bare: bool = False) -> list[str]:
    """Names of tests in at most so many columns, all of one width.

    The ``test_`` that they begin with goes first; what is still too long is cut in the middle,
    because names in one file begin alike and differ towards the end.

    Args:
        labels: the full names.
        most: columns there are.
        bare: whether ``test_`` goes in any case.
    """
    if bare or max(map(len, labels)) > most:
        labels = [label.removeprefix("test_") for label in labels]
    width = min(most, max(map(len, labels)))
    return [f"{squeeze(label, width):<{width}}" for label in labels]
