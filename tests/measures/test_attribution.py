from __future__ import annotations

import numpy as np
import pytest
import torch

# Brings boot_native.
import transformer_lens.model_bridge.sources.native  # noqa: F401
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM

from pytest_circuits import measures
from pytest_circuits.findings import Head
from pytest_circuits.forward import Runs
from pytest_circuits.measures.attribution import decompose
from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.prompts import PromptPairs
from pytest_circuits.testing import COPIED_LOGIT, tiny_checkpoint, word_tokenizer


def assert_parts_sum_to_the_whole(bridge, pairs, share=1e-4):
    runs = Runs(bridge)
    parts = decompose(runs, pairs.check(runs.tokenizer))
    differences = measures.logit_diff(runs, pairs).profiles["logit_diff"]

    whole = parts.embedding + parts.attention.sum(1) + parts.mlp.sum(1) + parts.constant
    scale = np.abs(differences).max()
    np.testing.assert_allclose(whole, differences, atol=share * scale)
    np.testing.assert_allclose(
        parts.heads.sum(2) + parts.output_bias, parts.attention, atol=share * scale
    )
    return parts


def test_parts_sum_to_the_logit_difference(bridge, telling_pairs):
    assert_parts_sum_to_the_whole(bridge, telling_pairs(bridge))


def test_parts_of_prompts_of_many_lengths_keep_their_order(bridge, telling_pairs):
    assert_parts_sum_to_the_whole(bridge, telling_pairs(bridge, lengths=(9, 5, 9, 7, 5)))


@pytest.mark.parametrize("attention_only", [True, False], ids=["attention only", "with MLPs"])
@pytest.mark.parametrize("norm", [None, "LN", "LNPre", "RMS", "RMSPre"])
def test_parts_sum_whatever_the_norm(telling_pairs, norm, attention_only):
    tokenizer = word_tokenizer()
    tokenizer.init_kwargs["add_bos_token"] = True
    config = TransformerBridgeConfig(
        attn_only=attention_only,
        act_fn="gelu",
        d_head=8,
        d_model=32,
        d_vocab=len(tokenizer),
        n_ctx=16,
        n_heads=4,
        n_layers=2,
        normalization_type=norm,
    )
    bridge = TransformerBridge.boot_native(config, tokenizer=tokenizer, device="cpu")
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in bridge.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draw))

    parts = assert_parts_sum_to_the_whole(bridge, telling_pairs(bridge))

    assert parts.heads.abs().min() > 0
    assert parts.mlp.shape == (6, 2)
    assert (parts.mlp == 0).all() == attention_only
    assert (parts.output_bias != 0).all()


def test_biases_get_their_own_part(bridges, telling_pairs):
    gpt2 = assert_parts_sum_to_the_whole(bridges["gpt2"], telling_pairs(bridges["gpt2"]))
    llama = assert_parts_sum_to_the_whole(bridges["llama"], telling_pairs(bridges["llama"]))

    assert (gpt2.output_bias != 0).all()
    assert (gpt2.constant != 0).all()
    assert (llama.output_bias == 0).all()
    assert (llama.constant == 0).all()


def head_contributions(plain, tokens, answers, wrong):
    """``[prompt, layer, head]`` from a plain model's patterns and weights, without any hook."""
    with torch.no_grad():
        out = plain(tokens, output_attentions=True, output_hidden_states=True)
        if plain.config.model_type == "gpt2":
            layers, final, unembedding = plain.transformer.h, plain.transformer.ln_f, plain.lm_head
        else:
            layers, final, unembedding = plain.model.layers, plain.model.norm, plain.lm_head
        written = []
        for layer, pattern, resid in zip(layers, out.attentions, out.hidden_states, strict=False):
            if plain.config.model_type == "gpt2":
                values = layer.attn.c_attn(layer.ln_1(resid)).chunk(3, dim=-1)[2]
                w_o, bias = layer.attn.c_proj.weight, layer.attn.c_proj.bias
                mlp = lambda x, layer=layer: layer.mlp(layer.ln_2(x))  # noqa: E731
            else:
                values = layer.self_attn.v_proj(layer.input_layernorm(resid))
                w_o, bias = layer.self_attn.o_proj.weight.T, 0
                mlp = lambda x, layer=layer: layer.mlp(layer.post_attention_layernorm(x))  # noqa: E731
            heads = pattern.shape[1]
            d_head = w_o.shape[0] // heads
            values = values.unflatten(-1, (-1, d_head)).transpose(1, 2)
            values = values.repeat_interleave(heads // values.shape[1], dim=1)
            z = pattern @ values  # [prompt, head, position, d_head]
            results = torch.einsum("nhpk,hkd->nphd", z, w_o.unflatten(0, (heads, d_head)))
            written.append(results[:, -1])
            middle = resid + results.sum(2) + bias
            resid_post = middle + mlp(middle)
        # What the plain model's own final norm makes of the rebuilt residual stream.
        torch.testing.assert_close(final(resid_post), out.hidden_states[-1], atol=1e-4, rtol=1e-4)
        last = resid_post[:, -1]
        direction = unembedding.weight[answers] - unembedding.weight[wrong]
        written = torch.stack(written, dim=1)
        if plain.config.model_type == "gpt2":
            scale = (last.var(-1, unbiased=False) + final.eps).sqrt()
            written = written - written.mean(-1, keepdim=True)
        else:
            scale = (last.pow(2).mean(-1) + final.variance_epsilon).sqrt()
        normed = final.weight * written / scale[:, None, None, None]
        return torch.einsum("nlhd,nd->nlh", normed, direction).numpy()


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_heads_write_what_their_patterns_and_weights_say(bridges, folders, telling_pairs, name):
    pairs = telling_pairs(bridges[name])
    tokens = pairs.check(bridges[name].tokenizer)
    plain = AutoModelForCausalLM.from_pretrained(folders[name], attn_implementation="eager").eval()

    found = measures.head_attribution(bridges[name], pairs)

    expected = head_contributions(
        plain, torch.tensor(tokens.clean), list(tokens.answers), list(tokens.wrong_answers)
    )
    np.testing.assert_allclose(found.values, expected.mean(axis=0), atol=1e-4)
    errors = expected.std(axis=0, ddof=1) / len(pairs) ** 0.5
    np.testing.assert_allclose(found.errors, errors, atol=1e-4)
    for label, profile in found.profiles.items():
        np.testing.assert_allclose(profile, expected[:, *Head.parse(label)], atol=1e-4)


def test_the_induction_head_of_a_known_model_writes_the_whole_answer(perfect):
    pairs = PromptPairs(["a b c a", "x y z x"], ["k b c a", "k y z x"], ["b", "y"], ["c", "z"])

    found = measures.head_attribution(perfect, pairs)

    np.testing.assert_allclose(found.values, [[0, 0], [COPIED_LOGIT, 0]], atol=1e-5)
    assert list(found.members()) == [Head(1, 0)]
    np.testing.assert_allclose(found.profiles["L1H0"], [COPIED_LOGIT] * 2, atol=1e-5)


def test_the_role_is_a_tenth_of_the_logit_difference(bridges, telling_pairs):
    found = measures.head_attribution(bridges["recall"], telling_pairs(bridges["recall"]))

    threshold = abs(found.behaviour("logit_diff").value) / 10
    assert threshold > 0.05
    assert found.role.threshold == pytest.approx(threshold)
    strong = {str(head) for head, value in found.heads().items() if abs(value) >= threshold}
    assert set(found.profiles) == {str(head) for head in found.members()} == strong
    assert 0 < len(strong) < 8


def test_heads_that_write_next_to_nothing_have_no_role(bridges, telling_pairs):
    found = measures.head_attribution(bridges["gpt2"], telling_pairs(bridges["gpt2"]))

    assert abs(found.behaviour("logit_diff").value) / 10 < 0.1
    assert found.role.threshold == 0.1
    assert all(abs(value) >= 0.1 for value in found.members().values())
    assert len(found.members()) < 8


def test_nothing_is_attributed_where_there_is_no_logit_difference(perfect):
    # v and w never occur, so both have logit 0.
    found = measures.head_attribution(perfect, PromptPairs(["a b a"], ["k b a"], ["v"], ["w"]))

    assert found.members() == {}
    assert found.profiles == {}


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_parts_are_summed_in_float64_off_the_device(tmp_path, telling_pairs, dtype):
    bridge = load(parse_source(str(tiny_checkpoint(tmp_path, dtype=dtype))), device="cpu").bridge
    runs = Runs(bridge)

    parts = decompose(runs, telling_pairs(bridge).check(runs.tokenizer))

    for part in vars(parts).values():
        assert (part.dtype, part.device.type) == (torch.float64, "cpu")


def test_an_attribution_carries_the_logit_difference_it_is_part_of(bridges, telling_pairs):
    pairs = telling_pairs(bridges["recall"])

    companion = measures.head_attribution(bridges["recall"], pairs).behaviour("logit_diff")

    whole = measures.logit_diff(bridges["recall"], pairs)
    assert companion.value == pytest.approx(float(whole))
    assert companion.vital
    np.testing.assert_array_equal(companion.profile, whole.profiles["logit_diff"])


def test_one_pair_has_attributions_and_no_errors(perfect):
    found = measures.head_attribution(perfect, PromptPairs(["a b a"], ["k b a"], ["b"], ["c"]))

    assert found.values[1, 0] == pytest.approx(COPIED_LOGIT)
    assert np.isnan(found.errors).all()


def test_mirrored_pairs_count_once(bridges, telling_pairs):
    bridge = bridges["recall"]
    pairs = telling_pairs(bridge)
    twice = PromptPairs(
        *(column * 2 for column in (pairs.clean, pairs.corrupted, pairs.answers)),
        pairs.wrong_answers * 2,
        clusters=pairs.clusters * 2,
    )

    once, doubled = (measures.head_attribution(bridge, p) for p in (pairs, twice))

    np.testing.assert_allclose(doubled.values, once.values, atol=1e-6)
    np.testing.assert_allclose(doubled.errors, once.errors, atol=1e-6)


@pytest.mark.parametrize("name", ["recall", "llama"])
def test_a_model_with_a_part_that_nobody_knows_is_refused(folders, telling_pairs, name):
    source = parse_source(str(folders.get(name, "bundled:recall")))
    bridge = load(source, device="cpu").bridge
    pairs = telling_pairs(bridge)

    def adapter(module, args, output):
        first, *rest = output if isinstance(output, tuple) else (output,)
        changed = first + torch.linspace(-1, 1, first.shape[-1])
        return (changed, *rest) if isinstance(output, tuple) else changed

    bridge.blocks[0].register_forward_hook(adapter)

    with pytest.raises(ModelError) as error:
        measures.head_attribution(bridge, pairs)

    message = str(error.value)
    assert message.startswith("head_attribution: logits can't be attributed on ")
    assert "do not sum to the logit difference (off by" in message
    assert "use patching instead" in message


def test_a_model_whose_heads_do_not_make_up_its_attention_is_refused(telling_pairs):
    bridge = load(parse_source("bundled:recall"), device="cpu").bridge
    pairs = telling_pairs(bridge)
    # The layer's output projection is no longer its W_O.
    bridge.blocks[0].attn.o.register_forward_hook(lambda module, args, output: output * 1.5)

    with pytest.raises(ModelError, match="its heads do not sum to its attention"):
        measures.head_attribution(bridge, pairs)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_every_precision_can_be_attributed(tmp_path, telling_pairs, dtype):
    bridge = load(parse_source(str(tiny_checkpoint(tmp_path, dtype=dtype))), device="cpu").bridge

    found = measures.head_attribution(bridge, telling_pairs(bridge))

    assert np.isfinite(found.values).all()
    assert found.provenance["dtype"] == dtype
