"""Attention on prompts: from one named token to another, and over any mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from pytest_circuits.findings import ChoiceError, Direction, Finding, Role
from pytest_circuits.findings.statistics import stratified
from pytest_circuits.forward import Runs, as_runs, exact, record, run_prompts
from pytest_circuits.measures.common import (
    check_finite,
    looked_at_once,
    of_heads,
    of_pairs,
    pairs_convention,
    place_of,
    tokenize,
)
from pytest_circuits.measures.metrics import answer_companion
from pytest_circuits.measures.repeated_scores import (
    draw_repeated,
    next_seed,
    of_repeated,
    repeated_companion,
    repeated_convention,
)
from pytest_circuits.prompts import PromptError, RepeatedTokens
from pytest_circuits.prompts.tokens import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Behaviour, Json
    from pytest_circuits.forward import RepeatedRun
    from pytest_circuits.prompts import DrawnTokens, PromptPairs, TokenizedPairs

#: True where attention counts: ``[query, key]``, or several of them.
Mask: TypeAlias = "NDArray[Any] | Tensor | Sequence[NDArray[Any] | Tensor | Sequence[Any]]"
#: A head at or above this has the role, as for scores on repeated tokens.
ROLE_THRESHOLD = 0.4


@looked_at_once
def attention_between(
    model: TransformerBridge | Runs,
    pairs: PromptPairs,
    *,
    query: str | int = "END",
    key: str | int,
) -> Finding:
    """How much each head attends from one position of the clean prompts to another.

    score = mean over prompts of A[query, key] (Wang et al. 2022, §3: name movers attend from END to
    IO, S-inhibition heads from END to S2, duplicate-token heads from S2 to S1).

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts; only the clean ones are run.
        query: the position that attends, a name (``END`` is the last one) or an index, which
            counts from the end if negative.
        key: the position that is attended to.

    Returns:
        a finding with values ``[layer, head]`` in 0 … 1 (attention probability), standard errors
        over the pairs' clusters, per-prompt profiles of the heads at 0.2 and above, and as
        companion the logit difference and accuracy.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer, a prompt has no such position, or
            the key comes after the query in one.
        ChoiceError: if a position is neither a name nor an index.
        InvalidFindingError: if the model's numbers are not finite.
    """
    runs = as_runs(model)
    runs.anatomy.require("attention", "attention_between")
    tokenized = tokenize(runs, pairs)
    queries, keys = place_of(query, tokenized), place_of(key, tokenized)
    for number, (one, other) in enumerate(zip(queries, keys, strict=True)):
        if other > one:
            raise PromptError(
                f"pair {number}: {key} stands behind {query} (at {other} and {one}), and no head "
                f"looks ahead"
            )
    cells = [((one,), (other,)) for one, other in zip(queries, keys, strict=True)]
    return _finding(
        _on_pairs(runs, tokenized, "attention_between"),
        "attention_between",
        cells=cells,
        convention={
            "score": "A[query, key]",
            "positions": f"{query} → {key}",
            "indices": digest(cells),
        },
        role=Role(f"{query}→{key} heads", ROLE_THRESHOLD),
    )


@looked_at_once
def attention_scores(
    model: TransformerBridge | Runs,
    prompts: PromptPairs | RepeatedTokens,
    *,
    mask: Mask,
    name: str,
) -> Finding:
    """How much each head attends along a mask of your own.

    score = mean over prompts of the mean of A over the mask's cells. (transformer-lens'
    ``detect_head`` has other quantities: the share of all attention that lies on the mask, and a
    distance from it.)

    Args:
        model: a hooked model, or its runs.
        prompts: pairs, of which the clean prompts are run, or repeated tokens, of one block length
            unless they name two.
        mask: true where attention counts, ``[query, key]`` for prompts of one length, or a list of
            them, one for each prompt. The first token counts as a position.
        name: what the heads that follow it are called, for example ``"verb to subject"``.

    Returns:
        a finding as that of :func:`attention_between`; on repeated tokens the companion is that of
        :func:`induction_scores`.

    Raises:
        PromptError: if a mask does not fit its prompt, is empty, or looks ahead.
        ChoiceError: if it is none, or has no name.
        InvalidFindingError: if the model's numbers are not finite.
    """
    if not isinstance(name, str) or not name:
        raise ChoiceError(f"name is what the heads are called that follow the mask, not {name!r}")
    runs = as_runs(model)
    runs.anatomy.require("attention", "attention_scores")
    if isinstance(prompts, RepeatedTokens):
        on = _on_repeated(*draw_repeated(runs, prompts, one_length=True), prompts)
    else:
        on = _on_pairs(runs, tokenize(runs, prompts), "attention_scores")
    masks = _masks(mask, on.prompts)
    return _finding(
        on,
        "attention_scores",
        cells=[(rows.tolist(), columns.tolist()) for rows, columns in map(np.nonzero, masks)],
        convention={
            "score": "mean of A over the mask",
            "name": name,
            "mask": digest([one.tolist() for one in masks]),
        },
        role=Role(f"{name} heads", ROLE_THRESHOLD),
    )


@dataclass(frozen=True)
class _On:
    """What attention is looked at on.

    Attributes:
        runs: the model.
        prompts: token ids of each prompt.
        clusters: one label for each.
        strata: the stratum of each, all of which count alike.
        convention: the choices behind every number on them.
        companion: what the model does there.
        about: what a finding says of them and the model.
    """

    runs: Runs
    prompts: Sequence[Sequence[int]]
    clusters: Sequence[object]
    strata: Sequence[object]
    convention: dict[str, Json]
    companion: tuple[Behaviour, ...]
    about: dict[str, Any]


def _on_pairs(runs: Runs, tokenized: TokenizedPairs, measure: str) -> _On:
    return _On(
        runs,
        tokenized.clean,
        tokenized.clusters,
        [""] * len(tokenized),
        pairs_convention(tokenized),
        answer_companion(run_prompts(runs, tokenized.clean), tokenized, measure),
        of_pairs(runs, tokenized),
    )


def _on_repeated(runs: Runs, drawn: DrawnTokens, run: RepeatedRun, prompts: RepeatedTokens) -> _On:
    return _On(
        runs,
        drawn.sequences,
        drawn.clusters,
        drawn.strata,
        {**repeated_convention(drawn, prompts), **next_seed(prompts)},
        repeated_companion(runs, drawn, run, prompts),
        of_repeated(runs, drawn),
    )


def _masks(mask: Mask, prompts: Sequence[Sequence[int]]) -> list[NDArray[np.bool_]]:
    if not hasattr(mask, "__len__") or isinstance(mask, str):
        raise ChoiceError(f"a mask is [query, key], or a list of them, not {mask!r}")
    # A row of a mask has one dimension, a mask among several two.
    one = len(mask) > 0 and np.ndim(mask[0]) == 1
    every = [_array(part) for part in ([mask] * len(prompts) if one else mask)]
    if len(every) != len(prompts):
        raise PromptError(f"there are {len(every)} masks for {len(prompts)} prompts")
    for number, (part, prompt) in enumerate(zip(every, prompts, strict=True)):
        size = len(prompt)
        if part.shape != (size, size):
            raise PromptError(
                f"pair {number}: a mask of {' × '.join(map(str, part.shape)) or 'nothing'} for a "
                f"prompt of {size} tokens, the first one counted; it is [query, key]"
            )
        if not part.any() or np.triu(part, 1).any():
            what = "looks ahead, as no head does" if part.any() else "has no cells"
            raise PromptError(f"pair {number}: its mask {what}")
    return [part.astype(bool) for part in every]


def _array(mask: Any) -> NDArray[Any]:  # noqa: ANN401 — what numpy takes, or a tensor anywhere
    array = exact(mask).numpy() if isinstance(mask, torch.Tensor) else np.asarray(mask)
    if not np.isin(array, (0, 1)).all():
        raise PromptError("a mask is true or false, and this one has other numbers in it")
    return array


def _finding(
    on: _On,
    measure: str,
    *,
    cells: Sequence[tuple[Sequence[int], Sequence[int]]],
    convention: dict[str, Json],
    role: Role,
) -> Finding:
    runs = on.runs
    samples = np.full((len(on.prompts), runs.layers, runs.heads), np.nan)
    patterns = record(runs, on.prompts, "attention", measure)
    with runs.watched(measure, len(on.prompts), "prompts") as advance:
        for rows, layers in zip(patterns.rows, patterns.layers, strict=True):
            for layer, pattern in enumerate(layers):  # [row, query, head, key]
                if pattern is None:
                    continue
                for place, row in enumerate(rows):
                    queries, keys = cells[row]
                    picked = exact(pattern[place, list(queries), :, list(keys)])  # [cell, head]
                    samples[row, layer, : picked.shape[1]] = picked.mean(0).numpy()
            advance(len(rows))
    absent = runs.anatomy.absent_heads
    check_finite(measure, "attention", samples, absent)
    return Finding(
        measure=measure,
        quantity="attention",
        unit="attention probability",
        direction=Direction.HIGHER,
        convention={**convention, **on.convention},
        **of_heads(stratified(samples, on.strata), on.clusters, role, absent=absent),
        companion=on.companion,
        raw={"attention": samples},
        **on.about,
    )
