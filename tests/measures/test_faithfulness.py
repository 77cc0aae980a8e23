from __future__ import annotations

import random
import re

import numpy as np
import pytest
import torch
from measures.families import FAMILIES, hooked, random_model
from measures.plain_ablation import (
    EVERY_HEAD,
    EVERY_MLP,
    difference,
    divergence,
    logits_saying,
    mean_said,
    nothing_said,
    probability,
    said_on,
)
from zoo.plain import Plain

from pytest_circuits import Circuit, measures, paired_differences
from pytest_circuits.findings import Direction, Head, Null
from pytest_circuits.forward import Runs
from pytest_circuits.prompts import PromptError, PromptPairs
from pytest_circuits.testing import COPIED_LOGIT, WORDS, perfect_induction_model

#: Few prompts, each alone with its length, so that what they are replaced with follows from it.
pytestmark = pytest.mark.filterwarnings("ignore:a prompt has one reference")


#: "b" follows "a" in the perfect model, where L0H0 is told what came before and L1H0 copies; on the
#: corrupted prompts nothing is found. Each pair is alone with its length.
KEY = PromptPairs(["a b c a", "x y z u x"], ["k b c a", "l y z u x"], ["b", "y"], ["c", "z"])
#: Of random models on which every gap is clear.
SEED = 7
WHOLE = Circuit(["L0H0", "L1H0"])
VALUES = ["mean", "zero", "resample"]


@pytest.fixture(scope="module")
def redundant():
    """The perfect model with L1H1 doing what L1H0 does: both copy the same token."""
    bridge = perfect_induction_model()
    weights = {
        name.replace("_original_component.", ""): weight
        for name, weight in bridge.original_model.named_parameters()
    }
    size = bridge.cfg.d_head
    for part in "qkv":
        weight = weights[f"layers.1.attn.{part}.weight"]
        weight[size:] = weight[:size]
    weight = weights["layers.1.attn.o.weight"]
    weight[:, size:] = weight[:, :size]
    return bridge


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def subject(request):
    """Runs, pairs of two lengths and templates, and the model without hooks."""
    family = FAMILIES[request.param]
    model = random_model(family, seed=SEED)
    plain = Plain(family, model)
    return Runs(hooked(model)), pairs_for(plain), plain


def pairs_for(plain, seed=0, *, probable=False):
    """Random words; answers are what the model says most because of what is ablated, and least.

    Most by logits, or by probability.
    """
    stream = random.Random(seed)
    lengths, tokenizer = (8, 6) * 4, plain.tokenizer
    texts = [stream.sample(WORDS, length + 1) for length in lengths]
    others = [[*text[:2], text[-1], *text[3:-1]] for text in texts]
    texts = [text[:-1] for text in texts]
    clean, corrupted = (
        [tokenizer.encode(" ".join(text)) for text in group] for group in (texts, others)
    )
    answers, wrong = [], []
    for prompt, other in zip(clean, corrupted, strict=True):
        like = mean_said(plain, [one for one in corrupted if len(one) == len(prompt)])
        zeros = nothing_said(plain, prompt)
        without = [logits_saying(plain, prompt, s, EVERY_HEAD, EVERY_MLP) for s in (like, zeros)]
        without.append(logits_saying(plain, other, {}))
        every = torch.stack([logits_saying(plain, prompt, {}), *without])[:, -1]
        if probable:
            every = every.softmax(-1)
        most = every[0] - every[1:].mean(0)
        order = 1 + most[1:].argsort()  # never <bos>
        answers.append(tokenizer.convert_ids_to_tokens(int(order[-1])))
        wrong.append(tokenizer.convert_ids_to_tokens(int(order[0])))
    return PromptPairs(
        [" ".join(text) for text in texts],
        [" ".join(text) for text in others],
        answers,
        wrong,
        templates=["long", "short"] * 4,
        positions={"changed": [" ".join(text[:3]) for text in texts]},
    )


class Loop:
    """Circuits in a plain model: everything but some of it is ablated, one prompt at a time."""

    def __init__(self, subject, value="zero", *, denoising=False, positions=None):
        model, pairs, self.plain = subject
        self.tokens = pairs.check(model.tokenizer)
        self.denoising, self.positions = denoising, positions
        self.said = [self._said(prompt, value) for prompt in self.tokens.clean]
        self._found = {}

    def _said(self, prompt, value):
        if self.denoising:
            return said_on(self.plain, tuple(prompt))
        if value == "zero":
            return nothing_said(self.plain, prompt)
        like = [other for other in self.tokens.corrupted if len(other) == len(prompt)]
        return mean_said(self.plain, like)

    def logits(self, row, heads, mlps):
        """With these heads and MLPs kept, on each prompt."""
        prompts = self.tokens.corrupted if self.denoising else self.tokens.clean
        prompt, where = prompts[row], self.positions
        if where is not None:
            where = [at % len(prompt) for at in where]
        if not self.denoising:  # what is not kept is ablated
            heads = [head for head in EVERY_HEAD if head not in heads]
            mlps = [layer for layer in EVERY_MLP if layer not in mlps]
        return logits_saying(self.plain, prompt, self.said[row], heads, mlps, positions=where)

    def metric(self, heads, mlps, metric="logit_diff"):
        """``[prompt]``."""
        key = (metric, tuple(sorted(heads)), tuple(mlps))
        if key not in self._found:
            self._found[key] = self._metric(heads, mlps, metric)
        return self._found[key]

    def _metric(self, heads, mlps, metric):
        found = []
        for row, prompt in enumerate(self.tokens.clean):
            logits = self.logits(row, heads, mlps)
            if metric == "kl":
                clean = logits_saying(self.plain, prompt, {})
                found.append(divergence(clean, logits))
            else:
                read = difference if metric == "logit_diff" else probability
                found.append(read(self.tokens, row, logits))
        return np.array(found)

    def fraction(self, heads, mlps, metric="logit_diff"):
        """f, and the metric of the circuit, the whole model, and nothing."""
        kept = (heads, mlps), (EVERY_HEAD, EVERY_MLP), ((), ())
        own, whole, empty = (self.metric(*one, metric) for one in kept)
        f = (own.mean() - empty.mean()) / (whole.mean() - empty.mean())
        return f, own, whole, empty


HEADS = ["L0H1", "L0H3", "L1H0", "L1H2"]
MLPS = {"every MLP": "all", "no MLP": [], "an MLP": [1]}


def kept_of(mlps):
    return [Head.parse(head) for head in HEADS], EVERY_MLP if mlps == "all" else mlps


def assert_fraction(found, expected, atol=2e-4):
    """It is that fraction, of those metrics of each prompt."""
    f, own, whole, empty = expected
    np.testing.assert_allclose(found.raw["circuit"], own, atol=atol)
    np.testing.assert_allclose(found.raw["whole"], whole, atol=atol)
    np.testing.assert_allclose(found.raw["empty"], empty, atol=atol)
    assert float(found) == pytest.approx(f, abs=atol)


@pytest.mark.parametrize("mlps", MLPS.values(), ids=MLPS)
@pytest.mark.parametrize(
    ("value", "direction"), [("zero", "noising"), ("mean", "noising"), ("mean", "denoising")]
)
def test_it_is_a_loop_over_a_plain_model(subject, mlps, value, direction):
    model, pairs, _ = subject
    loop = Loop(subject, value, denoising=direction == "denoising")

    found = measures.faithfulness(
        model, pairs, Circuit(HEADS, mlps), value=value, direction=direction
    )

    expected = loop.fraction(*kept_of(mlps))
    assert_fraction(found, expected)
    names = ["circuit_logit_diff", "whole_logit_diff", "empty_logit_diff"]
    for name, samples in zip(names, expected[1:], strict=True):
        assert found.behaviour(name).value == pytest.approx(samples.mean(), abs=2e-4)
    gap = found.behaviour("whole_model_gap")
    assert gap.value == pytest.approx((expected[2] - expected[3]).mean(), abs=2e-4)
    assert abs(gap.value) > 0.5


@pytest.mark.parametrize("metric", ["probability", "kl"])
@pytest.mark.parametrize("direction", ["noising", "denoising"])
def test_other_metrics_are_loops_too(subject, metric, direction):
    model, _, plain = subject
    pairs = pairs_for(plain, probable=True)
    loop = Loop((model, pairs, plain), denoising=direction == "denoising")

    found = measures.faithfulness(
        model, pairs, Circuit(HEADS, [1]), value="zero", direction=direction, metric=metric
    )

    expected = loop.fraction(*kept_of([1]), metric)
    _, _, whole, empty = expected
    assert_fraction(found, expected)
    sign = -1 if metric == "kl" else 1
    assert found.behaviour("whole_model_gap").value == pytest.approx(
        sign * (whole - empty).mean(), abs=1e-5
    )


@pytest.mark.parametrize("direction", ["noising", "denoising"])
def test_some_positions_are_loops_too(subject, direction):
    model, pairs, _ = subject
    loop = Loop(subject, "mean", denoising=direction == "denoising", positions=[3, -1])

    found = measures.faithfulness(
        model, pairs, Circuit(HEADS, [1]), direction=direction, positions=["changed", "END"]
    )

    assert_fraction(found, loop.fraction(*kept_of([1])))
    assert found.convention["positions"] == "changed, END"


def test_without_the_circuit_is_its_complement(subject):
    model, pairs, _ = subject
    others = [head for head in EVERY_HEAD if str(Head(*head)) not in HEADS]

    found = measures.faithfulness(model, pairs, Circuit(HEADS, [1]), ablated="circuit")
    complement = measures.faithfulness(
        model, pairs, Circuit([str(Head(*head)) for head in others], [0])
    )

    assert_fraction(found, Loop(subject, "mean").fraction(others, [0]))
    assert float(found) == pytest.approx(float(complement), abs=1e-6)
    assert (found.direction, complement.direction) == (Direction.LOWER, Direction.HIGHER)
    assert found.quantity == "left without the circuit"


def test_a_reference_may_be_given(subject):
    model, pairs, plain = subject
    reference = pairs_for(plain, seed=1)
    others = reference.check(model.tokenizer).clean
    tokens = pairs.check(model.tokenizer)

    found = measures.faithfulness(model, pairs, Circuit(HEADS, [1]), reference=reference)

    for row, prompt in enumerate(tokens.clean):
        said = mean_said(plain, [one for one in others if len(one) == len(prompt)])
        logits = logits_saying(plain, prompt, said, EVERY_HEAD, EVERY_MLP)
        assert found.raw["empty"][row] == pytest.approx(difference(tokens, row, logits), abs=1e-4)
    with pytest.raises(PromptError, match="no reference prompt has the 9 tokens"):
        measures.faithfulness(model, pairs, WHOLE, reference=KEY)


@pytest.mark.parametrize(
    ("value", "direction"), [*((value, "noising") for value in VALUES), ("mean", "denoising")]
)
@pytest.mark.parametrize(
    ("heads", "f"),
    [
        (["L0H0", "L1H0"], 1),
        (["L0H0", "L0H1", "L1H0", "L1H1"], 1),
        (["L0H0"], 0),
        (["L1H0"], 0),
        (["L0H1", "L1H1"], 0),
    ],
    ids=str,
)
def test_the_perfect_circuit_does_the_whole_job(perfect, heads, f, value, direction):
    found = measures.faithfulness(
        perfect, KEY, Circuit(heads), value=value, direction=direction, seed=1
    )

    if direction == "denoising" and len(heads) == 1:
        f = 1  # L1H0 says the answer again, or is told again where it is
    assert float(found) == pytest.approx(f, abs=1e-6)
    assert found.behaviour("whole_logit_diff").value == pytest.approx(COPIED_LOGIT, abs=1e-5)
    assert found.behaviour("empty_logit_diff").value == pytest.approx(0, abs=1e-5)
    assert not found.undefined


@pytest.mark.parametrize(("heads", "left"), [(["L0H0"], 0), (["L1H0"], 0), (["L0H1", "L1H1"], 1)])
def test_without_a_part_of_the_perfect_circuit_nothing_is_left(perfect, heads, left):
    found = measures.faithfulness(perfect, KEY, Circuit(heads), ablated="circuit")

    assert float(found) == pytest.approx(left, abs=1e-6)


def test_fractions_are_ratios_of_means(perfect):
    # L1H0's value is corrupted ("a v c a", −20) in five pairs, and the key ("k b c a", 0) in five:
    # with everything ablated the first say −20, or −40 less than they should, and the others 0.
    # Without L0H0's help, and with the mean of its own pair in its place, the first find "b"
    # all the same: it says "after a" at position 2 in both. So of 40 · 5 + 20 · 5 they keep 200.
    pairs = PromptPairs(
        ["a b c a"] * 10,
        ["a v c a"] * 5 + ["k b c a"] * 5,
        ["b"] * 10,
        ["v"] * 5 + ["c"] * 5,
        templates=["value"] * 5 + ["key"] * 5,
        clusters=[*"0123456789"],
    )

    found = measures.faithfulness(perfect, pairs, Circuit(["L1H0"]))

    assert float(found) == pytest.approx(200 / 300, abs=1e-6)
    np.testing.assert_allclose(found.raw["empty"], [-20] * 5 + [0] * 5, atol=1e-5)
    assert float(found.errors) > 0.05


DEAD = {
    "no gap": PromptPairs(["a b c d", "x y z u v"], ["k b c d", "l y z u v"], ["b"] * 2, ["c"] * 2),
    "an uncertain gap": PromptPairs(
        ["a b c a", "x y z u x"], ["k b c a", "l y z u x"], ["b", "z"], ["c", "y"]
    ),
}


@pytest.mark.parametrize("pairs", DEAD.values(), ids=DEAD)
@pytest.mark.parametrize("measure", ["faithfulness", "completeness", "minimality"])
def test_of_nothing_there_is_no_fraction(perfect, pairs, measure):
    options = {"null": 19} if measure == "faithfulness" else {"subsets": 2}

    found = getattr(measures, measure)(perfect, pairs, WHOLE, **options)

    assert found.undefined
    assert [b.name for b in found.gone] == ["whole_model_gap"]
    assert np.isnan(found.values).all()
    assert np.isnan(found.errors).all()
    assert found.nulls == {}
    # Or it could not be held against what was found while there was something.
    there = getattr(measures, measure)(perfect, KEY, WHOLE, **options)
    assert found.convention.keys() == there.convention.keys()


#: The choices, and which fields of the convention say so; granularity and component are fixed.
CHOICES = {
    "value": ({"value": "zero"}, {"ablation"}),
    "positions": ({"positions": ["END"]}, {"positions"}),
    "direction": ({"direction": "denoising"}, {"direction", "ablation"}),
    "set": ({"ablated": "circuit"}, {"set"}),
}


def test_all_six_choices_are_in_the_convention(perfect):
    def convention(**options):
        return measures.faithfulness(perfect, KEY, WHOLE, **options).convention

    usual = convention()

    known = {
        "metric": "logit(answer) − logit(wrong answer), last position",
        "circuit": "L0H0, L1H0",
        "granularity": "heads and MLPs",
        "component": "nodes",
        "ablation": "mean over the corrupted prompts, per position and template, 1 or more",
        "positions": "all",
        "direction": "noising",
        "set": "complement is ablated",
    }
    assert known.items() <= usual.items()
    for options, fields in CHOICES.values():
        other = convention(**options)
        assert {field for field in known if usual[field] != other[field]} == fields
    assert "resampled" in convention(value="resample")["ablation"]


def test_denoising_leaves_the_value_no_say(perfect):
    conventions = [
        measures.faithfulness(perfect, KEY, WHOLE, direction="denoising", value=value).convention
        for value in VALUES
    ]

    assert conventions[0] == conventions[1] == conventions[2]
    assert conventions[0]["ablation"] == "clean run of the same prompt"


def test_which_mlps_are_kept_is_said(subject):
    model, pairs, _ = subject
    said = {
        str(mlps): measures.faithfulness(model, pairs, Circuit(["L1H0"], mlps)).convention
        for mlps in ("all", [], [1, 0])
    }

    assert [convention["circuit"] for convention in said.values()] == [
        "L1H0, every mlp", "L1H0", "L1H0, every mlp"
    ]  # fmt: skip


@pytest.mark.parametrize("ablated", ["complement", "circuit"])
def test_random_circuits_are_drawn_by_layer(perfect, ablated):
    # A random circuit has one head of each layer: one in four is the perfect one.
    null, seed = 20, 5
    stream = random.Random(f"circuit {seed}")
    drawn = [(int(stream.random() * 2), int(stream.random() * 2)) for _ in range(null)]
    # Without the circuit nothing is left, and neither is without one of its two heads.
    f = [one == (0, 0) if ablated == "complement" else one == (1, 1) for one in drawn]
    assert 0 < sum(f) < null

    found = measures.faithfulness(perfect, KEY, WHOLE, ablated=ablated, null=null, seed=seed)

    as_good = sum(f) if ablated == "complement" else null - sum(f)
    (one,) = found.nulls.values()
    assert one.mean == pytest.approx(sum(f) / null, abs=1e-6)
    assert one.p == pytest.approx((1 + as_good) / (1 + null), abs=1e-9)
    assert found.convention["null"] == "20 random circuits, seed 5"


def test_there_is_no_null_unless_it_is_asked_for(perfect):
    found = measures.faithfulness(perfect, KEY, WHOLE)

    assert found.nulls == {}
    assert "null" not in found.convention


def test_an_unfaithful_circuit_is_as_good_as_any(perfect):
    found = measures.faithfulness(perfect, KEY, Circuit(["L0H1", "L1H1"]), null=19)

    assert found.nulls["faithfulness"].p == 1
    assert not Null(0, found.nulls["faithfulness"].p).rejected


GROUPS = Circuit({"previous": ["L0H0"], "copies": ["L1H0"]}, name="copying")


def test_a_backup_outside_the_circuit_makes_it_incomplete(redundant):
    # L1H0 and its double write 20 each. Whole: 40. Without "copies" the circuit says nothing and
    # the model, which has the double, 20 of 40. Without "previous" neither finds anything.
    found = measures.completeness(redundant, KEY, GROUPS, subsets=0)

    assert found.labels == {"subset": ("copies", "previous")}
    np.testing.assert_allclose(found.values, [0.5, 0], atol=1e-6)
    assert found.behaviour("whole_logit_diff").value == pytest.approx(2 * COPIED_LOGIT, abs=1e-5)
    assert found.direction is Direction.LOWER


def test_a_backup_that_steps_in_is_all_the_difference(redundant):
    # At 20 or 40 logits the answer is certain, so that the circuit does all by itself; and all of
    # it without "copies" is done by the double, which is no part of it.
    def f(measure, circuit, **options):
        return measure(redundant, KEY, circuit, metric="probability", value="zero", **options)

    assert float(f(measures.faithfulness, WHOLE)) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(
        f(measures.completeness, GROUPS, subsets=0).values, [1, 0], atol=1e-6
    )
    whole = Circuit({"previous": ["L0H0"], "copies": ["L1H0"], "double": ["L1H1"]})
    np.testing.assert_allclose(f(measures.completeness, whole, subsets=0).values, 0, atol=1e-6)


def test_the_perfect_circuit_is_complete(perfect):
    found = measures.completeness(perfect, KEY, WHOLE, subsets=6)

    np.testing.assert_allclose(found.values, np.zeros(6), atol=1e-6)


def test_heads_that_are_needed_only_without_each_other_are_told(redundant):
    # Either of the copying heads is needed beside the part that the other one is.
    circuit = Circuit({"previous": ["L0H0"], "copies": ["L1H0"], "double": ["L1H1"]})

    by_probability, by_logits = (
        measures.minimality(redundant, KEY, circuit, subsets=0, metric=metric, value="zero")
        for metric in ("probability", "logit_diff")
    )

    assert by_probability.labels == {"node": ("L0H0", "L1H0", "L1H1")}
    np.testing.assert_allclose(by_probability.values, [1, 1, 1], atol=1e-6)
    beside = by_probability.provenance["largest beside"]
    assert beside["L1H0"] == "double"
    assert beside["L1H1"] == "copies"
    # In logits each adds its half, beside anything; without L0H0 there is nothing to add.
    np.testing.assert_allclose(by_logits.values, [1, 0.5, 0.5], atol=1e-6)


def test_an_idle_head_adds_nothing(perfect):
    found = measures.minimality(perfect, KEY, Circuit(["L0H0", "L0H1", "L1H0", "L1H1"]), subsets=8)

    np.testing.assert_allclose(found.values, [1, 0, 1, 0], atol=1e-6)
    assert found.cells()["L1H1"] == pytest.approx(0, abs=1e-6)
    assert found.direction is Direction.HIGHER


def subsets_of(found):
    """The heads and MLPs of every subset, as the convention says them."""
    return {
        name: [] if text == "nothing" else text.split(", ")
        for name, text in found.convention["subsets"].items()
    }


def kept_without(nodes, part):
    left = [node for node in nodes if node not in part]
    heads = [Head.parse(node) for node in left if "mlp" not in node]
    return heads, [int(node[1]) for node in left if "mlp" in node]


CIRCUIT = Circuit({"early": ["L0H1", "L0H3"], "late": ["L1H0", "L1H2"]}, mlps=[1])
EVERYTHING = [*(str(Head(*head)) for head in EVERY_HEAD), *(f"L{n} mlp" for n in EVERY_MLP)]
OWN = [*(str(head) for head in CIRCUIT.heads), "L1 mlp"]


def test_completeness_is_a_loop_over_a_plain_model(subject):
    model, pairs, _ = subject
    loop = Loop(subject, "mean")

    found = measures.completeness(model, pairs, CIRCUIT, subsets=3, seed=2)

    expected = [
        abs(
            loop.fraction(*kept_without(OWN, part))[0]
            - loop.fraction(*kept_without(EVERYTHING, part))[0]
        )
        for part in subsets_of(found).values()
    ]
    names = ("early", "late", "random 0", "random 1", "random 2")
    assert found.labels == {"subset": names}
    np.testing.assert_allclose(found.values, expected, atol=1e-4 * max(1, *expected))
    assert max(expected) > 0.05
    assert (found.errors > 0).all()


def test_minimality_is_a_loop_over_a_plain_model(subject):
    model, pairs, _ = subject
    loop = Loop(subject, "mean")

    found = measures.minimality(model, pairs, CIRCUIT, subsets=1, seed=2)

    parts = {"nothing": [], **subsets_of(found)}

    def f(part):
        return loop.fraction(*kept_without(OWN, part))[0]

    assert found.labels == {"node": tuple(OWN)}
    for node, value in zip(OWN, found.values, strict=True):
        adds = {name: abs(f(set(part) - {node}) - f({*part, node})) for name, part in parts.items()}
        assert value == pytest.approx(max(adds.values()), abs=2e-4)
        best = found.provenance["largest beside"][node]
        assert adds[best] == pytest.approx(value, abs=2e-4)


@pytest.mark.parametrize("measure", [measures.completeness, measures.minimality])
def test_subsets_are_told_and_drawn_alike_again(perfect, measure):
    def found(seed, subsets=5):
        return measure(Runs(perfect), KEY, GROUPS, subsets=subsets, seed=seed)

    one, same, other = found(1), found(1), found(2)

    np.testing.assert_array_equal(one.values, same.values)
    np.testing.assert_array_equal(one.errors, same.errors)
    assert one.convention == same.convention != other.convention
    named = subsets_of(one)
    assert list(named)[-5:] == [f"random {number}" for number in range(5)]
    assert {"previous": ["L0H0"], "copies": ["L1H0"]}.items() <= named.items()
    assert len({tuple(part) for part in named.values()}) > 2
    # More of them are the same ones first.
    more = subsets_of(found(1, subsets=7))
    assert named.items() <= more.items()


@pytest.mark.parametrize("measure", [measures.completeness, measures.minimality])
def test_half_of_the_circuit_is_in_a_random_subset(perfect, measure):
    parts = subsets_of(measure(perfect, KEY, WHOLE, subsets=60))

    share = np.mean([[head in part for head in ("L0H0", "L1H0")] for part in parts.values()])
    assert share == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("measure", [measures.completeness, measures.minimality])
@pytest.mark.parametrize(
    ("subsets", "message"),
    [
        (0, "circuit names no groups: ask for random subsets"),
        (-1, "subsets is a whole number from 0 on, not -1"),
    ],
)
def test_there_must_be_something_to_leave_out(perfect, measure, subsets, message):
    with pytest.raises(ValueError, match=message):
        measure(perfect, KEY, WHOLE, subsets=subsets)


REFUSED = {
    "a direction": ({"direction": "backwards"}, "direction is noising or denoising, not 'backw"),
    "a set": ({"ablated": "both"}, "ablated is complement or circuit, not 'both'"),
    "a value": ({"value": "median"}, "value is zero, mean, resample, not 'median'"),
    "a value that has no say": ({"value": "median", "direction": "denoising"}, "not 'median'"),
    "a metric": ({"metric": "loss"}, "'loss' is no metric"),
    "positions": ({"positions": "each"}, "at all positions, or at those of a list"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_an_unknown_choice_is_refused(perfect, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        measures.faithfulness(perfect, KEY, WHOLE, **options)


@pytest.mark.parametrize(
    ("circuit", "message"),
    [
        (Circuit(["L5H1"]), "has no head L5H1"),
        (Circuit(["L0H0"], mlps=[0]), "has no MLP of layer 0: it has none"),
    ],
)
@pytest.mark.parametrize("measure", ["faithfulness", "completeness", "minimality"])
def test_a_circuit_of_another_model_is_refused(perfect, circuit, message, measure):
    with pytest.raises(ValueError, match=message):
        getattr(measures, measure)(perfect, KEY, circuit)


def test_a_circuit_leaves_the_model_as_it_was(perfect):
    tokens = torch.tensor([[0, 1, 2, 3, 1]])
    with torch.no_grad():
        before = perfect(tokens, return_type="logits")

    measures.completeness(perfect, KEY, GROUPS, subsets=2)

    with torch.no_grad():
        assert torch.equal(perfect(tokens, return_type="logits"), before)


def test_two_circuits_findings_are_compared_prompt_by_prompt(subject):
    model, pairs, _ = subject
    found = measures.faithfulness(model, pairs, Circuit(HEADS))
    change = paired_differences(found, found)["faithfulness"]
    gap = found.behaviour("whole_model_gap").profile
    np.testing.assert_allclose(found.profiles["faithfulness"].mean() / gap.mean(), found.values)
    assert (change.mean, change.error) == (0, 0)


def test_a_single_named_group_is_left_out_as_a_whole(perfect):
    found = measures.completeness(perfect, KEY, Circuit({"all": ["L0H0", "L1H0"]}), subsets=1)
    assert found.labels == {"subset": ("all", "random 0")}


@pytest.mark.parametrize(
    ("circuit", "message"),
    [
        (Circuit({"random 0": ["L0H0"], "rest": ["L1H0"]}), "has a group 'random 0'"),
        (Circuit([]), "circuit is empty in this model, which has no MLPs"),
        (["L1H0"], "circuit is a Circuit, not list"),
    ],
    ids=["a group called as a random one", "empty", "a list"],
)
def test_circuits_that_leave_nothing_to_say_are_refused(perfect, circuit, message):
    with pytest.raises(ValueError, match=message):
        measures.completeness(perfect, KEY, circuit)


@pytest.mark.parametrize("null", [1, 18])
def test_so_few_random_circuits_tell_nothing(perfect, null):
    with pytest.raises(ValueError, match=f"or 19 and more; with {null}, none could be told"):
        measures.faithfulness(perfect, KEY, WHOLE, null=null)
