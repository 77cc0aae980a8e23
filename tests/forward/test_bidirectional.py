"""A model whose positions look at later ones: nothing of a run is what it was without the edit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from forward.sweeping import EXACT, as_they_are, changed, difference, drawn, each, off, patched
from measures.families import FAMILIES, hooked, random_model
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from pytest_circuits.findings import Head
from pytest_circuits.forward import ZERO, Runs, nodes, recorded, run_ablated

CLEAN = drawn(8, 8)
CORRUPTED = changed(CLEAN, 4, 5)


class LooksEverywhere(LlamaDecoderLayer):
    """A layer whose mask hides nothing."""

    def forward(self, hidden_states, *arguments, attention_mask, **options):
        everything = torch.zeros_like(attention_mask)
        return super().forward(hidden_states, *arguments, attention_mask=everything, **options)


@pytest.fixture(scope="module")
def runs():
    # Three layers: what one position is given comes to an earlier one, and from there to the last.
    model = random_model(FAMILIES["llama"].but(num_hidden_layers=3), 0)
    for layer in model.model.layers:
        layer.__class__ = LooksEverywhere
    bridge = hooked(model)
    bridge.cfg.attention_dir = "bidirectional"
    made = Runs(bridge)
    assert not made.causal
    return made


def read_by_hand(runs, prompts, hooks):
    """The difference of two logits of one row each, with these hooks on."""
    with torch.no_grad():
        logits = runs.bridge.run_with_hooks(torch.tensor(prompts), fwd_hooks=hooks)
    read = difference(prompts)
    return read.of_run(logits, tuple(range(len(prompts)))).double().numpy()


def seen(runs, prompts, name):
    """What a hook point holds on these prompts."""
    with torch.no_grad():
        return runs.bridge.run_with_cache(torch.tensor(prompts))[1][name]


def put_in(value, position):
    def hook(own, hook):
        own = own.clone()
        own[:, position] = value[:, position]
        return own

    return hook


def test_an_earlier_position_looks_at_a_later_one(runs):
    names = ["blocks.1.hook_in"]
    clean, corrupted = (seen(runs, prompts, names[0]) for prompts in (CLEAN, CORRUPTED))
    assert (clean - corrupted)[:, 0].abs().max() > 1e-3


@pytest.mark.parametrize(
    ("site", "hook"),
    [("resid_pre", "hook_in"), ("attn_out", "hook_attn_out"), ("mlp_out", "hook_mlp_out")],
)
def test_patching_every_position_gives_what_it_gives_by_hand(runs, site, hook):
    found = patched(runs, site, CLEAN, CORRUPTED, positions=each(CLEAN))

    unpatched = read_by_hand(runs, CORRUPTED, [])
    expected = np.zeros_like(found)
    for layer in range(runs.layers):
        name = f"blocks.{layer}.{hook}"
        value = seen(runs, CLEAN, name)
        for position in range(len(CLEAN[0])):
            by_hand = read_by_hand(runs, CORRUPTED, [(name, put_in(value, position))])
            expected[:, layer, position] = by_hand - unpatched
    assert off(found, expected) < EXACT / 10
    # Before the first difference too.
    assert np.abs(found[..., 0]).max() > 1e-4


@pytest.mark.parametrize("instead", ["zero", "resample"])
def test_ablating_a_head_at_one_position_gives_what_it_gives_by_hand(runs, instead):
    name = "blocks.0.attn.hook_z"
    other = seen(runs, CORRUPTED, name) * (instead == "resample")

    def ablate(own, hook):
        own = own.clone()
        own[:, 6, 1] = other[:, 6, 1]
        return own

    intact = as_they_are(runs, CLEAN, difference(CLEAN))
    found = run_ablated(
        runs,
        CLEAN,
        ZERO if instead == "zero" else recorded(runs, CLEAN, CORRUPTED),
        sets=[nodes(runs, heads=[Head(0, 1)])],
        read=difference(CLEAN),
        intact=intact,
        positions=[(6, 6)],
    )

    expected = read_by_hand(runs, CLEAN, [(name, ablate)])
    assert off(found[:, 0] - intact, expected - intact) < EXACT / 10
