"""Regression tests for what a language model's attention heads do.

Public names are loaded when they are first used, so that a test module that names them, or a
plain pytest run, imports neither torch nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_circuits import measures, prompts, suites
    from pytest_circuits.assertions import (
        assert_ablation_hurts,
        assert_attends,
        assert_behaviour,
        assert_complete,
        assert_component_ranking,
        assert_copies,
        assert_faithful,
        assert_head_ranking,
        assert_induction_score,
        assert_logit_diff_recovered,
        assert_logit_lens,
        assert_minimal,
    )
    from pytest_circuits.findings import Circuit, Finding, Head, enough_prompts, paired_differences
    from pytest_circuits.prompts import PromptPairs

__all__ = [
    "Circuit",
    "Finding",
    "Head",
    "PromptPairs",
    "assert_ablation_hurts",
    "assert_attends",
    "assert_behaviour",
    "assert_complete",
    "assert_component_ranking",
    "assert_copies",
    "assert_faithful",
    "assert_head_ranking",
    "assert_induction_score",
    "assert_logit_diff_recovered",
    "assert_logit_lens",
    "assert_minimal",
    "enough_prompts",
    "measures",
    "paired_differences",
    "prompts",
    "suites",
]

#: Where they are; assertions, and what is a module itself, say it by their names.
_HOMES = {
    "Circuit": "findings",
    "Finding": "findings",
    "Head": "findings",
    "PromptPairs": "prompts",
    "enough_prompts": "findings",
    "paired_differences": "findings",
}


if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = "assertions" if name.startswith("assert_") else _HOMES.get(name)
        if home is None:
            return import_module(f"{__name__}.{name}")
        return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
