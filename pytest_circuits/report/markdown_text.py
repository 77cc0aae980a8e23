"""Texts that others wrote, as markdown: shown as they are, and never taken for markup.

All of them stand in code. There no name is mentioned, no issue referred to, nothing linked and no
HTML read, in no flavour of markdown.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape
from typing import TYPE_CHECKING

from pytest_circuits.report.text import squeeze

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Characters of a text that are shown; a longer one loses its middle.
MOST = 300
#: What stands in a table for what there is none of.
NONE = "–"
#: Colours and movements of a terminal.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
_LINE_ENDS = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
#: Categories of characters that are not seen, or change what is: controls, marks of direction,
#: halves of characters.
_UNSEEN = ("Cc", "Cf", "Cs")
#: They join letters of many scripts, and the parts of an emoji.
_JOINERS = "\u200c\u200d"
_REPLACEMENT = "\ufffd"
_LEAST_FENCE = 3


def clean(text: str, most: int = MOST) -> str:
    """The text on one line, without what can't be seen."""
    text = _LINE_ENDS.sub(" ", _ANSI.sub(_REPLACEMENT, text))
    return squeeze("".join(map(_seen, text)), most)


def _seen(character: str) -> str:
    unseen = unicodedata.category(character) in _UNSEEN and character not in _JOINERS
    return _REPLACEMENT if unseen else character


def code(text: str, most: int = MOST) -> str:
    """The text as code within a line."""
    return _span(clean(text, most))


def cell(text: str, most: int = MOST) -> str:
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


def html_code(text: str, most: int = MOST) -> str:
    """The text as code within HTML."""
    return f"<code>{escape(clean(text, most))}</code>"


def block(text: str, language: str) -> list[str]:
    """The text as lines of a block of code, whole: what is to be copied must not be cut."""
    text = clean(text, len(text) + 1)
    fence = "`" * max(_LEAST_FENCE, _longest_run(text) + 1)
    return [f"{fence}{language}", text, fence]


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def table_head(names: Sequence[str], numbers: int = 0) -> list[str]:
    """The two lines that a table begins with.

    Args:
        names: what the columns are called, as markdown.
        numbers: how many columns at the end hold numbers.
    """
    rules = ["---"] * (len(names) - numbers) + ["---:"] * numbers
    return [table_row(names), table_row(rules)]


def table_row(cells: Iterable[str]) -> str:
    """A line of a table, of cells that are markdown."""
    return f"| {' | '.join(cells)} |"
