"""Prompt pairs of a table, which is a CSV file or a dataset: a row a pair, a column a field."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts.entries import LABELS, TEXTS, Entry, entries_of
from pytest_circuits.prompts.tokens import PromptError, check_position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

#: The beginning of the name of a column that holds a position.
POSITION = "position:"
_HAVE = f"{', '.join(TEXTS)} and perhaps {', '.join(LABELS)}, {POSITION}NAME"


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
    *,
    chat: bool = False,
) -> list[Entry]:
    """The pairs of a table.

    Args:
        where: the file or dataset, for messages.
        rows: each row, after the words that say which it is (``line 3``).
        called: what fields are called there, if by another name.
        chat: whether prompts may be lists of messages.

    Raises:
        PromptError: if a row is no pair; the message names row and column.
    """
    places: list[str] = []

    def fields() -> Iterable[tuple[str, dict[str, Any]]]:
        for place, row in rows:
            places.append(place)
            yield place, _fields(row)

    entries = entries_of(where, fields(), called, chat=chat)
    if not entries:
        raise PromptError(f"{where}: holds no prompt pairs, not a row")
    for place, entry in zip(places, entries, strict=True):
        # In lists of messages a position is named by what the user says last: PromptPairs looks.
        for name, prefix in entry.positions.items() if isinstance(entry.clean, str) else ():
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


def read_csv(path: Path) -> list[Entry]:
    """The pairs of a CSV file.

    Raises:
        PromptError: if the file holds anything else; the message names file, line and column.
    """
    rows = _rows(path)
    line, header = next(rows, (1, []))
    if not header:
        raise PromptError(f"{path}: is empty; its first line names the columns {_HAVE}")
    _check_header(f"{path}: line {line}", header)
    return table_entries(
        str(path),
        (
            (f"line {line}", dict(zip(header, fields, strict=True)))
            for line, fields in _even(path, rows, len(header))
        ),
    )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, with the line on which it begins, from 1."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    line = 1
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise PromptError(f"{path}: line {line} can't be read as CSV ({error})") from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PromptError(f"{path}: can't be read ({error})") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PromptError(f"{path}: line {line} is not UTF-8; save the file as UTF-8") from error


def _check_header(where: str, header: Sequence[str]) -> None:
    missing = [column for column in TEXTS if column not in header]
    unknown = [column for column in header if not is_field(column)]
    twice = sorted({column for column in header if header.count(column) > 1})
    for columns, what in (
        (unknown, "has unknown"),
        (missing, "lacks"),
        (twice, "has twice"),
    ):
        if columns:
            raise PromptError(f"{where} {what} {_quoted(columns)}; the columns are {_HAVE}")


def _even(
    path: Path, rows: Iterator[tuple[int, list[str]]], columns: int
) -> Iterator[tuple[int, list[str]]]:
    for line, fields in rows:
        if len(fields) != columns:
            raise PromptError(
                f"{path}: line {line} has {len(fields)} fields for {columns} columns; "
                f"a text with a comma or a line break stands in double quotes"
            )
        yield line, fields


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(map(repr, columns))


def read_dataset(
    dataset: Any,  # noqa: ANN401 — any kind of dataset
    columns: Mapping[str, str] | None,
    n: int | None,
    *,
    chat: bool = False,
) -> list[Entry]:
    """The pairs of a dataset.

    Args:
        dataset: what gives rows.
        columns: the dataset's own names of columns, by ours.
        n: how many rows to take, from the first on; None for all.
        chat: whether prompts may be lists of messages.

    Raises:
        PromptError: if it holds anything else; the message names row and column.
    """
    where = dataset_name(dataset)
    called = dict(columns or {})
    unknown = [ours for ours in called if not _is_ours(ours)]
    if unknown:
        raise PromptError(
            f"columns has unknown {', '.join(map(repr, unknown))}; a pair has {', '.join(TEXTS)} "
            f"and perhaps {', '.join(LABELS)}, positions, {POSITION}NAME"
        )
    if isinstance(dataset, Mapping):
        splits = ", ".join(map(repr, dataset)) or "none"
        raise PromptError(f"a dataset of splits ({splits}), not a split; pass one of them")
    rows = _taken(where, dataset, n)
    return table_entries(
        where,
        ((f"row {number}", _ours(where, number, row, called)) for number, row in rows),
        called,
        chat=chat,
    )


def dataset_name(dataset: Any) -> str:  # noqa: ANN401
    """What a dataset is called, with its split: ``squad validation``, or plain ``dataset``."""
    info = getattr(dataset, "info", None)
    name = getattr(info, "dataset_name", None) or getattr(info, "builder_name", None)
    split = getattr(dataset, "split", None)
    return " ".join([str(name or "dataset"), *([] if split is None else [str(split)])])


def _is_ours(column: str) -> bool:
    return is_field(column) or column == "positions"


def _taken(where: str, dataset: Any, n: int | None) -> Iterator[tuple[int, Any]]:  # noqa: ANN401
    if n is None:
        if not hasattr(dataset, "__len__"):
            raise PromptError(f"{where}: is a stream of rows; n= says how many of them to take")
        yield from enumerate(dataset)
        return
    if n < 1:
        raise PromptError(f"n={n}: at least one row is taken")
    taken = 0
    for number, row in enumerate(islice(dataset, n)):
        yield number, row
        taken += 1
    if taken < n:
        raise PromptError(f"{where}: has {taken} rows, not n={n}")


def _ours(where: str, number: int, row: Any, called: Mapping[str, str]) -> dict[str, Any]:  # noqa: ANN401
    """A row's cells by our names; columns that no pair has are left."""
    if not isinstance(row, Mapping):
        raise PromptError(
            f"{where}: row {number} is of type {type(row).__name__}, not a dictionary of columns"
        )
    taken = set(called.values())
    wanted = {
        **{text: text for text in TEXTS},
        **{column: column for column in row if _is_ours(column) and column not in taken},
        **called,
    }
    missing = [theirs for theirs in wanted.values() if theirs not in row]
    if missing:
        raise PromptError(
            f"{where}: row {number} has no column {', '.join(map(repr, missing))}; it has "
            f"{', '.join(map(repr, row))}\n"
            f'Say which column is which: columns={{"answer": "target"}}'
        )
    if "positions" in wanted and any(map(is_position, wanted)):
        raise PromptError(f"{where}: has positions in one column, and in columns of their own")
    found = {ours: row[theirs] for ours, theirs in wanted.items()}
    if found.get("positions", ()) is None:
        del found["positions"]
    return found
