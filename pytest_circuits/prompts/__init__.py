"""Prompts as text, and what makes them; token checks happen when they meet a tokenizer."""

from pytest_circuits.prompts.agreement import subject_verb_agreement
from pytest_circuits.prompts.capitals import country_capital
from pytest_circuits.prompts.errors import PromptError, PromptWarning
from pytest_circuits.prompts.greater_than import greater_than
from pytest_circuits.prompts.ioi import ioi
from pytest_circuits.prompts.pairs import PromptPairs, TokenizedPairs
from pytest_circuits.prompts.phrases import repeated_phrases
from pytest_circuits.prompts.repeated import DrawnTokens, RepeatedTokens

#: Builder of repeated random tokens: ``repeated_tokens(batch=10, block=None, seed=0)``.
repeated_tokens = RepeatedTokens

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
