"""Ablation: what a behaviour loses without some heads and MLPs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_circuits.findings import Behaviour, ChoiceError, Direction, Finding, Head, Role
from pytest_circuits.findings.statistics import mean_and_error
from pytest_circuits.forward import Nodes, Runs, Value, as_runs, nodes, silenced
from pytest_circuits.measures.common import behaviour, looked_at_once, profiles, tokenize
from pytest_circuits.measures.knockout import Knockout, knockout_on_pairs, knockout_on_repeated
from pytest_circuits.prompts import PromptPairs, RepeatedTokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.measures.metrics import MetricLike
    from pytest_circuits.measures.positions import PositionsLike

#: Heads without which at least this share of the behaviour is gone have the role.
ROLE_SHARE = 0.1
#: … and at least so much of it, in units that have a scale of their own.
LEAST_THRESHOLD = 0.1
_ABSOLUTE = ("logits", "nats")


@looked_at_once
def ablate(
    model: TransformerBridge | Runs,
    prompts: PromptPairs | RepeatedTokens,
    *,
    heads: Sequence[str | Head] | Literal["each"] = (),
    mlps: Sequence[int] = (),
    value: Value = "mean",
    reference: PromptPairs | None = None,
    positions: PositionsLike = "all",
    metric: MetricLike = "logit_diff",
    seed: int = 0,
) -> Finding:
    """How much worse the behaviour is while some heads and MLPs say something else.

    harm = mean over prompts of (intact − ablated), or (ablated − intact) for a loss: above 0 the
    ablation hurts. Heads are ablated at z, before the output projection (whose bias stays), MLPs
    where their output joins the residual stream (Wang et al. 2022, §2; Zhang & Nanda 2024).

    ============ ==========================================================================
    value        what they say instead
    ============ ==========================================================================
    ``mean``     the mean over reference prompts of the same template and length, at each
                 position
    ``zero``     nothing
    ``resample`` what they say on one other reference prompt of the template, drawn
    ============ ==========================================================================

    Args:
        model: a hooked model, or its runs.
        prompts: pairs, of which the clean prompts are run, or repeated tokens.
        heads: labels of the heads that are ablated together, or ``"each"`` head by itself.
        mlps: layers whose MLPs are ablated with them.
        value: ``mean``, ``zero`` or ``resample``.
        reference: pairs whose clean prompts are the reference; by default the corrupted prompts of
            the pairs, and for repeated tokens other sequences, which repeat nothing.
        positions: ``"all"``, or a list of names and indices where they are ablated.
        metric: the behaviour of pairs, as for :func:`patch`; that of repeated tokens is their
            repeat loss.
        seed: seed of the draw.

    Returns:
        a finding with one value, or ``[layer, head]`` for each head, in the behaviour's unit, its
        standard error over clusters, per-prompt profiles, and as companion the intact behaviour
        and, of one set, the ablated one. ``raw`` has ``intact`` ``[prompt]`` and ``ablated``
        ``[prompt]`` or ``[prompt, layer, head]``.

    Raises:
        PromptError: if the prompts don't fit the model, or the reference the prompts.
        ChoiceError: for a head or an MLP that the model doesn't have, or nothing to ablate.
    """
    runs = as_runs(model)
    if isinstance(prompts, RepeatedTokens):
        if reference is not None or positions != "all" or metric != "logit_diff":
            raise ChoiceError(
                "repeated tokens are ablated at all positions, against others that repeat "
                "nothing, and measured by their repeat loss"
            )
        out = knockout_on_repeated(runs, prompts, value=value, seed=seed)
    else:
        out = knockout_on_pairs(
            runs,
            tokenize(runs, prompts),
            value=value,
            reference=reference,
            positions=positions,
            metric=metric,
            seed=seed,
        )
    others = nodes(runs, mlps=mlps)
    if heads == "each":
        return _each(out, others)
    chosen = nodes(runs, _parse(heads)) | others
    _check_any(chosen)
    return _together(out, chosen)


@contextmanager
def ablated(
    model: TransformerBridge | Runs, *, heads: Sequence[str | Head] = (), mlps: Sequence[int] = ()
) -> Iterator[Runs]:
    """While these heads and MLPs are zero, to measure anything without them.

    Example:
        >>> with ablated(bridge, heads=["L5H1"]) as silent:  # doctest: +SKIP
        ...     scores = induction_scores(silent)

    Args:
        model: a hooked model, or its runs.
        heads: labels of the heads, zeroed at z.
        mlps: layers whose MLPs' outputs are zeroed.

    Raises:
        ChoiceError: for one that the model doesn't have, or if none is named.
    """
    runs = as_runs(model)
    chosen = nodes(runs, _parse(heads), mlps)
    _check_any(chosen)
    with silenced(runs, chosen):
        yield runs


def _parse(heads: Sequence[str | Head]) -> list[Head]:
    if isinstance(heads, str):
        raise ChoiceError(f"heads is a list of labels such as L5H1, not {heads!r}")
    try:
        return [Head.parse(label) for label in heads]
    except ValueError as error:
        raise ChoiceError(str(error)) from None


def _check_any(chosen: Nodes) -> None:
    if not (chosen.heads.any() or chosen.mlps.any()):
        raise ChoiceError("there is nothing to ablate: name heads or mlps")


def _together(out: Knockout, chosen: Nodes) -> Finding:
    found = out.of("ablate", [chosen])[:, 0]
    harm = _harm(out, found)
    mean, error = mean_and_error(harm, out.clusters)
    metric = out.metric
    return Finding(
        measure="ablate",
        quantity=_quantity(out),
        unit=metric.unit,
        direction=Direction.TWO_SIDED,
        axes=(),
        values=mean,
        errors=error,
        convention=out.convention | {"ablated": str(chosen)},
        profiles={"ablate": harm},
        companion=(
            _intact(out),
            behaviour(
                f"ablated_{metric.name}",
                found,
                out.clusters,
                Direction.TWO_SIDED,
                metric.unit,
                judged=False,
            ),
        ),
        raw={"intact": out.intact, "ablated": found},
        **out.about,
    )


def _each(out: Knockout, others: Nodes) -> Finding:
    runs = out.runs
    every = [Head(layer, head) for layer in range(runs.layers) for head in range(runs.heads)]
    found = out.of("ablate", [nodes(runs, [head]) | others for head in every])
    found = found.reshape(len(found), runs.layers, runs.heads)
    harm = _harm(out, found)
    mean, error = mean_and_error(harm, out.clusters)
    threshold = ROLE_SHARE * abs(float(out.intact.mean())) or LEAST_THRESHOLD
    if out.metric.unit in _ABSOLUTE:
        threshold = max(LEAST_THRESHOLD, threshold)
    also = str(others)
    return Finding(
        measure="ablate",
        quantity=_quantity(out),
        unit=out.metric.unit,
        direction=Direction.TWO_SIDED,
        axes=("layer", "head"),
        values=mean,
        errors=error,
        convention=out.convention | {"ablated": "each head" + (f", with {also}" if also else "")},
        role=Role("needed heads", threshold),
        profiles=profiles(np.abs(mean), harm, threshold),
        per_sample=harm,
        companion=(_intact(out),),
        raw={"intact": out.intact, "ablated": found},
        **out.about,
    )


def _harm(out: Knockout, found: NDArray[np.float64]) -> NDArray[np.float64]:
    intact = out.intact.reshape(-1, *[1] * (found.ndim - 1))
    harm: NDArray[np.float64] = out.metric.sign * (intact - found)
    return harm


def _quantity(out: Knockout) -> str:
    lower = out.metric.direction is Direction.LOWER
    return f"{'rise' if lower else 'drop'} of the {out.metric.quantity}"


def _intact(out: Knockout) -> Behaviour:
    metric = out.metric
    return behaviour(
        metric.name,
        out.intact,
        out.clusters,
        metric.direction,
        metric.unit,
        vital=metric.direction is Direction.HIGHER,
        keep=True,
    )
