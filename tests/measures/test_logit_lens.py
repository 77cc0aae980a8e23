"""The logit lens, held against plain models and known ones."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from measures.families import FAMILIES, hooked, random_model
from transformers import AutoModelForCausalLM

from pytest_circuits import measures
from pytest_circuits.findings import Direction, InvalidFindingError
from pytest_circuits.forward import Runs
from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.prompts import PromptPairs
from pytest_circuits.testing import COPIED_LOGIT

#: After layer 0 nothing is copied yet; after layer 1 "b", "y" is.
PAIRS = PromptPairs(["a b c a", "x y z x"], ["k b c a", "l y z x"], ["b", "y"], ["c", "z"])


def through_the_end(plain, stream):
    """Final norm and unembedding written out: ``[row, d_model]`` to ``[row, vocabulary]``."""
    if plain.config.model_type == "gpt2":
        norm = plain.transformer.ln_f
        centred = stream - stream.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + plain.config.layer_norm_epsilon).sqrt()
        return (centred / scale * norm.weight + norm.bias) @ plain.transformer.wte.weight.T
    scale = (stream.square().mean(-1, keepdim=True) + plain.config.rms_norm_eps).sqrt()
    return stream / scale * plain.model.norm.weight @ plain.lm_head.weight.T


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def seen(request, folders, bridges, telling_pairs):
    """Runs, pairs, their tokens, and what the plain model says after each layer."""
    bridge = bridges[request.param]
    pairs = telling_pairs(bridge, lengths=(8, 5, 8, 5, 6))
    tokens = pairs.check(bridge.tokenizer)
    plain = AutoModelForCausalLM.from_pretrained(folders[request.param]).eval()
    layers = []
    with torch.no_grad():
        for prompt in tokens.clean:
            out = plain(torch.tensor([prompt]), output_hidden_states=True)
            # The last of these is behind the final norm; the model's logits come from there.
            first = through_the_end(plain, out.hidden_states[1][:, -1])[0]
            layers.append(torch.stack([first, out.logits[0, -1]]).double().numpy())
    return Runs(bridge), pairs, tokens, np.array(layers)  # [prompt, layer, vocabulary]


@pytest.mark.parametrize("read", ["logit_diff", "logit", "rank"])
def test_each_layer_is_read_as_the_last_one_is(seen, read):
    runs, pairs, tokens, logits = seen
    rows = range(len(pairs))
    answer, wrong = (logits[rows, :, list(ids)] for ids in (tokens.answers, tokens.wrong_answers))
    expected = {
        "logit_diff": answer - wrong,
        "logit": answer,
        "rank": 1 + (logits > answer[..., None]).sum(-1),
    }[read]

    found = measures.logit_lens(runs, pairs, read=read)

    assert found.axes == ("layer",)
    np.testing.assert_allclose(found.raw["layers"], expected, atol=1e-4)
    np.testing.assert_allclose(found.values, expected.mean(0), atol=1e-4)
    np.testing.assert_allclose(found.errors, expected.std(0, ddof=1) / len(pairs) ** 0.5, atol=1e-4)


def test_the_last_layer_says_what_the_model_says(named, telling_pairs):
    _, bridge = named
    pairs = telling_pairs(bridge)

    lens, whole = measures.logit_lens(bridge, pairs), measures.logit_diff(bridge, pairs)

    np.testing.assert_allclose(lens.raw["layers"][:, -1], whole.profiles["logit_diff"], atol=1e-4)
    assert lens.values[-1] == pytest.approx(float(whole), abs=1e-4)
    assert lens.values[0] != pytest.approx(float(whole), abs=1e-2)
    assert lens.companion[0].name == "logit_diff"
    assert lens.companion[0].value == pytest.approx(float(whole))


def test_what_the_model_caps_is_capped_after_every_layer(telling_pairs):
    model = random_model(FAMILIES["gemma2"], 0)
    runs = Runs(hooked(model))
    pairs = telling_pairs(runs.bridge)
    tokens = pairs.check(runs.tokenizer)
    rows, cap = range(6), FAMILIES["gemma2"].options["final_logit_softcapping"]
    with torch.no_grad():
        out = model(torch.tensor(tokens.clean), output_hidden_states=True)
        first = out.hidden_states[1][:, -1]
        last = out.logits[:, -1]
        # Gemma's norm stores its weight less one.
        scale = (first.square().mean(-1, keepdim=True) + model.config.rms_norm_eps).sqrt()
        before = first / scale * (1 + model.model.norm.weight) @ model.lm_head.weight.T
    expected = [(cap * (before / cap).tanh())[rows, tokens.answers], last[rows, tokens.answers]]

    found = measures.logit_lens(runs, pairs, read="logit")

    np.testing.assert_allclose(found.raw["layers"], np.stack(expected, axis=1), atol=1e-4)
    assert float(before[rows, tokens.answers].abs().max()) > 1.2 * cap  # a cap that matters


def test_a_known_circuit_answers_once_its_last_head_has_spoken(perfect):
    difference, logit = (
        measures.logit_lens(perfect, PAIRS, read=read) for read in ("logit_diff", "logit")
    )

    np.testing.assert_allclose(difference.values, [0, COPIED_LOGIT], atol=1e-5)
    np.testing.assert_allclose(logit.values, [0, COPIED_LOGIT], atol=1e-5)


def test_a_rank_counts_the_tokens_that_are_ahead(perfect):
    # "b", "y" have logit 20 after layer 1, and all others 0: one is ahead of these answers, and
    # none is ahead of those. Where all logits are 0, after layer 0, none is ahead of any.
    others = PromptPairs(PAIRS.clean, PAIRS.corrupted, ["b", "k"], ["c", "z"])

    found = measures.logit_lens(perfect, others, read="rank")

    np.testing.assert_array_equal(found.raw["layers"], [[1, 1], [1, 2]])
    np.testing.assert_array_equal(found.values, [1, 1.5])


@pytest.mark.parametrize(
    ("read", "is_a", "metric"),
    [
        (
            "logit_diff",
            ("logit difference", "logits", Direction.TWO_SIDED),
            "logit(answer) − logit(wrong answer), last position",
        ),
        (
            "logit",
            ("answer's logit", "logits", Direction.TWO_SIDED),
            "logit(answer), last position",
        ),
        (
            "rank",
            ("answer's rank", "rank", Direction.LOWER),
            "1 + number of tokens with more logit, last position",
        ),
    ],
)
def test_a_lens_says_what_it_reads(perfect, read, is_a, metric):
    found = measures.logit_lens(perfect, PAIRS, read=read)

    assert (found.quantity, found.unit, found.direction) == is_a
    assert found.convention["metric"] == metric
    assert found.convention["lens"] == (
        "final norm anew on resid_post, unembedding, soft cap where there is one"
    )
    assert (found.role, found.screen) == (None, False)


def test_an_unknown_reading_is_refused_with_the_known_ones(perfect):
    message = "read is logit_diff, logit, rank, not 'probability'"
    with pytest.raises(ValueError, match=re.escape(message)):
        measures.logit_lens(perfect, PAIRS, read="probability")


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_model_that_ends_in_something_else_is_refused(folders, telling_pairs, name):
    bridge = load(parse_source(str(folders[name])), device="cpu").bridge
    pairs = telling_pairs(bridge)

    def adapter(module, args, output):
        first, *rest = output if isinstance(output, tuple) else (output,)
        changed = first + torch.linspace(-1, 1, first.shape[-1])
        return (changed, *rest) if isinstance(output, tuple) else changed

    bridge.blocks[-1].register_forward_hook(adapter)

    with pytest.raises(ModelError) as error:
        measures.logit_lens(bridge, pairs)

    message = str(error.value)
    family = type(bridge.original_model).__name__
    assert message.startswith(f"logit_lens: {family} has no logit lens:\n")
    assert "does not give its logits\n(off by " in message


def test_numbers_that_are_not_finite_are_refused(perfect):
    def broken(stream, **_):
        return stream.clone().fill_(float("nan"))

    with (
        perfect.hooks(fwd_hooks=[("blocks.1.hook_out", broken)]),
        pytest.raises(InvalidFindingError, match="logit_lens: the model gives numbers that are"),
    ):
        measures.logit_lens(perfect, PAIRS)
