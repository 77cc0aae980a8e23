"""Attention on prompt pairs: from one named token to another, and over any mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pytest_circuits.findings import Direction, Finding, Role
from pytest_circuits.findings.statistics import mean_and_error
from pytest_circuits.measures.common import (
    check_finite,
    of_pairs,
    pairs_convention,
    profiles,
)
from pytest_circuits.measures.logit_difference import answer_companion, answer_differences
from pytest_circuits.prompts import PromptError
from pytest_circuits.prompts.pairs import digest
from pytest_circuits.runs import SITES, Runs, as_runs, exact, record, run_prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Json
    from pytest_circuits.prompts import PromptPairs, TokenizedPairs

#: True where attention counts: ``[query, key]``, or several of them.
Mask: TypeAlias = "NDArray[Any] | Tensor | Sequence[NDArray[Any] | Tensor | Sequence[Any]]"
#: A head at or above this has the role, as for scores on repeated tokens.
ROLE_THRESHOLD = 0.4


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
        InvalidFindingError: if the model's numbers are not finite.
    """
    runs = as_runs(model)
    tokenized = pairs.check(runs.tokenizer)
    queries, keys = tokenized.at(query), tokenized.at(key)
    for number, (one, other) in enumerate(zip(queries, keys, strict=True)):
        if other > one:
            raise PromptError(
                f"pair {number}: {key} stands behind {query} (at {other} and {one}), and no head "
                f"looks ahead"
            )
    cells = [((one,), (other,)) for one, other in zip(queries, keys, strict=True)]
    return _finding(
        runs,
        tokenized,
        "attention_between",
        cells=cells,
        convention={"score": f"A[{query}, {key}]", "indices": digest(cells)},
        role=Role(f"{query}→{key} heads", ROLE_THRESHOLD),
    )


def attention_scores(
    model: TransformerBridge | Runs,
    pairs: PromptPairs,
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
        pairs: the prompts; only the clean ones are run.
        mask: true where attention counts, ``[query, key]`` for prompts of one length, or a list of
            them, one for each prompt. The first token counts as a position.
        name: what the heads that follow it are called, for example ``"verb to subject"``.

    Returns:
        a finding as that of :func:`attention_between`.

    Raises:
        PromptError: if a mask does not fit its prompt, is empty, or looks ahead.
        InvalidFindingError: if the model's numbers are not finite.
    """
    runs = as_runs(model)
    tokenized = pairs.check(runs.tokenizer)
    masks = _masks(mask, tokenized)
    cells = [(rows.tolist(), columns.tolist()) for rows, columns in map(np.nonzero, masks)]
    return _finding(
        runs,
        tokenized,
        "attention_scores",
        cells=cells,
        convention={
            "score": f"mean of A over {name}",
            "mask": digest([one.tolist() for one in masks]),
        },
        role=Role(f"{name} heads", ROLE_THRESHOLD),
    )


def _masks(mask: Mask, tokenized: TokenizedPairs) -> list[NDArray[np.bool_]]:
    # A row of a mask has one dimension, a mask among several two.
    one = len(mask) > 0 and np.ndim(mask[0]) == 1
    every = [np.asarray(part) for part in ([mask] * len(tokenized) if one else mask)]
    if len(every) != len(tokenized):
        raise PromptError(f"there are {len(every)} masks for {len(tokenized)} prompts")
    for number, (part, prompt) in enumerate(zip(every, tokenized.clean, strict=True)):
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


def _finding(
    runs: Runs,
    tokenized: TokenizedPairs,
    measure: str,
    *,
    cells: Sequence[tuple[Sequence[int], Sequence[int]]],
    convention: dict[str, Json],
    role: Role,
) -> Finding:
    differences = answer_differences(run_prompts(runs, tokenized.clean), tokenized)
    samples = np.zeros((len(tokenized), runs.layers, runs.heads))
    patterns = record(runs, tokenized.clean, SITES["head_pattern"])
    for rows, layers in zip(patterns.rows, patterns.layers, strict=True):
        for layer, pattern in enumerate(layers):  # [row, query, head, key]
            for place, row in enumerate(rows):
                queries, keys = cells[row]
                picked = exact(pattern[place, list(queries), :, list(keys)])  # [cell, head]
                samples[row, layer] = picked.mean(0).numpy()
    check_finite(measure, "attention", samples)
    mean, error = mean_and_error(samples, tokenized.clusters)
    return Finding(
        measure=measure,
        quantity="attention",
        unit="attention probability",
        direction=Direction.HIGHER,
        axes=("layer", "head"),
        values=mean,
        errors=error,
        convention={**convention, **pairs_convention(tokenized)},
        role=role,
        profiles=profiles(mean, samples, role.threshold),
        companion=answer_companion(differences, tokenized.clusters),
        raw={"attention": samples},
        **of_pairs(runs, tokenized),
    )
