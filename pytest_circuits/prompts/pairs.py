"""Clean and corrupted prompts with their answers, as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts.tokens import END, PromptError, check_position, digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_circuits.findings import Json
    from pytest_circuits.prompts.chat import Chat, ChatPrompt, Messages
    from pytest_circuits.prompts.entries import Entry
    from pytest_circuits.prompts.tokenized import TokenizedPairs


@dataclass(frozen=True, repr=False)
class PromptPairs:
    """Pairs of prompts that differ in what a circuit is to pick up.

    ``answers[i]`` is right after ``clean[i]``; ``wrong_answers[i]`` is what the logit difference
    sets it against, usually the answer after ``corrupted[i]``. A clean prompt and its corrupted
    one have equally many tokens, and an answer adds a single token to them; both are checked when
    the pairs meet a tokenizer (:meth:`check` does it early).

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
        clean: prompts on which the behaviour shows; to a chat model, what the user says last.
        corrupted: prompts on which it does not.
        answers: right answers to the clean prompts.
        wrong_answers: the answers they are set against.
        clusters: one label a pair; pairs of one cluster (the same template and answers, say)
            count once in standard errors. By default, and where a label is None, pairs with the
            same clean prompt are one.
        templates: one label a pair; means over prompts that stand in for one of them are taken
            within its template. By default all pairs have one.
        positions: tokens that have a name, each by the clean prompts up to and including it, one
            text a pair: ``{"S2": ["When John and Mary went to the store, John"]}``. The last
            position has the name ``END`` anyway.
        name: where the pairs come from; shown, never compared.
        chat: how they are put to a chat model; None where prompts are plain texts.
        messages: all messages of each clean and each corrupted prompt, with a chat.
        held_out: further pairs for the same behaviour, on which nothing is measured until a
            mechanism changed while its behaviour held (:meth:`anew`). None of their clean prompts
            is a clean or a corrupted one of these, and they decide nothing of what is comparable.
    """

    clean: tuple[str, ...]
    corrupted: tuple[str, ...]
    answers: tuple[str, ...]
    wrong_answers: tuple[str, ...]
    clusters: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    positions: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    name: str = "pairs"
    chat: Chat | None = None
    messages: Mapping[str, tuple[Messages, ...]] = field(default_factory=dict, hash=False)
    held_out: PromptPairs | None = field(default=None, compare=False)

    def __init__(
        self,
        clean: Sequence[ChatPrompt],
        corrupted: Sequence[ChatPrompt],
        answers: Sequence[str],
        wrong_answers: Sequence[str],
        *,
        clusters: Sequence[str | None] | None = None,
        templates: Sequence[str] | None = None,
        positions: Mapping[str, Sequence[str]] | None = None,
        name: str = "pairs",
        chat: bool | Chat = False,
        held_out: PromptPairs | None = None,
    ) -> None:
        sides: Mapping[str, Sequence[Any]] = {"clean": clean, "corrupted": corrupted}
        messages: Mapping[str, tuple[Messages, ...]] = {}
        if chat is not False:
            from pytest_circuits.prompts.chat import Chat, conversations, question

            chat = Chat() if chat is True else chat
            messages = conversations(chat, sides)
            sides = {side: [*map(question, each)] for side, each in messages.items()}
        columns = {**sides, "answers": answers, "wrong_answers": wrong_answers}
        for column, texts in columns.items():
            object.__setattr__(self, column, _column(column, texts, len(clean)))
        if not clean:
            raise PromptError("no prompt pairs")
        prompts = messages or sides
        for number, (one, other) in enumerate(zip(*prompts.values(), strict=True)):
            if one == other:
                raise PromptError(
                    f"pair {number}: its clean and its corrupted prompt are the same:\n"
                    f"  {self.clean[number]!r}\n"
                    f"The corrupted one lacks what the answer depends on."
                )
        first: dict[object, int] = {}
        same = [str(first.setdefault(prompt, n)) for n, prompt in enumerate(prompts["clean"])]
        if templates is None:
            templates = [""] * len(clean)
        object.__setattr__(self, "clusters", _clusters(clusters, same))
        object.__setattr__(self, "templates", _column("templates", templates, len(clean)))
        object.__setattr__(self, "positions", _positions(positions or {}, self.clean))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "chat", chat or None)
        object.__setattr__(self, "messages", messages)
        if held_out is not None:
            from pytest_circuits.prompts.held_out import check_held_out

            held_out = check_held_out(self, held_out)
        object.__setattr__(self, "held_out", held_out)

    def __len__(self) -> int:
        return len(self.clean)

    def __repr__(self) -> str:
        return f"<PromptPairs {self.name}: {len(self)}>"

    @staticmethod
    def from_chat(
        clean: Sequence[ChatPrompt],
        corrupted: Sequence[ChatPrompt],
        answers: Sequence[str],
        wrong_answers: Sequence[str],
        *,
        system: str | None = None,
        opening: str = "",
        clusters: Sequence[str | None] | None = None,
        templates: Sequence[str] | None = None,
        positions: Mapping[str, Sequence[str]] | None = None,
        name: str = "chat",
        held_out: PromptPairs | None = None,
        **options: Json,
    ) -> PromptPairs:
        """Pairs of what is said to a chat model; the answer begins what it says in return.

        Each prompt is what the user says, or a list of messages such as
        ``{"role": "user", "content": "What is the capital of France?"}``. They are rendered by the
        chat template of the model's tokenizer, with its generation prompt; a last message of the
        assistant's is what it has said already. BOS is there if the template writes it.

        Example:
            >>> pairs = PromptPairs.from_chat(
            ...     clean=["What is the capital of France?"],
            ...     corrupted=["What is the capital of Italy?"],
            ...     answers=[" Paris"],
            ...     wrong_answers=[" Rome"],
            ...     system="You answer in one sentence.",
            ...     opening="The capital is",
            ...     enable_thinking=False,
            ... )
            >>> pairs.clean
            ('What is the capital of France?',)

        Args:
            clean: prompts on which the behaviour shows.
            corrupted: prompts on which it does not.
            answers: right answers, as they follow the assistant's opening.
            wrong_answers: the answers they are set against.
            system: the system prompt; None leaves it to the template.
            opening: what the assistant has said already, in each of them.
            clusters: as for :class:`PromptPairs`, and so are templates and name.
            templates: one label a pair.
            positions: tokens that have a name, each by what the user says last, up to and
                including it.
            name: where the pairs come from.
            held_out: further pairs, made in the same way, as for :class:`PromptPairs`.
            options: the template's own variables, such as ``enable_thinking=False`` (Qwen3).

        Raises:
            PromptError: if the messages are none; an option that the template doesn't read is
                refused when the pairs meet a tokenizer.
        """
        from pytest_circuits.prompts.chat import Chat

        return PromptPairs(
            clean,
            corrupted,
            answers,
            wrong_answers,
            clusters=clusters,
            templates=templates,
            positions=positions,
            name=name,
            chat=Chat(system, opening, options),
            held_out=held_out,
        )

    @staticmethod
    def from_json(
        path: str | Path,
        *,
        chat: bool | Chat = False,
        held_out: str | Path | PromptPairs | None = None,
    ) -> PromptPairs:
        """Read pairs from a JSON file: a list of objects, one a pair.

        Each object has ``clean``, ``corrupted``, ``answer``, ``wrong_answer``, and may have
        ``cluster``, ``template`` and ``positions``: an object of the clean prompt up to and
        including each named token, with the same names in every entry. With a chat, prompts may be
        lists of messages (see :meth:`from_chat`).

        Raises:
            PromptError: if the file is anything else; the message names file and entry.
        """
        from pytest_circuits.prompts.entries import read_entries

        path = Path(path)
        if isinstance(held_out, str | Path):
            held_out = PromptPairs.from_json(held_out, chat=chat)
        return _read(str(path), read_entries(path, chat=bool(chat)), path.name, chat, held_out)

    @staticmethod
    def from_csv(
        path: str | Path,
        *,
        chat: bool | Chat = False,
        held_out: str | Path | PromptPairs | None = None,
    ) -> PromptPairs:
        r"""Read pairs from a CSV file: a row for each, after a row of column names.

        The columns are ``clean``, ``corrupted``, ``answer``, ``wrong_answer``, and may be
        ``cluster``, ``template`` (an empty cell says nothing) and one such as ``position:S2`` for
        each named token, with the clean prompts up to and including it. Texts are taken as they
        stand, leading spaces too; the file is UTF-8. ``held_out`` is another such file, or pairs
        (see :class:`PromptPairs`).

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
        if isinstance(held_out, str | Path):
            held_out = PromptPairs.from_csv(held_out, chat=chat)
        return _read(str(path), read_csv(path), path.name, chat, held_out)

    @staticmethod
    def from_dataset(
        dataset: Any,  # noqa: ANN401 — the datasets library is no dependency
        *,
        columns: Mapping[str, str] | None = None,
        n: int | None = None,
        chat: bool | Chat = False,
        held_out: Any = None,  # noqa: ANN401
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
            chat: whether they are put to a chat model, and how; then prompts may be lists of
                messages.
            held_out: another split with the same columns, all of whose rows are taken, or pairs
                (see :class:`PromptPairs`).

        Raises:
            PromptError: if the dataset has anything else; the message names row and column.
        """
        from pytest_circuits.prompts.tables import dataset_name, read_dataset

        entries = read_dataset(dataset, columns, n, chat=bool(chat))
        if held_out is not None and not isinstance(held_out, PromptPairs):
            held_out = PromptPairs.from_dataset(held_out, columns=columns, chat=chat)
        name = dataset_name(dataset)
        return _read(name, entries, name, chat, held_out)

    @property
    def hash(self) -> str:
        """A hash of every text, those of all messages among them."""
        texts = [self.clean, self.corrupted, self.answers, self.wrong_answers, self.clusters]
        return digest([*texts, *self.messages.values()])

    def anew(self, seed: str, n: int | None = None) -> PromptPairs:
        """Other pairs for the same behaviour: from a builder, or of those that are held out.

        They tell whether a mechanism that changed still does what it is for on prompts that
        nobody has trained or tuned on.

        Args:
            seed: seed of the draw; the same seed draws the same pairs.
            n: how many pairs at most; by default 64.

        Raises:
            PromptError: if there are none to draw.
        """
        from pytest_circuits.prompts.held_out import PAIRS, drawn_from

        if self.held_out is None:
            raise PromptError(
                f"{self.name} has no held-out prompts: give further pairs as "
                f"held_out=PromptPairs(…)"
            )
        return drawn_from(self.held_out, seed, PAIRS if n is None else n)

    def check(self, tokenizer: Any) -> TokenizedPairs:  # noqa: ANN401 — any Hugging Face tokenizer
        """Tokenize the pairs, and make sure that a measure can use them.

        Every prompt begins with the tokenizer's BOS token, where it has one; one that begins with
        it as it is written gets no second. A chat has what its template writes. An answer is the
        token by which ``encode(prompt + answer)`` is longer than ``encode(prompt)``.

        Raises:
            PromptError: if a clean and a corrupted prompt differ in length, or an answer doesn't
                add one token to them, the same one to both; the message shows the tokens.
        """
        from pytest_circuits.prompts.tokenized import tokenize_pairs

        return tokenize_pairs(self, tokenizer)


def _column(name: str, column: Sequence[str], count: int) -> tuple[str, ...]:
    """One text for each pair."""
    if isinstance(column, str) or not all(isinstance(text, str) for text in column):
        raise PromptError(f"{name} is a list of texts, one for each pair")
    if len(column) != count:
        raise PromptError(f"{count} clean prompts, and {len(column)} {name}")
    return tuple(column)


def _clusters(given: Sequence[str | None] | None, same: Sequence[str]) -> tuple[str, ...]:
    """A label for each pair: the one it was given, or that of all pairs with its clean prompt."""
    if given is None:
        return tuple(same)
    if isinstance(given, str):
        return _column("clusters", given, len(same))
    labels = _column("clusters", ["" if one is None else one for one in given], len(same))
    taken = {label for one, label in zip(given, labels, strict=True) if one is not None}
    return tuple(
        _unlike(other, taken) if one is None else label
        for one, label, other in zip(given, labels, same, strict=True)
    )


def _unlike(label: str, taken: set[str]) -> str:
    """The label, or one that no pair was given."""
    while label in taken:
        label += "'"
    return label


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


def _read(
    where: str,
    entries: Sequence[Entry],
    name: str,
    chat: bool | Chat,  # noqa: FBT001 — as callers got it
    held_out: PromptPairs | None,
) -> PromptPairs:
    """The pairs that a file or dataset holds."""
    try:
        return pairs_of(entries, name, chat, held_out)
    except PromptError as error:
        raise PromptError(f"{where}: {error}") from error


def pairs_of(
    entries: Sequence[Entry],
    name: str,
    chat: bool | Chat = False,  # noqa: FBT001, FBT002
    held_out: PromptPairs | None = None,
) -> PromptPairs:
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
        chat=chat,
        held_out=held_out,
    )
