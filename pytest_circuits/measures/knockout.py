"""Ablation: what a behaviour loses without some heads and MLPs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_circuits.findings import (
    Allowance,
    Behaviour,
    ChoiceError,
    Direction,
    Finding,
    Head,
    HeadLike,
    Role,
)
from pytest_circuits.findings.digits import places
from pytest_circuits.findings.statistics import mean_and_error
from pytest_circuits.forward import (
    Nodes,
    Runs,
    Value,
    as_runs,
    every_node,
    nodes,
    silenced,
)
from pytest_circuits.measures.common import (
    behaviour,
    looked_at_once,
    of_heads,
    tokenize,
)
from pytest_circuits.measures.replaced import Knockout, knockout_on_pairs, knockout_on_repeated
from pytest_circuits.prompts import PromptPairs, RepeatedTokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.measures.common import PositionsLike
    from pytest_circuits.measures.metrics import MetricLike

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
    heads: Sequence[HeadLike] | Literal["each"] = (),
    mlps: Sequence[int] | Literal["all"] = (),
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
        prompts: pairs, of which the clean prompts are run, or repeated tokens, of one block length
            (min(50, (context − 1) // 2)) unless they name two.
        heads: labels of the heads that are ablated together, or pairs of layer and head, or
            ``"each"`` head by itself.
        mlps: layers whose MLPs are ablated with them, or ``"all"``.
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
        and, of one set, the ablated one: what is left, which is judged as well as the drop. Of each
        head what is left is the intact behaviour less its value. ``raw`` has ``intact``
        ``[prompt]`` and ``ablated`` ``[prompt]`` or ``[prompt, layer, head]``.

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
    if isinstance(heads, str) and heads == "each":
        return _each(out, others)
    chosen = nodes(runs, _parse(heads)) | others
    _check_any(chosen)
    return _together(out, chosen)


@contextmanager
def ablated(
    model: TransformerBridge | Runs,
    *,
    heads: Sequence[HeadLike] = (),
    mlps: Sequence[int] | Literal["all"] = (),
) -> Iterator[Runs]:
    """While these heads and MLPs are zero, to measure anything without them.

    Example:
        >>> with ablated(bridge, heads=["L5H1"]) as silent:  # doctest: +SKIP
        ...     scores = induction_scores(silent)

    Args:
        model: a hooked model, or its runs.
        heads: labels of the heads, or pairs of layer and head, zeroed at z.
        mlps: layers whose MLPs' outputs are zeroed, or ``"all"``.

    Raises:
        ChoiceError: for one that the model doesn't have, or if none is named.
    """
    runs = as_runs(model)
    chosen = nodes(runs, _parse(heads), mlps)
    _check_any(chosen)
    with silenced(runs, chosen):
        yield runs


def _parse(heads: Sequence[HeadLike]) -> list[Head]:
    if isinstance(heads, str | Head) or not isinstance(heads, Iterable):
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
    left = behaviour(
        f"ablated_{metric.name}",
        out.counted(found),
        out.clusters,
        metric.direction,
        metric.unit,
        chance=out.chance,
    )
    what = {"axes": (), "values": mean, "errors": error, "profiles": {"ablate": harm}}
    return _finding(out, found, str(chosen), left, **what)


def _each(out: Knockout, others: Nodes) -> Finding:
    runs = out.runs
    there = every_node(runs).heads
    every = [Head(*cell) for cell in np.argwhere(there).tolist()]
    if not every:
        runs.anatomy.require("head_out", "ablate")
    found = np.full((len(out.intact), *there.shape), np.nan)
    found[:, there] = out.of("ablate", [nodes(runs, [head]) | others for head in every])
    threshold = ROLE_SHARE * abs(float(out.intact.mean())) or LEAST_THRESHOLD
    if out.metric.unit in _ABSOLUTE:
        threshold = max(LEAST_THRESHOLD, threshold)
    role = Role("needed heads", threshold)
    ablated = "each head" + (f", with {others}" if str(others) else "")
    absent = runs.anatomy.absent_heads
    what = of_heads(_harm(out, found), out.clusters, role, absent=absent, signed=True)
    return _finding(out, found, ablated, **what)


def _finding(
    out: Knockout,
    found: NDArray[np.float64],
    ablated: str,
    *beside: Behaviour,
    **what: Any,  # noqa: ANN401 — fields of a finding
) -> Finding:
    lower = out.metric.direction is Direction.LOWER
    return Finding(
        measure="ablate",
        quantity=f"{'rise' if lower else 'drop'} of the {out.metric.quantity}",
        unit=out.metric.unit,
        direction=Direction.TWO_SIDED,
        convention=out.convention | {"ablated": ablated},
        companion=(_intact(out), *beside),
        raw={"intact": out.intact, "ablated": found},
        allowance=_allowance(out),
        **what,
        **out.about,
    )


def _allowance(out: Knockout) -> Allowance:
    """The allowance of a difference of two behaviours, each of which moves by itself."""
    if out.metric.unit == "logits":
        return Allowance(floor=0.2, share=0.1, least=0.1)
    if out.metric.unit == "nats":
        return Allowance(floor=0.2, share=0.1, least=0.02)
    # Rounded as in a file, so that a finding and its baseline have the same allowance.
    intact = float(out.intact.mean())
    return Allowance.of_scale(round(intact, places(intact, out.metric.unit)))


def _harm(out: Knockout, found: NDArray[np.float64]) -> NDArray[np.float64]:
    intact = out.intact.reshape(-1, *[1] * (found.ndim - 1))
    return out.counted(out.metric.sign * (intact - found))


def _intact(out: Knockout) -> Behaviour:
    metric = out.metric
    return behaviour(
        metric.name,
        out.counted(out.intact),
        out.clusters,
        metric.direction,
        metric.unit,
        vital=metric.direction is Direction.HIGHER,
        keep=True,
        chance=out.chance,
    )
