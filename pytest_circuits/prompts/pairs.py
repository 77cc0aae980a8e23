"""Clean and corrupted prompts with their answers, as text."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts.tokens import PromptError, bos_id, check_position, encode, show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_circuits.prompts.entries import Entry

#: The last position, where the answer is read: every prompt has it by this name.
END = "END"

_FIELDS = ("clean", "corrupted", "answers", "wrong_answers")


@dataclass(frozen=True)
class TokenizedPairs:
    """Prompt pairs as a tokenizer sees them.

    Attributes:
        clean: token ids of each clean prompt, first token included.
        corrupted: token ids of each corrupted prompt, each as long as its clean one.
        answers: one token id for each prompt.
        wrong_answers: one token id for each prompt.
        first_token: the text of the token put before every prompt, or None.
        clusters: one label for each pair.
        templates: one label for each pair.
        positions: where each named token of a clean prompt stands, and so its counterpart in the
            corrupted one; an index for each pair, the first token counted.
        texts: a hash of the texts.
        clean_texts: a hash of the clean prompts' texts, with their answers and clusters.
        corrupted_texts: a hash of the corrupted prompts' texts.
        dropped: words that a builder left out, because they are not single tokens here.
    """

    clean: tuple[tuple[int, ...], ...]
    corrupted: tuple[tuple[int, ...], ...]
    answers: tuple[int, ...]
    wrong_answers: tuple[int, ...]
    first_token: str | None
    clusters: tuple[str, ...]
    templates: tuple[str, ...]
    positions: Mapping[str, tuple[int, ...]]
    texts: str
    clean_texts: str
    corrupted_texts: str
    dropped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.clean)

    @property
    def hash(self) -> str:
        """A hash of every token id."""
        return digest([self.clean, self.corrupted, self.answers, self.wrong_answers])

    @property
    def clean_hash(self) -> str:
        """A hash of the token ids of the clean prompts and of the answers."""
        return digest([self.clean, self.answers, self.wrong_answers])

    @property
    def corrupted_hash(self) -> str:
        """A hash of the token ids of the corrupted prompts."""
        return digest(self.corrupted)

    @property
    def tokens(self) -> frozenset[int]:
        """Every token id that occurs, answers included."""
        prompts = (*self.clean, *self.corrupted, self.answers, self.wrong_answers)
        return frozenset(chain.from_iterable(prompts))

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths that occur, first token counted, shortest first."""
        return tuple(sorted({len(prompt) for prompt in self.clean}))

    def at(self, position: str | int) -> tuple[int, ...]:
        """The index of a position in every prompt.

        Args:
            position: a name (``END`` is the last position), or an index; a negative one counts
                from the end.

        Raises:
            PromptError: if a prompt has no such position.
        """
        lengths = [len(prompt) for prompt in self.clean]
        if position == END:
            return tuple(length - 1 for length in lengths)
        if isinstance(position, str):
            if position not in self.positions:
                names = ", ".join([*self.positions, END])
                raise PromptError(f"these prompts name no position {position!r}; they name {names}")
            return self.positions[position]
        if not all(-length <= position < length for length in lengths):
            raise PromptError(
                f"there is no position {position} in a prompt of {min(lengths)} tokens"
            )
        return tuple(position % length for length in lengths)


@dataclass(frozen=True, repr=False)
class PromptPairs:
    """Pairs of prompts that differ in what a circuit is to pick up.

    ``answers[i]`` is right after ``clean[i]``; ``wrong_answers[i]`` is what the logit difference
    sets it against, usually the answer after ``corrupted[i]``. A clean prompt and its corrupted
    one have equally many tokens, and answers are single tokens; both are checked when the pairs
    meet a tokenizer (:meth:`check` does it early).

    Example:
        >>> pairs = PromptPairs(
        ...     clean=["When John and Mary went to the store, John gave a drink to"],
        ...     corrupted=["When John and Mary went to the store, Mary gave a drink to"],
        ...     answers=[" Mary"],
        ...     wrong_answers=[" John"],
        ... )
        >>> len(pairs)
        1

    Attributes:
        clean: prompts on which the behaviour shows.
        corrupted: prompts on which it does not.
        answers: right answers to the clean prompts.
        wrong_answers: the answers they are set against.
        clusters: one label a pair; pairs of one cluster (the same template and answers, say)
            count once in standard errors. By default every pair is its own.
        templates: one label a pair; means over prompts that stand in for one of them are taken
            within its template. By default all pairs have one.
        positions: tokens that have a name, each by the clean prompts up to and including it, one
            text a pair: ``{"S2": ["When John and Mary went to the store, John"]}``. The last
            position has the name ``END`` anyway.
        name: where the pairs come from; shown, never compared.
    """

    clean: tuple[str, ...]
    corrupted: tuple[str, ...]
    answers: tuple[str, ...]
    wrong_answers: tuple[str, ...]
    clusters: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    positions: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    name: str = "pairs"

    def __init__(
        self,
        clean: Sequence[str],
        corrupted: Sequence[str],
        answers: Sequence[str],
        wrong_answers: Sequence[str],
        *,
        clusters: Sequence[str] | None = None,
        templates: Sequence[str] | None = None,
        positions: Mapping[str, Sequence[str]] | None = None,
        name: str = "pairs",
    ) -> None:
        columns = dict(zip(_FIELDS, (clean, corrupted, answers, wrong_answers), strict=True))
        for column, texts in columns.items():
            object.__setattr__(self, column, _column(column, texts, len(clean)))
        if not clean:
            raise PromptError("no prompt pairs")
        if clusters is None:
            clusters = [str(number) for number in range(len(clean))]
        if templates is None:
            templates = [""] * len(clean)
        object.__setattr__(self, "clusters", _column("clusters", clusters, len(clean)))
        object.__setattr__(self, "templates", _column("templates", templates, len(clean)))
        object.__setattr__(self, "positions", _positions(positions or {}, self.clean))
        object.__setattr__(self, "name", name)

    def __len__(self) -> int:
        return len(self.clean)

    def __repr__(self) -> str:
        return f"<PromptPairs {self.name}: {len(self)}>"

    @staticmethod
    def from_json(path: str | Path) -> PromptPairs:
        """Read pairs from a JSON file: a list of objects, one a pair.

        Each object has ``clean``, ``corrupted``, ``answer``, ``wrong_answer``, and may have
        ``cluster``, ``template`` and ``positions``: an object of the clean prompt up to and
        including each named token, with the same names in every entry.

        Raises:
            PromptError: if the file is anything else; the message names file and entry.
        """
        from pytest_circuits.prompts.entries import read_entries

        path = Path(path)
        return _read(str(path), read_entries(path), path.name)

    @staticmethod
    def from_csv(path: str | Path) -> PromptPairs:
        r"""Read pairs from a CSV file: a row for each, after a row of column names.

        The columns are ``clean``, ``corrupted``, ``answer``, ``wrong_answer``, and may be
        ``cluster``, ``template`` (an empty cell says nothing) and one such as ``position:S2`` for
        each named token, with the clean prompts up to and including it. Texts are taken as they
        stand, leading spaces too; the file is UTF-8.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> with TemporaryDirectory() as folder:
            ...     file = Path(folder) / "pairs.csv"
            ...     _ = file.write_text(
            ...         "clean,corrupted,answer,wrong_answer,position:S2\n"
            ...         "Ann met Bob. Bob saw,Ann met Bob. Ann saw, Ann, Bob,Ann met Bob. Bob\n"
            ...     )
            ...     pairs = PromptPairs.from_csv(file)
            >>> pairs.answers, pairs.positions["S2"]
            ((' Ann',), ('Ann met Bob. Bob',))

        Raises:
            PromptError: if the file is anything else; the message names file, line and column.
        """
        from pytest_circuits.prompts.tables import read_csv

        path = Path(path)
        return _read(str(path), read_csv(path), path.name)

    @staticmethod
    def from_dataset(
        dataset: Any,  # noqa: ANN401 — the datasets library is no dependency
        *,
        columns: Mapping[str, str] | None = None,
        n: int | None = None,
    ) -> PromptPairs:
        """Read pairs from a split of a ``datasets`` dataset, or any other rows of named columns.

        Its columns are those of a CSV file (:meth:`from_csv`), or have the names that ``columns``
        gives; it may also have ``positions`` in one column, as a JSON file has them
        (:meth:`from_json`). Further columns are not looked at.

        Example:
            >>> rows = [{"clean": "a b", "corrupted": "a c", "target": "d", "wrong_answer": "e"}]
            >>> PromptPairs.from_dataset(rows, columns={"answer": "target"}).answers
            ('d',)

        Args:
            dataset: a ``datasets.Dataset``, or an ``IterableDataset`` with ``n``.
            columns: what the dataset calls its columns, by our names for them, where they differ.
            n: how many rows to take, from the first on; by default all.

        Raises:
            PromptError: if the dataset has anything else; the message names row and column.
        """
        from pytest_circuits.prompts.tables import dataset_name, read_dataset

        entries = read_dataset(dataset, columns, n)
        name = dataset_name(dataset)
        return _read(name, entries, name)

    @property
    def hash(self) -> str:
        """A hash of every text."""
        return digest([self.clean, self.corrupted, self.answers, self.wrong_answers, self.clusters])

    def check(self, tokenizer: Any) -> TokenizedPairs:  # noqa: ANN401 — any Hugging Face tokenizer
        """Tokenize the pairs, and make sure that a measure can use them.

        Every prompt begins with the tokenizer's BOS token, where it has one.

        Raises:
            PromptError: if a clean and a corrupted prompt differ in length, or an answer is not
                a single token; the message shows the tokens.
        """
        bos = bos_id(tokenizer)
        first = [] if bos is None else [bos]
        ids = {
            column: [encode(tokenizer, text) for text in getattr(self, column)]
            for column in _FIELDS
        }
        for column in ("answers", "wrong_answers"):
            for number, tokens in enumerate(ids[column]):
                if len(tokens) != 1:
                    raise PromptError(
                        f"pair {number}: {column[:-1].replace('_', ' ')} "
                        f"{getattr(self, column)[number]!r} is {len(tokens)} tokens, not one:\n"
                        f"  {show(tokenizer, tokens)}\n"
                        f"Choose a word that is a single token here (mind the leading space)."
                    )
        for number, (right, wrong) in enumerate(
            zip(ids["answers"], ids["wrong_answers"], strict=True)
        ):
            if right == wrong:
                raise PromptError(
                    f"pair {number}: its answer {self.answers[number]!r} is its wrong answer too"
                )
        for number, (clean, corrupted) in enumerate(
            zip(ids["clean"], ids["corrupted"], strict=True)
        ):
            if not clean or len(clean) != len(corrupted):
                raise PromptError(
                    f"pair {number}: {len(clean)} tokens in the clean prompt, "
                    f"{len(corrupted)} in the corrupted one:\n"
                    f"  clean     {show(tokenizer, clean)}\n"
                    f"  corrupted {show(tokenizer, corrupted)}\n"
                    f"Patching puts a position of one into the same position of the other."
                )
        return TokenizedPairs(
            clean=tuple((*first, *tokens) for tokens in ids["clean"]),
            corrupted=tuple((*first, *tokens) for tokens in ids["corrupted"]),
            answers=tuple(tokens[0] for tokens in ids["answers"]),
            wrong_answers=tuple(tokens[0] for tokens in ids["wrong_answers"]),
            first_token=tokenizer.bos_token if first else None,
            clusters=self.clusters,
            templates=self.templates,
            positions={
                name: tuple(
                    len(first) + _end(tokenizer, name, number, prefix, ids["clean"][number])
                    for number, prefix in enumerate(prefixes)
                )
                for name, prefixes in self.positions.items()
            },
            texts=self.hash,
            clean_texts=digest(
                [self.clean, self.answers, self.wrong_answers, partition(self.clusters)]
            ),
            corrupted_texts=digest(self.corrupted),
        )


def _column(name: str, column: Sequence[str], count: int) -> tuple[str, ...]:
    """One text for each pair."""
    if isinstance(column, str) or not all(isinstance(text, str) for text in column):
        raise PromptError(f"{name} is a list of texts, one for each pair")
    if len(column) != count:
        raise PromptError(f"{count} clean prompts, and {len(column)} {name}")
    return tuple(column)


def _positions(
    positions: Mapping[str, Sequence[str]], clean: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, prefixes in positions.items():
        if name == END:
            raise PromptError(f"{END} is the last position of every prompt; choose another name")
        found[name] = _column(f"positions[{name!r}]", prefixes, len(clean))
        for number, (prefix, prompt) in enumerate(zip(prefixes, clean, strict=True)):
            try:
                check_position(name, prefix, prompt)
            except PromptError as error:
                raise PromptError(f"pair {number}: {error}") from None
    return found


def _end(
    tokenizer: Any,  # noqa: ANN401
    name: str,
    number: int,
    prefix: str,
    tokens: Sequence[int],
) -> int:
    """The index of the last token of a text with which the tokens begin."""
    start = encode(tokenizer, prefix)
    if not start or start != list(tokens[: len(start)]):
        raise PromptError(
            f"pair {number}: position {name!r} ends within a token:\n"
            f"  {show(tokenizer, tokens)}\n  {show(tokenizer, start)}\n"
            f"Give the prompt up to and including the token that has the name."
        )
    return len(start) - 1


def _read(where: str, entries: Sequence[Entry], name: str) -> PromptPairs:
    """The pairs that a file or dataset holds."""
    try:
        return pairs_of(entries, name)
    except PromptError as error:
        raise PromptError(f"{where}: {error}") from error


def pairs_of(entries: Sequence[Entry], name: str) -> PromptPairs:
    """Pairs put together from single ones, which all name the same positions."""
    return PromptPairs(
        clean=[entry.clean for entry in entries],
        corrupted=[entry.corrupted for entry in entries],
        answers=[entry.answer for entry in entries],
        wrong_answers=[entry.wrong_answer for entry in entries],
        clusters=[entry.cluster for entry in entries],
        templates=[entry.template for entry in entries],
        positions={
            position: [entry.positions[position] for entry in entries]
            for position in entries[0].positions
        },
        name=name,
    )


def partition(labels: Sequence[str]) -> list[int]:
    """Which labels are the same, whatever they are: the number of each, as they first come."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels]


def digest(value: object) -> str:
    """A short hash of anything JSON can hold."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
