"""Prompts as text, and what makes them; token checks happen when they meet a tokenizer.

Public names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "DrawnTokens",
    "PromptError",
    "PromptPairs",
    "PromptWarning",
    "RepeatedTokens",
    "TokenizedPairs",
    "country_capital",
    "greater_than",
    "ioi",
    "repeated_phrases",
    "repeated_tokens",
    "subject_verb_agreement",
]

# A module here must not have the name of a builder, which it would take the place of.
_HOMES = {
    "agreement": ("subject_verb_agreement",),
    "capitals": ("country_capital",),
    "indirect_object": ("ioi",),
    "pairs": ("PromptPairs", "TokenizedPairs"),
    "phrases": ("repeated_phrases",),
    "sequences": ("DrawnTokens", "RepeatedTokens", "repeated_tokens"),
    "tokens": ("PromptError", "PromptWarning"),
    "year_spans": ("greater_than",),
}

if TYPE_CHECKING:
    from pytest_circuits.prompts.agreement import subject_verb_agreement
    from pytest_circuits.prompts.capitals import country_capital
    from pytest_circuits.prompts.indirect_object import ioi
    from pytest_circuits.prompts.pairs import PromptPairs, TokenizedPairs
    from pytest_circuits.prompts.phrases import repeated_phrases
    from pytest_circuits.prompts.sequences import DrawnTokens, RepeatedTokens, repeated_tokens
    from pytest_circuits.prompts.tokens import PromptError, PromptWarning
    from pytest_circuits.prompts.year_spans import greater_than
else:
    # Not for mypy, which would take any name for one that is there.
    def __getattr__(name: str) -> object:
        for module, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
