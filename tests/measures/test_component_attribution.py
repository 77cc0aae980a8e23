"""What embedding, attention and MLPs write: all of it, and nothing twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from measures.families import FAMILIES, hooked, random_model

from pytest_circuits import measures
from pytest_circuits.findings import Direction
from pytest_circuits.forward import Runs
from pytest_circuits.measures.attribution import decompose
from pytest_circuits.prompts import PromptPairs
from pytest_circuits.testing import COPIED_LOGIT

WITH_MLPS = ("embedding", "L0 attn", "L0 mlp", "L1 attn", "L1 mlp", "bias")
WITHOUT = ("embedding", "L0 attn", "L1 attn", "bias")
PAIRS = PromptPairs(["a b c a", "x y z x"], ["k b c a", "l y z x"], ["b", "y"], ["c", "z"])


@pytest.fixture
def found(named, telling_pairs):
    """Runs, pairs of several lengths, and the finding."""
    runs = Runs(named[1])
    pairs = telling_pairs(runs.bridge, lengths=(9, 5, 9, 7, 5))
    return runs, pairs, measures.component_attribution(runs, pairs)


def test_components_sum_to_the_logit_difference(found):
    runs, pairs, parts = found
    whole = measures.logit_diff(runs, pairs)

    scale = np.abs(whole.profiles["logit_diff"]).max()
    of_each = parts.raw["components"].sum(1)
    np.testing.assert_allclose(of_each, whole.profiles["logit_diff"], atol=1e-5 * scale)
    assert parts.values.sum() == pytest.approx(float(whole), abs=1e-5 * scale)
    np.testing.assert_allclose(parts.values, parts.raw["components"].mean(0), atol=1e-12)
    assert parts.companion[0].value == pytest.approx(float(whole))


def test_components_are_named_in_the_order_in_which_they_write(named, found):
    labels = WITHOUT if named[0] == "recall" else WITH_MLPS
    parts = found[-1]

    assert parts.axes == ("component",)
    assert parts.labels == {"component": labels}
    assert parts.raw["components"].shape == (5, len(labels))
    assert set(parts.cells()) == set(labels)


def test_heads_and_their_output_bias_are_their_layers_attention(found):
    runs, pairs, parts = found
    heads = measures.head_attribution(runs, pairs).values
    bias = decompose(runs, pairs.check(runs.tokenizer)).output_bias.mean(0).numpy()

    attention = [parts.cells()[f"L{layer} attn"] for layer in range(2)]
    np.testing.assert_allclose(heads.sum(1) + bias, attention, atol=1e-5)


def test_an_output_bias_is_the_attentions_and_no_heads(telling_pairs):
    # No head of the layer writes anything here, so what is left is the bias.
    model = random_model(FAMILIES["gpt2"], 0)
    model.transformer.h[1].attn.c_proj.weight.zero_()
    runs = Runs(hooked(model))
    pairs = telling_pairs(runs.bridge)

    parts = measures.component_attribution(runs, pairs).cells()
    heads = measures.head_attribution(runs, pairs).values

    np.testing.assert_allclose(heads[1], 0, atol=1e-9)
    assert abs(parts["L1 attn"]) > 1e-3


def test_a_known_circuit_answers_by_its_second_attention_alone(perfect):
    found = measures.component_attribution(perfect, PAIRS)

    assert found.labels == {"component": WITHOUT}
    np.testing.assert_allclose(found.values, [0, 0, COPIED_LOGIT, 0], atol=1e-5)
    np.testing.assert_allclose(found.raw["components"], [[0, 0, COPIED_LOGIT, 0]] * 2, atol=1e-5)
    np.testing.assert_allclose(found.errors, 0, atol=1e-6)


@pytest.mark.parametrize("name", ["gemma2", "phi"])
def test_components_are_those_before_the_cap_and_of_parallel_blocks(telling_pairs, name):
    model = random_model(FAMILIES[name], 0)
    runs = Runs(hooked(model))
    pairs = telling_pairs(runs.bridge)
    tokens = pairs.check(runs.tokenizer)
    with torch.no_grad():  # the plain model's last hidden state is behind its final norm
        out = model(torch.tensor(tokens.clean), output_hidden_states=True)
        before_cap = model.lm_head(out.hidden_states[-1])[:, -1].numpy()

    found = measures.component_attribution(runs, pairs)

    assert found.labels == {"component": WITH_MLPS}
    rows = range(6)
    whole = before_cap[rows, tokens.answers] - before_cap[rows, tokens.wrong_answers]
    np.testing.assert_allclose(
        found.raw["components"].sum(1), whole, atol=1e-5 * np.abs(whole).max()
    )
    capped = measures.logit_diff(runs, pairs).profiles["logit_diff"]
    assert (np.abs(whole - capped).max() > 0.1) == (name == "gemma2")


def test_an_attribution_says_what_it_is(perfect):
    found = measures.component_attribution(perfect, PAIRS)

    assert (found.quantity, found.unit) == ("attribution", "logits")
    assert found.direction is Direction.TWO_SIDED
    assert found.convention["attribution"] == (
        "direct, cached final norm scale, before final soft-capping"
    )
    assert (found.role, found.screen, dict(found.profiles)) == (None, False, {})
