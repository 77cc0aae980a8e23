"""Whether a circuit does the whole job, whether all of it is there, and all of it is needed.

The three criteria of Wang et al. 2022, §4.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_circuits.findings import (
    Allowance,
    Behaviour,
    ChoiceError,
    Circuit,
    Direction,
    Finding,
    Null,
)
from pytest_circuits.findings.circuit import UNNAMED
from pytest_circuits.findings.statistics import ratio_and_error
from pytest_circuits.forward import Nodes, Runs, Value, as_runs, every_node, nodes
from pytest_circuits.measures.common import behaviour, looked_at_once, tokenize
from pytest_circuits.measures.knockout import Knockout, knockout_on_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Json
    from pytest_circuits.measures.common import PositionsLike
    from pytest_circuits.measures.metrics import MetricLike
    from pytest_circuits.prompts import PromptPairs

_DIRECTIONS = ("noising", "denoising")
_SETS = ("complement", "circuit")
#: Fewer random circuits can't bring p, (1 + how many are as good) / (1 + all), down to 0.05.
_FEWEST = 19
#: The behaviour that a whole model has over a model with everything ablated.
_GAP = "whole_model_gap"


@looked_at_once
def faithfulness(
    model: TransformerBridge | Runs,
    pairs: PromptPairs,
    circuit: Circuit,
    *,
    value: Value = "mean",
    reference: PromptPairs | None = None,
    positions: PositionsLike = "all",
    direction: Literal["noising", "denoising"] = "noising",
    ablated: Literal["complement", "circuit"] = "complement",
    metric: MetricLike = "logit_diff",
    seed: int = 0,
    null: int = 0,
) -> Finding:
    """How much of the behaviour is left when everything but the circuit is ablated.

    f(C) = (m(C) − m(∅)) / (m(M) − m(∅)), with m(C) the mean metric while all heads and MLPs
    outside C are ablated, m(∅) while all of them are (embeddings stay those of the prompt that is
    run), m(M) of the whole model: a ratio of means, 1 if the circuit does the whole job, and not
    clipped. Wang et al. 2022, §4; Hanna et al. 2024.

    The number moves from below 0 to above 100 % with six choices (Miller et al. 2024), all of
    which are part of the convention:

    ================== =====================================================================
    granularity        heads and MLPs
    component          nodes (not edges)
    ablation value     ``value``: mean, zero or resample, as for :func:`ablate`
    token positions    ``positions``: all, or those of a list
    direction          ``noising``: the clean prompt is run, and components are ablated;
                       ``denoising``: the corrupted prompt is run, and components say what
                       they say on the clean one (there the value has no say)
    set                ``ablated``: the circuit's complement is ablated, or the circuit itself;
                       then f is what is left without it, and less is better
    ================== =====================================================================

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts.
        circuit: its heads and MLPs.
        value: what ablated components say.
        reference: whose clean prompts the mean or the draw is over; by default the corrupted
            prompts of the pairs.
        positions: where components are ablated.
        direction: which prompt is run.
        ablated: which set is ablated.
        metric: the behaviour, as for :func:`patch`.
        seed: seed of draws.
        null: with how many random circuits of equally many heads in every layer, and the same
            MLPs, it is compared; p is the share of them that are as faithful.

    Returns:
        a finding with one value (a fraction), its bootstrap standard error over the pairs'
        clusters, and as companion the metric of the whole model, of the circuit, with everything
        ablated, and the gap m(M) − m(∅). Where that can't be told from 0 the value is NaN.
        ``raw`` has ``circuit``, ``whole`` and ``empty``, ``[prompt]`` each.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer, or the reference the pairs.
        ChoiceError: for heads or MLPs that the model doesn't have, or an unknown choice.
    """
    if null and null < _FEWEST:
        raise ChoiceError(
            f"null is how many random circuits: none, or {_FEWEST} and more; with {null}, none "
            f"could be told from them"
        )
    if ablated not in _SETS:
        raise ChoiceError(f"ablated is {' or '.join(_SETS)}, not {ablated!r}")
    runs = circuit_runs(model, pairs, circuit, value, reference, positions, direction, metric, seed)
    kept = runs.circuit if ablated == "complement" else runs.whole - runs.circuit
    found = runs.metric_of("faithfulness", [kept])[:, 0]
    values, errors = runs.fraction(found - runs.m_empty)
    finding = runs.finding(
        "faithfulness",
        values,
        errors,
        quantity="faithfulness" if ablated == "complement" else "left without the circuit",
        direction=Direction.HIGHER if ablated == "complement" else Direction.LOWER,
        convention={
            "set": f"{ablated} is ablated",
            **({"null": f"{null} random circuits, seed {seed}"} if null else {}),
        },
    )
    finding = replace(
        finding,
        companion=(side("circuit", found, runs.out), *finding.companion),
        profiles={"faithfulness": runs.out.metric.sign * (found - runs.m_empty)},
        raw={**finding.raw, "circuit": found},
        null_takes="ask for one (null=200)",
    )
    if finding.undefined or not null:
        return finding
    stream = random.Random(f"circuit {seed}")  # noqa: S311 — a reproducible draw is the point
    others = [_like(runs.circuit, runs.whole, stream) for _ in range(null)]
    if ablated == "circuit":
        others = [runs.whole - other for other in others]
    drawn = runs.fractions("faithfulness", others)
    own = float(finding.values)
    reached = drawn >= own if ablated == "complement" else drawn <= own
    p = float((1 + reached.sum()) / (1 + null))
    return replace(
        finding,
        nulls={"faithfulness": Null(float(drawn.mean()), p)},
    )


@looked_at_once
def completeness(
    model: TransformerBridge | Runs,
    pairs: PromptPairs,
    circuit: Circuit,
    *,
    subsets: int = 20,
    value: Value = "mean",
    reference: PromptPairs | None = None,
    positions: PositionsLike = "all",
    direction: Literal["noising", "denoising"] = "noising",
    metric: MetricLike = "logit_diff",
    seed: int = 0,
) -> Finding:
    """Whether the circuit without a part of it is like the model without that part.

    incompleteness(K) = ``|f(C∖K) − f(M∖K)|``, f as for :func:`faithfulness` (Wang et al.
    2022, §4.1): 0 if nothing outside the circuit does what K does in it. K are the circuit's
    named groups, and random subsets of its heads (and of the MLPs that it names), each with even
    chance.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts.
        circuit: its heads and MLPs.
        subsets: how many random subsets.
        value: what ablated components say.
        reference: as for :func:`faithfulness`.
        positions: where components are ablated.
        direction: which prompt is run.
        metric: the behaviour.
        seed: seed of the subsets, and of resampling.

    Returns:
        a finding with values ``[subset]`` (fractions; less is better), labelled by group or
        number, bootstrap standard errors, and the companion of :func:`faithfulness`. Its
        convention says which subset is which.

    Raises:
        PromptError, ChoiceError: as for :func:`faithfulness`.
    """
    runs = circuit_runs(model, pairs, circuit, value, reference, positions, direction, metric, seed)
    parts = runs.parts(circuit, subsets, seed)
    values, errors = runs.differences(
        "completeness",
        [(runs.circuit - part, runs.whole - part) for part in parts.values()],
    )
    return runs.finding(
        "completeness",
        values,
        errors,
        quantity="incompleteness",
        direction=Direction.LOWER,
        convention={"subsets": _listed(parts), "set": "complement is ablated"},
        labels={"subset": tuple(parts)},
    )


@looked_at_once
def minimality(
    model: TransformerBridge | Runs,
    pairs: PromptPairs,
    circuit: Circuit,
    *,
    subsets: int = 20,
    value: Value = "mean",
    reference: PromptPairs | None = None,
    positions: PositionsLike = "all",
    direction: Literal["noising", "denoising"] = "noising",
    metric: MetricLike = "logit_diff",
    seed: int = 0,
) -> Finding:
    """What each head of the circuit adds to it, beside the part beside which it adds most.

    minimality(v) = max over K of ``|f(C∖K) − f(C∖(K ∪ {v}))|``, f as for
    :func:`faithfulness` (Wang et al. 2022, §4.2): a head with little of it is not needed. K are
    the empty set, the circuit's named groups without v, and random subsets without v. The maximum
    over many K is above 0 by chance alone: hold it against that of a head that does nothing.

    Arguments and errors as for :func:`completeness`.

    Returns:
        a finding with values ``[node]`` (fractions), labelled by head or MLP, bootstrap standard
        errors at the K that was best, and the companion of :func:`faithfulness`. ``provenance``
        says which K that was.
    """
    runs = circuit_runs(model, pairs, circuit, value, reference, positions, direction, metric, seed)
    parts = {"nothing": runs.nothing} | runs.parts(circuit, subsets, seed)
    ones = runs.ones(circuit)
    values, errors = runs.differences(
        "minimality",
        [
            (runs.circuit - (part - node), runs.circuit - (part | node))
            for node in ones.values()
            for part in parts.values()
        ],
    )
    table = values.reshape(len(ones), len(parts))
    # Where nothing is defined, no part is better than another.
    best = np.nan_to_num(table).argmax(axis=1)
    rows, names = np.arange(len(ones)), list(parts)
    finding = runs.finding(
        "minimality",
        table[rows, best],
        errors.reshape(table.shape)[rows, best],
        quantity="minimality",
        direction=Direction.HIGHER,
        convention={"subsets": _listed(parts), "set": "complement is ablated"},
        labels={"node": tuple(ones)},
    )
    beside = {one: names[k] for one, k in zip(ones, best, strict=True)}
    return replace(finding, provenance={**finding.provenance, "largest beside": beside})


def _like(circuit: Nodes, whole: Nodes, stream: random.Random) -> Nodes:
    """A random circuit of the whole with as many heads in every layer, and the same MLPs."""
    heads = np.zeros_like(circuit.heads)
    for layer, count in enumerate(circuit.heads.sum(1).tolist()):
        left = np.flatnonzero(whole.heads[layer]).tolist()
        for _ in range(count):
            heads[layer, left.pop(int(stream.random() * len(left)))] = True
    return Nodes(heads, circuit.mlps)


def _listed(parts: Mapping[str, Nodes]) -> dict[str, Any]:
    return {name: str(part) or "nothing" for name, part in parts.items()}


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
        if subsets < 0:
            raise ChoiceError(f"subsets is how many random subsets, not {subsets}")
        runs = self.out.runs
        # Heads that were given as a plain list are no part of the circuit, but all of it.
        groups = {} if list(circuit.groups) == [UNNAMED] else circuit.groups
        parts = {name: nodes(runs, heads) for name, heads in groups.items()}
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
    if direction not in _DIRECTIONS:
        raise ChoiceError(f"direction is {' or '.join(_DIRECTIONS)}, not {direction!r}")
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
    names = str(members if circuit.mlps != "all" else nodes(runs, circuit.heads))
    convention: dict[str, Json] = {
        **out.convention,
        "circuit": names + (", every mlp" if circuit.mlps == "all" and members.mlps.any() else ""),
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
