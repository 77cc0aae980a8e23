"""Activation patching: how much of the behaviour one head's clean output brings back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings import Direction, Finding, Role
from pytest_circuits.findings.statistics import ratio_and_error
from pytest_circuits.measures.common import (
    behaviour,
    check_finite,
    pairs_convention,
    pairs_record,
    profiles,
    provenance,
)
from pytest_circuits.measures.logit_difference import answer_differences, read_difference
from pytest_circuits.runs import Runs, as_runs, patch_head_out, run_prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.prompts import PromptPairs

#: Where activations can be put in.
SITES = ("head_out",)
#: Heads that restore at least this share of the logit difference have the role.
ROLE_THRESHOLD = 0.1


def patch(
    model: TransformerBridge | Runs, pairs: PromptPairs, *, site: str = "head_out"
) -> Finding:
    """How much of the clean logit difference each head's clean output restores by itself.

    Denoising: the corrupted prompt is run with one head's z (its mixed values before W_O, at all
    positions) taken from the clean prompt.

    recovered = (patched − corrupted) / (clean − corrupted), a ratio of means over prompts:
    0 is no effect, 1 is restored, and it is not clipped. (The mean of ratios would be ruled by
    prompts whose clean and corrupted values nearly coincide.) Meng et al. 2022; Wang et al.
    2022; Heimersheim & Nanda 2024.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts.
        site: where to patch: ``head_out``.

    Returns:
        a finding with values ``[layer, head]`` (fractions), bootstrap standard errors of the
        ratio over the pairs' clusters, the numerators patched − corrupted of each prompt for
        heads that restore a twentieth or more, and as companion the clean and the corrupted logit
        difference and the gap between them. Where that gap can't be told from 0 there is nothing
        to restore: the values are NaN.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer.
        InvalidFindingError: if the model's numbers are not finite.
        ValueError: for an unknown site.
    """
    if site not in SITES:
        raise ValueError(f"can't patch at {site!r}; sites are {', '.join(SITES)}")
    runs = as_runs(model)
    tokenized = pairs.check(runs.tokenizer)
    clean_run = run_prompts(runs, tokenized.clean)
    corrupted_run = run_prompts(runs, tokenized.corrupted)
    clean = answer_differences(clean_run, tokenized)
    corrupted = answer_differences(corrupted_run, tokenized)
    check_finite("patch", "clean logit difference", clean)
    check_finite("patch", "corrupted logit difference", corrupted)
    clusters = tokenized.clusters
    two_sided = Direction.TWO_SIDED
    companion = (
        behaviour("clean_logit_diff", clean, clusters, Direction.HIGHER, "logits"),
        # Judged by the gap: by itself it has no good direction.
        behaviour("corrupted_logit_diff", corrupted, clusters, two_sided, "logits", judged=False),
        behaviour(
            "logit_diff_gap",
            clean - corrupted,
            clusters,
            Direction.HIGHER,
            "logits",
            vital=True,
            keep=True,
        ),
    )
    values: NDArray[np.float64]
    numerators: NDArray[np.float64] = np.zeros((len(tokenized), runs.layers, runs.heads))
    if companion[-1].indistinct:
        # No gap to restore, so no passes to find out how much of it a head restores.
        values = np.full((runs.layers, runs.heads), np.nan)
        errors = values
    else:
        patched = patch_head_out(
            runs,
            clean_run,
            corrupted_run,
            lambda logits, rows: read_difference(logits, rows, tokenized),
        )
        check_finite("patch", "patched logit difference", patched)
        numerators = patched - corrupted[:, None, None]
        values, errors = ratio_and_error(numerators, clean - corrupted, clusters)
    return Finding(
        measure="patch",
        quantity="recovered",
        unit="fraction of the logit difference",
        direction=two_sided,
        axes=("layer", "head"),
        values=values,
        errors=errors,
        samples=len(tokenized),
        clusters=len(set(clusters)),
        convention={
            **pairs_convention(tokenized),
            "site": site,
            "patching": "denoising, all positions",
            "recovered": "ratio of means over prompts",
        },
        prompts=pairs_record(tokenized),
        role=Role("restoring heads", ROLE_THRESHOLD),
        profiles=profiles(np.abs(values), numerators, ROLE_THRESHOLD),
        companion=companion,
        relative_to="logit_diff_gap",
        provenance=provenance(runs),
    )
