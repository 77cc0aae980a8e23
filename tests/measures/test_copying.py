from __future__ import annotations

from itertools import count

import numpy as np
import pytest
import torch
from measures.families import D_HEAD, FAMILIES, HEADS, LAYERS, hooked, random_model
from transformers import AutoModelForCausalLM
from zoo.plain import Plain

from pytest_circuits import measures
from pytest_circuits.findings import Head, InvalidFindingError
from pytest_circuits.forward import Runs
from pytest_circuits.prompts import PromptError, PromptPairs
from pytest_circuits.testing import COPIED_LOGIT

NAMED = PromptPairs(
    ["a b c a", "x y z u x", "d e f d"],
    ["k b c a", "l y z u x", "k e f d"],
    ["b", "y", "e"],
    ["c", "z", "f"],
    positions={"S1": ["a", "x", "d"], "IO": ["a b", "x y", "d e"]},
    clusters=["one", "one", "two"],
)
#: The norm that a layer's attention reads through.
NORMS = {
    "GPT2LMHeadModel": "ln_1",
    "GPTNeoForCausalLM": "ln_1",
    "GPTJForCausalLM": "ln_1",
    "OPTForCausalLM": "self_attn_layer_norm",
}
OTHERS = ["mistral", "mixtral", "qwen2", "qwen3", "gemma2", "gemma3"]
OTHERS += ["neox", "gpt-neo", "gpt-j", "opt", "phi"]
SUBJECTS = ["llama", "gpt2", *(f"family {name}" for name in OTHERS)]


@pytest.fixture(scope="module", params=SUBJECTS)
def subject(request, bridges, folders):
    """A hooked model, and the same without hooks."""
    name = request.param
    if name in folders:
        model = AutoModelForCausalLM.from_pretrained(folders[name], attn_implementation="eager")
        return bridges[name], Plain(FAMILIES[name], model.eval())
    family = FAMILIES[name.removeprefix("family ")]
    model = random_model(family, seed=3)
    return hooked(model), Plain(family, model)


def values_and_outputs(plain, layer):
    """Each head's W_V ``[d_model, d_head]``, its bias, and its W_O ``[d_head, d_model]``."""
    family, block = plain.family, plain.blocks[layer]
    module, output = block.get_submodule(family.values), block.get_submodule(family.output)
    # GPT-2 stores its matrices [in, out], all others [out, in].
    transposed = family.model == "GPT2LMHeadModel"
    weight = module.weight.T if transposed else module.weight  # [out, d_model]
    out = output.weight if transposed else output.weight.T  # [head · d_head, d_model]
    bias = module.bias if module.bias is not None else torch.zeros(len(weight))
    width = HEADS * D_HEAD
    for head in range(HEADS):
        if family.layout == "stacked":
            first = 2 * width + head * D_HEAD
        elif family.layout == "interleaved":
            first = (3 * head + 2) * D_HEAD
        else:
            first = head // (HEADS // family.key_value_heads) * D_HEAD
        rows = slice(first, first + D_HEAD)
        yield weight[rows].T, bias[rows], out[head * D_HEAD : (head + 1) * D_HEAD]


def written_by_each_head(plain, prompt, position):
    """Logits ``[layer, head, vocabulary]`` of what heads make of the stream behind layer 0."""
    stream = plain.see(torch.tensor([list(prompt)]))["resid_post"][0][0, position]
    logits = torch.zeros(LAYERS, HEADS, plain.unembedding.weight.shape[0])
    with torch.no_grad():
        for layer, block in enumerate(plain.blocks):
            norm = block.get_submodule(NORMS.get(plain.family.model, "input_layernorm"))
            for head, (w_v, b_v, w_o) in enumerate(values_and_outputs(plain, layer)):
                written = (norm(stream) @ w_v + b_v) @ w_o
                if plain.family.attention_norm:
                    written = block.get_submodule(plain.family.attention_norm)(written)
                logits[layer, head] = plain.unembedding(plain.norm(written))
    return logits


def test_it_is_what_the_weights_say(subject, telling_pairs):
    bridge, plain = subject
    told = telling_pairs(bridge, lengths=(8, 6, 8, 6))
    pairs = PromptPairs(
        told.clean,
        told.corrupted,
        told.answers,
        told.wrong_answers,
        positions={"IO": [" ".join(text.split()[:4]) for text in told.clean]},
    )
    tokens = pairs.check(bridge.tokenizer)
    at = ["IO", "END", 1, -3]

    above = np.zeros((len(pairs), len(at), LAYERS, HEADS))
    for row, prompt in enumerate(tokens.clean):
        for place, position in enumerate((4, len(prompt) - 1, 1, len(prompt) - 3)):
            logits = written_by_each_head(plain, prompt, position)
            above[row, place] = (logits > logits[..., [prompt[position]]]).sum(-1)
    runs = Runs(bridge)
    for k in (1, 5, 20):
        found = measures.copying_scores(runs, pairs, at=at, k=k)

        expected = (above < k).mean(1)
        np.testing.assert_allclose(found.values, expected.mean(0), atol=1e-9)
        errors = expected.std(axis=0, ddof=1) / len(pairs) ** 0.5
        np.testing.assert_allclose(found.errors, errors, atol=1e-9)
    assert len(np.unique(expected.mean(0))) > 2


def test_the_induction_head_copies_and_idle_heads_do_not(perfect):
    found = measures.copying_scores(perfect, NAMED)

    # Heads that write nothing into what is unembedded give 40 tokens the same logit.
    np.testing.assert_array_equal(found.values, [[0, 0], [1, 0]])
    np.testing.assert_array_equal(found.errors, np.zeros((2, 2)))
    assert list(found.members()) == [Head(1, 0)]
    np.testing.assert_array_equal(found.profiles["L1H0"], [1, 1, 1])
    assert (found.samples, found.clusters) == (3, 2)
    assert found.behaviour("logit_diff").value == pytest.approx(COPIED_LOGIT, abs=1e-5)
    assert found.behaviour("accuracy").value == 1


def test_a_tie_of_all_tokens_is_in_no_top(perfect):
    vocabulary = len(perfect.tokenizer)

    found = measures.copying_scores(perfect, NAMED, k=vocabulary - 1)

    np.testing.assert_array_equal(found.values, [[0, 0], [1, 0]])
    with pytest.raises(ValueError, match=f"k is less than the vocabulary, which has {vocabulary}"):
        measures.copying_scores(perfect, NAMED, k=vocabulary)


def test_bos_is_not_copied(perfect):
    # L1H0 writes nothing for <bos>: one of the two tokens.
    found = measures.copying_scores(perfect, NAMED, at=[0, "IO"])

    np.testing.assert_array_equal(found.values, [[0, 0], [0.5, 0]])


def test_every_choice_is_in_the_convention(perfect):
    convention = measures.copying_scores(perfect, NAMED, at=["END", 1], k=3).convention

    assert convention["score"] == "own token in the top 3"
    assert convention["positions"] == "1, END"
    assert convention["norms"] == (
        "layer's own, behind attention where there is one, final; each anew"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": "IO"}, "at is a list of positions, not 'IO'"),
        ({"at": []}, "at is a list of positions"),
        ({"k": 0}, "k is a whole number from 1 on, not 0"),
        ({"at": ["S2"]}, "name no position 'S2'"),
    ],
)
def test_tokens_that_are_not_there_are_refused(perfect, options, message):
    kind = PromptError if "S2" in message else ValueError
    with pytest.raises(kind, match=message):
        measures.copying_scores(perfect, NAMED, **options)


def test_what_a_head_writes_must_be_finite(perfect):
    # The prompts' own passes, one for each length, are sound.
    passes = count()

    def broken(v, **_):
        return v.clone().fill_(float("nan")) if next(passes) >= 2 else v

    with (
        perfect.hooks(fwd_hooks=[("blocks.1.attn.hook_v", broken)]),
        pytest.raises(
            InvalidFindingError, match="copying_scores: the model gives numbers that are"
        ),
    ):
        measures.copying_scores(perfect, NAMED)
