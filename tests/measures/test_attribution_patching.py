"""The estimate of patching: exact where the model is linear, a derivative where it is not."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

# Brings boot_native.
import transformer_lens.model_bridge.sources.native  # noqa: F401
from measures.families import FAMILIES, hooked, random_model
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

from pytest_circuits import assertions, measures
from pytest_circuits.findings import InvalidFindingError
from pytest_circuits.forward import SITES, Runs
from pytest_circuits.prompts import PromptPairs
from pytest_circuits.testing import word_tokenizer

HEADS, LAYERS = 3, 2
both_directions = pytest.mark.parametrize("direction", ["denoising", "noising"])


# A linear model.


@pytest.fixture(scope="module")
def linear(telling_pairs):
    """Runs and pairs of a model that is linear in everything but its tokens.

    It has no norms and no MLPs. Its queries and keys are 0, so that it looks everywhere alike, and
    all other weights and biases are drawn.
    """
    tokenizer = word_tokenizer()
    tokenizer.init_kwargs["add_bos_token"] = True
    config = TransformerBridgeConfig(
        attn_only=True,
        d_head=8,
        d_model=24,
        d_vocab=len(tokenizer),
        n_ctx=16,
        n_heads=HEADS,
        n_layers=LAYERS,
        normalization_type=None,
        positional_embedding_type="standard",
    )
    bridge = TransformerBridge.boot_native(config, tokenizer=tokenizer, device="cpu")
    bridge.eval().requires_grad_(requires_grad=False)
    draw = torch.Generator().manual_seed(0)
    for name, parameter in sorted(bridge.original_model.named_parameters()):
        # The bridge wraps modules in place, which shows in its parameters' names only.
        looks = re.search(r"attn\.[qk]\.", name.replace("_original_component.", ""))
        noise = torch.randn(parameter.shape, generator=draw)
        parameter.copy_(torch.zeros_like(noise) if looks else 0.5 * noise)
    runs = Runs(bridge)
    with runs.untouched():
        yield runs, telling_pairs(bridge, lengths=(8, 8, 8, 8))


def test_it_looks_everywhere_alike(linear):
    runs, pairs = linear
    patterns = []
    hooks = [(f"blocks.{n}.attn.hook_pattern", lambda p, hook: patterns.append(p)) for n in (0, 1)]
    runs.forward(torch.tensor(pairs.check(runs.tokenizer).clean), hooks)

    alike = torch.ones(9, 9).tril() / torch.arange(1, 10)[:, None]
    for pattern in patterns:
        torch.testing.assert_close(pattern, alike.expand_as(pattern))


@both_directions
@pytest.mark.parametrize("positions", ["each", "all"])
@pytest.mark.parametrize("site", [site for site in SITES if site not in ("resid_mid", "mlp_out")])
def test_where_the_model_is_linear_the_estimate_is_exact(linear, site, positions, direction):
    options = {"site": site, "positions": positions, "direction": direction}
    patched = measures.patch(*linear, **options)
    estimated = measures.attribution_patching(*linear, **options)

    np.testing.assert_allclose(estimated.values, patched.values, atol=1e-5)
    np.testing.assert_allclose(estimated.errors, patched.errors, atol=1e-5)
    np.testing.assert_allclose(estimated.raw["patched"], patched.raw["patched"], atol=1e-4)
    looks = site in ("head_q", "head_k", "head_pattern")
    assert (np.abs(patched.values).max() < 1e-6) == looks


@pytest.mark.parametrize("measure", [measures.patch, measures.attribution_patching])
def test_where_the_model_is_linear_parts_sum_to_the_whole(linear, measure):
    def found(site, positions):
        return measure(*linear, site=site, positions=positions).values

    heads, layers = found("head_out", "all"), found("attn_out", "all")
    np.testing.assert_allclose(heads.sum(1), layers, atol=1e-5)
    np.testing.assert_allclose(found("head_v", "all"), heads, atol=1e-5)
    for site in ("resid_pre", "attn_out", "head_v"):
        np.testing.assert_allclose(found(site, "each").sum(-1), found(site, "all"), atol=1e-5)
    # What comes into a layer goes on from it directly or through its heads.
    np.testing.assert_allclose(found("resid_pre", "all"), [1, 1], atol=1e-5)


def test_where_the_model_is_linear_directions_are_alike(linear):
    tables = [
        measure(*linear, site="head_out", positions="each", direction=direction).values
        for measure in (measures.patch, measures.attribution_patching)
        for direction in ("denoising", "noising")
    ]

    for table in tables[1:]:
        np.testing.assert_allclose(table, tables[0], atol=1e-5)


# A model that isn't.


def log_chance(logits, answers, wrong):
    """In the logits' own precision, and not linear in them."""
    return logits.log_softmax(-1).gather(1, answers[:, None])[:, 0]


@pytest.fixture(scope="module")
def curved(telling_pairs):
    """Runs and pairs of a model with norms, MLPs and sharp attention, in float64."""
    bridge = hooked(random_model(FAMILIES["native"], 0))
    bridge.original_model.double()
    runs = Runs(bridge)
    with runs.untouched():
        yield runs, telling_pairs(bridge, lengths=(8, 8, 8, 8))


def kept(runs, prompts, names):
    """What hook points hold on prompts, and the last logits."""
    seen = {}
    hooks = [(name, lambda v, hook, name=name: seen.update({name: v.clone()})) for name in names]
    logits = runs.forward(torch.tensor(prompts), hooks)
    return seen, logits[:, -1]


#: Where each site is changed, and a cell of each layer, by the axes [row, position, …]; there is
#: something to move at 3, where the word differs, and behind it.
CELLS = {
    "resid_pre": ("hook_in", (), [(3,), (-1,)]),
    "resid_post": ("hook_out", (), [(5,), (-1,)]),
    "attn_out": ("hook_attn_out", (), [(4,), (-1,)]),
    "mlp_out": ("hook_mlp_out", (), [(3,), (-1,)]),
    "head_out": ("attn.hook_z", (0,), [(-1,), (-1,)]),
    "head_q": ("attn.hook_q", (2,), [(3,), (-1,)]),
    "head_k": ("attn.hook_k", (1,), [(3,), (4,)]),
    "head_v": ("attn.hook_v", (0,), [(3,), (5,)]),
}


@both_directions
@pytest.mark.parametrize("site", CELLS)
def test_an_estimate_is_the_slope_along_the_way_to_the_other_run(curved, site, direction):
    runs, pairs = curved
    tokens = pairs.check(runs.tokenizer)
    answers = torch.tensor(tokens.answers)
    source, target = tokens.clean, tokens.corrupted
    if direction == "noising":
        source, target = target, source
    hook_point, heads, positions = CELLS[site]
    names = [f"blocks.{layer}.{hook_point}" for layer in range(2)]
    there, _ = kept(runs, source, names)
    here, logits = kept(runs, target, names)
    start = log_chance(logits, answers, None)

    found = measures.attribution_patching(
        runs, pairs, site=site, positions="each", direction=direction, metric=log_chance
    )

    for layer, (name, position) in enumerate(zip(names, positions, strict=True)):
        cell = (slice(None), *position, *heads)
        way = torch.zeros_like(here[name])
        way[cell] = (there[name] - here[name])[cell]

        def after(step, name=name, way=way):
            logits = runs.forward(torch.tensor(target), [(name, lambda v, hook: v + step * way)])
            return log_chance(logits[:, -1], answers, None)

        slope = ((after(1e-5) - after(-1e-5)) / 2e-5).numpy()
        estimate = found.raw["patched"][(slice(None), layer, *heads, *position)] - start.numpy()
        assert np.abs(slope).max() > 1e-3
        np.testing.assert_allclose(estimate, slope, atol=1e-6 * np.abs(slope).max())


def test_what_lies_between_attention_and_mlp_moves_as_what_the_attention_adds(curved):
    # Everything before it is the target's: what is put in is what it would take to get there.
    runs, pairs = curved
    tokens = pairs.check(runs.tokenizer)
    names = ["blocks.0.hook_in", "blocks.0.hook_attn_out"]
    before, _ = kept(runs, tokens.corrupted, names)
    after, _ = kept(runs, tokens.clean, names)
    answers = torch.tensor(tokens.answers)
    way = sum(after[name] - before[name] for name in names)

    def put(step):
        hook = (names[1], lambda v, hook: v + step * way)
        logits = runs.forward(torch.tensor(tokens.corrupted), [hook])
        return log_chance(logits[:, -1], answers, None)

    options = {"site": "resid_mid", "positions": "all", "metric": log_chance}
    estimated = measures.attribution_patching(runs, pairs, **options).raw["patched"][:, 0]
    patched = measures.patch(runs, pairs, **options).raw["patched"][:, 0]

    slope = (put(1e-5) - put(-1e-5)) / 2e-5
    np.testing.assert_allclose(estimated, put(0) + slope, atol=1e-6)
    np.testing.assert_allclose(patched, put(1), atol=1e-6)


# A model whose attention is all or nothing (see the truth table).

VALUE = PromptPairs(["a b c d a"], ["a x c d a"], ["b"], ["x"])
KEY = PromptPairs(["a b c d a"], ["x b c d a"], ["b"], ["c"])
QUERY = PromptPairs(["a b c d a"], ["a b c d c"], ["b"], ["d"])


@pytest.mark.parametrize(
    ("pairs", "site", "recovered", "estimated"),
    [
        # Values go on as they are: what L1H0 looks at is the same.
        (VALUE, "resid_pre", [1, 1], [1, 1]),
        (VALUE, "head_v", [[0, 0], [1, 0]], [[0, 0], [1, 0]]),
        # Attention that is 1 in one place has no slope: a small step towards the key, or the
        # query, moves nothing, and the whole step everything.
        (KEY, "resid_pre", [1, 1], [0, 0]),
        (KEY, "head_out", [[1, 0], [1, 0]], [[0, 0], [1, 0]]),
        (KEY, "head_k", [[0, 0], [1, 0]], [[0, 0], [0, 0]]),
        (QUERY, "head_q", [[0, 0], [1, 0]], [[0, 0], [0, 0]]),
        (QUERY, "resid_pre", [1, 1], [0, 0]),
        # Behind the softmax all is linear again.
        (KEY, "head_pattern", [[0, 0], [1, 0]], [[0, 0], [1, 0]]),
        (QUERY, "head_pattern", [[0, 0], [1, 0]], [[0, 0], [1, 0]]),
        (QUERY, "attn_out", [0, 1], [0, 1]),
    ],
)
def test_an_estimate_misses_what_attention_turns_on(perfect, pairs, site, recovered, estimated):
    options = {"site": site, "positions": "all"}

    patched = measures.patch(perfect, pairs, **options)
    screened = measures.attribution_patching(perfect, pairs, **options)

    np.testing.assert_allclose(patched.values, recovered, atol=1e-6)
    np.testing.assert_allclose(screened.values, estimated, atol=1e-6)


# A screen.


def test_it_takes_three_passes_whatever_the_number_of_cells(perfect):
    runs = Runs(perfect)

    with runs.untouched():
        measures.attribution_patching(runs, KEY, positions="each")

    # Clean and corrupted, which keep z, and one there and back.
    assert runs.passes == 3


def test_a_screen_says_that_it_is_one_and_is_otherwise_as_patching(linear):
    patched, screen = (
        measure(*linear) for measure in (measures.patch, measures.attribution_patching)
    )

    assert (patched.screen, screen.screen) == (False, True)
    assert (patched.measure, screen.measure) == ("patch", "attribution_patching")
    for part in ("quantity", "unit", "axes", "convention", "role", "labels", "relative_to"):
        assert getattr(screen, part) == getattr(patched, part)
    assert [(b.name, b.value) for b in screen.companion] == [
        (b.name, b.value) for b in patched.companion
    ]


def test_nothing_is_estimated_where_there_is_no_gap(perfect):
    dead = PromptPairs(["a b c a", "x y z x"], ["a b d a", "x y v x"], ["b", "y"], ["k", "k"])
    runs = Runs(perfect)

    found = measures.attribution_patching(runs, dead)

    assert found.undefined
    assert np.isnan(found.values).all()
    assert runs.passes == 2


def hits(logits, answers, wrong):
    return (logits.argmax(-1) == answers).float()


def test_a_metric_without_a_gradient_is_refused(perfect):
    with pytest.raises(ValueError, match=r"this metric has no gradient .*; patch instead"):
        measures.attribution_patching(perfect, KEY, metric=hits)

    np.testing.assert_allclose(measures.patch(perfect, KEY, metric=hits).values, [[1, 0], [1, 0]])


def test_the_flat_bottom_of_the_distance_from_the_clean_run_is_refused(linear):
    with pytest.raises(ValueError, match="where the KL from it has no slope"):
        measures.attribution_patching(*linear, metric="kl", direction="noising")

    assert np.abs(measures.attribution_patching(*linear, metric="kl").values).max() > 0.05


def test_numbers_that_are_not_finite_are_said_to_be_the_screens(perfect):
    def broken(logits, **_):
        return logits.clone().fill_(float("nan"))

    with (
        perfect.hooks(fwd_hooks=[("unembed.hook_out", broken)]),
        pytest.raises(InvalidFindingError, match=r"^attribution_patching: the model gives"),
    ):
        measures.attribution_patching(perfect, KEY)


@pytest.mark.parametrize(
    "check",
    [
        lambda found: assertions.assert_logit_diff_recovered(found, at_least=0.1),
        lambda found: assertions.assert_head_ranking(found, top=["L1H0"]),
    ],
)
def test_no_assertion_takes_a_screen(linear, check):
    screen = measures.attribution_patching(*linear)

    with pytest.raises(TypeError) as error:
        check(screen)

    assert "screen" in str(error.value)
