"""What replayed sweeps compute, of which prompts and models, and what they leave behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from forward.sweeping import (
    ENTROPY,
    EXACT,
    LATER,
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
from measures.families import FAMILIES, hooked, random_model

from pytest_circuits.findings import Head
from pytest_circuits.forward import (
    SITES,
    ZERO,
    Runs,
    cells_of,
    nodes,
    patch_cells,
    recorded,
    run_ablated,
    run_prompts,
)

TOKENS = 8
CLEAN = drawn(TOKENS, TOKENS)


# How much is computed.

#: Of one prompt: how many tokens go through the first layer and, once those that begin there have
#: joined, through the second. What comes before is given to both as it is.
COUNTED = [
    # Six positions differ, from 2 on, each put in by itself before either layer.
    ("resid_pre", "each", 2, 6 * 6 + (6 + 6) * 6),
    ("resid_pre", "each", 6, 2 * 2 + (2 + 2) * 2),
    # What is put in behind a layer is before the next one; behind the last there is none.
    ("resid_post", "each", 2, 6 * 6),
    ("resid_post", "each", 6, 2 * 2),
    ("resid_pre", "all", 6, 2 + (1 + 1) * 2),
    # Four heads in each layer, from the first difference on.
    ("head_out", "all", 2, 4 * 6 + (4 + 4) * 6),
    ("head_out", "all", 6, 4 * 2 + (4 + 4) * 2),
    ("head_out", "each", 6, 4 * 2 * 2 + 2 * 4 * 2 * 2),
    ("head_k", "all", 7, 2 + 2 + 2),  # two key-value heads, and one position
]


@pytest.mark.parametrize(("site", "which", "since", "expected"), COUNTED)
def test_no_more_is_computed_than_can_differ(llama, site, which, since, expected):
    clean = CLEAN[:1]
    runs = Runs(llama.runs.bridge)
    checked(runs, clean)
    before = runs.replayed
    positions = each(clean) if which == "each" else None

    patched(runs, site, clean, changed(clean, since), positions=positions)

    assert runs.replayed - before == expected


@pytest.mark.parametrize("since", [2, 6])
def test_what_comes_before_the_first_difference_has_exactly_no_effect(llama, since):
    target = changed(CLEAN, since, since)

    found = patched(llama.runs, "resid_mid", CLEAN, target, positions=each(CLEAN))

    assert not found[..., :since].any()
    assert found[..., since].any()


def test_ablations_are_computed_from_their_layer_and_first_position_on(llama):
    runs = Runs(llama.runs.bridge)
    checked(runs, CLEAN)
    replayed = runs.replayed
    read = difference(CLEAN)
    intact = as_they_are(runs, CLEAN, read)
    sets = [nodes(runs), nodes(runs, mlps=[1])]

    found = run_ablated(
        runs, CLEAN, ZERO, sets=sets, read=read, intact=intact, positions=[(5, 5), (7, 7)]
    )

    # Nothing is not run, and the other set not before the second layer, nor before position 5.
    assert runs.replayed - replayed == 2 * 3
    np.testing.assert_array_equal(found[:, 0], intact)
    assert np.abs(found[:, 1] - intact).min() > 1e-3


def test_what_others_would_say_alike_is_not_computed(llama):
    runs = Runs(llama.runs.bridge)
    others = recorded(runs, CLEAN, changed(CLEAN, 5, 6))
    read = difference(CLEAN)
    intact = as_they_are(runs, CLEAN, read)
    before, after_check = runs.passes, checked(runs, CLEAN) and runs.replayed

    run_ablated(
        runs,
        CLEAN,
        others,
        sets=[nodes(runs, [Head(0, 1)])],
        read=read,
        intact=intact,
        positions=[(2, 2), (7, 7)],
    )

    # From position 5 on for both prompts: what is shared costs less than another call.
    assert runs.replayed - after_check == 2 * 2 * 3
    assert runs.passes == before


# Of what.


@pytest.mark.parametrize("site", ["resid_pre", "head_out", "head_k"])
@pytest.mark.parametrize(
    ("lengths", "places"),
    [
        pytest.param([8, 5, 8, 6, 5], [2, 3, 6, 1, 4], id="several lengths and differences"),
        pytest.param([8, 8, 8], [7, 1, 4], id="several differences"),
        pytest.param([3], [2], id="one prompt, and its last token"),
        pytest.param([2, 2], [1, 1], id="two tokens"),
        pytest.param([4, 4], [0, 2], id="the first token"),
    ],
)
def test_prompts_may_differ_in_length_and_in_where_they_differ(llama, site, lengths, places):
    clean = drawn(*lengths)
    for positions in (None, each(clean)):
        found, expected = (
            patched(one, site, clean, changed(clean, *places), positions=positions) for one in llama
        )
        assert off(found, expected) < EXACT / 10


def test_prompts_of_one_token_are_replayed_too(llama):
    runs = Runs(llama.runs.bridge)
    clean = [[5], [7], [0]]
    target = [[6], [7], [9]]

    found, expected = (
        patched(one, "resid_pre", clean, target, positions=each(clean))
        for one in (runs, llama.whole)
    )

    assert runs.passes == 2
    assert runs.replayed > 0
    assert not found[1].any()
    assert off(found, expected) < EXACT / 10


@pytest.mark.parametrize("which", ["runs", "whole"])
@pytest.mark.parametrize("positions", [None, each(CLEAN)], ids=["all", "each"])
def test_prompts_that_do_not_differ_are_not_run(llama, which, positions):
    runs = getattr(llama, which)
    checked(runs, CLEAN)
    before = runs.replayed, runs.passes

    found = patched(runs, "head_out", CLEAN, CLEAN, positions=positions)

    assert not found.any()
    assert (runs.replayed, runs.passes) == before


@pytest.mark.parametrize("which", ["runs", "whole"])
def test_nor_are_ablations_of_nothing(llama, which):
    runs = getattr(llama, which)
    intact = np.array([1.0, -2.0])
    read = difference(CLEAN)

    found = run_ablated(runs, CLEAN, ZERO, sets=[nodes(runs)], read=read, intact=intact)

    np.testing.assert_array_equal(found[:, 0], intact)


def test_one_that_differs_is_found_among_those_that_do_not(llama):
    target = [CLEAN[0], *changed(CLEAN[1:])]

    found, expected = (
        patched(one, "resid_pre", CLEAN, target, positions=each(CLEAN)) for one in llama
    )

    assert not found[0].any()
    assert off(found, expected) < EXACT / 10


def test_each_prompt_is_read_at_its_own_tokens(own_llama):
    target = changed(CLEAN, 2, 5)
    with torch.no_grad():
        logits, put_in = (
            own_llama(torch.tensor(prompts), return_type="logits")[:, -1]
            for prompts in (target, CLEAN)
        )

    # All of the stream, which is all of the other run.
    found = patched(Runs(own_llama), "resid_pre", CLEAN, target)

    moved = put_in - logits
    expected = [moved[0, 3] - moved[0, 30], moved[1, 4] - moved[1, 29]]
    np.testing.assert_allclose(found[:, :, 0].T, [expected, expected], atol=1e-5)
    assert abs(expected[0] - expected[1]) > 0.1


@pytest.mark.parametrize("read", [ENTROPY, LATER], ids=["the vocabulary", "several positions"])
@pytest.mark.parametrize("positions", [None, each(CLEAN)], ids=["all", "each"])
def test_anything_can_be_read(llama, read, positions):
    for site in ("resid_post", "head_v"):
        found, expected = (
            patched(one, site, CLEAN, changed(CLEAN, 2, 5), positions=positions, read=read)
            for one in llama
        )
        assert off(found, expected) < EXACT / 10


@pytest.mark.parametrize(
    ("dtype", "allowed"), [(torch.float64, 1e-12), (torch.bfloat16, 0.05)], ids=str
)
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_models_of_any_dtype_are_replayed(name, dtype, allowed):
    model = random_model(FAMILIES[name], 0).to(dtype)
    with Both.of(model).untouched() as llama:
        assert next(llama.runs.bridge.parameters()).dtype is dtype
        for site in ("resid_pre", "head_out", "head_pattern"):
            found, expected = (
                patched(one, site, CLEAN, changed(CLEAN, 2, 5), positions=each(CLEAN))
                for one in llama
            )
            assert off(found, expected) < allowed

    can = checked(llama.runs, CLEAN)
    assert (can.blocks, can.past) == (True, True)


# From another model.

HOOKS = {"resid_pre": "hook_in", "mlp_out": "hook_mlp_out", "head_out": "attn.hook_z"}


@pytest.mark.parametrize(("site", "hook"), HOOKS.items())
def test_activations_can_come_from_another_model(own_llama, site, hook):
    other = hooked(random_model(FAMILIES["llama"], 1))
    tokens, read = torch.tensor(CLEAN), difference(CLEAN)
    with torch.no_grad():
        _, cache = other.run_with_cache(tokens)

    def read_off(hooks):
        with torch.no_grad():
            logits = own_llama.run_with_hooks(tokens, return_type="logits", fwd_hooks=hooks)
        return read.of_run(logits, (0, 1)).numpy()

    before = read_off([])
    cells = cells_of(4 if site == "head_out" else None, each(CLEAN))
    expected = np.zeros((2, 2, len(cells)))
    for layer in range(2):
        name = f"blocks.{layer}.{hook}"
        for number, cell in enumerate(cells):
            where = (slice(None), cell.position[0], slice(None) if cell.head is None else cell.head)

            def put_in(value, hook, name=name, where=where):
                value = value.clone()
                value[where] = cache[name][where]
                return value

            expected[:, layer, number] = read_off([(name, put_in)])
    runs = Runs(own_llama)

    # The prompts are the same; what differs is the model.
    found = patch_cells(
        runs,
        SITES[site],
        CLEAN,
        CLEAN,
        cells=cells,
        read=read,
        unpatched=before,
        source_runs=Runs(other),
    )

    assert runs.passes == 1
    assert runs.replayed > 0
    assert off(found - before[:, None, None], expected - before[:, None, None]) < EXACT / 10


@pytest.mark.parametrize("site", ["resid_mid", "head_pattern", "head_q"])
def test_so_it_is_by_whole_passes(llama, site):
    others = Both.of(random_model(FAMILIES["llama"], 1))

    found, expected = (
        patched(one, site, CLEAN, changed(CLEAN, 2, 5), positions=each(CLEAN), source_runs=other)
        for one, other in zip(llama, others, strict=True)
    )

    assert off(found, expected) < EXACT / 10


# What is left.


def assert_untouched(bridge):
    assert not any(point.fwd_hooks for point in bridge.hook_dict.values())
    assert not any("forward" in vars(block) for block in bridge.blocks)
    assert not any(module._forward_pre_hooks for module in bridge.blocks)


def test_nothing_stays_on_the_model(own_llama):
    with torch.no_grad():
        before = own_llama(torch.tensor(CLEAN), return_type="logits")

    patched(Runs(own_llama), "head_out", CLEAN, changed(CLEAN))

    assert_untouched(own_llama)
    with torch.no_grad():
        assert torch.equal(own_llama(torch.tensor(CLEAN), return_type="logits"), before)


def test_nor_does_it_where_something_fails_meanwhile(own_llama, monkeypatch):
    class OddError(Exception):
        """Nobody else's."""

    def fail(*_, **__):
        raise OddError

    runs = Runs(own_llama)
    expected = patched(runs, "head_out", CLEAN, changed(CLEAN))
    # While blocks run with hooks on, …
    with monkeypatch.context() as patch:
        patch.setattr("pytest_circuits.forward.patching._Patches._put_in", lambda *_: fail)
        with pytest.raises(OddError):
            patched(runs, "head_out", CLEAN, changed(CLEAN))
    assert_untouched(own_llama)
    # … and while what they are given is recorded, for prompts that differ from elsewhere on.
    other = changed(CLEAN, *[1] * len(CLEAN))
    run_prompts(runs, other)
    rotary = own_llama.original_model.model.rotary_emb.original_component
    with monkeypatch.context() as patch:
        patch.setattr(rotary, "forward", fail)
        with pytest.raises(OddError):
            patched(runs, "head_out", CLEAN, other)
    assert_untouched(own_llama)

    again = patched(runs, "head_out", CLEAN, changed(CLEAN))
    np.testing.assert_array_equal(again, expected)


def test_changed_weights_are_swept_anew(own_llama):
    runs = Runs(own_llama)
    before = patched(runs, "head_out", CLEAN, changed(CLEAN))

    own_llama.blocks[0].attn.o.weight.data.mul_(2)
    after = patched(runs, "head_out", CLEAN, changed(CLEAN))

    afresh = patched(Runs(own_llama), "head_out", CLEAN, changed(CLEAN))
    np.testing.assert_array_equal(after, afresh)
    assert off(before, after) > 0.01


def test_a_hook_of_a_test_is_heeded(own_llama):
    runs = Runs(own_llama)
    before = patched(runs, "head_out", CLEAN, changed(CLEAN))
    replayed = runs.replayed

    # It doubles what a layer's end says, and looks for what no replayed run shows it: a whole run.
    seen = []
    own_llama.add_hook(
        "unembed.hook_out", lambda logits, hook: seen.append(logits.shape) or 2 * logits
    )
    doubled = patched(runs, "head_out", CLEAN, changed(CLEAN))
    own_llama.reset_hooks()

    assert runs.replayed == replayed
    assert {shape[1] for shape in seen} == {TOKENS}
    assert off(doubled, 2 * before) < EXACT / 10
    np.testing.assert_array_equal(patched(runs, "head_out", CLEAN, changed(CLEAN)), before)
