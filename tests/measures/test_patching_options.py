"""What patching can be asked for: positions, directions, metrics; and what always holds of it."""

from __future__ import annotations

import functools
import re
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from measures.families import FAMILIES, hooked, random_model

from pytest_circuits import measures, paired_differences, prompts
from pytest_circuits.findings import ChoiceError, Direction, Head
from pytest_circuits.forward import Runs
from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.prompts import PromptError, PromptPairs

#: Position, <bos> counted, of the only word that telling pairs change; they have nine tokens.
CHANGED, TOKENS = 3, 9
RANDOM = ["llama", "gpt2"]
both_directions = pytest.mark.parametrize("direction", ["denoising", "noising"])


@pytest.fixture(scope="module")
def telling(bridges, telling_pairs):
    """Runs of a random model and pairs that move it, by name."""
    # This seed's change moves probabilities, too, not only logits.
    found = {name: (Runs(bridges[name]), telling_pairs(bridges[name], seed=3)) for name in RANDOM}
    with ExitStack() as untouched:
        for runs, _ in found.values():
            untouched.enter_context(runs.untouched())
        yield found


@pytest.fixture
def llama(telling):
    return telling["llama"]


# Metrics, read by hand.


def margin(logits, answers, wrong):
    """The caller's own: how far the answer is ahead of all that is said, wrong answers twice."""
    rows = torch.arange(len(logits))
    return logits[rows, answers] - logits.logsumexp(-1) - 2 * logits[rows, wrong]


def by_hand(metric, logits, clean, tokens):
    """The metric of ``[prompt, vocabulary]``, in float64."""
    rows, answers, wrong = range(len(tokens)), list(tokens.answers), list(tokens.wrong_answers)
    weights = np.exp(logits)
    said = np.log(weights / weights.sum(-1, keepdims=True))
    meant = np.log(np.exp(clean) / np.exp(clean).sum(-1, keepdims=True))
    if metric == "logit_diff":
        return logits[rows, answers] - logits[rows, wrong]
    if metric == "probability":
        return weights[rows, answers] / weights.sum(-1)
    if metric == "kl":
        return (np.exp(meant) * (meant - said)).sum(-1)
    return said[rows, answers] - 2 * logits[rows, wrong]


def last_logits(bridge, prompts, hooks=()):
    with torch.no_grad():
        logits = bridge.run_with_hooks(
            torch.tensor(prompts), return_type="logits", fwd_hooks=list(hooks)
        )
    return logits[:, -1].double().numpy()


def head_swaps(bridge, source, target):
    """Logits on the target with one head's z of the source, ``[layer, head, prompt, …]``."""
    seen = {}
    names = [f"blocks.{layer}.attn.hook_z" for layer in range(bridge.cfg.n_layers)]
    keep = [(name, lambda z, hook, name=name: seen.update({name: z.clone()})) for name in names]
    last_logits(bridge, source, keep)

    def swapped(name, head):
        def hook(z, hook):
            z = z.clone()
            z[:, :, head] = seen[name][:, :, head]
            return z

        return last_logits(bridge, target, [(name, hook)])

    return np.array([[swapped(name, head) for head in range(bridge.cfg.n_heads)] for name in names])


@pytest.fixture(scope="module")
def swaps(telling):
    """What every head's swap makes llama say in either direction, and what it said before."""
    runs, pairs = telling["llama"]
    tokens = pairs.check(runs.tokenizer)
    return {
        "clean": last_logits(runs.bridge, tokens.clean),
        "corrupted": last_logits(runs.bridge, tokens.corrupted),
        "denoising": head_swaps(runs.bridge, tokens.clean, tokens.corrupted),
        "noising": head_swaps(runs.bridge, tokens.corrupted, tokens.clean),
    }


@both_directions
@pytest.mark.parametrize("metric", ["logit_diff", "probability", "kl", margin])
def test_fractions_of_any_metric_are_what_they_are_by_hand(llama, swaps, metric, direction):
    runs, pairs = llama
    read = functools.partial(
        by_hand, metric, clean=swaps["clean"], tokens=pairs.check(runs.tokenizer)
    )
    clean, corrupted = read(swaps["clean"]), read(swaps["corrupted"])
    patched = np.array([[read(logits) for logits in layer] for layer in swaps[direction]])

    found = measures.patch(runs, pairs, metric=metric, direction=direction)

    scale = np.abs(clean - corrupted).max()
    np.testing.assert_allclose(found.raw["clean"], clean, atol=1e-5 * scale)
    np.testing.assert_allclose(found.raw["corrupted"], corrupted, atol=1e-5 * scale)
    np.testing.assert_allclose(found.raw["patched"], patched.transpose(2, 0, 1), atol=1e-5 * scale)
    start, goal = (corrupted, clean) if direction == "denoising" else (clean, corrupted)
    expected = (patched.mean(-1) - start.mean()) / (goal.mean() - start.mean())
    assert np.abs(expected).max() > 0.02
    np.testing.assert_allclose(found.values, expected, atol=1e-4)


@both_directions
def test_fractions_come_from_the_raw_numbers(llama, direction):
    found = measures.patch(*llama, direction=direction, site="head_v", positions=[-1, 3])

    clean, corrupted, patched = (found.raw[part] for part in ("clean", "corrupted", "patched"))
    start, goal = (corrupted, clean) if direction == "denoising" else (clean, corrupted)
    expected = (patched.mean(0) - start.mean()) / (goal - start).mean()
    np.testing.assert_allclose(found.values, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("metric", "behaviours", "unit", "formula"),
    [
        (
            "logit_diff",
            ["clean_logit_diff", "corrupted_logit_diff", "logit_diff_gap"],
            "logits",
            "logit(answer) − logit(wrong answer), last position",
        ),
        (
            "probability",
            ["clean_probability", "corrupted_probability", "probability_gap"],
            "probability",
            "probability of the answer, last position",
        ),
        (
            "kl",
            ["corrupted_kl", "kl_gap"],
            "nats",
            "KL(clean ‖ this), whole vocabulary, last position",
        ),
        (
            margin,
            ["clean_margin", "corrupted_margin", "margin_gap"],
            "units",
            "function margin, last position",
        ),
    ],
)
def test_a_metric_is_said_wherever_it_counts(llama, metric, behaviours, unit, formula):
    found = measures.patch(*llama, metric=metric)

    assert [b.name for b in found.companion] == behaviours
    assert {b.unit for b in found.companion} == {unit}
    assert found.convention["metric"] == formula
    assert found.relative_to == behaviours[-1]
    gap = found.behaviour(behaviours[-1])
    assert gap.vital
    assert gap.direction is Direction.HIGHER
    assert gap.value > 0


def test_the_clean_run_is_no_nats_from_itself_and_the_gap_is_the_corrupted_ones_distance(llama):
    found = measures.patch(*llama, metric="kl")

    np.testing.assert_allclose(found.raw["clean"], 0, atol=1e-6)
    assert (found.raw["corrupted"] > 0).all()
    gap = found.behaviour("kl_gap")
    np.testing.assert_allclose(gap.profile, found.raw["corrupted"], atol=1e-6)
    assert gap.value == pytest.approx(found.behaviour("corrupted_kl").value, abs=1e-6)


def test_a_callers_metric_gets_every_row_with_its_own_answers(llama):
    runs, pairs = llama
    tokens = pairs.check(runs.tokenizer)
    got = []

    def spy(logits, answers, wrong):
        got.append((logits.clone(), answers.tolist(), wrong.tolist()))
        return logits.gather(1, answers[:, None])[:, 0]

    found = measures.patch(runs, pairs, metric=spy)

    whole, other, *patched = got
    pairs_tokens = list(zip(tokens.answers, tokens.wrong_answers, strict=True))
    for logits, answers, wrong in (whole, other):
        assert logits.shape == (6, 40)
        assert list(zip(answers, wrong, strict=True)) == pairs_tokens
    # Every prompt is run with each head of each layer, in whatever order: what it says at its own
    # answer is what is kept of it.
    said = {row: [] for row in range(6)}
    for logits, answers, wrong in patched:
        assert logits.shape == (len(answers), 40)
        for row, both in enumerate(zip(answers, wrong, strict=True)):
            said[pairs_tokens.index(both)].append(float(logits[row, both[0]]))
    kept = found.raw["patched"].reshape(6, -1)
    for row, numbers in said.items():
        np.testing.assert_allclose(sorted(numbers), sorted(kept[row]), atol=1e-6)


def all_in_one(logits, answers, wrong):
    return logits.gather(1, answers[:, None]).mean()


def whole_rows(logits, answers, wrong):
    return logits


def no_tensor(logits, answers, wrong):
    return [float(row[0]) for row in logits]


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda logits, answers, wrong: logits[:, 0], "write it as a function (def), not as a"),
        (functools.partial(lambda a, b, c: a[:, 0]), "a metric needs a name"),
        ("logits", "'logits' is no metric; take 'logit_diff', 'probability', 'kl', or a function"),
        (None, "None is no metric"),
        (all_in_one, "all_in_one must give one number for each of 6 rows of logits"),
        (all_in_one, "and gave a tensor of shape ()"),
        (whole_rows, "and gave a tensor of shape (6, 40)"),
        (no_tensor, "and gave a list"),
    ],
)
def test_a_metric_that_is_none_is_refused(llama, metric, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        measures.patch(*llama, metric=metric)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"site": "mlp"},
            "can't patch at 'mlp'; sites are resid_pre, resid_mid, ",
        ),
        ({"direction": "renoising"}, "direction is denoising or noising, not 'renoising'"),
        ({"positions": "END"}, "positions is 'each', 'all' or a list of names, not 'END'"),
        ({"positions": []}, "positions is 'each', 'all' or a list of names, not []"),
        ({"positions": -1}, "positions is 'each', 'all' or a list of names, not -1"),
        ({"positions": ["END", 2, "END"]}, "positions names one twice: END, 2, END"),
        ({"positions": ["S2"]}, "these prompts name no position 'S2'; they name END"),
        ({"positions": [9]}, "there is no position 9 in a prompt of 9 tokens"),
    ],
)
def test_an_option_that_is_none_is_refused(llama, option, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        measures.patch(*llama, **option)


# Positions.

#: Two lengths, and the same things at different places: a key, what follows it, and a word that is
#: no part of it. Without the key nothing is found, as in the truth table.
NAMED = PromptPairs(
    ["a b c a", "q p r s t p"],
    ["x b c a", "q x r s t p"],
    ["b", "r"],
    ["c", "s"],
    positions={
        "key": ["a", "q p"],
        "value": ["a b", "q p r"],
        "other": ["a b c", "q p r s t"],
    },
)


@pytest.mark.parametrize("positions", [None, "each"])
def test_each_position_of_prompts_of_several_lengths_is_refused(perfect, positions):
    with pytest.raises(PromptError) as error:
        measures.patch(perfect, NAMED, site="resid_pre", positions=positions)

    assert str(error.value) == (
        "these prompts have 5 or 7 tokens, so that a position is not the same in all of them.\n"
        'Name positions (positions=["S2", "END"]), or count from the end (positions=[-2, -1]).'
    )


@pytest.mark.parametrize(
    ("site", "expected"),
    [  # key, value, other, END
        ("resid_pre", [[1, 0, 0, 0], [0, 1, 0, 0]]),
        ("resid_post", [[0, 1, 0, 0], [0, 0, 0, 1]]),
        ("attn_out", [[0, 1, 0, 0], [0, 0, 0, 1]]),
        ("head_v", [[[1, 0, 0, 0], [0] * 4], [[0] * 4, [0] * 4]]),
        ("head_k", [[[0] * 4, [0] * 4], [[0, 1, 0, 0], [0] * 4]]),
    ],
)
def test_named_positions_are_each_prompts_own(perfect, site, expected):
    names = ("key", "value", "other", "END")

    found = measures.patch(perfect, NAMED, site=site, positions=names)

    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert found.labels == {"position": names}
    assert found.raw["patched"].shape == (2, *found.values.shape)
    assert found.convention["patching"] == "denoising, each position by itself"


def test_cells_are_called_by_their_positions(perfect):
    by_layer = measures.patch(perfect, NAMED, site="resid_pre", positions=["key", -1])
    by_head = measures.patch(perfect, NAMED, site="head_v", positions=["key", -1])

    assert next(iter(by_layer.cells())) == "layer 0, position key"
    assert next(iter(by_head.cells())) == "L0H0, position key"


@pytest.mark.parametrize("site", ["resid_pre", "head_v"])
def test_the_first_prompts_tokens_say_what_stands_at_positions(perfect, site):
    tokenizer = perfect.tokenizer
    ids = NAMED.check(tokenizer).clean[0]
    by_position = measures.patch(perfect, NAMED, site=site, positions=["key", 0, -1])
    everywhere = measures.patch(perfect, NAMED, site="head_out")

    place = NAMED.check(tokenizer).positions["key"][0]
    assert by_position.provenance["first_prompt"] == [
        tokenizer.decode([ids[at]]) for at in (0, place, -1)
    ]
    assert by_position.provenance["first_prompt"][0] == "<bos>"
    assert "first_prompt" not in everywhere.provenance


def test_positions_from_the_end_suit_prompts_of_several_lengths(perfect):
    named = measures.patch(perfect, NAMED, site="resid_post", positions=["other", "END"])
    counted = measures.patch(perfect, NAMED, site="resid_post", positions=[-2, -1])

    np.testing.assert_array_equal(counted.values, named.values)
    assert counted.labels == {"position": ("-2", "-1")}


@pytest.mark.parametrize("site", ["resid_mid", "mlp_out", "head_out", "head_k", "head_pattern"])
def test_some_positions_are_those_of_each(llama, site):
    each = measures.patch(*llama, site=site, positions="each")
    some = measures.patch(*llama, site=site, positions=["END", 3, -3])

    np.testing.assert_allclose(some.values, each.values[..., [3, -3, -1]], atol=1e-6)
    assert each.labels == {"position": tuple(map(str, range(TOKENS)))}
    # In the order in which they stand in the prompts.
    assert some.labels == {"position": ("3", "-3", "END")}


@pytest.mark.parametrize(
    ("site", "positions", "sizes"),
    [
        ("resid_mid", None, {"layer": 2, "position": TOKENS}),
        ("resid_mid", "all", {"layer": 2}),
        ("mlp_out", [-1], {"layer": 2, "position": 1}),
        ("head_out", None, {"layer": 2, "head": 4}),
        ("head_out", "each", {"layer": 2, "head": 4, "position": TOKENS}),
        ("head_pattern", None, {"layer": 2, "head": 4}),
        # llama has two key-value heads.
        ("head_k", None, {"layer": 2, "head": 2}),
        ("head_v", ["END", 1], {"layer": 2, "head": 2, "position": 2}),
    ],
)
def test_axes_are_those_of_the_site(llama, site, positions, sizes):
    found = measures.patch(*llama, site=site, positions=positions)

    axes, shape = tuple(sizes), tuple(sizes.values())
    assert found.axes == axes
    assert found.values.shape == found.errors.shape == shape
    assert {name: part.shape for name, part in found.raw.items()} == {
        "clean": (6,),
        "corrupted": (6,),
        "patched": (6, *shape),
    }


@pytest.mark.parametrize(
    ("name", "site", "direction", "role"),
    [
        ("llama", "head_v", "denoising", "restoring key-value heads"),
        ("llama", "head_k", "noising", "breaking key-value heads"),
        ("llama", "head_q", "denoising", "restoring heads"),
        ("llama", "head_out", "noising", "breaking heads"),
        ("gpt2", "head_v", "denoising", "restoring heads"),
    ],
)
def test_a_role_says_whose_it_is_and_what_it_does(telling, name, site, direction, role):
    found = measures.patch(*telling[name], site=site, direction=direction)

    assert found.role.name == role
    assert found.quantity == {"denoising": "recovered", "noising": "removed"}[direction]
    assert found.convention["patching"] == f"{direction}, all positions"


@pytest.mark.parametrize(
    ("site", "positions"), [("head_out", "each"), ("resid_pre", None), ("attn_out", "all")]
)
def test_what_are_not_heads_have_no_role(llama, site, positions):
    found = measures.patch(*llama, site=site, positions=positions)

    assert (found.role, dict(found.profiles)) == (None, {})


# What always holds.


@pytest.mark.parametrize("name", RANDOM)
@both_directions
def test_all_of_the_stream_carries_all_there_is(telling, name, direction):
    for site in ("resid_pre", "resid_post"):
        found = measures.patch(*telling[name], site=site, positions="all", direction=direction)
        np.testing.assert_allclose(found.values, [1, 1], atol=1e-5)


@pytest.mark.parametrize("name", RANDOM)
@both_directions
def test_at_first_only_the_changed_position_matters_and_at_last_only_the_end(
    telling, name, direction
):
    before = measures.patch(*telling[name], site="resid_pre", direction=direction)
    behind = measures.patch(*telling[name], site="resid_post", direction=direction)

    first, last = np.eye(TOKENS)[CHANGED], np.eye(TOKENS)[-1]
    np.testing.assert_allclose(before.values[0], first, atol=1e-5)
    np.testing.assert_allclose(behind.values[-1], last, atol=1e-5)
    np.testing.assert_allclose(behind.values[0], before.values[1], atol=1e-6)
    assert np.abs(before.values[1, CHANGED + 1 :]).max() > 0.02


@pytest.mark.parametrize(
    "site", ["resid_pre", "resid_mid", "attn_out", "mlp_out", "head_out", "head_q", "head_pattern"]
)
def test_what_comes_before_the_change_carries_nothing(llama, site):
    found = measures.patch(*llama, site=site, positions="each")

    np.testing.assert_allclose(found.values[..., :CHANGED], 0, atol=1e-6)
    assert np.abs(found.values).max() > 0.02


@pytest.mark.parametrize(
    ("name", "site"),
    [("llama", "resid_mid"), ("llama", "head_v"), ("gpt2", "mlp_out"), ("gpt2", "head_q")],
)
def test_noising_is_denoising_with_the_prompts_swapped(telling, name, site):
    runs, pairs = telling[name]
    swapped = PromptPairs(pairs.corrupted, pairs.clean, pairs.answers, pairs.wrong_answers)

    removed = measures.patch(runs, pairs, site=site, direction="noising")
    recovered = measures.patch(runs, swapped, site=site, direction="denoising")
    other = measures.patch(runs, pairs, site=site, direction="denoising")

    np.testing.assert_allclose(removed.values, recovered.values, atol=1e-6)
    assert np.abs(removed.values - other.values).max() > 1e-3  # what it is not


def test_a_head_that_is_alone_is_its_layers_attention(telling_pairs):
    alone = FAMILIES["llama"].but(num_attention_heads=1, num_key_value_heads=1)
    runs = Runs(hooked(random_model(alone, 0)))
    pairs = telling_pairs(runs.bridge)

    for positions in ("each", "all"):
        head = measures.patch(runs, pairs, site="head_out", positions=positions)
        layer = measures.patch(runs, pairs, site="attn_out", positions=positions)

        np.testing.assert_allclose(head.values[:, 0], layer.values, atol=1e-5)
        assert np.abs(layer.values).max() > 0.05


# What a model hasn't.


@pytest.mark.parametrize("measure", [measures.patch, measures.attribution_patching])
@pytest.mark.parametrize(
    ("site", "message"),
    [
        ("resid_mid", " has no resid_mid: without MLPs it is resid_post."),
        ("mlp_out", " has no mlp_out: it has no MLPs."),
    ],
)
def test_a_model_without_mlps_is_told_so(perfect, measure, site, message):
    with pytest.raises(ModelError) as error:
        measure(perfect, NAMED, site=site)

    family = type(perfect.original_model).__name__
    assert str(error.value) == f"{measure.__name__}: {family}{message}"


def test_where_attention_and_mlp_read_one_stream_there_is_nothing_between_them(telling_pairs):
    runs = Runs(hooked(random_model(FAMILIES["phi"], 0)))
    pairs = telling_pairs(runs.bridge)

    with pytest.raises(ModelError) as error:
        measures.patch(runs, pairs, site="resid_mid")

    assert str(error.value) == (
        "patch: PhiForCausalLM has no resid_mid: its attention and its MLP read the same residual "
        "stream.\nUse resid_pre, attn_out or mlp_out."
    )
    assert runs.passes == 0
    # The sites it names are there.
    for site in ("resid_pre", "attn_out", "mlp_out"):
        assert measures.patch(runs, pairs, site=site, positions=[-1]).values.shape == (2, 1)


def test_without_a_gap_there_are_no_patches_among_the_raw_numbers(perfect):
    dead = PromptPairs(["a b c a", "x y z x"], ["a b d a", "x y v x"], ["b", "y"], ["k", "k"])

    found = measures.patch(perfect, dead, site="resid_pre")

    assert set(found.raw) == {"clean", "corrupted"}
    assert found.values.shape == (2, 5)
    assert np.isnan(found.values).all()


@pytest.mark.parametrize(
    ("direction", "metric"),
    [
        ("denoising", "logit_diff"),
        ("denoising", "kl"),
        ("noising", "logit_diff"),
        ("noising", "probability"),
    ],
)
def test_paired_differences_have_the_sign_of_the_values(bridges, direction, metric):
    pairs = prompts.repeated_phrases(n=8, length=5)
    before, after = (
        measures.patch(bridge, pairs, direction=direction, metric=metric)
        for bridge in (
            bridges["recall"],
            load(parse_source("bundled:recall-finetuned"), device="cpu").bridge,
        )
    )

    for label, change in paired_differences(after, before).items():
        moved = after.values[Head.parse(label)] - before.values[Head.parse(label)]
        assert change.mean == pytest.approx(moved, abs=1e-9)


def test_a_prompt_that_is_longer_than_the_context_is_refused(perfect):
    long = " ".join(["a b"] * 20)
    pairs = PromptPairs([long], [f"{long[:-1]}c"], ["b"], ["c"])
    with pytest.raises(PromptError, match=r"pair 0: 41 tokens, .* and the model's context is 33"):
        measures.patch(perfect, pairs)


def test_what_are_no_pairs_is_told(perfect):
    with pytest.raises(ChoiceError, match=r"takes prompt pairs .* and got str"):
        measures.logit_diff(perfect, "a b c")


def test_an_answer_is_not_its_own_wrong_answer(perfect):
    pairs = PromptPairs(["a b c a"], ["a d c a"], ["b"], ["b"])
    with pytest.raises(PromptError, match="pair 0: its answer 'b' is its wrong answer too"):
        measures.logit_diff(perfect, pairs)


def test_a_metric_that_is_not_finite_is_not_the_models_fault(perfect):
    def broken(logits, answers, wrong_answers):
        return logits[:, 0] * float("nan")

    with pytest.raises(ChoiceError, match="broken gives numbers that are not finite"):
        measures.patch(perfect, NAMED, metric=broken)
