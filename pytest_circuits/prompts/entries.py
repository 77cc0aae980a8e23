"""Single prompt pairs: as builders make them, and as files and datasets hold them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts.tokens import PromptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

#: What every pair has.
TEXTS = ("clean", "corrupted", "answer", "wrong_answer")
#: What a pair may have.
LABELS = ("cluster", "template")


@dataclass(frozen=True)
class Entry:
    """One prompt pair; see :class:`pytest_circuits.prompts.PromptPairs` for what the parts are."""

    clean: str
    corrupted: str
    answer: str
    wrong_answer: str
    cluster: str
    template: str = ""
    positions: Mapping[str, str] = field(default_factory=dict)


def read_entries(path: Path) -> list[Entry]:
    """The pairs of a JSON file; one without a cluster is its own.

    Raises:
        PromptError: if the file holds anything else; the message names file and entry.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PromptError(f"{path}: can't be read as JSON ({error})") from error
    if not isinstance(entries, list) or not entries:
        raise PromptError(f"{path}: holds no list of prompt pairs")
    return entries_of(str(path), ((f"entry {n}", entry) for n, entry in enumerate(entries)))


def entries_of(
    where: str, rows: Iterable[tuple[str, object]], called: Mapping[str, str] | None = None
) -> list[Entry]:
    """The pairs of rows, each an object of the fields that a JSON file has.

    Args:
        where: the file or dataset, for messages.
        rows: each row, after the words that say which it is (``line 3``).
        called: what fields are called there, if by another name.

    Raises:
        PromptError: if a row holds anything else; the message names the row.
    """
    read: list[Entry] = []
    first = ""
    for place, row in rows:
        try:
            entry = _entry(len(read), row, called or {})
        except PromptError as error:
            raise PromptError(f"{where}: {place} {error}") from error
        read.append(entry)
        first = first or place
        if set(entry.positions) != set(read[0].positions):
            raise PromptError(
                f"{where}: {place} names the positions {_names(entry)}, {first} "
                f"{_names(read[0])}; every pair names the same"
            )
    return read


def _entry(number: int, entry: object, called: Mapping[str, str]) -> Entry:
    keys = set(entry) if isinstance(entry, dict) else set()
    missing = [key for key in TEXTS if key not in keys]
    unknown = sorted(keys - {*TEXTS, *LABELS, "positions"})
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has unknown {', '.join(unknown)}"
        raise PromptError(
            f"{what}; a pair has {', '.join(TEXTS)} and perhaps cluster, template, positions"
        )
    assert isinstance(entry, dict)
    for key in TEXTS:
        if not isinstance(entry[key], str) or not entry[key]:
            raise PromptError(f"has {called.get(key, key)} {entry[key]!r}, which is no text")
    return Entry(
        # Some datasets have subclasses of text.
        **{key: str(entry[key]) for key in TEXTS},
        cluster=_label(entry, "cluster", str(number), called),
        template=_label(entry, "template", "", called),
        positions=_positions(entry.get("positions", {})),
    )


def _label(entry: Mapping[str, Any], key: str, default: str, called: Mapping[str, str]) -> str:
    label = entry.get(key, default)
    if isinstance(label, bool) or not isinstance(label, str | int):
        raise PromptError(
            f"has {called.get(key, key)} {label!r}, which is neither a text nor a whole number"
        )
    return str(label)


def _positions(positions: object) -> dict[str, str]:
    if not isinstance(positions, dict):
        raise PromptError(
            f"has positions {positions!r}; they are an object: a name for a token, and the clean "
            f"prompt up to and including it"
        )
    for name, prefix in positions.items():
        if not isinstance(prefix, str):
            raise PromptError(f"has position {name!r} at {prefix!r}, which is no text")
    return {name: str(prefix) for name, prefix in positions.items()}


def _names(entry: Entry) -> str:
    return ", ".join(map(repr, sorted(entry.positions))) or "(none)"
