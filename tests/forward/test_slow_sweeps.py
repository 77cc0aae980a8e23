"""Models of which runs can't be replayed, or not from the middle of a prompt."""

from __future__ import annotations

import re
import warnings
from typing import ClassVar

import pytest
import transformers
from forward.sweeping import (
    EXACT,
    Both,
    as_they_are,
    changed,
    checked,
    difference,
    drawn,
    each,
    off,
    patched,
)
from measures.families import FAMILIES, Family, hooked, random_model
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaModel

from pytest_circuits import measures
from pytest_circuits.forward import (
    ZERO,
    Runs,
    SlowSweepWarning,
    every_node,
    nodes,
    run_ablated,
    run_prompts,
)
from pytest_circuits.prompts import RepeatedTokens

CLEAN = drawn(8, 8)
CORRUPTED = changed(CLEAN, 2, 5)
_LLAMA = FAMILIES["llama"].options
#: Bloom's blocks are given a tensor with as many rows as there are prompts, Gemma 4's what the
#: prompts' tokens are.
FAMILIES_THAT_CANNOT = {
    "of as many rows": Family(
        "BloomForCausalLM",
        "BloomConfig",
        {"vocab_size": 40, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    ),
    "of these tokens": Family(
        "Gemma4ForCausalLM",
        "Gemma4TextConfig",
        _LLAMA
        | {
            "head_dim": 8,
            "hidden_size_per_layer_input": 8,
            "vocab_size_per_layer_input": 40,
            "num_kv_shared_layers": 0,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
}


@pytest.fixture(scope="module", params=FAMILIES_THAT_CANNOT)
def model(request):
    family = FAMILIES_THAT_CANNOT[request.param]
    if not hasattr(transformers, family.model):
        pytest.skip(f"this version of transformers has no {family.model}")
    return random_model(family, 0)


def test_blocks_that_do_not_run_by_themselves_are_run_in_whole_passes(model):
    both = Both.of(model)
    with pytest.warns(SlowSweepWarning) as told:
        found = patched(both.runs, "resid_pre", CLEAN, CORRUPTED, positions=each(CLEAN))
    expected = patched(both.whole, "resid_pre", CLEAN, CORRUPTED, positions=each(CLEAN))

    assert off(found, expected) < EXACT / 10
    # The prompts' own runs, and one with all cells.
    assert both.runs.passes == 2 + 1
    (warning,) = told
    message = str(warning.message)
    assert f"the blocks of a {type(model).__name__} can't be run by themselves (" in message
    assert message.endswith("take whole passes: the numbers are the same, and come later")


@pytest.mark.parametrize("count", [1, 2])
def test_it_is_found_out_and_told_once_whatever_is_run_first(model, count):
    with Both.of(model).untouched() as both, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for seed, lengths in enumerate([(8,), (8, 8, 8), (5, 7), (11, 8)]):
            clean = drawn(*lengths[:count], seed=seed)
            found, expected = (patched(one, "head_out", clean, changed(clean)) for one in both)
            assert off(found, expected) < EXACT / 10
        measures.ablate(both.runs, RepeatedTokens(batch=1, block=5), heads=["L0H1"])

    assert [warning.category for warning in told] == [SlowSweepWarning]


def test_ablations_are_whole_passes_then_too(model):
    both = Both.of(model)
    read = difference(CLEAN)
    intact = as_they_are(both.whole, CLEAN, read)
    sets = [nodes(both.whole, mlps=[0]), every_node(both.whole), nodes(both.whole)]

    with pytest.warns(SlowSweepWarning):
        found, expected = (
            run_ablated(one, CLEAN, ZERO, sets=sets, read=read, intact=intact) - intact[:, None]
            for one in both
        )

    assert off(found, expected) < EXACT / 10
    assert not found[:, 2].any()


# Keys and values that can't be given.


class KeepsNone(LlamaDecoderLayer):
    """A layer whose attention keeps no keys and values."""

    def forward(self, hidden_states, *arguments, **options):
        return super().forward(hidden_states, *arguments, **options | {"past_key_values": None})


class LooksAtNone(LlamaDecoderLayer):
    """A layer whose attention keeps keys and values, and looks at those of this pass alone."""

    def forward(self, hidden_states, *arguments, **options):
        if options.get("past_key_values") is not None:
            options["past_key_values"] = Deaf(options["past_key_values"])
        return super().forward(hidden_states, *arguments, **options)


class Deaf:
    """A cache that gives back only what it was given."""

    def __init__(self, cache):
        self._cache = cache

    def update(self, keys, values, *arguments, **options):
        self._cache.update(keys, values, *arguments, **options)
        return keys, values


def without_a_past(kind):
    model = random_model(FAMILIES["llama"], 0)
    for layer in model.model.layers:
        layer.__class__ = kind
    return model


@pytest.mark.parametrize("kind", [KeepsNone, LooksAtNone])
def test_without_a_past_runs_are_replayed_from_the_first_position(llama, kind):
    model = without_a_past(kind)
    runs = Runs(hooked(model))

    found = patched(runs, "head_out", CLEAN, CORRUPTED, positions=each(CLEAN))

    # No warning, and the same numbers: on whole prompts the model is what it would be with a past.
    can = checked(runs, CLEAN)
    assert (can.blocks, can.past) == (True, False)
    assert runs.passes == 2
    assert runs.replayed > 0
    expected = patched(llama.whole, "head_out", CLEAN, CORRUPTED, positions=each(CLEAN))
    assert off(found, expected) < EXACT / 10


# Blocks that are given almost what they should be.


class TellsOfTokens(LlamaModel):
    """A model that gives its layers something of the tokens, very little of it."""

    def forward(self, input_ids=None, **options):
        little = input_ids[..., None] * 1e-4
        return super().forward(input_ids=input_ids, little=little, **options)


class AddsIt(LlamaDecoderLayer):
    """A layer that adds what it is given."""

    def forward(self, hidden_states, *arguments, little, **options):
        return super().forward(hidden_states, *arguments, **options) + little


def test_a_replay_that_is_a_little_off_is_not_taken():
    model = random_model(FAMILIES["llama"], 0)
    model.model.__class__ = TellsOfTokens
    for layer in model.model.layers:
        layer.__class__ = AddsIt
    both = Both.of(model)

    with pytest.warns(SlowSweepWarning, match="logits off by") as told:
        found = patched(both.runs, "resid_pre", CLEAN, CORRUPTED, positions=each(CLEAN))

    # More than rounding, and far too little to be seen in a plot.
    (group,) = run_prompts(both.runs, CORRUPTED).groups
    missed = float(re.search(r"logits off by ([\d.e-]+)", str(told[0].message)).group(1))
    assert 1e-4 < missed / float(group.logits.max() - group.logits.min()) < 0.05
    can = checked(both.runs, CLEAN)
    assert (can.blocks, can.past) == (False, False)
    expected = patched(both.whole, "resid_pre", CLEAN, CORRUPTED, positions=each(CLEAN))
    assert off(found, expected) < EXACT / 10


# Blocks that hand something on beside the stream, or keep it for the next call.


class HandsOn(LlamaDecoderLayer):
    """A layer that leaves its stream for the next one, as layers that share keys and values do."""

    left: ClassVar[list] = []

    def forward(self, hidden_states, *arguments, **options):
        if self.self_attn.layer_idx == 0:
            self.left[:] = [hidden_states]
            return super().forward(hidden_states, *arguments, **options)
        return super().forward(hidden_states, *arguments, **options) + self.left[0].cumsum(1) / 8


class KeepsIt(LlamaDecoderLayer):
    """A layer that adds a little of what it was given in the call before this one."""

    def forward(self, hidden_states, *arguments, **options):
        before = vars(self).get("before")
        vars(self)["before"] = hidden_states.mean((0, 1)).detach()
        found = super().forward(hidden_states, *arguments, **options)
        # Whole passes begin anew.
        return found if before is None or len(hidden_states) > 1 else found + before / 8


@pytest.mark.parametrize("kind", [HandsOn, KeepsIt])
@pytest.mark.parametrize("lengths", [(8,), (8, 8, 8)])
def test_blocks_that_keep_something_are_run_in_whole_passes(kind, lengths):
    """One prompt's runs are alike but for what is put in, so that it would show in none of them."""
    clean = drawn(*lengths)
    both = Both.of(without_a_past(kind))
    with pytest.warns(SlowSweepWarning):
        found = patched(both.runs, "head_out", clean, changed(clean, *[2] * len(lengths)))
    assert not checked(both.runs, clean).blocks
    if kind is HandsOn:
        expected = patched(both.whole, "head_out", clean, changed(clean, *[2] * len(lengths)))
        assert off(found, expected) < EXACT / 10


def test_a_prompt_that_reads_the_same_backwards_hides_nothing():
    """What blocks are given of the tokens must be seen on any prompt."""
    both = Both.of(random_model(FAMILIES_THAT_CANNOT["of these tokens"], 0))
    clean = [[5, 7, 9, 7, 5], [3, 8, 2, 6, 1]]
    with pytest.warns(SlowSweepWarning):
        found = patched(both.runs, "resid_pre", clean, changed(clean, 2, 2))
    expected = patched(both.whole, "resid_pre", clean, changed(clean, 2, 2))
    assert off(found, expected) < EXACT / 10
