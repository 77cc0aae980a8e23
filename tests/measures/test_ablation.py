from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from circuit_suites import few
from measures.families import FAMILIES, HEADS, LAYERS, hooked, random_model
from measures.plain_ablation import (
    difference,
    divergence,
    logits_saying,
    mean_said,
    nothing_said,
    probability,
    said_on,
)
from transformers import AutoModelForCausalLM
from zoo.plain import Plain

from pytest_circuits import Circuit, measures
from pytest_circuits.findings import ChoiceError, Direction, Head
from pytest_circuits.forward import (
    ZERO,
    Reading,
    Runs,
    every_node,
    nodes,
    recorded,
    run_ablated,
    runs,
)
from pytest_circuits.measures.metrics import read_difference
from pytest_circuits.prompts import PromptError, PromptPairs, PromptWarning, RepeatedTokens
from pytest_circuits.prompts.tokens import digest
from pytest_circuits.testing import COPIED_LOGIT

#: Few prompts, each alone with its length, so that what they are replaced with follows from it.
pytestmark = pytest.mark.filterwarnings("ignore:a prompt has one reference")


# Two lengths, and two templates of each: what stands in for a prompt is like it in both.
LENGTHS = (8, 8, 6, 6) * 2
TEMPLATES = ("x", "y", "x", "y") * 2
SETS = {
    "heads of two layers": ([(0, 1), (0, 2), (1, 3)], []),
    "an MLP": ([], [1]),
    "heads and MLPs": ([(0, 0), (1, 1), (1, 2)], [0, 1]),
}
REPEATED = RepeatedTokens(batch=3, block=5, seed=1)

#: "b" follows "a" in the perfect model. L0H0 is "the previous token is", L1H0 copies what follows.
KEY = PromptPairs(["a b c a", "x y z u x"], ["k b c a", "l y z u x"], ["b", "y"], ["c", "z"])
#: What the perfect model loses on repeated tokens when nothing is copied: it is left with 40 tokens
#: that are equally likely, and had one at 20 and 39 at 0.
LOST = math.log(40) - math.log(1 + 39 * math.exp(-COPIED_LOGIT))


def labels(heads):
    return [str(Head(*head)) for head in heads]


def like(pairs, row, others, templates=TEMPLATES, prompts=None):
    """The reference prompts of a prompt's template and length."""
    prompt = (prompts or pairs.clean)[row]
    return [
        other
        for other, template in zip(others, templates, strict=True)
        if template == TEMPLATES[row] and len(other) == len(prompt)
    ]


@pytest.fixture(scope="module")
def plain(folders):
    """The checkpoints without hooks of transformer-lens."""
    return {
        name: Plain(
            FAMILIES[name],
            AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval(),
        )
        for name, folder in folders.items()
    }


@pytest.fixture(scope="module")
def made(bridges, telling_pairs):
    """Runs and pairs with templates, by model."""

    def pairs(name, seed=0):
        told = telling_pairs(bridges[name], LENGTHS, seed)
        return PromptPairs(
            told.clean,
            told.corrupted,
            told.answers,
            told.wrong_answers,
            templates=TEMPLATES,
            positions={"second": [" ".join(text.split()[:2]) for text in told.clean]},
        )

    return {
        name: (Runs(bridges[name]), pairs(name), pairs(name, seed=1)) for name in ("llama", "gpt2")
    }


@pytest.fixture(params=["llama", "gpt2"])
def subject(request, made, plain):
    """Runs, pairs, other pairs, and the model without hooks."""
    return *made[request.param], plain[request.param]


@pytest.mark.parametrize(("heads", "mlps"), SETS.values(), ids=SETS)
@pytest.mark.parametrize("value", ["zero", "mean", "mean of others"])
def test_it_is_a_loop_over_a_plain_model(subject, heads, mlps, value):
    model, pairs, others, plain = subject
    tokens = pairs.check(model.tokenizer)
    reference = others if value == "mean of others" else None
    stand_ins = tokens.corrupted if reference is None else others.check(model.tokenizer).clean

    found = measures.ablate(
        model, pairs, heads=labels(heads), mlps=mlps, value=value.split()[0], reference=reference
    )

    expected = []
    for row, prompt in enumerate(tokens.clean):
        if value == "zero":
            said = nothing_said(plain, prompt)
        else:
            said = mean_said(plain, like(tokens, row, stand_ins))
        intact, ablated = (
            difference(tokens, row, logits_saying(plain, prompt, said, *what))
            for what in ((), (heads, mlps))
        )
        expected.append(intact - ablated)
        assert found.raw["intact"][row] == pytest.approx(intact, abs=1e-4)
        assert found.raw["ablated"][row] == pytest.approx(ablated, abs=1e-4)
    np.testing.assert_allclose(found.profiles["ablate"], expected, atol=1e-4)
    assert float(found) == pytest.approx(np.mean(expected), abs=1e-4)
    assert found.errors == pytest.approx(np.std(expected, ddof=1) / math.sqrt(8), abs=1e-4)
    assert np.abs(expected).max() > 0.05


def test_what_is_resampled_was_said_on_another_prompt_of_the_template(subject):
    model, pairs, _, plain = subject
    tokens = pairs.check(model.tokenizer)
    heads, mlps = SETS["heads and MLPs"]
    rows = range(len(tokens))

    def drop(row, said):
        prompt = tokens.clean[row]
        intact, ablated = (
            difference(tokens, row, logits_saying(plain, prompt, said, *what))
            for what in ((), (heads, mlps))
        )
        return intact - ablated

    # Of each prompt's kind there are two corrupted ones.
    possible = [
        [drop(row, said_on(plain, other)) for other in like(tokens, row, tokens.corrupted)]
        for row in rows
    ]
    drawn = set()
    for seed in range(5):
        found = measures.ablate(
            model, pairs, heads=labels(heads), mlps=mlps, value="resample", seed=seed
        )
        for row, value in enumerate(found.profiles["ablate"]):
            distances = np.abs(np.array(possible[row]) - value)
            assert distances.min() < 1e-4 < distances.max()
            drawn.add((row, int(distances.argmin())))

    assert len(drawn) >= 2 * len(rows) - 3


def test_the_prompt_itself_is_not_drawn(subject):
    model, pairs, _, plain = subject
    tokens = pairs.check(model.tokenizer)

    found = measures.ablate(model, pairs, heads=["L0H1"], value="resample", reference=pairs)

    for row, prompt in enumerate(tokens.clean):
        (other,) = (one for one in like(tokens, row, tokens.clean) if one != prompt)
        ablated = logits_saying(plain, prompt, said_on(plain, other), [(0, 1)])
        assert found.raw["ablated"][row] == pytest.approx(
            difference(tokens, row, ablated), abs=1e-4
        )


def test_a_draw_can_be_made_again(subject):
    model, pairs, _, _ = subject

    one, same, other = (
        measures.ablate(Runs(model.bridge), pairs, heads=["L0H1"], value="resample", seed=seed)
        for seed in (3, 3, 4)
    )

    np.testing.assert_array_equal(one.raw["ablated"], same.raw["ablated"])
    assert one.convention == same.convention != other.convention


@pytest.mark.parametrize(
    ("positions", "indices"),
    [
        (["END"], lambda length: [length - 1]),
        (["second", -2], lambda length: [2, length - 2]),
        ([0, "END"], lambda length: [0, length - 1]),
    ],
    ids=["END", "second and -2", "0 and END"],
)
def test_it_happens_only_where_it_is_to(subject, positions, indices):
    model, pairs, _, plain = subject
    tokens = pairs.check(model.tokenizer)
    heads, mlps = SETS["heads and MLPs"]

    found = measures.ablate(
        model, pairs, heads=labels(heads), mlps=mlps, positions=positions, value="mean"
    )

    for row, prompt in enumerate(tokens.clean):
        said = mean_said(plain, like(tokens, row, tokens.corrupted))
        where = indices(len(prompt))
        logits = logits_saying(plain, prompt, said, heads, mlps, positions=where)
        assert found.raw["ablated"][row] == pytest.approx(difference(tokens, row, logits), abs=1e-4)


@pytest.mark.parametrize("metric", ["probability", "kl"])
def test_a_metric_of_which_less_is_better_rises_by_harm(subject, metric):
    model, pairs, _, plain = subject
    tokens = pairs.check(model.tokenizer)
    heads, mlps = SETS["heads and MLPs"]

    found = measures.ablate(
        model, pairs, heads=labels(heads), mlps=mlps, value="zero", metric=metric
    )

    expected = []
    for row, prompt in enumerate(tokens.clean):
        said = nothing_said(plain, prompt)
        intact, ablated = (
            logits_saying(plain, prompt, said, *what) for what in ((), (heads, mlps))
        )
        if metric == "kl":
            expected.append(divergence(intact, ablated))
        else:
            expected.append(probability(tokens, row, intact) - probability(tokens, row, ablated))
    np.testing.assert_allclose(found.profiles["ablate"], expected, atol=1e-5)
    assert metric != "kl" or min(expected) > 0


@pytest.mark.parametrize("family", few(FAMILIES, 8))
def test_every_family_is_a_loop(family):
    model = random_model(FAMILIES[family], seed=5)
    plain, bridge = Plain(FAMILIES[family], model), hooked(model)
    pairs = PromptPairs(
        ["a b c d e", "f g h i j"], ["a k c d e", "f l h i j"], ["b", "g"], ["m", "n"]
    )
    tokens = pairs.check(bridge.tokenizer)
    heads = [(0, 1), (0, 2), (1, 3)]
    mlps = [1] if FAMILIES[family].mlp else []

    for value in ("zero", "mean"):
        found = measures.ablate(bridge, pairs, heads=labels(heads), mlps=mlps, value=value)

        for row, prompt in enumerate(tokens.clean):
            stand_in = mean_said(plain, tokens.corrupted)
            said = nothing_said(plain, prompt) if value == "zero" else stand_in
            logits = logits_saying(plain, prompt, said, heads, mlps)
            expected = difference(tokens, row, logits)
            assert found.raw["ablated"][row] == pytest.approx(expected, abs=2e-4)

    found = measures.faithfulness(bridge, pairs, Circuit(labels(heads), mlps), value="zero").raw
    every = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
    all_mlps = list(range(LAYERS)) if FAMILIES[family].mlp else []
    others = [one for one in every if one not in heads], [m for m in all_mlps if m not in mlps]
    for row, prompt in enumerate(tokens.clean):
        said = nothing_said(plain, prompt)
        for name, what in (("circuit", others), ("whole", ([], [])), ("empty", (every, all_mlps))):
            expected = difference(tokens, row, logits_saying(plain, prompt, said, *what))
            assert found[name][row] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("value", ["zero", "mean"])
def test_of_repeated_tokens_it_is_the_repeat_loss(subject, value):
    model, _, _, plain = subject
    config = model.bridge.cfg
    drawn = REPEATED.draw(model.tokenizer, config.n_ctx, config.d_vocab)
    heads, mlps = SETS["heads and MLPs"]
    # Other blocks than those that are ablated, or a mean would say what they say.
    others = RepeatedTokens(batch=10, block=5, seed=2)
    control = others.draw(model.tokenizer, config.n_ctx, config.d_vocab).unrelated

    found = measures.ablate(model, REPEATED, heads=labels(heads), mlps=mlps, value=value)

    def loss(prompt, logits):
        logprobs = logits.log_softmax(-1)
        return np.mean([-float(logprobs[at, prompt[at + 1]]) for at in range(6, 10)])

    expected = []
    for prompt in drawn.sequences:
        said = nothing_said(plain, prompt) if value == "zero" else mean_said(plain, control)
        intact, ablated = (
            loss(prompt, logits_saying(plain, prompt, said, *what)) for what in ((), (heads, mlps))
        )
        expected.append(ablated - intact)
    np.testing.assert_allclose(found.profiles["ablate"], expected, atol=1e-5)
    intact = found.behaviour("repeat_loss")
    assert intact.value == pytest.approx(float(measures.repeat_loss(model, REPEATED)), abs=1e-6)
    assert intact.direction is Direction.LOWER


@pytest.mark.parametrize("value", ["zero", "mean", "resample"])
def test_a_lost_prediction_is_harm(perfect, value):
    found = measures.ablate(perfect, RepeatedTokens(), heads="each", value=value)

    # What L0H0 says on a single other sequence makes L1H0 find and copy wrong tokens, which is
    # worse than nothing.
    misled = found.values[0, 0] if value == "resample" else LOST
    np.testing.assert_allclose(found.values, [[misled, 0], [LOST, 0]], atol=1e-5)
    assert misled >= LOST
    assert found.quantity == "rise of the repeat loss"
    assert set(found.members()) == {Head(0, 0), Head(1, 0)}


@pytest.mark.parametrize("value", ["zero", "mean", "resample"])
def test_without_either_head_of_the_circuit_nothing_is_left(perfect, value):
    # On "k b c a" nothing precedes as "a" did, so that in L0H0's place nothing is found by L1H0;
    # L1H0 itself rests on <bos>, of which it writes nothing. Each pair's own corrupted prompt is
    # the only one of its length.
    found = measures.ablate(perfect, KEY, heads="each", value=value)

    np.testing.assert_allclose(found.values, [[20, 0], [20, 0]], atol=1e-5)
    assert set(found.members()) == {Head(0, 0), Head(1, 0)}
    assert found.quantity == "drop of the logit difference"


@pytest.mark.parametrize("value", ["zero", "mean", "resample"])
@pytest.mark.parametrize("prompts", [KEY, RepeatedTokens()], ids=["pairs", "repeated"])
def test_an_idle_head_does_no_harm_at_all(perfect, prompts, value):
    found = measures.ablate(perfect, prompts, heads=["L0H1", "L1H1"], value=value)

    assert float(found) == 0
    assert not found.profiles["ablate"].any()


@pytest.mark.parametrize(("value", "mlps"), [("zero", []), ("mean", [0]), ("resample", [])])
def test_each_head_is_that_head_by_itself(subject, value, mlps):
    model, pairs, _, _ = subject

    every = measures.ablate(model, pairs, heads="each", mlps=mlps, value=value)

    for head, harm in every.heads().items():
        alone = measures.ablate(model, pairs, heads=[str(head)], mlps=mlps, value=value)
        assert harm == pytest.approx(float(alone), abs=1e-5)
        assert every.errors[head] == pytest.approx(float(alone.errors), abs=1e-5)
        np.testing.assert_allclose(every.raw["ablated"][:, *head], alone.raw["ablated"], atol=1e-5)
    assert every.convention["ablated"] == "each head" + (", with L0 mlp" if mlps else "")
    assert np.ptp(every.values) > 0.1


def test_passes_of_few_prompts_give_the_same_numbers(subject, monkeypatch):
    model, pairs, _, _ = subject
    options = [
        {"heads": "each", "value": "mean"},
        {"heads": ["L0H1"], "mlps": [0, 1], "value": "resample"},
        {"heads": ["L1H2"], "value": "mean", "positions": ["END"]},
    ]
    whole = [measures.ablate(model, pairs, **option) for option in options]

    # Room for the logits of three rows of nine positions.
    monkeypatch.setattr(runs, "_LOGITS_BUDGET", 3 * 9 * 4 * int(model.bridge.cfg.d_vocab))
    few = Runs(model.bridge)

    for option, expected in zip(options, whole, strict=True):
        found = measures.ablate(few, pairs, **option)
        np.testing.assert_allclose(found.raw["ablated"], expected.raw["ablated"], atol=1e-4)


def test_every_choice_is_in_the_convention(perfect):
    def convention(**options):
        return measures.ablate(perfect, KEY, heads=["L1H0"], **options).convention

    known = {
        "metric": "logit(answer) − logit(wrong answer), last position",
        "ablation": "mean over the corrupted prompts, per position and template, 1 or more",
        "positions": "all",
        "ablated": "L1H0",
    }
    assert known.items() <= convention().items()
    assert convention(value="zero")["ablation"] == "zero"
    resampled = convention(value="resample", seed=3)["ablation"]
    assert resampled == "resampled from the corrupted prompts of the template, seed 3"
    assert convention(positions=["END", -2])["positions"] == "-2, END"
    other = PromptPairs(["a c b a", "x z y u x"], ["k c b a", "l z y u x"], ["c", "z"], ["b", "y"])
    tokens = other.check(perfect.tokenizer)
    named = digest(tokens.clean)
    assert f"reference prompts {named}" in convention(reference=other)["ablation"]


def test_the_intact_and_the_ablated_behaviour_stand_beside_it(perfect):
    found = measures.ablate(perfect, KEY, heads=["L1H0"], value="zero")

    assert found.behaviour("logit_diff").value == pytest.approx(20, abs=1e-5)
    assert found.behaviour("logit_diff").vital
    assert found.behaviour("ablated_logit_diff").value == 0
    assert found.behaviour("ablated_logit_diff").judged
    assert found.behaviour("ablated_logit_diff").direction is Direction.HIGHER


NOTHING_LIKE_IT = {
    "no such template": (
        PromptPairs(["a b c d"], ["a k c d"], ["b"], ["k"], templates=["other"]),
        "no reference prompt has the 5 tokens and the template 'mine'",
    ),
    "no such length": (
        PromptPairs(["a b c"], ["a k c"], ["b"], ["k"], templates=["mine"]),
        "no reference prompt has the 5 tokens and the template 'mine'",
    ),
}
MINE = PromptPairs(["a b c a"], ["a v c a"], ["b"], ["v"], templates=["mine"])


@pytest.mark.parametrize("value", ["mean", "resample"])
@pytest.mark.parametrize(("reference", "message"), NOTHING_LIKE_IT.values(), ids=NOTHING_LIKE_IT)
def test_a_reference_without_a_prompts_template_is_refused(perfect, reference, message, value):
    with pytest.raises(PromptError, match=message):
        measures.ablate(perfect, MINE, heads=["L1H0"], value=value, reference=reference)


def test_a_prompt_is_not_resampled_from_itself(perfect):
    with pytest.raises(PromptError, match="has no other to be resampled from"):
        measures.ablate(perfect, MINE, heads=["L1H0"], value="resample", reference=MINE)


REFUSED = {
    "nothing": ({}, "there is nothing to ablate: name heads or mlps"),
    "an unknown layer": ({"heads": ["L2H0"]}, "has no head L2H0: its last one is L1H1"),
    "an unknown head": ({"heads": ["L0H0", "1.2"]}, "has no head L1H2: its last one is L1H1"),
    "no label": ({"heads": ["head 3"]}, "'head 3' is no head label"),
    "a label alone": ({"heads": "L0H0"}, "heads is a list of labels such as L5H1, not 'L0H0'"),
    "an MLP": ({"mlps": [0]}, "has no MLP of layer 0: it has none"),
    "a value": ({"heads": ["L0H0"], "value": "median"}, "value is zero, mean, resample, not 'medi"),
    "positions": ({"heads": ["L0H0"], "positions": "each"}, "at all positions, or at those of a"),
    "a metric": ({"heads": ["L0H0"], "metric": "loss"}, "'loss' is no metric"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_ablated_is_refused(perfect, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        measures.ablate(perfect, KEY, **options)


@pytest.mark.parametrize("layer", [-1, 2])
def test_an_mlp_of_no_layer_is_refused(made, layer):
    model, pairs, _ = made["llama"]
    with pytest.raises(ValueError, match=f"MLP of layer {layer}: its last one is that of layer 1"):
        measures.ablate(model, pairs, mlps=[layer])


@pytest.mark.parametrize(
    "options", [{"reference": KEY}, {"positions": ["END"]}, {"metric": "kl"}], ids=str
)
def test_repeated_tokens_leave_no_such_choice(perfect, options):
    with pytest.raises(ValueError, match="repeated tokens are ablated at all positions"):
        measures.ablate(perfect, RepeatedTokens(), heads=["L1H0"], **options)


def hooks_on(bridge):
    points = {id(point): point for point in bridge.hook_dict.values()}  # some have two names
    return sum(len(point.fwd_hooks) for point in points.values())


def test_heads_and_mlps_say_nothing_while_they_are_ablated(made):
    model, pairs, _ = made["llama"]
    bridge = model.bridge
    tokens = torch.tensor(pairs.check(model.tokenizer).clean[:2])
    with torch.no_grad():
        before = bridge(tokens, return_type="logits")

    with measures.ablated(bridge, heads=["L0H1", "1.3"], mlps=[1]):
        _, cache = bridge.run_with_cache(tokens)
        for layer, silent in enumerate([[1], [3]]):
            said = cache[f"blocks.{layer}.attn.hook_z"].abs().amax(dim=(0, 1, 3))
            assert [head for head in range(4) if said[head] == 0] == silent
            assert bool(cache[f"blocks.{layer}.hook_mlp_out"].any()) is (layer == 0)

    assert hooks_on(bridge) == 0
    with torch.no_grad():
        assert torch.equal(bridge(tokens, return_type="logits"), before)


def test_they_speak_again_when_a_test_fails_meanwhile(perfect):
    def fail():
        with measures.ablated(perfect, heads=["L1H0"]):
            assert hooks_on(perfect) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert hooks_on(perfect) == 0


def test_they_speak_again_when_the_hooks_were_reset_meanwhile(perfect):
    with measures.ablated(perfect, heads=["L1H0"]) as silent:
        perfect.reset_hooks()
        assert float(measures.logit_diff(silent, KEY)) == pytest.approx(20, abs=1e-5)

    assert hooks_on(perfect) == 0


def test_any_measure_can_be_made_without_them(perfect):
    prompts = RepeatedTokens(block=4)
    runs = Runs(perfect)

    with measures.ablated(runs, heads=["L0H0"]) as silent:
        without_previous = measures.induction_scores(silent, prompts)
    with measures.ablated(runs, heads=["L1H0"]):
        without_copy = measures.induction_scores(runs, prompts)
    whole = measures.induction_scores(runs, prompts)

    # Not told what came before, L1H0 rests on <bos>. What it looks at is not what it writes.
    assert [without_previous.values[1, 0], without_copy.values[1, 0]] == [0, 1]
    for found in (without_previous, without_copy):
        assert found.behaviour("repeat_loss").value == pytest.approx(math.log(40), abs=1e-5)
        assert found.provenance["hooked"] == "by the test"
    assert whole.values[1, 0] == 1
    assert whole.behaviour("repeat_loss").value < 1e-6


def test_nothing_that_was_measured_meanwhile_is_remembered_after(perfect):
    runs = Runs(perfect)
    before = measures.logit_diff(runs, KEY)

    with measures.ablated(runs, heads=["L1H0"]):
        assert float(measures.logit_diff(runs, KEY)) == 0
    with measures.ablated(runs, heads=["L0H1"]):
        assert float(measures.logit_diff(runs, KEY)) == float(before)
    passes = runs.passes

    assert float(measures.logit_diff(runs, KEY)) == float(before)
    assert runs.passes == passes


def test_ablations_add_up(perfect):
    runs = Runs(perfect)

    with measures.ablated(runs, heads=["L1H1"]):
        with measures.ablated(runs, heads=["L1H0"]):
            nothing_left = measures.ablate(runs, KEY, heads=["L0H0"], value="zero")
        again = measures.ablate(runs, KEY, heads=["L0H0"], value="zero")

    assert (float(nothing_left), nothing_left.behaviour("logit_diff").value) == (0, 0)
    assert float(again) == pytest.approx(20, abs=1e-5)
    assert hooks_on(perfect) == 0


@pytest.mark.parametrize("options", [{"heads": ["L2H0"]}, {"mlps": [0]}], ids=str)
def test_what_is_not_there_can_not_be_silenced(perfect, options):
    with (
        pytest.raises(ValueError, match=r"this \w+ has no"),
        measures.ablated(perfect, **options),
    ):
        raise AssertionError
    assert hooks_on(perfect) == 0


def test_a_sequence_is_no_reference_of_its_own(perfect):
    # With its own first block to stand in for it, one sequence would lose nothing.
    found = measures.ablate(perfect, RepeatedTokens(batch=1), heads=["L1H0"])

    assert float(found) == pytest.approx(LOST, abs=1e-4)


@pytest.mark.filterwarnings("default")
def test_a_mean_over_one_prompt_is_warned_of(perfect):
    with pytest.warns(PromptWarning, match="has one reference of its template and length"):
        found = measures.ablate(perfect, KEY, heads=["L1H0"])
    assert found.convention["ablation"].endswith("per position and template, 1 or more")


@pytest.mark.filterwarnings("ignore::pytest_circuits.prompts.PromptWarning")
def test_other_templates_of_the_reference_are_another_convention(subject):
    model, _, pairs, _ = subject
    prompts = pairs.clean, pairs.corrupted, pairs.answers, pairs.wrong_answers
    names = [*pairs.templates]

    def convention(templates):
        reference = PromptPairs(*prompts, templates=templates, clusters=pairs.clusters)
        own = PromptPairs(*prompts, templates=templates)
        return measures.ablate(model, own, heads=["L1H0"], reference=reference).convention

    assert convention(names) == convention([f"{name}!" for name in names])
    assert convention(names) != convention([f"{name}{n}" for n, name in enumerate(names)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": "L1H0"}, "heads is a list of labels such as L5H1, not 'L1H0'"),
        ({"heads": ["head 5"]}, "'head 5' is no head label"),
        ({"heads": ["L1H0"], "value": "zero", "reference": KEY}, "zeros need no reference"),
    ],
    ids=["a text", "no label", "a reference of zeros"],
)
def test_slips_of_the_hand_are_told(perfect, options, message):
    with pytest.raises(ChoiceError, match=message):
        measures.ablate(perfect, KEY, **options)


def test_heads_are_taken_as_findings_give_them(perfect):
    heads = list(measures.induction_scores(perfect, RepeatedTokens(batch=2)).members())
    assert measures.ablate(perfect, KEY, heads=heads).equals(
        measures.ablate(perfect, KEY, heads=["L1H0"])
    )


def test_ablation_of_nothing_and_of_all_by_itself_change_nothing(subject):
    model, pairs, *_ = subject
    tokens = pairs.check(model.tokenizer)
    nothing, whole = nodes(model), every_node(model)
    read = Reading(lambda logits, rows: read_difference(logits, rows, tokens))
    intact = measures.logit_diff(model, pairs).profiles["logit_diff"]

    def run(replacement, *sets):
        return run_ablated(model, tokens.clean, replacement, sets=sets, read=read, intact=intact).T

    itself = recorded(model, tokens.clean, tokens.clean)
    # What can be nothing else is not run; what nobody looked at is, and says the same.
    unknown = replace(itself, since=None)
    for replacement in (itself, unknown):
        before = model.replayed
        for found in run(replacement, nothing, whole):
            np.testing.assert_allclose(found, intact, atol=1e-5)
        assert (model.replayed > before) is (replacement is unknown)
    (unchanged,) = run(ZERO, nothing)
    np.testing.assert_array_equal(unchanged, intact)
    (emptied,) = run(ZERO, whole)
    assert np.abs(emptied - intact).max() > 0.1
