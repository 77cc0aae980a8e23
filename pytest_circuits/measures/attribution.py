"""Direct logit attribution (DLA): which heads and layers write the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from pytest_circuits.findings import Allowance, Direction, Finding, Role
from pytest_circuits.findings.statistics import mean_and_error
from pytest_circuits.forward import (
    ROUNDING,
    PromptGroup,
    Runs,
    along_heads,
    as_runs,
    before_final_norm,
    exact,
    logit_factor,
    run_prompts,
)
from pytest_circuits.measures.common import (
    check_finite,
    looked_at_once,
    of_heads,
    of_pairs,
    pairs_convention,
    tokenize,
)
from pytest_circuits.measures.metrics import answer_companion, answer_differences
from pytest_circuits.models import ModelError

if TYPE_CHECKING:
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

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
    al. 2022, §3.1). The model's own factors are included: of attention's output and of what joins
    the stream (Granite), and of the logits (Cohere, Granite). It is computed from the raw model:
    transformer-lens' own attribution leaves γ out on a model without weight processing.

    Every call checks the identity that makes these numbers mean something: embedding,
    attention, MLPs and biases sum to the logit difference before final soft-capping.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts; only the clean ones are run.

    Returns:
        a finding with values ``[layer, head]`` in logits (pre-cap; NaN in a layer without heads),
        standard errors over the pairs' clusters, per-prompt profiles of the heads that write at
        least a twentieth of the logit difference, and as companion the logit difference and
        accuracy.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer.
        InvalidFindingError: if the model's numbers are not finite.
        ModelError: if the parts don't sum to the whole on this architecture.
    """
    runs = as_runs(model)
    runs.anatomy.require("contributions", "head_attribution")
    tokenized = tokenize(runs, pairs)
    samples = decompose(runs, tokenized, "head_attribution").heads.numpy()
    run = run_prompts(runs, tokenized.clean)
    companion = answer_companion(run, tokenized, "head_attribution")
    threshold = max(LEAST_THRESHOLD, ROLE_SHARE * abs(companion[0].value))
    return Finding(
        measure="head_attribution",
        companion=companion,
        **of_heads(
            samples,
            tokenized.clusters,
            Role("answer-writing heads", threshold),
            absent=runs.anatomy.absent_heads,
            signed=True,
        ),
        allowance=Allowance(floor=0.05, share=0.1, least=0.03),
        **_common(runs, tokenized),
    )


@looked_at_once
def component_attribution(model: TransformerBridge | Runs, pairs: PromptPairs) -> Finding:
    """What the embedding, each attention and each MLP write into the logit difference.

    As :func:`head_attribution`, but of whole layers: x_c is what the component adds to the residual
    stream at the last position, after a norm that follows it, output biases included. The
    embedding has the positions in it where they are learned, and is scaled where the model scales
    it. A layer has a ``mixer`` where it has another part than attention and MLP (Mamba, a
    convolution, linear attention), and no component for what it lacks; ``bias`` is what the final
    norm's and the unembedding's biases add. All components together are the logit difference before
    final soft-capping, which every call checks.

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
    kinds = {"attn": parts.attention, "mixer": parts.mixer, "mlp": parts.mlp}
    for layer in range(runs.layers):
        for kind, added in kinds.items():
            if runs.anatomy.points[f"{kind}_out"][layer] is not None:
                columns[f"L{layer} {kind}"] = added[:, layer]
    columns["bias"] = parts.constant
    samples = torch.stack(list(columns.values()), dim=1).numpy()
    mean, error = mean_and_error(samples, tokenized.clusters)
    run = run_prompts(runs, tokenized.clean)
    return Finding(
        measure="component_attribution",
        axes=("component",),
        labels={"component": tuple(columns)},
        values=mean,
        errors=error,
        companion=answer_companion(run, tokenized, "component_attribution"),
        raw={"components": samples},
        # A layer's attention or MLP adds up what harmless changes do to many heads or neurons.
        allowance=Allowance(floor=0.1, share=0.1, least=0.03),
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


@dataclass(frozen=True)
class Decomposition:
    """The logit difference at the last position, taken apart; all in logits.

    ``embedding + attention.sum(1) + mixer.sum(1) + mlp.sum(1) + constant == total``, and
    ``heads.nansum(2) + output_bias == attention``. What a layer doesn't have adds 0.

    Attributes:
        heads: ``[prompt, layer, head]``; NaN for a head that a layer doesn't have, and for all
            where what they write can't be computed one by one.
        output_bias: what each attention's output bias adds, and the bias of a norm after it,
            ``[prompt, layer]``.
        attention: ``[prompt, layer]``.
        mixer: ``[prompt, layer]``.
        mlp: ``[prompt, layer]``.
        embedding: ``[prompt]``.
        constant: what the final norm's bias and the unembedding's bias add, ``[prompt]``.
        total: the logit difference before final soft-capping, ``[prompt]``.
        capped: the same after it.
    """

    heads: Tensor
    output_bias: Tensor
    attention: Tensor
    mixer: Tensor
    mlp: Tensor
    embedding: Tensor
    constant: Tensor
    total: Tensor
    capped: Tensor


def decompose(runs: Runs, tokenized: TokenizedPairs, measure: str = "attribution") -> Decomposition:
    """Take the logit difference on the clean prompts apart.

    Raises:
        InvalidFindingError: if the model's numbers are not finite.
        ModelError: if the parts don't sum to the whole.
    """
    for needed in ("resid_pre", "resid_post"):
        runs.anatomy.require(needed, measure)
    run = run_prompts(runs, tokenized.clean)
    differences = answer_differences(run, tokenized, measure)
    parts = []
    with runs.watched(measure, len(tokenized), "prompts") as advance:
        for group in run.groups:
            parts.append(_decompose_group(runs, group, tokenized, measure))
            advance(len(group.rows))
    order = torch.tensor([row for group in run.groups for row in group.rows]).argsort()
    whole = Decomposition(
        **{
            field: torch.cat([getattr(part, field) for part in parts])[order]
            for field in Decomposition.__dataclass_fields__
        }
    )
    check_finite(measure, "attribution", whole.attention.numpy())
    _check_identity(runs, whole, torch.from_numpy(differences), measure)
    return whole


def _decompose_group(
    runs: Runs, group: PromptGroup, tokenized: TokenizedPairs, measure: str
) -> Decomposition:
    bridge: Any = runs.bridge
    answers = [tokenized.answers[row] for row in group.rows]
    wrong = [tokenized.wrong_answers[row] for row in group.rows]
    # In float64 from here on: sums of hundreds of parts are held against their total.
    chosen = torch.tensor([answers, wrong])
    unembedding = exact(bridge.W_U[:, chosen]).permute(1, 2, 0)  # [answer or wrong, row, d_model]
    biases = unembedding.new_zeros(chosen.shape)
    if getattr(bridge, "b_U", None) is not None:
        biases = exact(bridge.b_U[chosen])
    if unembedding.shape[-1] != group.stream[0].shape[-1]:
        raise ModelError(
            f"{measure}: the unembedding of {runs.family} reads vectors of "
            f"{unembedding.shape[-1]} numbers, and its stream has {group.stream[0].shape[-1]}.\n"
            f"Use patching instead."
        )
    read = (exact(group.normalised) * unembedding).sum(-1) + biases
    right_and_wrong: Tensor = bridge.adapter.apply_output_logits_transform(read)
    factor = logit_factor(runs)
    target = factor * (unembedding[0] - unembedding[1])  # [row, d_model]
    constant = factor * (biases[0] - biases[1])
    total = factor * (read[0] - read[1])

    direction, added = before_final_norm(runs, target, group.scale)
    constant = constant + added

    def along(site: str) -> Tensor:
        """What each layer's output at the last position adds, ``[row, layer]``."""
        zeros = direction.new_zeros(len(direction))
        factors = runs.anatomy.factors[site]
        added = [
            zeros if output is None else by * (exact(output) * direction).sum(-1)
            for output, by in zip(group.written[site], factors, strict=True)
        ]
        return torch.stack(added, dim=1)

    at_end = [None if z is None else z[:, -1] for z in group.z]
    heads, output_bias = along_heads(runs, at_end, group.attention_scale, direction)
    return Decomposition(
        heads=heads,
        output_bias=output_bias,
        attention=along("attn_out"),
        mixer=along("mixer_out"),
        mlp=along("mlp_out"),
        embedding=(exact(group.embedding) * direction).sum(-1),
        constant=constant,
        total=total,
        capped=right_and_wrong[0] - right_and_wrong[1],
    )


def _check_identity(runs: Runs, parts: Decomposition, differences: Tensor, measure: str) -> None:
    allowed = ROUNDING[next(runs.bridge.parameters()).dtype] * max(
        1.0, float(parts.total.abs().max())
    )
    layers = (parts.attention + parts.mixer + parts.mlp).sum(1)
    named = "attention, mixers, MLPs" if runs.anatomy.mixers else "attention, MLPs"
    sums = {
        f"its embedding, {named} and biases do not sum to the logit difference": (
            parts.embedding + layers + parts.constant,
            parts.total,
        ),
        "its unembedding does not give its logits": (parts.capped, differences),
    }
    if "contributions" not in runs.anatomy.refusals:
        sums["its heads do not sum to its attention"] = (
            parts.heads.nansum(2) + parts.output_bias,
            parts.attention,
        )
    for what, (left, right) in sums.items():
        miss = float((left - right).abs().max())
        if not miss <= allowed:
            raise ModelError(
                f"{measure}: logits can't be attributed on {runs.family}:\n"
                f"{what} (off by {miss:.3g} logits, {allowed:.3g} allowed).\n"
                f"Its residual stream has a part this measure doesn't know; use patching instead."
            )
