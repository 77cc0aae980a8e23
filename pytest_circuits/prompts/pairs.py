"""Clean and corrupted prompts with their answers, as text."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts.tokens import bos_id

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIELDS = ("clean", "corrupted", "answers", "wrong_answers")


class PromptError(ValueError):
    """Prompts are unfit for what was asked; the message shows which and why."""


@dataclass(frozen=True)
class TokenizedPairs:
    """Prompt pairs as a tokenizer sees them.

    Attributes:
        clean: token ids of each clean prompt, first token included.
        corrupted: token ids of each corrupted prompt, each as long as its clean one.
        answers: one token id for each prompt.
        wrong_answers: one token id for each prompt.
        first_token: the text of the token put before every prompt, or None.
    """

    clean: tuple[tuple[int, ...], ...]
    corrupted: tuple[tuple[int, ...], ...]
    answers: tuple[int, ...]
    wrong_answers: tuple[int, ...]
    first_token: str | None

    @property
    def hash(self) -> str:
        """A hash of every token id."""
        return digest([self.clean, self.corrupted, self.answers, self.wrong_answers])


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
        name: where the pairs come from; shown, never compared.
    """

    clean: tuple[str, ...]
    corrupted: tuple[str, ...]
    answers: tuple[str, ...]
    wrong_answers: tuple[str, ...]
    clusters: tuple[str, ...] = ()
    name: str = "pairs"

    def __init__(
        self,
        clean: Sequence[str],
        corrupted: Sequence[str],
        answers: Sequence[str],
        wrong_answers: Sequence[str],
        *,
        clusters: Sequence[str] | None = None,
        name: str = "pairs",
    ) -> None:
        columns = dict(zip(_FIELDS, (clean, corrupted, answers, wrong_answers), strict=True))
        if clusters is not None:
            columns["clusters"] = clusters
        for field, column in columns.items():
            if isinstance(column, str) or not all(isinstance(text, str) for text in column):
                raise PromptError(f"{field} is a list of texts, one for each pair")
            if len(column) != len(clean):
                raise PromptError(f"{len(clean)} clean prompts, and {len(column)} {field}")
            object.__setattr__(self, field, tuple(column))
        if not clean:
            raise PromptError("no prompt pairs")
        if clusters is None:
            object.__setattr__(self, "clusters", tuple(map(str, range(len(clean)))))
        object.__setattr__(self, "name", name)

    def __len__(self) -> int:
        return len(self.clean)

    def __repr__(self) -> str:
        return f"<PromptPairs {self.name}: {len(self)}>"

    @classmethod
    def from_json(cls, path: str | Path) -> PromptPairs:
        """Read pairs from a JSON file: a list of objects, one a pair.

        Each object has ``clean``, ``corrupted``, ``answer``, ``wrong_answer``, and may have
        ``cluster``.

        Raises:
            PromptError: if the file is anything else; the message names file and entry.
        """
        path = Path(path)
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PromptError(f"{path}: can't be read as JSON ({error})") from error
        if not isinstance(entries, list) or not entries:
            raise PromptError(f"{path}: holds no list of prompt pairs")
        for number, entry in enumerate(entries):
            _check_entry(path, number, entry)
        clustered = any("cluster" in entry for entry in entries)
        return cls(
            clean=[entry["clean"] for entry in entries],
            corrupted=[entry["corrupted"] for entry in entries],
            answers=[entry["answer"] for entry in entries],
            wrong_answers=[entry["wrong_answer"] for entry in entries],
            clusters=[str(e.get("cluster", i)) for i, e in enumerate(entries)]
            if clustered
            else None,
            name=path.name,
        )

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
            field: [_encode(tokenizer, text) for text in getattr(self, field)] for field in _FIELDS
        }
        for field in ("answers", "wrong_answers"):
            for number, tokens in enumerate(ids[field]):
                if len(tokens) != 1:
                    raise PromptError(
                        f"pair {number}: {field[:-1].replace('_', ' ')} "
                        f"{getattr(self, field)[number]!r} is {len(tokens)} tokens, not one:\n"
                        f"  {_show(tokenizer, tokens)}\n"
                        f"Choose a word that is a single token here (mind the leading space)."
                    )
        for number, (clean, corrupted) in enumerate(
            zip(ids["clean"], ids["corrupted"], strict=True)
        ):
            if not clean or len(clean) != len(corrupted):
                raise PromptError(
                    f"pair {number}: {len(clean)} tokens in the clean prompt, "
                    f"{len(corrupted)} in the corrupted one:\n"
                    f"  clean     {_show(tokenizer, clean)}\n"
                    f"  corrupted {_show(tokenizer, corrupted)}\n"
                    f"Patching puts a position of one into the same position of the other."
                )
        return TokenizedPairs(
            clean=tuple((*first, *tokens) for tokens in ids["clean"]),
            corrupted=tuple((*first, *tokens) for tokens in ids["corrupted"]),
            answers=tuple(tokens[0] for tokens in ids["answers"]),
            wrong_answers=tuple(tokens[0] for tokens in ids["wrong_answers"]),
            first_token=tokenizer.bos_token if first else None,
        )


def _check_entry(path: Path, number: int, entry: object) -> None:
    needed = ("clean", "corrupted", "answer", "wrong_answer")
    keys = set(entry) if isinstance(entry, dict) else set()
    missing = [key for key in needed if key not in keys]
    unknown = sorted(keys - {*needed, "cluster"})
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has unknown {', '.join(unknown)}"
        raise PromptError(
            f"{path}: entry {number} {what}; a pair has {', '.join(needed)} and perhaps cluster"
        )
    assert isinstance(entry, dict)
    for key in needed:
        if not isinstance(entry[key], str):
            raise PromptError(f"{path}: entry {number} has {key} {entry[key]!r}, which is no text")


def _encode(tokenizer: Any, text: str) -> list[int]:  # noqa: ANN401
    try:
        tokens = tokenizer.encode(text, add_special_tokens=False)
    except Exception as error:  # a tokenizer without an unknown token raises a bare Exception
        raise PromptError(_unknown(text, str(error))) from error
    unknown = tokenizer.unk_token_id
    if unknown is not None and unknown in tokens and tokenizer.unk_token not in text:
        raise PromptError(_unknown(text, _show(tokenizer, tokens)))
    return [int(token) for token in tokens]


def _unknown(text: str, detail: str) -> str:
    return (
        f"{text!r} has words that this model's tokenizer doesn't know:\n  {detail}\n"
        f"Write the prompt with words of its vocabulary."
    )


def _show(tokenizer: Any, tokens: Sequence[int]) -> str:  # noqa: ANN401
    # As Python writes them, so that a line break in a prompt breaks no message.
    return "|".join(repr(tokenizer.decode([token]))[1:-1] for token in tokens)


def digest(value: object) -> str:
    """A short hash of anything JSON can hold."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
