"""Whether a circuit does the whole job, whether all of it is there, and all of it is needed.

The three criteria of Wang et al. 2022, §4, on the normalised scale of Hanna et al. 2024.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_circuits.findings import ChoiceError, Circuit, Direction, Finding, Null
from pytest_circuits.findings.choices import check_name, check_whole
from pytest_circuits.forward import Nodes, Runs, Value
from pytest_circuits.measures.circuit_runs import circuit_runs, side
from pytest_circuits.measures.common import looked_at_once

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.measures.common import PositionsLike
    from pytest_circuits.measures.metrics import MetricLike
    from pytest_circuits.prompts import PromptPairs

_SETS = ("complement", "circuit")
#: Fewer random circuits can't bring p, (1 + how many are as good) / (1 + all), down to 0.05.
_FEWEST = 19


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
    clipped. This is the normalised faithfulness of Hanna et al. 2024 ("Have faith in
    faithfulness") and Miller et al. 2024. That of Wang et al. 2022, §4, is ``|m(M) − m(C)|``, 0 if
    the circuit does the whole job: the difference of the two behaviours beside this value, or
    ``|1 − f(C)|`` times the gap.

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
        a finding with one value (a fraction), its standard error over the pairs' clusters, and as
        companion the metric of the whole model, of the circuit, with everything ablated, and the
        gap m(M) − m(∅). Where that can't be told from 0 the value is NaN.
        ``raw`` has ``circuit``, ``whole`` and ``empty``, ``[prompt]`` each.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer, or the reference the pairs.
        ChoiceError: for heads or MLPs that the model doesn't have, or an unknown choice.
    """
    null = check_whole("null", null, 0)
    if 0 < null < _FEWEST:
        raise ChoiceError(
            f"null is how many random circuits: none, or {_FEWEST} and more; with {null}, none "
            f"could be told from them"
        )
    check_name("ablated", ablated, _SETS)
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
    2022, §4.1, have it of m, in logits): 0 if nothing outside the circuit does what K does in it. K
    are the circuit's named groups, and random subsets of its heads (and of the MLPs that it names),
    each with even chance.

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
        number, standard errors, and the companion of :func:`faithfulness`. Its
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
    :func:`faithfulness` (Wang et al. 2022, §4.2, have it of m, in logits): a head with little of it
    is not needed. K are the empty set, the circuit's named groups without v, and random subsets
    without v. The maximum over many K is above 0 by chance alone: hold it against that of a head
    that does nothing.

    Arguments and errors as for :func:`completeness`.

    Returns:
        a finding with values ``[node]`` (fractions), labelled by head or MLP, standard errors
        at the K that was best, and the companion of :func:`faithfulness`. ``provenance``
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
