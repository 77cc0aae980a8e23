"""Prompt pairs of a table: a row for each pair, a column for each of its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts.entries import LABELS, TEXTS, Entry, check_position, entries_of
from pytest_circuits.prompts.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The beginning of the name of a column that holds a position.
POSITION = "position:"


def is_position(column: str) -> bool:
    """Whether a column holds a position: ``position:S2``."""
    return column.startswith(POSITION) and column != POSITION


def is_field(column: str) -> bool:
    """Whether a column holds a part of a pair."""
    return column in (*TEXTS, *LABELS) or is_position(column)


def table_entries(
    where: str,
    rows: Iterable[tuple[str, Mapping[str, Any]]],
    called: Mapping[str, str] | None = None,
) -> list[Entry]:
    """The pairs of a table.

    Args:
        where: the file or dataset, for messages.
        rows: each row, after the words that say which it is (``line 3``).
        called: what fields are called there, if by another name.

    Raises:
        PromptError: if a row is no pair; the message names row and column.
    """
    places: list[str] = []

    def fields() -> Iterable[tuple[str, dict[str, Any]]]:
        for place, row in rows:
            places.append(place)
            yield place, _fields(row)

    entries = entries_of(where, fields(), called)
    if not entries:
        raise PromptError(f"{where}: holds no prompt pairs, not a row")
    for place, entry in zip(places, entries, strict=True):
        for name, prefix in entry.positions.items():
            try:
                check_position(name, prefix, entry.clean)
            except PromptError as error:
                raise PromptError(f"{where}: {place}: {error}") from None
    return entries


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the object that a JSON file would have for it."""
    positions = {
        column.removeprefix(POSITION): value for column, value in row.items() if is_position(column)
    }
    fields = {
        column: value
        for column, value in row.items()
        # A table has a cell for what a JSON object leaves out.
        if not is_position(column) and not (column in LABELS and value in ("", None))
    }
    return fields | ({"positions": positions} if positions else {})
