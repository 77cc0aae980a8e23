"""Direct logit attribution (DLA): which heads and layers write the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_circuits.findings import Direction, Finding, Role
from pytest_circuits.findings.statistics import mean_and_error
from pytest_circuits.forward import Runs, as_runs, run_prompts
from pytest_circuits.measures.common import (
    looked_at_once,
    of_pairs,
    pairs_convention,
    profiles,
    tokenize,
)
from pytest_circuits.measures.decomposition import decompose
from pytest_circuits.measures.logit_difference import answer_companion, answer_differences

if TYPE_CHECKING:
    from typing import Any

    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Behaviour
    from pytest_circuits.prompts import PromptPairs, TokenizedPairs

#: Heads that write at least this share of the mean logit difference have the role.
ROLE_SHARE = 0.1
#: … and at least so many logits, lest every head has it where there is no difference.
LEAST_THRESHOLD = 0.1


@looked_at_once
def head_attribution(model: TransformerBridge | Runs, pairs: PromptPairs) -> Finding:
    """What each head writes, by itself, into the logit difference at the last position.

    contribution of head h = γ ⊙ (x_h − mean x_h) / σ · (W_U[:, a] − W_U[:, b]), with
    x_h = z_h W_O[h], σ the final norm's scale in this very pass, γ its weight (1 + w where the
    norm stores an offset), no centring for RMS norms, a and b the answer and the wrong answer.
    Where attention passes a norm before it joins the residual stream (Gemma 2 and 3), z_h W_O[h]
    goes through that one in the same way first. Mean over prompts (Elhage et al. 2021; Wang et
    al. 2022, §3.1). It is computed from the raw model: transformer-lens' own attribution leaves γ
    out on a model without weight processing.

    Every call checks the identity that makes these numbers mean something: embedding,
    attention, MLPs and biases sum to the logit difference before final soft-capping.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts; only the clean ones are run.

    Returns:
        a finding with values ``[layer, head]`` in logits (pre-cap), standard errors over the
        pairs' clusters, per-prompt profiles of the heads that write at least a twentieth of
        the logit difference, and as companion the logit difference and accuracy.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer.
        InvalidFindingError: if the model's numbers are not finite.
        ModelError: if the parts don't sum to the whole on this architecture.
    """
    runs = as_runs(model)
    tokenized = tokenize(runs, pairs)
    samples = decompose(runs, tokenized, "head_attribution").heads.numpy()
    mean, error = mean_and_error(samples, tokenized.clusters)
    companion = _companion(runs, tokenized)
    threshold = max(LEAST_THRESHOLD, ROLE_SHARE * abs(companion[0].value))
    return Finding(
        measure="head_attribution",
        axes=("layer", "head"),
        values=mean,
        errors=error,
        role=Role("answer-writing heads", threshold),
        profiles=profiles(np.abs(mean), samples, threshold),
        per_sample=samples,
        companion=companion,
        **_common(runs, tokenized),
    )


@looked_at_once
def component_attribution(model: TransformerBridge | Runs, pairs: PromptPairs) -> Finding:
    """What the embedding, each attention and each MLP write into the logit difference.

    As :func:`head_attribution`, but of whole layers: x_c is what the component adds to the residual
    stream at the last position, behind a norm that follows it, output biases included. The
    embedding has the positions in it where they are learned, and is scaled where the model scales
    it; ``bias`` is what the final norm's and the unembedding's biases add. All components together
    are the logit difference before final soft-capping, which every call checks.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts; only the clean ones are run.

    Returns:
        a finding with values ``[component]`` in logits (pre-cap), labels ``embedding``,
        ``L0 attn``, ``L0 mlp``, … ``bias``, standard errors over the pairs' clusters, and as
        companion the logit difference and accuracy. ``raw["components"]`` is of each prompt.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer.
        InvalidFindingError: if the model's numbers are not finite.
        ModelError: if the parts don't sum to the whole on this architecture.
    """
    runs = as_runs(model)
    tokenized = tokenize(runs, pairs)
    parts = decompose(runs, tokenized, "component_attribution")
    columns = {"embedding": parts.embedding}
    for layer in range(runs.layers):
        columns[f"L{layer} attn"] = parts.attention[:, layer]
        if parts.mlp.shape[1]:
            columns[f"L{layer} mlp"] = parts.mlp[:, layer]
    columns["bias"] = parts.constant
    samples = torch.stack(list(columns.values()), dim=1).numpy()
    mean, error = mean_and_error(samples, tokenized.clusters)
    return Finding(
        measure="component_attribution",
        axes=("component",),
        labels={"component": tuple(columns)},
        values=mean,
        errors=error,
        companion=_companion(runs, tokenized),
        raw={"components": samples},
        **_common(runs, tokenized),
    )


def _common(runs: Runs, tokenized: TokenizedPairs) -> dict[str, Any]:
    """What a finding says of attribution, whatever it is attributed to."""
    return {
        "quantity": "attribution",
        "unit": "logits",
        "direction": Direction.TWO_SIDED,
        "convention": {
            **pairs_convention(tokenized),
            "attribution": "direct, cached final norm scale, before final soft-capping",
        },
        **of_pairs(runs, tokenized),
    }


def _companion(runs: Runs, tokenized: TokenizedPairs) -> tuple[Behaviour, ...]:
    differences = answer_differences(run_prompts(runs, tokenized.clean), tokenized)
    return answer_companion(differences, tokenized.clusters)
