"""Prompts that are put to a chat model: messages, rendered by its tokenizer's chat template."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_circuits.prompts.tokens import PromptError

if TYPE_CHECKING:
    from pytest_circuits.findings import Json

#: A prompt: what the user says, or all messages so far, each with its ``role`` and ``content``.
ChatPrompt: TypeAlias = "str | Sequence[Mapping[str, str]]"
#: Roles and contents of all messages.
Messages: TypeAlias = tuple[tuple[str, str], ...]

#: Arguments of ``apply_chat_template`` that are not the template's own variables.
_TAKEN = (
    "add_generation_prompt", "chat_template", "continue_final_message", "conversation",
    "padding", "return_assistant_tokens_mask", "return_dict", "return_tensors", "tokenize",
    "tokenizer_kwargs", "truncation",
)  # fmt: skip


#: Stands in for what the user says last, to find its place: no text has it.
_PLACE = "\ue000\ue001\ue000"


@dataclass(frozen=True)
class Chat:
    """How prompts are put to a chat model.

    Messages are rendered by the tokenizer's chat template, with the generation prompt that opens
    the assistant's turn; the answer comes after that, and after what the assistant has said
    already. Nothing else is added: BOS is there if the template writes it.

    Attributes:
        system: the system prompt; None leaves it to the template, which may have one of its own.
        opening: what the assistant has said already, as it stands: ``"The capital is"``.
        options: the template's own variables: ``{"enable_thinking": False}``.
    """

    system: str | None = None
    opening: str = ""
    options: Mapping[str, Json] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.system, str | None) or not isinstance(self.opening, str):
            raise PromptError("system and opening are texts")
        taken = [name for name in self.options if name in _TAKEN]
        if taken:
            raise PromptError(
                f"{', '.join(taken)} is no variable of a chat template; messages are rendered with "
                f"the tokenizer's template and a generation prompt"
            )
        try:
            text = json.dumps(dict(self.options), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PromptError(f"variables of a chat template are JSON values ({error})") from None
        # A copy: a change of the caller's own dictionary changes no prompt.
        object.__setattr__(self, "options", json.loads(text))

    def messages(self, prompt: object) -> Messages:
        """All messages of a prompt, the system prompt and the assistant's opening among them.

        Raises:
            PromptError: if it is neither a text nor messages; the caller knows which pair it is.
        """
        found = (("user", prompt),) if isinstance(prompt, str) else _messages(prompt)
        roles = [role for role, _ in found]
        if "user" not in roles:
            raise PromptError("a chat has a message of the user")
        if self.system is not None:
            if "system" in roles:
                raise PromptError("its messages have a system prompt; leave system= out")
            found = (("system", self.system), *found)
        if self.opening:
            if roles[-1] == "assistant":
                raise PromptError("its messages end with the assistant's; leave opening= out")
            found = (*found, ("assistant", self.opening))
        return found

    def render(self, tokenizer: Any, messages: Messages) -> str:  # noqa: ANN401 — any tokenizer
        """The messages as the tokenizer's template has them, up to where the answer comes.

        Raises:
            PromptError: if the tokenizer has no template, or the template refuses the messages or
                writes the date of the day.
        """
        told, opening = _taken_apart(messages)
        return self._rendered(tokenizer, told, generation_prompt=True) + opening

    def convention(self, tokenizer: Any, messages: Messages) -> dict[str, Json]:  # noqa: ANN401
        """What a rendered prompt has besides its messages; each part of it changes numbers.

        Args:
            tokenizer: the tokenizer whose template it is.
            messages: those of one prompt.
        """
        told, _ = _taken_apart(messages)
        whole, without = (
            self._rendered(tokenizer, told, generation_prompt=there) for there in (True, False)
        )
        return {
            "generation_prompt": whole.removeprefix(without),
            "system": self.system,
            "opening": self.opening,
            "options": dict(self.options),
        }

    def _rendered(self, tokenizer: Any, messages: Messages, *, generation_prompt: bool) -> str:  # noqa: ANN401
        if not getattr(tokenizer, "chat_template", None):
            raise PromptError(
                "this model's tokenizer has no chat template: write its prompts as texts "
                "(chat=False), or set tokenizer.chat_template to what it was trained with"
            )
        template = str(tokenizer.chat_template)
        unread = [name for name in self.options if not re.search(rf"\b{name}\b", template)]
        if unread:
            raise PromptError(
                f"the chat template of this model's tokenizer has no variable {', '.join(unread)}"
            )
        try:
            text: str = tokenizer.apply_chat_template(
                [{"role": role, "content": content} for role, content in messages],
                tokenize=False,
                add_generation_prompt=generation_prompt,
                # The clock, which templates may read, is there and can't be read.
                strftime_now="",
                **self.options,
            )
        except Exception as error:  # a template may raise anything, and so may what renders it
            if "strftime_now" in template and "not callable" in str(error):
                raise PromptError(
                    "the chat template writes the date of the day, so that no two days would "
                    "measure the same: give it a fixed one, for example "
                    "date_string='26 Jul 2024', or a system prompt"
                ) from error
            raise PromptError(f"the chat template refuses these messages: {error}") from error
        return text

    def before(self, tokenizer: Any, messages: Messages, rendered: str) -> str:  # noqa: ANN401
        """What is rendered before the last thing that the user said.

        Args:
            tokenizer: a Hugging Face tokenizer.
            messages: all messages of the prompt.
            rendered: these messages as :meth:`render` gives them.

        Raises:
            PromptError: if the template changes what the user said.
        """
        last = max(place for place, (role, _) in enumerate(messages) if role == "user")
        said = question(messages)
        marked = (*messages[:last], ("user", _PLACE), *messages[last + 1 :])
        start, place, _ = self.render(tokenizer, marked).partition(_PLACE)
        if not place or not rendered.startswith(start + said):
            raise PromptError(
                f"the chat template changes what the user says, so that no token in it has a "
                f"name:\n  {said!r}"
            )
        return start


def conversations(
    chat: object, sides: Mapping[str, Sequence[ChatPrompt]]
) -> dict[str, tuple[Messages, ...]]:
    """All messages of each prompt, of the clean and of the corrupted ones.

    Raises:
        PromptError: if it is no chat, or a prompt is neither a text nor messages.
    """
    if not isinstance(chat, Chat):
        raise PromptError(f"chat is True, False or a Chat, not {chat!r}")
    found = {}
    for side, prompts in sides.items():
        if isinstance(prompts, str):
            raise PromptError(f"{side} is a list of texts or of lists of messages")
        found[side] = tuple(_conversation(chat, side, *each) for each in enumerate(prompts))
    return found


def _conversation(chat: Chat, side: str, number: int, prompt: ChatPrompt) -> Messages:
    try:
        return chat.messages(prompt)
    except PromptError as error:
        raise PromptError(f"pair {number}: {side}: {error}") from error


def question(messages: Messages) -> str:
    """What the user said last."""
    return next(content for role, content in reversed(messages) if role == "user")


def _taken_apart(messages: Messages) -> tuple[Messages, str]:
    """The messages that the template renders, and what the assistant has said after them."""
    role, content = messages[-1]
    return (messages[:-1], content) if role == "assistant" else (messages, "")


def _messages(prompt: object) -> Messages:
    if not isinstance(prompt, Sequence) or not prompt:
        raise PromptError(f"a chat is a text or a list of messages, not {prompt!r}")
    for message in prompt:
        if (
            not isinstance(message, Mapping)
            or set(message) != {"role", "content"}
            or not all(isinstance(part, str) for part in message.values())
        ):
            raise PromptError(f'a message is {{"role": text, "content": text}}, not {message!r}')
    return tuple((str(message["role"]), str(message["content"])) for message in prompt)
