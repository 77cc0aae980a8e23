"""Measures: (model, prompts) → finding. They work in a notebook as they do in a test.

The canary is no finding: it is measured beside them.

Example:
    >>> from pytest_circuits import measures
    >>> finding = measures.induction_scores(bridge)  # doctest: +SKIP

This is the register of measures. Each has three lines here: its import for type checkers, its
module, and its method. Everything else about it is in its module, which is loaded when the measure
is first used, so that importing this imports neither torch nor numpy.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from importlib import import_module
from operator import methodcaller
from types import MethodType
from typing import TYPE_CHECKING, Generic, ParamSpec, overload

# This module itself: methods name their measures as its attributes, which loads none of them.
from pytest_circuits import measures

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Concatenate, Self

    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Finding
    from pytest_circuits.forward import Runs
    from pytest_circuits.measures.activation_patching import (
        attribution_patching as attribution_patching,
        patch as patch,
    )
    from pytest_circuits.measures.attention import (
        attention_between as attention_between,
        attention_scores as attention_scores,
    )
    from pytest_circuits.measures.attribution import (
        component_attribution as component_attribution,
        head_attribution as head_attribution,
    )
    from pytest_circuits.measures.behaviours import (
        accuracy as accuracy,
        answer_probability as answer_probability,
        kl_divergence as kl_divergence,
        logit_diff as logit_diff,
        text_loss as text_loss,
        top_k_accuracy as top_k_accuracy,
    )
    from pytest_circuits.measures.circuit_criteria import (
        completeness as completeness,
        faithfulness as faithfulness,
        minimality as minimality,
    )
    from pytest_circuits.measures.common import canary as canary
    from pytest_circuits.measures.knockout import ablate as ablate, ablated as ablated
    from pytest_circuits.measures.ov_circuit import copying_scores as copying_scores
    from pytest_circuits.measures.readout import logit_lens as logit_lens
    from pytest_circuits.measures.repeated_scores import (
        current_token_scores as current_token_scores,
        duplicate_token_scores as duplicate_token_scores,
        first_token_scores as first_token_scores,
        induction_scores as induction_scores,
        previous_token_scores as previous_token_scores,
        repeat_loss as repeat_loss,
    )

#: The module of each, in the order in which the documentation has them.
_HOMES = {
    "induction_scores": "repeated_scores",
    "previous_token_scores": "repeated_scores",
    "duplicate_token_scores": "repeated_scores",
    "current_token_scores": "repeated_scores",
    "first_token_scores": "repeated_scores",
    "attention_between": "attention",
    "attention_scores": "attention",
    "copying_scores": "ov_circuit",
    "head_attribution": "attribution",
    "component_attribution": "attribution",
    "logit_lens": "readout",
    "patch": "activation_patching",
    "attribution_patching": "activation_patching",
    "ablate": "knockout",
    "ablated": "knockout",
    "faithfulness": "circuit_criteria",
    "completeness": "circuit_criteria",
    "minimality": "circuit_criteria",
    "logit_diff": "behaviours",
    "accuracy": "behaviours",
    "top_k_accuracy": "behaviours",
    "answer_probability": "behaviours",
    "kl_divergence": "behaviours",
    "repeat_loss": "repeated_scores",
    "text_loss": "behaviours",
    "canary": "common",
}

__all__ = list(_HOMES)

P = ParamSpec("P")
#: Frames with it are left out of pytest's traceback of a wrong argument, which is then an error of
#: the line that gives it.
WRONG_ARGUMENT = methodcaller("errisinstance", TypeError)


class Method(Generic[P]):
    """A measure as a method of an object that has the model.

    Signature and docstring are those of the measure, without its first parameter, the model.

    Args:
        measure: returns the measure. It is called only for signature and docstring: a call of the
            method may be answered from memory, without the measure's module.
    """

    def __init__(
        self, measure: Callable[[], Callable[Concatenate[TransformerBridge | Runs, P], Finding]]
    ) -> None:
        self._measure = measure

    def __set_name__(self, owner: type, name: str) -> None:
        self.__name__ = name
        self.__qualname__ = f"{owner.__qualname__}.{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Methods, owner: type) -> Callable[P, Finding]: ...
    def __get__(self, instance: Methods | None, owner: type) -> Self | Callable[P, Finding]:
        return self if instance is None else MethodType(self, instance)

    def __call__(self, instance: Methods, /, *arguments: P.args, **options: P.kwargs) -> Finding:
        __tracebackhide__ = WRONG_ARGUMENT
        return instance._measure(self.__name__, *arguments, **options)  # noqa: SLF001

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self._measure().__doc__

    @property
    def __signature__(self) -> inspect.Signature:
        whole = inspect.signature(self._measure())
        model, *others = whole.parameters.values()
        own = model.replace(name="self", annotation=inspect.Parameter.empty)
        return whole.replace(parameters=[own, *others])


class Methods(ABC):
    """The measures as methods of an object that has the model."""

    @abstractmethod
    def _measure(self, name: str, /, *arguments: object, **options: object) -> Finding:
        """The finding of the measure of that name on the model."""

    induction_scores = Method(lambda: measures.induction_scores)
    previous_token_scores = Method(lambda: measures.previous_token_scores)
    duplicate_token_scores = Method(lambda: measures.duplicate_token_scores)
    current_token_scores = Method(lambda: measures.current_token_scores)
    first_token_scores = Method(lambda: measures.first_token_scores)
    attention_between = Method(lambda: measures.attention_between)
    attention_scores = Method(lambda: measures.attention_scores)
    copying_scores = Method(lambda: measures.copying_scores)
    head_attribution = Method(lambda: measures.head_attribution)
    component_attribution = Method(lambda: measures.component_attribution)
    logit_lens = Method(lambda: measures.logit_lens)
    patch = Method(lambda: measures.patch)
    attribution_patching = Method(lambda: measures.attribution_patching)
    ablate = Method(lambda: measures.ablate)
    faithfulness = Method(lambda: measures.faithfulness)
    completeness = Method(lambda: measures.completeness)
    minimality = Method(lambda: measures.minimality)
    logit_diff = Method(lambda: measures.logit_diff)
    accuracy = Method(lambda: measures.accuracy)
    top_k_accuracy = Method(lambda: measures.top_k_accuracy)
    answer_probability = Method(lambda: measures.answer_probability)
    repeat_loss = Method(lambda: measures.repeat_loss)
    text_loss = Method(lambda: measures.text_loss)


if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str) -> object:
        if name in _HOMES:
            return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
