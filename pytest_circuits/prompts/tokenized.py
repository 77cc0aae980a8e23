"""Prompt pairs as a tokenizer encodes them: ids of prompts and answers, and named positions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts.tokens import (
    END,
    NAMED,
    PromptError,
    after_bos,
    bos_id,
    digest,
    encode,
    ids_after,
    partition,
    show,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_circuits.findings import Json
    from pytest_circuits.prompts.pairs import PromptPairs

_SIDES = ("clean", "corrupted")
_ANSWERS = ("answers", "wrong_answers")
#: Tokens of a prompt that a message shows.
_SHOWN = 6


@dataclass(frozen=True)
class TokenizedPairs:
    """Prompt pairs as a tokenizer sees them.

    Attributes:
        clean: token ids of each clean prompt, first token included.
        corrupted: token ids of each corrupted prompt, each as long as its clean one.
        answers: one token id for each prompt.
        wrong_answers: one token id for each prompt.
        first_token: the text of the BOS token with which prompts begin; None where none does.
        clusters: one label for each pair.
        templates: one label for each pair.
        positions: where each named token of a clean prompt stands, and so its counterpart in the
            corrupted one; an index for each pair, the first token counted.
        clean_texts: a hash of the clean prompts' texts, with their answers and clusters.
        corrupted_texts: a hash of the corrupted prompts' texts.
        dropped: words that a builder left out, because they are not single tokens here.
        chat: what a chat template put around the messages; None for prompts that are plain texts.
        otherwise_spaced: each answer, and each wrong answer whose spacing is not that of its
            answer, as they are with a leading space if they have none, or without the one they
            have: the text and its id. None where that is no single token, or the same.
    """

    clean: tuple[tuple[int, ...], ...]
    corrupted: tuple[tuple[int, ...], ...]
    answers: tuple[int, ...]
    wrong_answers: tuple[int, ...]
    first_token: str | None
    clusters: tuple[str, ...]
    templates: tuple[str, ...]
    positions: Mapping[str, tuple[int, ...]]
    clean_texts: str
    corrupted_texts: str
    dropped: tuple[str, ...] = ()
    chat: Mapping[str, Json] | None = None
    otherwise_spaced: Mapping[str, tuple[tuple[str, int] | None, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.clean)

    @property
    def clean_hash(self) -> str:
        """A hash of the token ids of the clean prompts and of the answers."""
        return digest([self.clean, self.answers, self.wrong_answers])

    @property
    def corrupted_hash(self) -> str:
        """A hash of the token ids of the corrupted prompts."""
        return digest(self.corrupted)

    @property
    def swapped(self) -> bool:
        """Whether each pair has another one that is itself the other way round.

        That is, each corrupted prompt is the clean prompt of a pair whose corrupted prompt is this
        one's clean prompt, and the two have their answers exchanged.
        """
        pairs = Counter(
            zip(self.clean, self.corrupted, self.answers, self.wrong_answers, strict=True)
        )
        return all(
            pairs[corrupted, clean, wrong, answer] == count
            for (clean, corrupted, answer, wrong), count in pairs.items()
        )

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


def tokenize_pairs(pairs: PromptPairs, tokenizer: Any) -> TokenizedPairs:  # noqa: ANN401
    """What :meth:`.PromptPairs.check` gives."""
    prompts = {side: _prompts(pairs, tokenizer, side) for side in _SIDES}
    texts = {side: [encode(tokenizer, text) for text in each] for side, each in prompts.items()}
    said = pairs.messages or {side: getattr(pairs, side) for side in _SIDES}
    bos, add = bos_id(tokenizer), pairs.chat is None
    ids = {
        side: [after_bos(tokenizer, tokens) if add else tokens for tokens in each]
        for side, each in texts.items()
    }
    for number, (clean, corrupted) in enumerate(
        zip(texts["clean"], texts["corrupted"], strict=True)
    ):
        sizes = {len(ids[side][number]) for side in _SIDES}
        if not clean or len(sizes) > 1:
            raise PromptError(
                f"pair {number}: {len(clean)} tokens in the clean prompt, "
                f"{len(corrupted)} in the corrupted one:\n"
                f"  clean     {show(tokenizer, clean)}\n"
                f"  corrupted {show(tokenizer, corrupted)}\n"
                f"Patching puts a position of one into the same position of the other."
            )
        if ids["clean"][number] == ids["corrupted"][number]:
            raise PromptError(
                f"pair {number}: its clean and its corrupted prompt are the same tokens:\n"
                f"  {show(tokenizer, clean)}\n"
                f"The corrupted one lacks what the answer depends on."
            )
    starts = [
        [(prompts[side][number], texts[side][number]) for side in _SIDES]
        for number in range(len(pairs))
    ]
    answers = {
        column: tuple(
            _answer(pairs, tokenizer, column, number, both) for number, both in enumerate(starts)
        )
        for column in _ANSWERS
    }
    for number, (right, wrong) in enumerate(zip(*answers.values(), strict=True)):
        if right == wrong:
            raise PromptError(
                f"pair {number}: its answer {pairs.answers[number]!r} is its wrong answer too"
            )
    return TokenizedPairs(
        clean=tuple(map(tuple, ids["clean"])),
        corrupted=tuple(map(tuple, ids["corrupted"])),
        answers=answers["answers"],
        wrong_answers=answers["wrong_answers"],
        first_token=tokenizer.bos_token if bos in {one[0] for one in ids["clean"]} else None,
        clusters=pairs.clusters,
        templates=pairs.templates,
        positions=_positions(pairs, tokenizer, [clean for clean, _ in starts]),
        clean_texts=digest(
            [said["clean"], pairs.answers, pairs.wrong_answers, partition(pairs.clusters)]
        ),
        corrupted_texts=digest(said["corrupted"]),
        chat=_chat(pairs, tokenizer),
        otherwise_spaced={
            column: tuple(
                _otherwise_spaced(pairs, tokenizer, column, number, (*starts[number][0], token))
                for number, token in enumerate(tokens)
            )
            for column, tokens in answers.items()
        },
    )


def _prompts(pairs: PromptPairs, tokenizer: Any, side: str) -> list[str]:  # noqa: ANN401
    """The prompts as the model reads them."""
    if pairs.chat is None:
        return [*getattr(pairs, side)]
    found = []
    for number, messages in enumerate(pairs.messages[side]):
        try:
            found.append(pairs.chat.render(tokenizer, messages))
        except PromptError as error:
            raise PromptError(f"pair {number}: {error}") from error
    return found


def _answer(
    pairs: PromptPairs,
    tokenizer: Any,  # noqa: ANN401
    column: str,
    number: int,
    both: Sequence[tuple[str, Sequence[int]]],
) -> int:
    """The id of an answer, which the clean and the corrupted prompt make of it alike."""
    what, answer = column[:-1].replace("_", " "), getattr(pairs, column)[number]
    try:
        clean, corrupted = (answer_id(tokenizer, *prompt, answer) for prompt in both)
    except PromptError as error:
        raise PromptError(f"pair {number}: {what} {error}") from error
    if clean != corrupted:
        raise PromptError(
            f"pair {number}: {what} {answer!r} is another token after the corrupted prompt than "
            f"after the clean one: {tokenizer.convert_ids_to_tokens([clean, corrupted])}\n"
            f"Let both prompts end in the same way."
        )
    return clean


def _otherwise_spaced(
    pairs: PromptPairs,
    tokenizer: Any,  # noqa: ANN401
    column: str,
    number: int,
    written: tuple[str, Sequence[int], int],
) -> tuple[str, int] | None:
    """An answer with the other spacing, and its id; None if it is no other token, or not looked at.

    Args:
        pairs: the pairs.
        tokenizer: a Hugging Face tokenizer.
        column: which of the answers.
        number: which of the pairs.
        written: the clean prompt, its ids, and the id of the answer as it is written.
    """
    prompt, start, token = written
    answer = getattr(pairs, column)[number]
    if column != "answers" and answer.startswith(" ") == pairs.answers[number].startswith(" "):
        return None
    other = answer[1:] if answer.startswith(" ") else f" {answer}"
    added = continuation(tokenizer, prompt, start, other)
    return None if added is None or len(added) != 1 or added == [token] else (other, added[0])


def _positions(
    pairs: PromptPairs,
    tokenizer: Any,  # noqa: ANN401
    clean: Sequence[tuple[str, Sequence[int]]],
) -> dict[str, tuple[int, ...]]:
    """Where the named tokens stand; ``clean`` has the clean prompts as read, and their ids."""
    if not pairs.positions:
        return {}
    before = [""] * len(pairs)
    if pairs.chat is not None:
        for number, (messages, (prompt, _)) in enumerate(
            zip(pairs.messages["clean"], clean, strict=True)
        ):
            try:
                before[number] = pairs.chat.before(tokenizer, messages, prompt)
            except PromptError as error:
                raise PromptError(f"pair {number}: {error}") from error
    return {
        name: tuple(
            _position(pairs, tokenizer, name, number, (before[number], clean[number][1]))
            for number in range(len(pairs))
        )
        for name in pairs.positions
    }


def _position(
    pairs: PromptPairs,
    tokenizer: Any,  # noqa: ANN401
    name: str,
    number: int,
    clean: tuple[str, Sequence[int]],
) -> int:
    """The index of the token that has a name.

    Args:
        pairs: the pairs.
        tokenizer: a Hugging Face tokenizer.
        name: the position.
        number: which of the pairs.
        clean: what a chat template puts before the clean prompt, and the ids of both.
    """
    before, tokens = clean
    start = encode(tokenizer, before + pairs.positions[name][number])
    if not start or start != list(tokens[: len(start)]):
        raise PromptError(
            f"pair {number}: position {name!r} ends within a token:\n"
            f"  {show(tokenizer, tokens)}\n  {show(tokenizer, start)}\n"
            f"{NAMED}"
        )
    first = 0 if pairs.chat is not None else len(after_bos(tokenizer, start)) - len(start)
    return first + len(start) - 1


def _chat(pairs: PromptPairs, tokenizer: Any) -> dict[str, Json] | None:  # noqa: ANN401
    """What the chat template puts around the messages."""
    if pairs.chat is None:
        return None
    around = pairs.chat.convention(tokenizer, pairs.messages["clean"][0])
    return {"template": digest(tokenizer.chat_template), **around}


def answer_id(tokenizer: Any, prompt: str, start: Sequence[int], answer: str) -> int:  # noqa: ANN401 — any tokenizer
    """The id of the token that an answer adds to a prompt.

    It is what ``encode(prompt + answer)`` has after ``encode(prompt)``: by themselves ``"I"`` and
    ``" I"`` are the same token to some tokenizers (Llama 2's), and after an opening quote another.
    A tokenizer that takes a space at a text's end for nothing only tells words by spaces: there an
    answer follows after one.

    Args:
        tokenizer: a Hugging Face tokenizer.
        prompt: the prompt.
        start: its ids.
        answer: the answer.

    Raises:
        PromptError: if it adds another number of tokens than one, or changes those of the prompt;
            the caller knows which pair it is.
    """
    added = continuation(tokenizer, prompt, start, answer)
    if added is None:
        alone = encode(tokenizer, answer)  # one with unknown words is refused for these
        raise PromptError(
            f"{answer!r} merges with the end of the prompt:\n"
            f"  prompt             {_end(tokenizer, start)}\n"
            f"  answer             {show(tokenizer, alone)}\n"
            f"  prompt and answer  {_end(tokenizer, encode(tokenizer, prompt + answer))}\n"
            f"End the prompt where a token ends: a space belongs to the word after it."
        )
    if len(added) != 1:
        raise PromptError(
            f"{answer!r} is {len(added)} tokens, not one:\n"
            f"  {show(tokenizer, added)}\n"
            f"Choose a word that is a single token here (mind the leading space)."
        )
    return added[0]


def continuation(
    tokenizer: Any,  # noqa: ANN401
    prompt: str,
    start: Sequence[int],
    text: str,
) -> list[int] | None:
    """The ids that a text adds to those of a prompt; None if it changes the prompt's own."""
    added = ids_after(tokenizer, start, prompt + text)
    if added is None and ids_after(tokenizer, start, f"{prompt} ") == []:
        added = ids_after(tokenizer, start, f"{prompt} {text}")
    return added


def _end(tokenizer: Any, tokens: Sequence[int]) -> str:  # noqa: ANN401
    return ("…" if len(tokens) > _SHOWN else "") + show(tokenizer, tokens[-_SHOWN:])
