"""Text that others wrote, made safe for each target that shows it, and made to fit.

Names and messages come from users, models and libraries, and may hold escape sequences, line ends,
marks that turn the direction of writing, and markup. Characters of Unicode's categories Cc, Cf and
Cs (controls, marks of format and direction, halves of characters) can't be seen, or change how
others are seen, and no target gets them as they are. What replaces them differs by target:

=================  ========================  =====================================================
target             function                  an unseen character becomes
=================  ========================  =====================================================
terminal           :func:`plain`,            ``?``, or a space if it ends a line: columns keep
                   :func:`plain_lines`,      their width. A whole line is no command to GitHub,
                   :attr:`Line.plain`        which reads logs
markdown           :func:`code`,             U+FFFD, except joiners, which make letters and emoji.
                   :func:`cell`,             All text is code, in which no flavour of markdown
                   :func:`html_code`,        mentions people, links or reads HTML
                   :func:`block`
page               :func:`printable`,        its code point (``⟨U+202E⟩``): a page has the room.
                   :func:`script_data`       Private characters too, for which it has no glyph
figure             :func:`in_figure`,        the same, and what plotly reads as HTML or as a
                   :func:`in_template`       template is escaped
workflow command   :func:`command_data`,     as in a terminal, and escaped for GitHub's runner
                   :func:`command_property`
=================  ========================  =====================================================
"""

from __future__ import annotations

import json
import re
import unicodedata
from html import escape
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Categories of characters that are not seen, or change how others are.
_UNSEEN = ("Cc", "Cf", "Cs")
#: A page has no glyph for private characters and for separators of lines and paragraphs either.
_NO_GLYPH = (*_UNSEEN, "Co", "Zl", "Zp")
_LINE_ENDS = "\t\n\r\v\f\x85\u2028\u2029"


def counted(number: int, noun: str) -> str:
    """So many of something, in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


# Fitting


def cut(text: str, width: int) -> str:
    """The text, or as much of its beginning as fits."""
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def squeeze(text: str, width: int) -> str:
    """The text, or as much of its beginning and its end as fits."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"


# Terminals


def plain(text: str) -> str:
    """The text without what a terminal obeys instead of showing it, as many characters long."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if each in _LINE_ENDS else "?" if unicodedata.category(each) in _UNSEEN else each
        for each in text
    )


#: What GitHub's runner takes for a command: the one way at the beginning of a line, after spaces
#: of any kind, the other anywhere.
_COMMAND = re.compile(r"^\s*::|##\[")


class Part(NamedTuple):
    """A part of a line and the colour pytest gives it, if any."""

    text: str
    colour: str = ""


class Line(NamedTuple):
    """A line of a terminal, in parts of one colour each."""

    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The line without colours."""
        return "".join(part.text for part in self.parts)

    @property
    def plain(self) -> Line:
        """The line with nothing in it that a terminal obeys, or GitHub where it reads logs.

        Whatever is printed passes here, or :func:`plain_lines`.
        """
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


def plain_lines(text: str) -> str:
    """A text of several lines with nothing in it that a terminal obeys, or GitHub in logs.

    Which line ends are meant and which stand in a name can't be told any more: all of them stay.
    """
    return "\n".join(Line((Part(line),)).plain.text for line in text.split("\n"))


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


# Markdown

#: Characters of a text that are shown; a longer one loses its middle.
_MOST = 300
#: What stands where there is nothing.
NONE = "–"
#: Colours and movements of a terminal.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
#: Separators of records and fields too: some readers of markdown end a line there.
_BREAKS = re.compile(f"[{_LINE_ENDS}\x1c-\x1f]+")
#: They join letters of many scripts, and the parts of an emoji.
_JOINERS = "\u200c\u200d"
_REPLACEMENT = "\ufffd"
_LEAST_FENCE = 3


def clean(text: str, most: int = _MOST) -> str:
    """The text on one line, without unseen characters; the functions below make markdown of it."""
    text = _BREAKS.sub(" ", _ANSI.sub(_REPLACEMENT, text))
    return squeeze("".join(map(_seen, text)), most)


def _seen(character: str) -> str:
    unseen = unicodedata.category(character) in _UNSEEN and character not in _JOINERS
    return _REPLACEMENT if unseen else character


def code(text: str) -> str:
    """The text as code within a line."""
    return _span(clean(text))


def cell(text: str, most: int = _MOST) -> str:
    """The text as code within a table, where a pipe would end the cell, also in code."""
    text = clean(text, most)
    # A backslash before a pipe's own would take its meaning from it.
    return _span(re.sub(r"\\(?=\|)", r"\\ ", text).replace("|", r"\|"))


def _span(text: str) -> str:
    if not text:
        return NONE
    fence = "`" * (_longest_run(text) + 1)
    edges = text[0] + text[-1]
    # One space at each end is taken off where there is one at both.
    padded = "`" in edges or (edges == "  " and bool(text.strip(" ")))
    return f"{fence} {text} {fence}" if padded else f"{fence}{text}{fence}"


def html_code(text: str) -> str:
    """The text as code within HTML."""
    return f"<code>{escape(clean(text))}</code>"


def block(text: str, language: str) -> list[str]:
    """The text as lines of a block of code, whole: what is to be copied must not be cut."""
    text = clean(text, len(text) + 1)
    fence = "`" * max(_LEAST_FENCE, _longest_run(text) + 1)
    return [f"{fence}{language}", text, fence]


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


# Pages and figures

#: Signs for what is not seen and has one.
_SIGNS = {"\n": "⏎", "\r": "␍", "\t": "⇥"}
#: What JSON may hold and HTML would read: the end of a script, a comment, an entity.
_IN_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def printable(text: str) -> str:
    """The text with what can't be seen spelt out, for a page whose template escapes it."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _SIGNS.get(each) or f"⟨U+{ord(each):04X}⟩"
        if unicodedata.category(each) in _NO_GLYPH
        else each
        for each in text
    )


def script_data(data: object) -> str:
    """Data for a ``<script type="application/json">``, in which HTML would read nothing."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_IN_HTML)


def in_figure(text: str) -> str:
    """The text for plotly, which reads ``<b>`` and ``<a href>`` in any text as HTML."""
    return escape(printable(text), quote=False)


def in_template(text: str) -> str:
    """The text within a hover template, which reads ``%{…}`` as well."""
    return in_figure(text).replace("{", "&#123;")


# Workflow commands of GitHub Actions


def command_data(text: str) -> str:
    """The text as what a workflow command says, of one line or several."""
    text = "\n".join(plain(line) for line in text.split("\n"))
    return text.replace("%", "%25").replace("\n", "%0A")


def command_property(text: str) -> str:
    """The text as a property of a workflow command."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")
