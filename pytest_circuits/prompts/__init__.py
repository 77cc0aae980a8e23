"""Prompts as text, and what makes them; token checks happen when they meet a tokenizer."""

from pytest_circuits.prompts.ioi import ioi
from pytest_circuits.prompts.pairs import PromptError, PromptPairs, TokenizedPairs
from pytest_circuits.prompts.repeated import DrawnTokens, RepeatedTokens

#: Builder of repeated random tokens: ``repeated_tokens(batch=10, block=None, seed=0)``.
repeated_tokens = RepeatedTokens

__all__ = [
    "DrawnTokens",
    "PromptError",
    "PromptPairs",
    "RepeatedTokens",
    "TokenizedPairs",
    "ioi",
    "repeated_tokens",
]
