"""Prompt pairs of a dataset, as the datasets library has them: rows that are dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts.entries import LABELS, TEXTS, Entry
from pytest_circuits.prompts.errors import PromptError
from pytest_circuits.prompts.tables import POSITION, is_field, is_position, table_entries

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_dataset(
    dataset: Any,  # noqa: ANN401 — any kind of dataset
    columns: Mapping[str, str] | None,
    n: int | None,
) -> list[Entry]:
    """The pairs of a dataset; one without a cluster is its own.

    Args:
        dataset: what gives rows.
        columns: the dataset's own names of columns, by ours.
        n: how many rows to take, from the first on; None for all.

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
