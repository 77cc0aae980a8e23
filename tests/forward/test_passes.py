from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from circuit_suites import few

from pytest_circuits import measures
from pytest_circuits.forward import (
    Runs,
    as_runs,
    run_control,
    run_prompts,
    run_repeated,
    runs,
)
from pytest_circuits.models import load, parse_source, weights
from pytest_circuits.prompts import PromptPairs, RepeatedTokens
from pytest_circuits.testing import perfect_induction_model, tiny_checkpoint

PAIRS = PromptPairs(
    ["a apple bear bell a", "fox frog gate goat fox"],
    ["a bird bear bell a", "fox hat gate goat fox"],
    ["apple", "frog"],
    ["bird", "hat"],
)
# Passes of a measure on repeated tokens: one for each of two lengths of the block, and one over
# the sequences of the next seed.
REPEATS = 3
# Of two lengths, and more of the shorter.
MANY = PromptPairs(
    [*PAIRS.clean * 3, "a apple bear a"],
    [*PAIRS.corrupted * 3, "a bird bear a"],
    [*PAIRS.answers * 3, "apple"],
    [*PAIRS.wrong_answers * 3, "bird"],
)


@pytest.fixture
def bridge():
    """A model of the test's own: it may change it."""
    return load(parse_source("bundled:recall"), device="cpu").bridge


@pytest.fixture
def recall(bridge):
    return Runs(bridge)


def test_three_scores_and_the_loss_share_their_passes_and_the_nulls_of_scores_are_another(recall):
    measures.previous_token_scores(recall)
    measures.repeat_loss(recall)
    assert recall.passes == REPEATS

    measures.induction_scores(recall)
    assert recall.passes == REPEATS + 1

    measures.induction_scores(recall)
    measures.duplicate_token_scores(recall)
    assert recall.passes == REPEATS + 1


def test_other_repeated_tokens_are_other_passes(recall):
    for seed in (0, 1, 0):
        measures.repeat_loss(recall, RepeatedTokens(seed=seed))

    assert recall.passes == 2 * REPEATS


def test_the_control_is_no_pass_where_there_is_no_head_to_hold_against_it(recall):
    # No head of this model has a duplicate-token score worth the name.
    measures.duplicate_token_scores(recall)
    assert recall.passes == REPEATS

    # Four sequences couldn't tell one from its null. Those of the next seed are the same ones.
    measures.induction_scores(recall, RepeatedTokens(batch=4))
    assert recall.passes == REPEATS + 2


def test_the_control_is_run_as_the_repeated_tokens_are(bridge, recall):
    drawn = RepeatedTokens(batch=3, block=5).draw(bridge.tokenizer, context=49, vocabulary=65)

    control = run_control(recall, drawn)

    as_if_it_repeated = replace(drawn, sequences=drawn.control)
    expected = run_repeated(recall, as_if_it_repeated)
    for field in ("previous", "induction", "duplicate", "losses", "hits"):
        np.testing.assert_array_equal(getattr(control, field), getattr(expected, field))
    repeated = run_repeated(recall, drawn)
    second, other = (np.stack(run.losses)[:, 6:].mean() for run in (repeated, control))
    assert other > second + 1
    assert recall.passes == 3


def test_measures_on_pairs_share_their_clean_run(recall):
    measures.head_attribution(recall, PAIRS)
    measures.logit_diff(recall, PAIRS)
    assert recall.passes == 1

    # The corrupted run; what is patched is replayed.
    measures.patch(recall, PAIRS)
    assert recall.passes == 1 + 1
    replayed = recall.replayed
    assert replayed > 0

    measures.patch(recall, PAIRS)
    assert recall.passes == 2
    assert recall.replayed > replayed  # only patches are not remembered


def test_runs_are_shared_by_tokens_not_by_name(recall):
    renamed = PromptPairs(
        PAIRS.clean, PAIRS.corrupted, PAIRS.wrong_answers, PAIRS.answers, name="the other way round"
    )

    straight, turned = measures.logit_diff(recall, PAIRS), measures.logit_diff(recall, renamed)

    assert recall.passes == 1
    assert float(straight) == -float(turned)


def test_a_bare_model_gets_fresh_runs_and_runs_stay_themselves(bridge, recall):
    assert as_runs(recall) is recall
    assert as_runs(bridge).passes == 0
    measures.induction_scores(bridge)
    assert recall.passes == 0


def test_a_run_gives_the_same_numbers_as_the_model_by_hand(bridge, recall):
    tokens = PAIRS.check(bridge.tokenizer).clean

    run = run_prompts(recall, tokens)

    with torch.no_grad():
        logits, cache = bridge.run_with_cache(torch.tensor(tokens))
    (group,) = run.groups
    torch.testing.assert_close(group.logits, logits[:, -1])
    for layer in range(2):
        torch.testing.assert_close(group.z[layer], cache[f"blocks.{layer}.attn.hook_z"])
        torch.testing.assert_close(
            group.written["attn_out"][layer], cache[f"blocks.{layer}.hook_attn_out"][:, -1]
        )
    torch.testing.assert_close(group.embedding, cache["blocks.0.hook_resid_pre"][:, -1])
    torch.testing.assert_close(group.scale, cache["ln_final.hook_scale"][:, -1])


def test_what_is_gathered_is_in_the_order_of_the_prompts(recall):
    tokens = MANY.check(recall.tokenizer).clean
    assert len({len(prompt) for prompt in tokens}) == 2

    run = run_prompts(recall, tokens)

    last_tokens = run.gather(lambda group: group.tokens[:, -1])
    assert last_tokens.tolist() == [prompt[-1] for prompt in tokens]


def all_numbers(bridge):
    fresh = Runs(bridge)
    findings = [
        measures.induction_scores(fresh),
        measures.repeat_loss(fresh),
        measures.logit_diff(fresh, MANY),
        measures.head_attribution(fresh, MANY),
        measures.patch(fresh, MANY),
    ]
    return fresh.passes, findings


def test_passes_cut_to_fit_memory_give_the_same_numbers(bridge, monkeypatch):
    passes, whole = all_numbers(bridge)
    # 65 float32 logits at 6 positions, and room for three such rows.
    monkeypatch.setattr(runs, "_LOGITS_BUDGET", 3 * 65 * 6 * 4)

    more_passes, cut = all_numbers(bridge)

    assert more_passes > 2 * passes
    for one, other in zip(whole, cut, strict=True):
        np.testing.assert_allclose(other.values, one.values, atol=1e-5)
        np.testing.assert_allclose(other.errors, one.errors, atol=1e-5)


def zero_a_weight_without_gradients(bridge):
    with torch.no_grad():
        bridge.blocks[1].attn.o.weight.zero_()


def zero_a_weight_by_data(bridge):
    bridge.blocks[1].attn.o.weight.data.zero_()


def swap_a_weights_rows(bridge):
    with torch.no_grad():
        weight = bridge.blocks[1].attn.o.weight
        weight.copy_(weight.flip(0))


def permute_a_weights_rows_by_data(bridge):
    weight = bridge.blocks[1].attn.o.weight
    weight.data.copy_(weight.data.roll(3, dims=0))


def permute_a_weights_columns_by_data(bridge):
    weight = bridge.blocks[1].attn.o.weight
    weight.data.copy_(weight.data.flip(1))


def permute_rows_and_columns_by_data(bridge):
    weight = bridge.blocks[1].attn.o.weight
    weight.data.copy_(weight.data.roll(5, dims=1).flip(0))


def swap_two_numbers(bridge):
    weight = bridge.unembed.weight.data
    weight[3, 5], weight[7, 11] = weight[7, 11].clone(), weight[3, 5].clone()


def swap_two_layers(bridge):
    first, second = (bridge.blocks[layer].attn.o.weight.data for layer in (0, 1))
    kept = first.clone()
    first.copy_(second)
    second.copy_(kept)


def change_one_number(bridge):
    bridge.unembed.weight.data[3, 5] += 1e-3


def negate_a_weight(bridge):
    bridge.blocks[1].attn.o.weight.data.neg_()


def negate_half_of_its_rows(bridge):
    bridge.blocks[1].attn.o.weight.data[::2].neg_()


def load_other_weights(bridge):
    other = load(parse_source("bundled:recall-regressed"), device="cpu").bridge
    bridge.load_state_dict(other.state_dict())


CHANGES = [
    zero_a_weight_without_gradients,
    zero_a_weight_by_data,
    swap_a_weights_rows,
    permute_a_weights_rows_by_data,
    permute_a_weights_columns_by_data,
    permute_rows_and_columns_by_data,
    swap_two_numbers,
    swap_two_layers,
    change_one_number,
    negate_a_weight,
    negate_half_of_its_rows,
    load_other_weights,
]


@pytest.fixture(params=["on a CPU", "elsewhere"])
def looked_at(request, monkeypatch):
    """Both ways to look at weights: hashed here, summed up where they are."""
    if request.param == "elsewhere":
        monkeypatch.setattr(weights, "_hash", weights._weighted_sum)


@pytest.mark.usefixtures("looked_at")
@pytest.mark.parametrize("change", few(CHANGES, 6))
def test_a_changed_weight_is_measured_anew(bridge, recall, change):
    before = measures.repeat_loss(recall)

    change(bridge)
    after = measures.repeat_loss(recall)

    assert recall.passes == 2 * REPEATS
    assert float(after) == float(measures.repeat_loss(bridge)) != float(before)


@pytest.mark.usefixtures("looked_at")
@pytest.mark.parametrize("change", few(CHANGES, 4))
def test_weights_that_are_exactly_restored_are_remembered(bridge, recall, change):
    before = measures.repeat_loss(recall)
    state = {name: tensor.clone() for name, tensor in bridge.state_dict().items()}
    assert recall.pristine

    change(bridge)
    assert not recall.pristine
    bridge.load_state_dict(state)

    assert recall.pristine
    assert float(measures.repeat_loss(recall)) == float(before)
    assert recall.passes == REPEATS


def test_weights_are_looked_at_once_while_nobody_touches_them(bridge, recall, monkeypatch):
    looks = []
    look = recall.weights
    monkeypatch.setattr(recall, "weights", lambda: looks.append(1) or look())

    with recall.untouched():
        before = measures.logit_diff(recall, PAIRS).values
        measures.patch(recall, PAIRS)
        measures.canary(recall)
    assert len(looks) == 1

    bridge.unembed.weight.data.mul_(2)
    with recall.untouched():
        assert measures.logit_diff(recall, PAIRS).values == pytest.approx(2 * before, rel=1e-5)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_a_forward_pass_changes_nothing_that_is_traced(tmp_path, architecture, dtype):
    folder = tiny_checkpoint(tmp_path, architecture, dtype=dtype)
    fresh = Runs(load(parse_source(str(folder)), device="cpu").bridge)

    measures.repeat_loss(fresh)
    measures.induction_scores(fresh)

    assert fresh.pristine
    assert fresh.passes == REPEATS


def test_a_changed_buffer_is_measured_anew(tmp_path):
    bridge = load(parse_source(str(tiny_checkpoint(tmp_path, "llama"))), device="cpu").bridge
    fresh = Runs(bridge)
    before = measures.repeat_loss(fresh)
    # Once for every place the rotary table is kept.
    tables = [table for name, table in bridge.named_buffers() if name.endswith("inv_freq")]
    assert tables

    for table in tables:
        table.data.mul_(3)
    after = measures.repeat_loss(fresh)

    assert not fresh.pristine
    assert fresh.passes == 2 * REPEATS
    assert float(after) != float(before)


@pytest.mark.usefixtures("looked_at")
@pytest.mark.parametrize(
    ("tensor", "change"),
    [
        pytest.param(torch.tensor(1.0), lambda scale: scale + 1, id="one number"),
        pytest.param(torch.tensor([1.0, 2.0]), lambda pair: pair.flip(0), id="a vector"),
        pytest.param(torch.tensor([True, False]), torch.logical_not, id="a mask"),
        pytest.param(torch.arange(24).reshape(2, 3, 4), lambda cube: cube.flip(2), id="a cube"),
        pytest.param(torch.arange(6.0).reshape(2, 3).T, lambda m: m.flip(0), id="not contiguous"),
    ],
)
def test_tensors_of_every_shape_are_traced(bridge, tensor, change):
    bridge.blocks[0].register_buffer("extra", tensor.clone())
    fresh = Runs(bridge)
    assert fresh.pristine

    (extra,) = [buffer for name, buffer in bridge.named_buffers() if name.endswith("extra")]
    extra.copy_(change(tensor))
    assert not fresh.pristine

    extra.copy_(tensor)
    assert fresh.pristine


def test_a_hook_is_measured_with_and_not_remembered(bridge, recall):
    before = measures.repeat_loss(recall)

    bridge.add_hook("blocks.1.attn.hook_z", lambda z, **_: torch.zeros_like(z))
    hooked = measures.repeat_loss(recall)
    again = measures.repeat_loss(recall)
    bridge.reset_hooks()
    after = measures.repeat_loss(recall)

    assert float(hooked) == float(again) > float(before) + 1
    assert float(after) == float(before)
    assert recall.passes == 3 * REPEATS


def test_a_plain_torch_hook_is_measured_with_too(bridge, recall):
    before = measures.logit_diff(recall, PAIRS)

    handle = bridge.unembed.register_forward_hook(lambda module, args, output: 2 * output)
    doubled = measures.logit_diff(recall, PAIRS)
    handle.remove()

    assert float(doubled) == pytest.approx(2 * float(before))
    assert float(measures.logit_diff(recall, PAIRS)) == float(before)
    assert recall.passes == 2


def test_a_context_of_hooks_is_measured_with(bridge, recall):
    before = measures.repeat_loss(recall)

    with bridge.hooks(fwd_hooks=[("blocks.1.attn.hook_z", lambda z, **_: torch.zeros_like(z))]):
        inside = measures.repeat_loss(recall)

    assert float(inside) > float(before) + 1
    assert float(measures.repeat_loss(recall)) == float(before)


def test_restoring_takes_hooks_off(bridge, recall):
    before = measures.repeat_loss(recall)
    bridge.add_hook("blocks.1.attn.hook_z", lambda z, **_: torch.zeros_like(z))

    recall.restore()

    assert float(measures.repeat_loss(recall)) == float(before)
    assert recall.passes == REPEATS


def silence(bridge, layer):
    bridge.add_hook(f"blocks.{layer}.attn.hook_z", lambda z, **_: torch.zeros_like(z))


def test_runs_know_whether_a_test_has_hooks_on_the_model(bridge, recall):
    assert not recall.hooked
    silence(bridge, 1)
    assert recall.hooked
    recall.restore()
    assert not recall.hooked


def test_hooks_that_were_there_at_first_belong_to_the_model(bridge):
    silence(bridge, 1)
    fresh = Runs(bridge)

    first, again = measures.repeat_loss(fresh), measures.repeat_loss(fresh)

    assert not fresh.hooked
    assert fresh.passes == REPEATS
    assert "hooked" not in first.provenance
    assert float(first) == float(again)


def test_adopted_hooks_are_measured_with_and_remembered_until_they_are_shed(bridge, recall):
    plain = float(measures.repeat_loss(recall))
    silence(bridge, 1)

    recall.adopt_hooks()
    adopted = [measures.repeat_loss(recall), measures.repeat_loss(recall)]
    assert not recall.hooked
    assert recall.passes == 2 * REPEATS
    assert float(adopted[0]) == float(adopted[1]) > plain + 1
    assert "hooked" not in adopted[0].provenance

    recall.shed_hooks()
    assert not recall.hooked
    assert float(measures.repeat_loss(recall)) == plain


def test_restoring_leaves_adopted_hooks_on(bridge, recall):
    silence(bridge, 1)
    recall.adopt_hooks()
    adopted = float(measures.repeat_loss(recall))
    bridge.add_hook("unembed.hook_out", lambda logits, **_: 2 * logits)
    assert recall.hooked
    assert float(measures.repeat_loss(recall)) != adopted

    recall.restore()

    assert not recall.hooked
    assert float(measures.repeat_loss(recall)) == float(measures.repeat_loss(bridge)) == adopted


def test_shedding_takes_adopted_hooks_and_later_ones_off(bridge, recall):
    plain = float(measures.repeat_loss(recall))
    silence(bridge, 0)
    recall.adopt_hooks()
    silence(bridge, 1)

    recall.shed_hooks()

    assert not any(point.fwd_hooks for point in bridge.hook_dict.values())
    assert float(measures.repeat_loss(recall)) == plain


def test_measuring_leaves_no_hook_behind(bridge, recall):
    measures.induction_scores(recall)
    measures.patch(recall, PAIRS)

    assert not any(point.fwd_hooks for point in bridge.hook_dict.values())


def test_a_model_that_trains_can_be_measured(bridge):
    bridge.requires_grad_(requires_grad=True)
    fresh = Runs(bridge)

    measures.induction_scores(fresh)
    measures.head_attribution(fresh, PAIRS)
    measures.patch(fresh, PAIRS)

    assert all(parameter.grad is None for parameter in bridge.parameters())
    assert all(parameter.requires_grad for parameter in bridge.parameters())


def test_runs_know_the_shape_of_their_model():
    perfect = Runs(perfect_induction_model())

    assert (perfect.layers, perfect.heads) == (2, 2)
    assert perfect.device == torch.device("cpu")
    assert perfect.has_hook("blocks.1.attn.hook_z")
    assert not perfect.has_hook("blocks.2.attn.hook_z")
    assert not perfect.has_hook("blocks.0.hook_mlp_out")
