"""A circuit in its model: what the metric is with parts of it kept, and the rest ablated."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings import (
    Allowance,
    Behaviour,
    ChoiceError,
    Circuit,
    Direction,
    Finding,
)
from pytest_circuits.findings.choices import check_name, check_whole
from pytest_circuits.findings.circuit import UNNAMED
from pytest_circuits.findings.statistics import ratio_and_error
from pytest_circuits.forward import Nodes, Runs, Value, as_runs, every_node, nodes
from pytest_circuits.measures.common import behaviour, tokenize
from pytest_circuits.measures.replaced import Knockout, knockout_on_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Json
    from pytest_circuits.measures.common import PositionsLike
    from pytest_circuits.measures.metrics import MetricLike
    from pytest_circuits.prompts import PromptPairs

_DIRECTIONS = ("noising", "denoising")
#: The behaviour that a whole model has over a model with everything ablated.
_GAP = "whole_model_gap"


@dataclass(frozen=True)
class CircuitRuns:
    """A circuit in its model, and what is known of both before anything is asked.

    Attributes:
        out: what ablation does.
        circuit: its heads and MLPs.
        whole: all there are.
        nothing: none.
        denoising: whether what is kept is put into a corrupted run.
        m_whole: the metric of the whole model, ``[prompt]``.
        m_empty: the metric with nothing kept, same shape.
        companion: both, and the gap between them, which comes last.
    """

    out: Knockout
    circuit: Nodes
    whole: Nodes
    nothing: Nodes
    denoising: bool
    m_whole: NDArray[np.float64]
    m_empty: NDArray[np.float64]
    companion: tuple[Behaviour, ...]

    def metric_of(self, measure: str, kept: Sequence[Nodes]) -> NDArray[np.float64]:
        """The metric of each prompt with only these kept, ``[prompt, set]``."""
        # What is kept in a clean run is what is put into a corrupted one.
        sets = kept if self.denoising else [self.whole - one for one in kept]
        unlike = list({_key(one): one for one in sets}.values())
        place = {_key(one): number for number, one in enumerate(unlike)}
        found = self.out.of(measure, unlike)
        return found[:, [place[_key(one)] for one in sets]]

    def fractions(self, measure: str, kept: Sequence[Nodes]) -> NDArray[np.float64]:
        """The fraction f of each set that is kept, ``[set]``."""
        found = self.metric_of(measure, kept).mean(0)
        fractions: NDArray[np.float64] = (found - self.m_empty.mean()) / (
            self.m_whole.mean() - self.m_empty.mean()
        )
        return fractions

    def ones(self, circuit: Circuit) -> dict[str, Nodes]:
        """Every head of the circuit, and every MLP that it names, by itself."""
        runs = self.out.runs
        heads = {str(head): nodes(runs, [head]) for head in circuit.heads}
        named = () if circuit.mlps == "all" else circuit.mlps
        return heads | {f"L{layer} mlp": nodes(runs, mlps=[layer]) for layer in named}

    def parts(self, circuit: Circuit, subsets: int, seed: int) -> dict[str, Nodes]:
        """Named groups, and random subsets of the circuit, by name."""
        subsets = check_whole("subsets", subsets, 0)
        runs = self.out.runs
        # Heads that were given as a plain list are no part of the circuit, but all of it.
        groups = {} if list(circuit.groups) == [UNNAMED] else circuit.groups
        # In one order, whichever was written first.
        parts = {name: nodes(runs, heads) for name, heads in sorted(groups.items())}
        stream = random.Random(f"subsets {seed}")  # noqa: S311
        ones = self.ones(circuit)
        if not ones:
            raise ChoiceError(f"{circuit.name} names no heads or MLPs that could be left out")
        for number in range(subsets):
            part = self.nothing
            for node in ones.values():
                if stream.random() < 0.5:  # noqa: PLR2004 — even chance
                    part |= node
            name = f"random {number}"
            if name in parts:
                raise ChoiceError(f"{circuit.name} has a group {name!r}: call it something else")
            parts[name] = part
        if not parts:
            raise ChoiceError(f"{circuit.name} names no groups: ask for random subsets")
        return parts

    def fraction(
        self, numerators: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What share of the gap these are, and its error; NaN where there is no gap.

        Args:
            numerators: ``[prompt, …]``.
        """
        if self.companion[-1].indistinct:
            undefined = np.full(numerators.shape[1:], np.nan)
            return undefined, undefined
        return ratio_and_error(numerators, self.m_whole - self.m_empty, self.out.clusters)

    def differences(
        self, measure: str, twos: Sequence[tuple[Nodes, Nodes]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How far f is from set to set for each two of them, and its error, ``[two]``."""
        if self.companion[-1].indistinct:  # so no passes to find out
            return self.fraction(np.zeros((len(self.m_whole), len(twos))))
        found = self.metric_of(measure, [one for two in twos for one in two])
        values, errors = self.fraction(found[:, ::2] - found[:, 1::2])
        return np.abs(values), errors

    def finding(
        self,
        measure: str,
        values: NDArray[np.float64],
        errors: NDArray[np.float64],
        *,
        quantity: str,
        direction: Direction,
        convention: Mapping[str, Json],
        labels: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Finding:
        """A finding of fractions: of one number, or along the axis that is labelled."""
        return Finding(
            measure=measure,
            quantity=quantity,
            unit=f"fraction of the {self.out.metric.quantity}",
            direction=direction,
            axes=tuple(labels or ()),
            labels=labels or {},
            values=values,
            errors=errors,
            convention={**self.out.convention, **convention},
            companion=self.companion,
            relative_to=_GAP,
            # Fractions of the whole behaviour, over all prompts at once, have no steps to speak of.
            allowance=Allowance(floor=0.05, share=0.0, least=0.005),
            raw={"whole": self.m_whole, "empty": self.m_empty},
            **self.out.about,
        )


def circuit_runs(  # noqa: PLR0917 — the choices of three measures, handed on
    model: TransformerBridge | Runs,
    pairs: PromptPairs,
    circuit: Circuit,
    value: Value,
    reference: PromptPairs | None,
    positions: PositionsLike,
    direction: str,
    metric: MetricLike,
    seed: int,
) -> CircuitRuns:
    """The circuit in its model, with both ends measured: nothing kept, and everything.

    Arguments as for :func:`faithfulness`.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer, or the reference the pairs.
        ChoiceError: for heads or MLPs that the model doesn't have, or an unknown choice.
    """
    check_name("direction", direction, _DIRECTIONS)
    runs = as_runs(model)
    if not isinstance(circuit, Circuit):
        raise ChoiceError(f"circuit is a Circuit, not {type(circuit).__name__}")
    members = nodes(runs, circuit.heads, circuit.mlps)
    if not (members.heads.any() or members.mlps.any()):
        raise ChoiceError(f"{circuit.name} is empty in this model, which has no MLPs")
    denoising = direction == "denoising"
    out = knockout_on_pairs(
        runs,
        tokenize(runs, pairs),
        value=value,
        reference=reference,
        positions=positions,
        metric=metric,
        seed=seed,
        denoising=denoising,
    )
    nothing, whole_model = nodes(runs), every_node(runs)
    # Noising takes everything away, and denoising puts everything in.
    other_end = out.of("faithfulness", [whole_model])[:, 0]
    whole, empty = (other_end, out.intact) if denoising else (out.intact, other_end)
    convention: dict[str, Json] = {
        **out.convention,
        "circuit": _said(members, whole_model),
        "granularity": "heads and MLPs" + (", mixers stay" if runs.anatomy.mixers else ""),
        "component": "nodes",
        "direction": direction,
    }
    gap = behaviour(
        _GAP,
        out.metric.sign * (whole - empty),
        out.clusters,
        Direction.HIGHER,
        out.metric.unit,
        vital=True,
        keep=True,
    )
    return CircuitRuns(
        out=replace(out, convention=convention),
        circuit=members,
        whole=whole_model,
        nothing=nothing,
        denoising=denoising,
        m_whole=whole,
        m_empty=empty,
        companion=(
            replace(side("whole", whole, out), direction=out.metric.direction, judged=True),
            side("empty", empty, out),
            gap,
        ),
    )


def _said(members: Nodes, whole: Nodes) -> str:
    """A circuit's heads and MLPs in words, the same however they were written."""
    if not members.mlps.any() or (members.mlps != whole.mlps).any():
        return str(members)
    heads = str(replace(members, mlps=np.zeros_like(members.mlps)))
    return ", ".join(filter(None, [heads, "every mlp"]))


def side(name: str, samples: NDArray[np.float64], out: Knockout) -> Behaviour:
    """The metric with something ablated: shown beside the fraction, and never judged."""
    return behaviour(
        f"{name}_{out.metric.name}",
        samples,
        out.clusters,
        Direction.TWO_SIDED,
        out.metric.unit,
        judged=False,
    )


def _key(one: Nodes) -> tuple[bytes, bytes]:
    return one.heads.tobytes(), one.mlps.tobytes()
