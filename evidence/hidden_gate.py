"""The prompts of the gate, as plain token ids: what hidden damage leaves as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evidence.hidden_truth import Questions, Repeats, logit_difference, repeat_loss, text_loss
from pytest_circuits import prompts
from pytest_circuits.prompts.sequences import canary_tokens

if TYPE_CHECKING:
    from pytest_circuits.prompts.indirect_object import Order
    from pytest_circuits.prompts.pairs import PromptPairs


#: The shorter of the two lengths that a suite has by default.
_BLOCK = 50


@dataclass(frozen=True)
class Gate:
    """What a suite looks at by default.

    Attributes:
        questions: prompts with answers, by the behaviour's name.
        repeats: the default repeated tokens.
        text: the canary's text, ``[1][position]``.
    """

    questions: dict[str, Questions]
    repeats: Repeats
    text: tuple[tuple[int, ...], ...]

    def measure(self, model: Any) -> dict[str, float]:  # noqa: ANN401 — a transformers model
        """Each behaviour on these prompts: logit differences, accuracies, losses in nats.

        The canary's loss is recorded; no label depends on it.
        """
        found: dict[str, float] = {}
        for name, asked in self.questions.items():
            measured = logit_difference(model, asked)
            found |= {f"{name} {quantity}": value for quantity, value in measured.items()}
        found["repeat loss"] = repeat_loss(model, self.repeats)
        found["canary"] = text_loss(model, self.text)
        return found


def gate(model: Any, tokenizer: Any, order: Order = "both") -> Gate:  # noqa: ANN401
    """The gate's prompts for a model.

    Args:
        model: a transformers model.
        tokenizer: its tokenizer.
        order: ``ABBA`` for a suite that asks for one order of names only.
    """
    context = model.config.max_position_embeddings
    vocabulary = model.get_input_embeddings().weight.shape[0]
    builders = {
        "ioi": prompts.ioi(n=16, seed=0, order=order),
        "agreement": prompts.subject_verb_agreement(n=16, seed=0),
        "capitals": prompts.country_capital(n=16, seed=0),
    }
    asked = {}
    for name, pairs in builders.items():
        try:
            asked[name] = _plain(pairs, tokenizer)
        except prompts.PromptError:  # a small tokenizer without these words
            continue
    drawn = prompts.RepeatedTokens(block=_BLOCK).draw(tokenizer, context, vocabulary)
    canary = canary_tokens(tokenizer, context, vocabulary)
    if canary is None:
        raise ValueError("the model is too small for the canary's text")
    return Gate(asked, Repeats(drawn.sequences, _BLOCK), canary.sequences)


def _plain(pairs: PromptPairs, tokenizer: Any) -> Questions:  # noqa: ANN401
    checked = pairs.check(tokenizer)
    return Questions(checked.clean, checked.answers, checked.wrong_answers)
