"""Prompt pairs of a CSV file."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from pytest_circuits.prompts.entries import LABELS, TEXTS, Entry
from pytest_circuits.prompts.errors import PromptError
from pytest_circuits.prompts.tables import POSITION, is_field, table_entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_HAVE = f"{', '.join(TEXTS)} and perhaps {', '.join(LABELS)}, {POSITION}NAME"


def read_csv(path: Path) -> list[Entry]:
    """The pairs of a CSV file; one without a cluster is its own.

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
