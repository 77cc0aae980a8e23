"""What a model shows is what measures take it for, or the site is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from circuit_suites import few
from measures.families import FAMILIES, hooked, random_model
from zoo.specimens import SPECIMENS

from pytest_circuits import measures
from pytest_circuits.findings import InvalidFindingError
from pytest_circuits.forward import Runs, run_repeated
from pytest_circuits.models import ModelError
from pytest_circuits.prompts import RepeatedTokens

ALL = {"resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out"}
ALL |= {f"head_{part}" for part in ("out", "q", "k", "v", "pattern")}
ALL |= {"attention", "contributions"}


@pytest.fixture
def llama():
    """A small Llama that a test may change: two layers, four heads, two key-value heads."""
    return hooked(random_model(FAMILIES["llama"], 0))


def replace_forward(module, make):
    """Have a module do something else, as an architecture might that transformer-lens misreads."""
    run = module.forward
    vars(module)["forward"] = lambda *args, **named: make(run(*args, **named), *args)


class Another:
    """How transformer-lens shows what a hook point holds, and takes it back."""

    def __init__(self, convert, revert):
        self.convert, self.revert = convert, revert


def test_nothing_is_refused_of_a_model_that_shows_what_it_does(llama):
    anatomy = Runs(llama).anatomy

    assert anatomy.refusals == {}
    assert anatomy.heads == (4, 4)
    assert anatomy.key_value_heads == (2, 2)
    assert anatomy.past
    assert anatomy.absent_heads is None


def test_it_takes_two_passes_once(llama):
    made = []
    run = llama.forward
    vars(llama)["forward"] = lambda *args, **named: (made.append(1), run(*args, **named))[1]
    runs = Runs(llama)
    _ = runs.anatomy, runs.anatomy, runs.heads
    assert len(made) == 2
    assert runs.passes == 0

    measures.induction_scores(runs)
    assert len(made) == 2 + runs.passes


def refused(bridge):
    return {site: why for site, why in Runs(bridge).anatomy.refusals.items() if site in ALL}


def test_heads_of_another_width_are_read_at_the_output_projections_input(llama, telling_pairs):
    """As the heads of latent attention are shown: their axis has the rotary width."""
    pairs = telling_pairs(llama)
    expected = measures.patch(llama, pairs, site="head_out").values
    for block in llama.blocks:
        block.attn.o.hook_in.hook_conversion = Another(
            lambda value: value.reshape(*value.shape[:2], 8, 4),
            lambda value: value.reshape(*value.shape[:2], 32),
        )

    assert refused(llama) == {}
    found = measures.patch(llama, pairs, site="head_out").values
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected))


def test_heads_whose_numbers_lie_between_each_other_are_refused(llama, telling_pairs):
    for block in llama.blocks:
        block.attn.o.hook_in.hook_conversion = Another(
            lambda value: value.reshape(*value.shape[:2], 8, 4).transpose(2, 3),
            lambda value: value.transpose(2, 3).reshape(*value.shape[:2], 32),
        )

    assert set(refused(llama)) == {"head_out", "head_v", "head_pattern", "contributions"}
    with pytest.raises(ModelError) as error:
        measures.patch(llama, telling_pairs(llama), site="head_out")
    assert str(error.value) == (
        "patch: LlamaForCausalLM has no head_out: what its heads mix is not attention × values, "
        "and doesn't sum to what attention writes."
    )
    measures.patch(llama, telling_pairs(llama), site="head_q")


@pytest.mark.parametrize("part", ["q", "k"])
def test_a_norm_over_all_heads_after_the_hook_point_refuses_it(llama, part):
    for block in llama.blocks:
        replace_forward(
            getattr(block.attn, part), lambda out, _: 4 * out / out.norm(dim=-1, keepdim=True)
        )

    words = {"q": "queries", "k": "keys"}[part]
    assert refused(llama) == {
        f"head_{part}": f"what is put into one head's {words} changes other heads too"
    }


@pytest.mark.parametrize("layers", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("part", ["q", "k", "v"])
def test_what_is_put_in_without_effect_is_refused(llama, part, layers):
    for layer in layers:
        projection = getattr(llama.blocks[layer].attn, part)
        replace_forward(
            projection, lambda _, stream, own=projection.original_component: own(stream)
        )

    why = f"in layer {layers[0]}, what is put in has no effect"
    sites = [f"head_{part}", *(["head_pattern"] if part == "v" else [])]
    assert refused(llama) == dict.fromkeys(sites, why)


def test_one_large_number_in_the_stream_hides_nothing(llama):
    """Of trained models, a token or two have numbers thousands of times larger than others."""
    block = llama.blocks[1]
    replace_forward(
        block.attn, lambda found, *_: (found[0].square(), *found[1:])
    )  # after what is shown of it
    expected = refused(llama)
    assert set(expected) == {"resid_mid", "attn_out"}
    with torch.no_grad():
        llama.embed.weight[:, 3] *= 3000

    assert refused(llama) == expected


def test_heads_that_do_not_sum_to_their_attention_can_be_patched_and_not_attributed(
    llama, telling_pairs
):
    replace_forward(llama.blocks[1].attn.o, lambda out, _: out.square())

    assert refused(llama) == {
        "contributions": "in layer 1 heads don't sum to what their attention writes"
    }
    with pytest.raises(ModelError) as error:
        measures.head_attribution(llama, telling_pairs(llama))
    assert str(error.value) == (
        "head_attribution: LlamaForCausalLM has no contributions of single heads: in layer 1 heads "
        "don't sum to what their attention writes."
    )
    measures.patch(llama, telling_pairs(llama), site="head_out")
    drawn = RepeatedTokens().draw(llama.tokenizer, llama.cfg.n_ctx, llama.cfg.d_vocab)
    assert np.isnan(run_repeated(Runs(llama), drawn).outputs).all()


def test_attention_that_is_neither_a_mean_nor_what_heads_mix_by_is_refused(llama):
    for block in llama.blocks:
        block.attn.hook_pattern.hook_conversion = Another(lambda value: value / 2, lambda v: 2 * v)

    assert set(refused(llama)) == {"attention", "head_pattern"}
    with pytest.raises(ModelError, match=r"^induction_scores: LlamaForCausalLM has no attention"):
        measures.induction_scores(llama)
    # What needs no attention is measured.
    assert measures.repeat_loss(llama).values > 0


def test_a_gate_on_what_heads_mix_leaves_their_attention_to_be_read(llama):
    for block in llama.blocks:
        o = block.attn.o
        replace = o.forward
        vars(o)["forward"] = lambda value, run=replace: run(value * value.sigmoid())

    assert set(refused(llama)) == {"head_pattern"}


def test_logits_that_more_than_the_last_stream_goes_into_refuse_what_is_after_the_last_layer(llama):
    seen = []
    replace_forward(llama.embed, lambda out, *_: (seen.append(out), out)[1])
    norm = llama.ln_final
    run = norm.forward
    vars(norm)["forward"] = lambda stream: run(stream + 3 * seen[-1])

    assert refused(llama) == {
        "resid_post": "its logits are not read from what comes after its last layer"
    }


def test_hooks_of_a_test_are_not_the_models(llama):
    """A head that a test ablates, or a hook that spoils everything, says nothing of the model."""
    with measures.ablated(llama, heads=["L0H1"]) as silent:
        assert silent.anatomy.refusals == {}
    llama.add_hook("blocks.0.attn.hook_z", lambda value, hook: value * float("nan"))
    plain = llama.blocks[1].register_forward_hook(lambda module, args, out: out)
    assert refused(llama) == {}
    # They are there again.
    assert len(llama.hook_dict["blocks.0.attn.hook_z"].fwd_hooks) == 1
    assert llama(torch.arange(4)[None], return_type="logits").isnan().all()
    plain.remove()


def test_where_numbers_are_not_finite_nothing_is_measured(llama, telling_pairs):
    pairs = telling_pairs(llama)
    with torch.no_grad():
        next(llama.blocks[0].attn.parameters()).fill_(float("nan"))
    with pytest.raises(InvalidFindingError, match=r"^patch: the model gives numbers that are not"):
        measures.patch(llama, pairs)


def test_prompts_on_which_numbers_are_not_finite_are_drawn_again():
    """A token's embedding may be spoilt that no measured prompt has."""
    bridge = hooked(random_model(SPECIMENS["olmo2"], 0))
    expected = Runs(bridge).anatomy
    with torch.no_grad():
        bridge.embed.weight[[20, 25, 30]] = float("nan")

    found = Runs(bridge).anatomy
    assert found.finite
    assert found.points == expected.points
    assert any(point.name.endswith("hook_q_normed") for point in found.points["head_q"])


def test_changed_weights_are_looked_at_again(llama):
    runs = Runs(llama)
    before = runs.anatomy
    assert runs.anatomy is before
    with torch.no_grad():
        next(llama.blocks[0].attn.parameters()).mul_(2)
    assert runs.anatomy is not before


def test_a_model_that_cannot_be_run_says_so(llama):
    def broken(*_, **__):
        raise RuntimeError("the weights are on the meta device")

    vars(llama.blocks[1])["forward"] = broken
    for measure in (measures.induction_scores, lambda model: measures.text_loss(model, "a b c d")):
        with pytest.raises(ModelError) as error:
            measure(llama)
        assert str(error.value) == (
            "a LlamaForCausalLM can't be run with transformer-lens' hooks on it (RuntimeError):\n"
            "the weights are on the meta device"
        )


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", few(["llama", "gpt2", "gemma2", "neox", "opt", "mixtral"], 2))
def test_rounding_refuses_nothing(name, dtype):
    model = random_model(FAMILIES[name], 0)
    expected = refused(hooked(model))
    if name == "mixtral" and dtype == torch.float64:
        pytest.skip("torch has no grouped products of float64")
    assert refused(hooked(model.to(dtype))) == expected


def zoo_model(name, **options):
    """A specimen of the zoo, hooked, with other options in its configuration."""
    family = SPECIMENS[name]
    return hooked(random_model(family.but(**options) if options else family, 0))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_queries_and_keys_are_taken_after_a_norm_over_all_heads_in_half_precision(dtype):
    """transformer-lens can run this model so with a cache only."""
    bridge = hooked(random_model(SPECIMENS["olmo2"], 0).to(dtype))
    anatomy = Runs(bridge).anatomy
    assert anatomy.refusals == {}
    for part in ("q", "k"):
        hooks = {point.name.rpartition(".")[2] for point in anatomy.points[f"head_{part}"]}
        assert hooks == {f"hook_{part}_normed"}


def test_attention_that_looks_ahead_is_seen_and_not_read_from_the_config():
    assert Runs(zoo_model("gemma3")).causal
    assert not Runs(zoo_model("gemma3", use_bidirectional_attention=True)).causal


def test_what_is_scaled_between_layers_is_not_what_comes_after_one():
    """RWKV halves its stream after every few layers."""
    whole = Runs(zoo_model("rwkv", num_hidden_layers=4, rescale_every=2)).anatomy.refusals
    assert whole["resid_post"] == "what comes after layer 1 is not what the next one gets"
    assert "resid_post" not in Runs(zoo_model("rwkv")).anatomy.refusals


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_factors_are_those_of_the_config_in_every_precision(dtype):
    options = {"attention_out_multiplier": 0.9, "ssm_out_multiplier": 1.05}
    family = SPECIMENS["falcon-h1"].but(**options)
    factors = Runs(hooked(random_model(family, 0).to(dtype))).anatomy.factors
    assert set(factors["attn_out"]) == {0.9}
    assert set(factors["mixer_out"]) == {1.05}
    assert set(factors["mlp_out"]) == {1.0}


def test_heads_that_write_nothing_are_no_fault(llama, telling_pairs):
    with torch.no_grad():
        llama.blocks[1].attn.o.weight.zero_()
    runs, pairs = Runs(llama), telling_pairs(llama)
    assert runs.anatomy.refusals == {}
    found = measures.ablate(runs, pairs, heads="each", value="zero")
    assert (abs(found.values[0]) > 1e-3).all()
    assert (abs(found.values[1]) < 1e-6).all()

    with torch.no_grad():
        llama.blocks[0].attn.o.weight.zero_()
    assert runs.anatomy.refusals == {}


def test_training_mode_is_neither_examined_nor_remembered(telling_pairs):
    family = SPECIMENS["gpt2"].but(resid_pdrop=0.5, attn_pdrop=0.5, embd_pdrop=0.5)
    bridge = hooked(random_model(family, 0))
    pairs = telling_pairs(bridge)
    runs = Runs(bridge)
    expected = float(measures.logit_diff(Runs(bridge), pairs))
    bridge.train()
    assert runs.anatomy.refusals == {}
    assert float(measures.logit_diff(runs, pairs)) != expected
    assert bridge.training
    bridge.eval()
    assert float(measures.logit_diff(runs, pairs)) == expected


@pytest.mark.parametrize("measure", ["head_attribution", "component_attribution"])
def test_an_unembedding_of_another_width_than_the_stream_is_refused(telling_pairs, measure):
    bridge = hooked(random_model(SPECIMENS["opt"].but(word_embed_proj_dim=16), 0))

    with pytest.raises(ModelError) as error:
        getattr(measures, measure)(bridge, telling_pairs(bridge))

    assert str(error.value) == (
        f"{measure}: the unembedding of OPTForCausalLM reads vectors of 16 numbers, and its stream "
        f"has 32.\nUse patching instead."
    )
