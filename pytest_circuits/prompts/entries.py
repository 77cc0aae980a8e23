"""Single prompt pairs: as builders make them, and as JSON files hold them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TEXTS = ("clean", "corrupted", "answer", "wrong_answer")
_LABELS = ("cluster", "template")


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
    read = []
    for number, entry in enumerate(entries):
        try:
            read.append(_entry(number, entry))
        except PromptError as error:
            raise PromptError(f"{path}: entry {number} {error}") from error
        if set(read[number].positions) != set(read[0].positions):
            raise PromptError(
                f"{path}: entry {number} names the positions {_names(read[number])}, entry 0 "
                f"{_names(read[0])}; every pair names the same"
            )
    return read


def _entry(number: int, entry: object) -> Entry:
    keys = set(entry) if isinstance(entry, dict) else set()
    missing = [key for key in _TEXTS if key not in keys]
    unknown = sorted(keys - {*_TEXTS, *_LABELS, "positions"})
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has unknown {', '.join(unknown)}"
        raise PromptError(
            f"{what}; a pair has {', '.join(_TEXTS)} and perhaps cluster, template, positions"
        )
    assert isinstance(entry, dict)
    for key in _TEXTS:
        if not isinstance(entry[key], str):
            raise PromptError(f"has {key} {entry[key]!r}, which is no text")
    return Entry(
        **{key: entry[key] for key in _TEXTS},
        cluster=_label(entry, "cluster", str(number)),
        template=_label(entry, "template", ""),
        positions=_positions(entry.get("positions", {})),
    )


def _label(entry: Mapping[str, Any], key: str, default: str) -> str:
    label = entry.get(key, default)
    if isinstance(label, bool) or not isinstance(label, str | int):
        raise PromptError(f"has {key} {label!r}, which is neither a text nor a whole number")
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
    return positions


def _names(entry: Entry) -> str:
    return ", ".join(map(repr, sorted(entry.positions))) or "(none)"
