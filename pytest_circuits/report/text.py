"""Lines of a terminal, made to fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def plain(text: str, width: int, colour: str = "") -> Line:
    """A line of one colour, cut where it doesn't fit."""
    return Line((Part(cut(text, width), colour),))


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
