"""Ablation: what a behaviour loses without some heads and MLPs."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch

from pytest_circuits.findings import (
    Allowance,
    Behaviour,
    ChoiceError,
    Direction,
    Finding,
    Head,
    Role,
)
from pytest_circuits.findings.digits import places
from pytest_circuits.findings.statistics import mean_and_error
from pytest_circuits.forward import (
    ZERO,
    Nodes,
    Reading,
    Replacement,
    Runs,
    Value,
    as_runs,
    drawn_from,
    every_node,
    fewest_references,
    mean_of,
    next_token_losses,
    nodes,
    recorded,
    run_ablated,
    run_prompts,
    silenced,
)
from pytest_circuits.measures.common import (
    behaviour,
    looked_at_once,
    make_positions,
    of_heads,
    of_pairs,
    pairs_convention,
    tokenize,
)
from pytest_circuits.measures.metrics import Metric, make_metric
from pytest_circuits.measures.repeated_scores import (
    draw_repeated,
    draw_tokens,
    of_repeated,
    per_sequence,
    repeated_convention,
)
from pytest_circuits.prompts import PromptPairs, PromptWarning, RepeatedTokens
from pytest_circuits.prompts.pairs import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Json
    from pytest_circuits.measures.common import PositionsLike
    from pytest_circuits.measures.metrics import MetricLike
    from pytest_circuits.prompts import TokenizedPairs

#: Heads without which at least this share of the behaviour is gone have the role.
ROLE_SHARE = 0.1
#: … and at least so much of it, in units that have a scale of their own.
LEAST_THRESHOLD = 0.1
_ABSOLUTE = ("logits", "nats")
#: Reference sequences of repeated tokens, where fewer are ablated.
_REFERENCES = 10
_VALUES: tuple[str, ...] = get_args(Value)


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
    left = behaviour(
        f"ablated_{metric.name}",
        found,
        out.clusters,
        Direction.TWO_SIDED,
        metric.unit,
        judged=False,
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
    harm: NDArray[np.float64] = out.metric.sign * (intact - found)
    return harm


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


@dataclass(frozen=True)
class Knockout:
    """A behaviour, and what heads and MLPs say instead when they are ablated.

    Attributes:
        runs: the model.
        prompts: token ids of what is run.
        replacement: what is said instead.
        metric: the behaviour.
        read: what is read off its runs.
        intact: the behaviour of each prompt with nothing ablated, ``[prompt]``.
        clusters: one label for each prompt.
        positions: where it is said, the index of each position in every prompt; None everywhere.
        convention: every choice behind it.
        about: what a finding says of the prompts and the model.
    """

    runs: Runs
    prompts: Sequence[Sequence[int]]
    replacement: Replacement
    metric: Metric
    read: Reading
    intact: NDArray[np.float64]
    clusters: Sequence[object]
    positions: tuple[tuple[int, ...], ...] | None
    convention: dict[str, Json]
    about: dict[str, Any]

    def of(self, measure: str, sets: Sequence[Nodes]) -> NDArray[np.float64]:
        """The behaviour of each prompt with each set ablated, ``[prompt, set]``."""
        found = run_ablated(
            self.runs,
            self.prompts,
            self.replacement,
            sets=sets,
            read=self.read,
            intact=self.intact,
            positions=self.positions,
            measure=measure,
        )
        self.metric.check(measure, "under ablation", found)
        return found


def _check_value(value: str) -> None:
    """Refuse what is no kind of ablation.

    Raises:
        ChoiceError: if it is none.
    """
    if value not in _VALUES:
        raise ChoiceError(f"value is {', '.join(_VALUES)}, not {value!r}")


def knockout_on_pairs(
    runs: Runs,
    tokenized: TokenizedPairs,
    *,
    value: Value,
    reference: PromptPairs | None,
    positions: PositionsLike,
    metric: MetricLike,
    seed: int,
    denoising: bool = False,
) -> Knockout:
    """Ablation on prompt pairs.

    Args:
        runs: the model.
        tokenized: the pairs.
        value: zero, mean or resample.
        reference: whose clean prompts the mean or the draw is over; by default the corrupted
            prompts of the pairs themselves.
        positions: ``"all"``, or where.
        metric: the behaviour.
        seed: of the draw.
        denoising: run the corrupted prompts, and put in what is said on the clean ones: the value
            is then the clean run's own.

    Raises:
        PromptError: if the reference has no prompts like those that it stands in for.
        ChoiceError: for an unknown value, metric or positions.
    """
    _check_value(value)
    if positions == "each":
        raise ChoiceError("ablation is at all positions, or at those of a list")
    if value == "zero" and reference is not None:
        raise ChoiceError("zeros need no reference: leave it out, or ask for value='mean'")
    if denoising and reference is not None:
        raise ChoiceError(
            "denoising puts in what the clean run says: there is no reference to stand in for it"
        )
    where = make_positions(positions, tokenized)
    clean = run_prompts(runs, tokenized.clean)
    made = make_metric(metric, tokenized, clean)
    target = tokenized.corrupted if denoising else tokenized.clean
    if denoising:
        replacement, words = recorded(runs, target, tokenized.clean), "clean run of the same prompt"
    else:
        stand_ins = (tokenized.corrupted, tokenized.templates)
        words = "the corrupted prompts"
        if reference is not None:
            others = tokenize(runs, reference)
            stand_ins = (others.clean, others.templates)
            words = f"reference prompts {digest([others.clean, others.templates])}"
        replacement, words = _replacement(
            runs, value, (tokenized.clean, tokenized.templates), stand_ins, words=words, seed=seed
        )
    return Knockout(
        runs,
        target,
        replacement,
        made,
        made.reading,
        made.of(run_prompts(runs, target)),
        tokenized.clusters,
        None if where is None else where.indices,
        {
            **pairs_convention(tokenized, made.formula),
            "ablation": words,
            **({"positions": "all"} if where is None else where.convention),
            # What stands in for a prompt is taken from its template.
            **({} if value == "zero" or denoising else {"templates": digest(tokenized.templates)}),
        },
        of_pairs(runs, tokenized),
    )


def knockout_on_repeated(
    model: Runs, prompts: RepeatedTokens, *, value: Value, seed: int
) -> Knockout:
    """Ablation on repeated tokens; means and draws are over sequences that repeat nothing.

    They are drawn with the next seed, as a control is; the sequences' own control begins with
    their own first block, and would say there what they say.

    Raises:
        PromptError: if the block doesn't fit the model's context or vocabulary.
        ChoiceError: for an unknown value.
    """
    _check_value(value)
    runs, drawn, run = draw_repeated(model, prompts)
    others = replace(
        prompts, seed=prompts.seed + 1, batch=max(_REFERENCES, prompts.batch), block=drawn.block
    )
    control = draw_tokens(runs, others).control
    replacement, words = _replacement(
        runs,
        value,
        (drawn.sequences, [""] * len(drawn.sequences)),
        (control, [""] * len(control)),
        words=f"{others.batch} control sequences of seed {others.seed}",
        seed=seed,
    )
    second = drawn.block + 1
    tokens = torch.tensor(drawn.sequences, device=runs.device)[:, second:]

    def read(logits: Tensor, rows: tuple[int, ...]) -> Tensor:
        return next_token_losses(logits, tokens[list(rows)]).mean(1)

    return Knockout(
        runs,
        drawn.sequences,
        replacement,
        Metric("repeat_loss", "repeat loss", "nats", "repeat loss", Direction.LOWER, read),
        Reading(read, since=second),
        per_sequence(run, drawn.block)[0],
        range(len(drawn.sequences)),
        None,
        {**repeated_convention(drawn, prompts), "ablation": words, "positions": "all"},
        of_repeated(runs, drawn),
    )


def _replacement(
    runs: Runs,
    value: str,
    prompts: tuple[Sequence[Sequence[int]], Sequence[str]],
    reference: tuple[Sequence[Sequence[int]], Sequence[str]],
    *,
    words: str,
    seed: int,
) -> tuple[Replacement, str]:
    """What is said instead, and how a convention says it."""
    if value == "zero":
        return ZERO, "zero"
    if value == "mean":
        made = mean_of(runs, *prompts, *reference)
        fewest = fewest_references(*prompts, *reference)
        if fewest == 1:
            warnings.warn(
                PromptWarning(
                    "a prompt has one reference of its template and length, so that the mean that "
                    "stands in for it is that one prompt: give a larger reference set"
                ),
                stacklevel=2,
            )
        return made, f"mean over {words}, per position and template, {fewest} or more"
    drawn = drawn_from(*prompts, *reference, seed)
    return recorded(runs, prompts[0], drawn), f"resampled from {words} of the template, seed {seed}"
