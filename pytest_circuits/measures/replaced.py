"""A behaviour while heads and MLPs say something else than they would: what ablation rests on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch

from pytest_circuits.findings import ChoiceError, Direction
from pytest_circuits.findings.choices import check_name, check_whole
from pytest_circuits.findings.statistics import stratified
from pytest_circuits.forward import (
    ZERO,
    Nodes,
    Reading,
    Replacement,
    Runs,
    Value,
    drawn_from,
    fewest_references,
    mean_of,
    next_token_losses,
    recorded,
    run_ablated,
    run_prompts,
)
from pytest_circuits.measures.common import make_positions, of_pairs, pairs_convention, tokenize
from pytest_circuits.measures.metrics import Metric, make_metric
from pytest_circuits.measures.repeated_scores import (
    chance,
    draw_repeated,
    draw_tokens,
    of_repeated,
    repeated_convention,
    second_block,
)
from pytest_circuits.prompts import PromptPairs, PromptWarning, RepeatedTokens
from pytest_circuits.prompts.tokens import digest, partition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.findings import Json
    from pytest_circuits.measures.common import PositionsLike
    from pytest_circuits.measures.metrics import MetricLike
    from pytest_circuits.prompts import TokenizedPairs

#: Reference sequences of repeated tokens, where fewer are ablated.
_REFERENCES = 10


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
        strata: the stratum of each prompt, all of which count alike.
        positions: where it is said, the index of each position in every prompt; None everywhere.
        convention: every choice behind it.
        about: what a finding says of the prompts and the model.
        chance: the behaviour of a model that can't do it, where that is known.
    """

    runs: Runs
    prompts: Sequence[Sequence[int]]
    replacement: Replacement
    metric: Metric
    read: Reading
    intact: NDArray[np.float64]
    clusters: Sequence[object]
    strata: Sequence[object]
    positions: tuple[tuple[int, ...], ...] | None
    convention: dict[str, Json]
    about: dict[str, Any]
    chance: float | None = None

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

    def counted(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of each prompt, ``[prompt, …]``, as samples of the mean that counts."""
        return stratified(values, self.strata)


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
    check_name("value", value, get_args(Value))
    seed = check_whole("seed", seed)
    if isinstance(positions, str) and positions == "each":
        raise ChoiceError("ablation is at all positions, or at those of a list")
    if value == "zero" and reference is not None:
        raise ChoiceError("zeros need no reference: leave it out, or ask for value='mean'")
    if denoising and reference is not None:
        raise ChoiceError(
            "denoising puts in what the clean run says: there is no reference to stand in for it"
        )
    indices, at = _ablated_at(positions, tokenized)
    clean = run_prompts(runs, tokenized.clean)
    made = make_metric(metric, tokenized, clean)
    target = tokenized.corrupted if denoising else tokenized.clean
    convention = {**pairs_convention(tokenized), **made.convention}
    if denoising:
        replacement, words = recorded(runs, target, tokenized.clean), "clean run of the same prompt"
    else:
        stand_ins = (tokenized.corrupted, tokenized.templates)
        words = "the corrupted prompts"
        if reference is not None:
            others = tokenize(runs, reference)
            stand_ins = (others.clean, others.templates)
            words = f"reference prompts {digest(others.clean)}"
        replacement, words = _replacement(
            runs, value, (tokenized.clean, tokenized.templates), stand_ins, words=words, seed=seed
        )
        if value != "zero":
            # What stands in for a prompt is taken from its template, whatever that is called.
            convention["templates"] = digest(partition([*tokenized.templates, *stand_ins[1]]))
    return Knockout(
        runs,
        target,
        replacement,
        made,
        made.reading,
        made.of(run_prompts(runs, target)),
        tokenized.clusters,
        [""] * len(target),
        indices,
        {**convention, "ablation": words, **at},
        of_pairs(runs, tokenized, corrupted=denoising or (value != "zero" and reference is None)),
    )


def _ablated_at(
    positions: PositionsLike, tokenized: TokenizedPairs
) -> tuple[tuple[tuple[int, ...], ...] | None, dict[str, Json]]:
    """Where ablation is, as :attr:`Knockout.positions`, and how a convention says it.

    It is at all of these positions at once, so that neither their order counts nor whether two are
    the same in some prompt; and all of them listed are all.
    """
    where = make_positions(positions, tokenized)
    if where is None:
        return None, {"positions": "all"}
    sets = [sorted(set(places)) for places in zip(*where.indices, strict=True)]
    if [len(one) for one in sets] == [len(prompt) for prompt in tokenized.clean]:
        return None, {"positions": "all"}
    return where.indices, {**where.convention, "indices": digest(sets)}


def knockout_on_repeated(
    model: Runs, prompts: RepeatedTokens, *, value: Value, seed: int
) -> Knockout:
    """Ablation on repeated tokens; means and draws are over sequences that repeat nothing.

    These are drawn with the next seed: the sequences' own begin with the same first block, and
    would say there what they say. Blocks are of one length, min(50, (context − 1) // 2), unless two
    are asked for.

    Raises:
        PromptError: if the block doesn't fit the model's context or vocabulary.
        ChoiceError: for an unknown value.
    """
    check_name("value", value, get_args(Value))
    seed = check_whole("seed", seed)
    runs, drawn, run = draw_repeated(model, prompts, one_length=True)
    others = replace(prompts, seed=prompts.seed + 1, batch=max(_REFERENCES, prompts.batch))
    unrelated = draw_tokens(runs, others, one_length=True).unrelated
    replacement, words = _replacement(
        runs,
        value,
        (drawn.sequences, [""] * len(drawn.sequences)),
        (unrelated, [""] * len(unrelated)),
        words=f"{others.batch} unrelated sequences of seed {others.seed}",
        seed=seed,
    )
    since = drawn.blocks[0] + 1

    def read(logits: Tensor, rows: tuple[int, ...]) -> Tensor:
        second = drawn.strata[rows[0]] + 1
        tokens = [drawn.sequences[row][second:] for row in rows]
        at = torch.tensor(tokens, device=logits.device)
        return next_token_losses(logits[:, second - since :], at).mean(1)

    return Knockout(
        runs,
        drawn.sequences,
        replacement,
        Metric("repeat_loss", "repeat loss", "nats", "repeat loss", Direction.LOWER, read),
        Reading(read, since=since),
        np.array([second_block(of_one) for of_one in run.losses]),
        drawn.clusters,
        drawn.strata,
        None,
        {**repeated_convention(drawn, prompts), "ablation": words, "positions": "all"},
        of_repeated(runs, drawn),
        chance=chance(runs),
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
