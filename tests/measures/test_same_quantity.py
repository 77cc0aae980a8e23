"""What is asked in other words is the same quantity where the numbers are, and only there."""

import dataclasses
import warnings

import numpy as np
import pytest
from measured import PAIRS, REPEATED

from pytest_circuits import Circuit, PromptPairs, measures, paired_differences
from pytest_circuits.baselines import Baseline
from pytest_circuits.findings import PairingError
from pytest_circuits.forward import Runs
from pytest_circuits.history.changes import same_quantity
from pytest_circuits.prompts import PromptWarning
from pytest_circuits.verdicts import default_tolerance
from pytest_circuits.verdicts.judging import differences

FIELDS = ("clean", "corrupted", "answers", "wrong_answers")


def pairs(base=PAIRS, **changes):
    """The pairs with other texts, clusters, templates or positions."""
    given = {"clusters": base.clusters, "templates": base.templates, "positions": base.positions}
    return PromptPairs(**{f: getattr(base, f) for f in FIELDS} | given | changes)


#: Of one length, so that END is an index.
EVEN = PromptPairs(
    ["a b c a", "x y z x", "d e f d"],
    ["k b c a", "l y z x", "k e f d"],
    ["b", "y", "e"],
    ["c", "z", "f"],
    positions={"S1": ["a", "x", "d"], "IO": ["a b", "x y", "d e"]},
    templates=["one", "one", "two"],
)
OTHER_CORRUPTED = pairs(EVEN, corrupted=["a b c k", "x y z k", "d e f k"])
STRIPE = np.eye(5, k=-1)
HEADS = {"previous": ["L0H0"], "copies": ["L1H0"]}


@pytest.fixture(scope="module")
def perfect_runs(perfect):
    return Runs(perfect)


@pytest.fixture(scope="module")
def llama_runs(bridges):
    return Runs(bridges["llama"])


@pytest.fixture(autouse=True)
def _single_references():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptWarning)
        yield


def patch(**options):
    return lambda m, p=EVEN: measures.patch(m, p, **options)


ONE_TEMPLATE = pairs(EVEN, templates=["one"] * 3)


def ablate(**options):
    options = {"heads": ["L1H0"], "value": "resample", **options}
    return lambda m, p=ONE_TEMPLATE: measures.ablate(m, p, **options)


def faithful(circuit, **options):
    return lambda m: measures.faithfulness(m, EVEN, circuit, **options)


SAME = {
    "order of positions": (
        patch(positions=["END", "IO", 0]),
        patch(positions=[0, "IO", "END"]),
    ),
    "END, -1 and its index": (
        patch(site="resid_pre", positions=["IO", "END"]),
        patch(site="resid_pre", positions=["IO", -1]),
    ),
    "a name and its index": (
        patch(site="resid_pre", positions=["IO", "END"]),
        patch(site="resid_pre", positions=[2, np.int64(4)]),
    ),
    "each position and all of them listed": (
        patch(positions="each"),
        patch(positions=["END", 3, "IO", "S1", 0]),
    ),
    "order of ablated positions": (ablate(positions=["END", 1]), ablate(positions=[1, "END"])),
    "all positions and all of them listed": (ablate(), ablate(positions=range(5))),
    "order of copied tokens": (
        lambda m: measures.copying_scores(m, EVEN, at=["IO", "S1"]),
        lambda m: measures.copying_scores(m, EVEN, at=[1, 2]),
    ),
    "names of query and key": (
        lambda m: measures.attention_between(m, EVEN, key="IO"),
        lambda m: measures.attention_between(m, EVEN, query=-1, key=2),
    ),
    "name of a mask": (
        lambda m: measures.attention_scores(m, EVEN, mask=STRIPE, name="one back"),
        lambda m: measures.attention_scores(m, EVEN, mask=[STRIPE] * 3, name="previous"),
    ),
    "name of a mask on repeated tokens": (
        lambda m: measures.attention_scores(m, REPEATED, mask=np.eye(13, k=-1), name="one back"),
        lambda m: measures.attention_scores(m, REPEATED, mask=np.eye(13, k=-1), name="previous"),
    ),
    "order of ablated heads": (
        ablate(heads=["L0H0", "1.0"], value="zero"),
        ablate(heads=[(1, 0), (0, 0)], value="zero"),
    ),
    "corrupted prompts under zeros": (
        ablate(value="zero"),
        lambda m: ablate(value="zero")(m, OTHER_CORRUPTED),
    ),
    "corrupted prompts beside a reference": (
        ablate(reference=EVEN),
        lambda m: ablate(reference=EVEN)(m, pairs(OTHER_CORRUPTED, templates=["one"] * 3)),
    ),
    "names of templates": (
        lambda m: ablate(value="mean")(m, EVEN),
        lambda m: ablate(value="mean")(m, pairs(EVEN, templates=["A", "A", "B"])),
    ),
    "names of clusters": (
        lambda m: measures.logit_diff(m, pairs(clusters=["a", "a", "b"])),
        lambda m: measures.logit_diff(m, pairs(clusters=["x", "x", "a"])),
    ),
    "groups of a circuit": (
        faithful(Circuit(HEADS, mlps=[])),
        faithful(Circuit(["L1H0", "0.0"], name="other")),
    ),
    "order of groups": (
        lambda m: measures.completeness(m, EVEN, Circuit(HEADS), subsets=2),
        lambda m: measures.completeness(
            m, EVEN, Circuit({"copies": [(1, 0)], "previous": [[0, 0]]}), subsets=2
        ),
    ),
    "order of groups beside which a head is needed": (
        lambda m: measures.minimality(m, EVEN, Circuit(HEADS), subsets=2),
        lambda m: measures.minimality(m, EVEN, Circuit(dict(reversed(HEADS.items()))), subsets=2),
    ),
    **{
        f"corrupted prompts of {measure.__name__}": (
            lambda m, measure=measure, options=options: measure(m, EVEN, **options),
            lambda m, measure=measure, options=options: measure(m, OTHER_CORRUPTED, **options),
        )
        for measure, options in (
            (measures.logit_diff, {}),
            (measures.accuracy, {}),
            (measures.top_k_accuracy, {}),
            (measures.answer_probability, {}),
            (measures.head_attribution, {}),
            (measures.component_attribution, {}),
            (measures.logit_lens, {}),
            (measures.copying_scores, {}),
            (measures.attention_between, {"key": "IO"}),
            (measures.attention_scores, {"mask": STRIPE, "name": "last"}),
        )
    },
}


@pytest.mark.parametrize("case", SAME)
def test_other_words_for_the_same_numbers_are_the_same_quantity(perfect_runs, case):
    one, other = (ask(perfect_runs) for ask in SAME[case])

    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.errors, other.errors)
    assert differences(one, other) == []
    assert differences(other, one) == []
    assert one.equals(other)
    assert same_quantity(*(Baseline("", each, default_tolerance(each)) for each in (one, other)))
    if not one.axes:
        assert paired_differences(one, other)[one.measure].mean == 0


def test_every_mlp_is_all_of_them_however_it_is_written(llama_runs, telling_pairs):
    given = telling_pairs(llama_runs.bridge)
    every = measures.faithfulness(llama_runs, given, Circuit(["L0H0"], mlps="all"))
    listed = measures.faithfulness(llama_runs, given, Circuit(["L0H0"], mlps=[np.int64(1), 0]))
    fewer = measures.faithfulness(llama_runs, given, Circuit(["L0H0"], mlps=[0]))

    assert differences(listed, every) == []
    assert every.convention["circuit"] == "L0H0, every mlp"
    assert [each.subject for each in differences(fewer, every)] == ["convention.circuit"]
    # As parts that are left out, MLPs count only where they are named.
    parts = [
        measures.completeness(llama_runs, given, Circuit(["L0H0"], mlps=mlps), subsets=3)
        for mlps in ("all", [0, 1])
    ]
    assert [each.subject for each in differences(*parts)] == ["convention.subsets"]


DIFFERENT = {
    "other positions": (
        patch(site="resid_pre", positions=["IO", "END"]),
        patch(site="resid_pre", positions=["S1", "END"]),
        ["convention.positions"],
    ),
    "a name that stands for another token": (
        lambda m: measures.attention_between(m, EVEN, key="IO"),
        lambda m: measures.attention_between(
            m, pairs(EVEN, positions={"IO": EVEN.positions["S1"]}), key="IO"
        ),
        ["convention.indices"],
    ),
    "another mask of the same name": (
        lambda m: measures.attention_scores(m, EVEN, mask=STRIPE, name="back"),
        lambda m: measures.attention_scores(m, EVEN, mask=np.eye(5, k=-2), name="back"),
        ["convention.mask"],
    ),
    "all positions and some": (
        ablate(),
        ablate(positions=["END"]),
        ["convention.positions"],
    ),
    "other corrupted prompts": (
        patch(),
        lambda m: patch()(m, OTHER_CORRUPTED),
        ["prompts.corrupted_texts", "prompts.corrupted_tokens"],
    ),
    "other corrupted prompts as reference": (
        lambda m: ablate(value="mean")(m, EVEN),
        lambda m: ablate(value="mean")(m, OTHER_CORRUPTED),
        ["prompts.corrupted_texts", "prompts.corrupted_tokens"],
    ),
    "a corrupted prompt that is run": (
        faithful(Circuit(HEADS), direction="denoising"),
        lambda m: measures.faithfulness(m, OTHER_CORRUPTED, Circuit(HEADS), direction="denoising"),
        ["prompts.corrupted_texts", "prompts.corrupted_tokens"],
    ),
    "other clean prompts": (
        lambda m: measures.logit_diff(m, EVEN),
        lambda m: measures.logit_diff(m, pairs(EVEN, clean=["a b d a", *EVEN.clean[1:]])),
        ["prompts.texts", "prompts.tokens"],
    ),
    "other clusters": (
        lambda m: measures.logit_diff(m, EVEN),
        lambda m: measures.logit_diff(m, pairs(EVEN, clusters=["a", "a", "b"])),
        ["prompts.texts"],
    ),
    "other templates": (
        lambda m: ablate(value="mean")(m, EVEN),
        lambda m: ablate(value="mean")(m, pairs(EVEN, templates=["one", "two", "two"])),
        ["convention.templates"],
    ),
    "another draw": (
        lambda m: measures.completeness(m, EVEN, Circuit(HEADS), subsets=2),
        lambda m: measures.completeness(m, EVEN, Circuit(HEADS), subsets=2, seed=3),
        ["convention.subsets"],
    ),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_the_same_words_for_other_numbers_are_another_quantity(perfect_runs, case):
    *asked, fields = DIFFERENT[case]
    one, other = (ask(perfect_runs) for ask in asked)

    subjects = [reason.subject for reason in differences(one, other)]
    assert [name for name in subjects if name != "convention.ablation"] == fields
    assert not one.equals(other)
    assert not same_quantity(
        *(Baseline("", each, default_tolerance(each)) for each in (one, other))
    )
    with pytest.raises(PairingError, match=fields[0].replace(".", r"\.")):
        paired_differences(one, other)


def test_a_model_without_some_heads_is_measured_as_that_in_a_notebook_too(perfect):
    whole = measures.logit_diff(perfect, EVEN)
    runs = Runs(perfect)
    with measures.ablated(runs, heads=["L1H0"]) as silent:
        alone = measures.logit_diff(silent, EVEN)
        with measures.ablated(silent, heads=["L0H0"]) as both:
            together = measures.logit_diff(both, EVEN)
    with (
        measures.ablated(runs, heads=["L0H0"]) as silent,
        measures.ablated(silent, heads=["L1H0"]) as both,
    ):
        turned = measures.logit_diff(both, EVEN)

    assert alone.convention["without"] == "L1H0"
    assert [reason.subject for reason in differences(alone, whole)] == ["convention.without"]
    assert differences(turned, together) == []
    assert measures.logit_diff(runs, EVEN).equals(whole)


def test_words_dropped_from_a_vocabulary_are_no_part_of_what_was_measured(perfect_runs):
    one = measures.logit_diff(perfect_runs, EVEN)
    other = dataclasses.replace(one, prompts={**one.prompts, "dropped": ["zebra"]})
    assert differences(other, one) == []
