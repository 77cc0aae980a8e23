from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from pytest_circuits import measures
from pytest_circuits.findings import InvalidFindingError
from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import PromptError, PromptPairs, RepeatedTokens, ioi
from pytest_circuits.testing import COPIED_LOGIT


def by_prompt(found):
    return found.profiles["logit_diff"]


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_it_is_the_difference_of_a_plain_models_logits(bridges, folders, telling_pairs, name):
    pairs = telling_pairs(bridges[name])
    plain = AutoModelForCausalLM.from_pretrained(folders[name], attn_implementation="eager").eval()
    tokens = pairs.check(bridges[name].tokenizer)

    found = measures.logit_diff(bridges[name], pairs)

    with torch.no_grad():
        logits = plain(torch.tensor(tokens.clean)).logits[:, -1]
    rows = range(len(pairs))
    expected = (logits[rows, tokens.answers] - logits[rows, tokens.wrong_answers]).numpy()
    np.testing.assert_allclose(by_prompt(found), expected, atol=2e-5)
    assert float(found) == pytest.approx(expected.mean(), abs=2e-5)
    assert found.errors == pytest.approx(expected.std(ddof=1) / math.sqrt(len(pairs)), abs=2e-5)
    assert found.behaviour("accuracy").value == pytest.approx((expected > 0).mean())


def test_a_known_model_has_a_known_difference(perfect):
    pairs = PromptPairs(
        ["a b c a", "a b c a", "a b c d"], ["b a c a"] * 3, ["b", "c", "b"], ["c", "b", "c"]
    )

    found = measures.logit_diff(perfect, pairs)

    np.testing.assert_allclose(by_prompt(found), [COPIED_LOGIT, -COPIED_LOGIT, 0], atol=1e-5)
    # 0 is not right: one of three.
    assert found.behaviour("accuracy").value == pytest.approx(1 / 3)


def test_accuracy_has_its_exact_interval(perfect):
    columns = ["a b c a"] * 5, ["b a c a"] * 5, ["b"] * 5, ["c"] * 5
    pairs = PromptPairs(*columns, clusters=[*"01234"])

    accuracy = measures.logit_diff(perfect, pairs).behaviour("accuracy")

    # Clopper–Pearson for 5 of 5: the lower bound p solves p⁵ = 0.025.
    assert accuracy.value == 1
    assert accuracy.interval == pytest.approx((0.025 ** (1 / 5), 1), abs=1e-6)


def test_its_interval_counts_clusters(perfect):
    columns = [["a b c a"] * 6, ["b a c a"] * 6, ["b"] * 6, ["c"] * 6]
    pairs = PromptPairs(*columns, clusters=["one", "one", "two", "two", "three", "three"])

    accuracy = measures.accuracy(perfect, pairs).behaviour("accuracy")

    assert accuracy.clusters == 3
    assert accuracy.interval == pytest.approx((0.025 ** (1 / 3), 1), abs=1e-6)


def test_mirrored_pairs_count_once(perfect):
    columns = ["a b c a", "a b k a"], ["b a c a", "b a k a"], ["b", "c"], ["c", "b"]

    alone = measures.logit_diff(perfect, PromptPairs(*columns))
    mirrored = measures.logit_diff(perfect, PromptPairs(*columns, clusters=["x", "x"]))

    assert (alone.samples, alone.clusters) == (2, 2)
    assert (mirrored.samples, mirrored.clusters) == (2, 1)
    assert float(alone.errors) == pytest.approx(COPIED_LOGIT, abs=1e-4)
    assert math.isnan(mirrored.errors)


def test_prompts_of_many_lengths_give_the_same_numbers_as_alone(bridge, telling_pairs):
    pairs = telling_pairs(bridge, lengths=(9, 5, 9, 7, 5))

    together = by_prompt(measures.logit_diff(bridge, pairs))

    for i in range(len(pairs)):
        alone = PromptPairs(
            [pairs.clean[i]], [pairs.corrupted[i]], [pairs.answers[i]], [pairs.wrong_answers[i]]
        )
        assert together[i] == pytest.approx(float(measures.logit_diff(bridge, alone)), abs=2e-5)


def test_one_pair_has_a_difference_and_no_error(perfect):
    found = measures.logit_diff(perfect, PromptPairs(["a b a"], ["b a a"], ["b"], ["c"]))

    assert float(found) == pytest.approx(COPIED_LOGIT)
    assert math.isnan(found.errors)


def test_its_prompts_are_known_by_texts_and_tokens(perfect):
    pairs = PromptPairs(["a b a"], ["b a a"], ["b"], ["c"], name="mine")

    found = measures.logit_diff(perfect, pairs)

    assert found.prompts == {
        "kind": "pairs",
        "count": 1,
        "texts": pairs.check(perfect.tokenizer).clean_texts,
        "tokens": pairs.check(perfect.tokenizer).clean_hash,
        "vocabulary": {"ids": [0, 1, 2, 3], "tokens": ["<bos>", "a", "b", "c"]},
    }
    assert found.convention == {
        "metric": "logit(answer) − logit(wrong answer), last position",
        "first_token": "<bos>",
        "attention": "eager",
    }


def test_prompts_in_words_the_model_does_not_know_are_refused(perfect):
    with pytest.raises(PromptError, match=r"leaves out 16 names .*\nToo few are left"):
        measures.logit_diff(perfect, ioi(n=2))


def test_measures_of_half_precision_are_close_to_those_of_single(folders, telling_pairs):
    source = parse_source(str(folders["llama"]))
    single, half = (load(source, dtype=dtype).bridge for dtype in ("float32", "bfloat16"))
    pairs = telling_pairs(single)

    np.testing.assert_allclose(
        by_prompt(measures.logit_diff(half, pairs)),
        by_prompt(measures.logit_diff(single, pairs)),
        atol=0.3,  # of differences up to 7
    )
    np.testing.assert_allclose(
        measures.induction_scores(half, RepeatedTokens(block=4)).values,
        measures.induction_scores(single, RepeatedTokens(block=4)).values,
        atol=0.01,
    )


@pytest.mark.parametrize("measure", [measures.logit_diff, measures.head_attribution])
def test_numbers_that_are_not_finite_are_told_before_anything_is_computed(perfect, measure):
    pairs = PromptPairs(["a b c a"], ["a v c a"], ["b"], ["v"])

    def broken(logits, **_):
        return logits.clone().fill_(float("nan"))

    message = rf"{measure.__name__}: the model gives numbers that are not finite \(logit"
    with (
        perfect.hooks(fwd_hooks=[("unembed.hook_out", broken)]),
        pytest.raises(InvalidFindingError, match=message),
    ):
        measure(perfect, pairs)
