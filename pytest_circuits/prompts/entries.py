"""Single prompt pairs: as builders make them, and as files and datasets hold them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_circuits.findings.strict_json import parse_json
from pytest_circuits.prompts.tokens import PromptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

#: What every pair has.
TEXTS = ("clean", "corrupted", "answer", "wrong_answer")
#: What may be a list of messages, in a chat.
PROMPTS = ("clean", "corrupted")
#: What a pair may have.
LABELS = ("cluster", "template")


@dataclass(frozen=True)
class Entry:
    """One prompt pair; see :class:`pytest_circuits.prompts.PromptPairs` for what the parts are."""

    # Texts; in a chat they may be lists of messages.
    clean: Any
    corrupted: Any
    answer: str
    wrong_answer: str
    cluster: str | None = None
    template: str = ""
    positions: Mapping[str, str] = field(default_factory=dict)


def read_entries(path: Path, *, chat: bool = False) -> list[Entry]:
    """The pairs of a JSON file.

    Args:
        path: the file.
        chat: whether prompts may be lists of messages.

    Raises:
        PromptError: if the file holds anything else; the message names file and entry.
    """
    try:
        entries = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PromptError(f"{path}: can't be read as JSON ({error})") from error
    if not isinstance(entries, list) or not entries:
        raise PromptError(f"{path}: holds no list of prompt pairs")
    rows = ((f"entry {n}", entry) for n, entry in enumerate(entries))
    return entries_of(str(path), rows, chat=chat)


def entries_of(
    where: str,
    rows: Iterable[tuple[str, object]],
    called: Mapping[str, str] | None = None,
    *,
    chat: bool = False,
) -> list[Entry]:
    """The pairs of rows, each an object of the fields that a JSON file has.

    Args:
        where: the file or dataset, for messages.
        rows: each row, after the words that say which it is (``line 3``).
        called: what fields are called there, if by another name.
        chat: whether prompts may be lists of messages.

    Raises:
        PromptError: if a row holds anything else; the message names the row.
    """
    read: list[Entry] = []
    first = ""
    for place, row in rows:
        try:
            entry = _entry(row, called or {}, chat=chat)
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


def _entry(entry: object, called: Mapping[str, str], *, chat: bool) -> Entry:
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
        kinds = (str, list) if chat and key in PROMPTS else (str,)
        if not isinstance(entry[key], kinds) or not entry[key]:
            raise PromptError(f"has {called.get(key, key)} {entry[key]!r}, which is no text")
    return Entry(
        # Some datasets have subclasses of text.
        **{key: str(part) if isinstance(part := entry[key], str) else part for key in TEXTS},
        cluster=_label(entry, "cluster", called),
        template=_label(entry, "template", called) or "",
        positions=_positions(entry.get("positions", {})),
    )


def _label(entry: Mapping[str, Any], key: str, called: Mapping[str, str]) -> str | None:
    if key not in entry:
        return None
    label = entry[key]
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
