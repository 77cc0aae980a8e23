"""The measures held against transformer-lens' own, and where that says something else.

On a model whose weights are as they were stored, it differs in these:

================== ================================================================================
analysis           transformer-lens
================== ================================================================================
pattern patching   has no effect where attention is left to Hugging Face (GPT-Neo, GPT-J, OPT),
                   and says so only to hooks that return a new tensor
logit lens         begins with the embedding, and applies final soft capping
direct attribution leaves the final norm's weight out
================== ================================================================================
"""

import numpy as np
import pytest
import torch
from circuit_suites import few
from measures.families import FAMILIES, HEADS, LAYERS
from measures.families_cases import EXACT, Case
from transformer_lens import patching as theirs
from transformer_lens.tools.analysis import attribution_patch, logit_lens

from pytest_circuits import measures

SWEEPS = {
    ("resid_pre", "each"): theirs.get_act_patch_resid_pre,
    ("resid_mid", "each"): theirs.get_act_patch_resid_mid,
    ("attn_out", "each"): theirs.get_act_patch_attn_out,
    ("mlp_out", "each"): theirs.get_act_patch_mlp_out,
    ("head_out", "all"): theirs.get_act_patch_attn_head_out_all_pos,
    ("head_q", "all"): theirs.get_act_patch_attn_head_q_all_pos,
    ("head_k", "all"): theirs.get_act_patch_attn_head_k_all_pos,
    ("head_v", "all"): theirs.get_act_patch_attn_head_v_all_pos,
    ("head_pattern", "all"): theirs.get_act_patch_attn_head_pattern_all_pos,
    ("head_pattern", "each"): theirs.get_act_patch_attn_head_pattern_by_pos,
}


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def case(request):
    return Case(FAMILIES[request.param], 0)


@pytest.fixture(scope="module")
def both(case):
    """The case, and what transformer-lens' functions take."""
    return case, *cached(case)


def cached(case):
    """The hooked model's cache on clean prompts, and the corrupted ones' tokens."""
    with torch.no_grad():
        _, cache = case.runs.bridge.run_with_cache(torch.tensor(case.even.tokens.clean))
    return cache, torch.tensor(case.even.tokens.corrupted)


def near(found, expected):
    """Within the tolerance of all comparisons, as a share of the largest."""
    expected = np.asarray(expected)
    return np.abs(found - expected).max() <= EXACT * np.abs(expected).max()


def swept(sweep, case, cache, corrupted):
    def recovered(logits):
        moved = case.even.difference(logits[:, -1]) - case.even.difference(
            case.even.corrupted["logits"][:, -1]
        )
        return moved.mean() / float(case.even.gaps.mean())

    with torch.no_grad():
        return sweep(case.runs.bridge, corrupted, cache, recovered).numpy()


@pytest.mark.parametrize(("site", "positions"), few(SWEEPS, 8))
def test_patching_is_that_of_transformer_lens(both, site, positions):
    case, *rest = both
    found = measures.patch(case.runs, case.even.pairs, site=site, positions=positions)

    assert near(found.values, swept(SWEEPS[site, positions], case, *rest))


def test_transformer_lens_patches_no_pattern_that_was_used_before_it_is_shown():
    case = Case(FAMILIES["gpt-neo"], 0)
    site, positions = "head_pattern", "all"
    found = measures.patch(case.runs, case.even.pairs, site=site, positions=positions).values

    nothing = swept(SWEEPS[site, positions], case, *cached(case))

    assert np.abs(nothing).max() < EXACT
    assert np.abs(found).max() > 0.1


def test_attribution_patching_is_that_of_transformer_lens(both):
    case, _, corrupted = both
    tokens, gap = case.even.tokens, float(case.even.gaps.mean())
    heads = np.zeros((LAYERS, HEADS, corrupted.shape[1]))
    mlps = np.zeros((LAYERS, corrupted.shape[1]))
    case.runs.bridge.requires_grad_(requires_grad=True)  # it asks for that
    for row in range(len(tokens)):
        answer, wrong = tokens.answers[row], tokens.wrong_answers[row]
        found = attribution_patch(
            case.runs.bridge,
            torch.tensor(tokens.clean[row : row + 1]),
            corrupted[row : row + 1],
            lambda logits, a=answer, b=wrong: logits[0, -1, a] - logits[0, -1, b],
        )
        for node, score in found.node_scores.items():
            if node.kind == "attn_head_out":
                heads[node.layer, node.head, node.position] += score / len(tokens) / gap
            elif node.kind == "mlp_out":
                mlps[node.layer, node.position] += score / len(tokens) / gap

    case.runs.bridge.requires_grad_(requires_grad=False)

    def ours(site):
        return measures.attribution_patching(
            case.runs, case.even.pairs, site=site, positions="each"
        ).values

    assert near(ours("head_out"), heads)
    assert near(ours("mlp_out"), mlps)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2"])
def test_the_lens_is_that_of_transformer_lens_from_the_first_layer_on(name):
    case = Case(FAMILIES[name], 0)
    cache, _ = cached(case)
    answers = torch.tensor(case.even.tokens.answers)
    theirs_ = logit_lens(case.runs.bridge, cache=cache, targets=answers)
    logit, rank = (
        measures.logit_lens(case.runs, case.even.pairs, read=read).values
        for read in ("logit", "rank")
    )

    assert theirs_.labels == ["0_pre", "1_pre", "final_post"]
    assert near(logit, theirs_.values[1:, :, 0].double().mean(1))
    assert near(rank, 1 + theirs_.rank_trajectory()[1:].double().mean(1))


def test_attribution_is_that_of_transformer_lens_where_the_final_norm_has_no_weight(both):
    case, cache, _ = both
    tokens, bridge = case.even.tokens, case.runs.bridge
    heads, parts = (
        cache.logit_attrs(
            stack[..., -1, :],
            torch.tensor(tokens.answers),
            torch.tensor(tokens.wrong_answers),
            pos_slice=-1,
        )
        .double()
        .mean(1)
        for stack in (cache.stack_head_results(), cache.decompose_resid())
    )
    heads = heads.reshape(LAYERS, HEADS)

    def ours():
        components = measures.component_attribution(bridge, case.even.pairs)
        by_name = dict(zip(components.labels["component"], components.values, strict=True))
        return measures.head_attribution(bridge, case.even.pairs).values, by_name

    assert not near(ours()[0], heads)
    # The norm's weight is the only difference: without it the model's own logits are others, but
    # what goes into the norm, and its scale, are what they were.
    weight = bridge.ln_final.weight.clone()
    with torch.no_grad():
        bridge.ln_final.weight.fill_(1)
        try:
            found, by_name = ours()
        finally:
            bridge.ln_final.weight.copy_(weight)
    assert near(found, heads)
    layers = [by_name[f"L{layer} {part}"] for layer in range(LAYERS) for part in ("attn", "mlp")]
    assert near(np.array(layers), parts[-2 * LAYERS :])
    assert near(by_name["embedding"], parts[: -2 * LAYERS].sum())
