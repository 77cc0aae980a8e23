from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from measures.families import VARIANTS, hooked, random_model
from transformers import AutoModelForCausalLM

from pytest_circuits import measures, prompts
from pytest_circuits.findings import Direction, InvalidFindingError
from pytest_circuits.forward import Runs
from pytest_circuits.models import ModelError
from pytest_circuits.prompts import PromptError, PromptPairs
from pytest_circuits.testing import COPIED_LOGIT, WORDS, perfect_induction_model

# The perfect model has logit 20 for what it copies and 0 for 39 other tokens, or 40 times 0.
CERTAIN = math.exp(COPIED_LOGIT) / (math.exp(COPIED_LOGIT) + 39)
#: Right, wrong, and two that can't be told (nothing is copied).
PAIRS = PromptPairs(
    ["a b c a", "a b c a", "a b c d", "a b c d"],
    ["k b c a", "k b c a", "k b c d", "k b c d"],
    ["b", "c", "b", "c"],
    ["c", "b", "c", "b"],
    clusters=["one", "one", "two", "two"],
)
BY_PROMPT = {
    "accuracy": [1, 0, 0, 0],  # a tie is not right
    "answer_probability": [CERTAIN, 1 / (math.exp(COPIED_LOGIT) + 39), 1 / 40, 1 / 40],
    "top_k_accuracy": [1, 1, 1, 1],  # no token has more logit than one of 39 or 40
}


@pytest.fixture(scope="module")
def plain(folders):
    """The checkpoints without hooks."""
    return {
        name: AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
        for name, folder in folders.items()
    }


@pytest.fixture(params=["llama", "gpt2"])
def subject(request, bridges, plain, telling_pairs):
    """A hooked model, pairs of two lengths, their tokens, and the last logits without hooks."""
    bridge = bridges[request.param]
    pairs = telling_pairs(bridge, lengths=(8, 5, 8, 6, 5, 6))
    tokens = pairs.check(bridge.tokenizer)
    with torch.no_grad():
        last = [
            plain[request.param](torch.tensor([list(prompt)])).logits[0, -1].double()
            for prompt in tokens.clean
        ]
    return bridge, pairs, tokens, last


def assert_mean_of(found, by_prompt, atol=1e-6):
    """It is the mean of these, with their standard error."""
    expected = np.array(by_prompt)
    np.testing.assert_allclose(found.profiles[found.measure], expected, atol=atol)
    assert float(found) == pytest.approx(expected.mean(), abs=atol)
    error = expected.std(ddof=1) / math.sqrt(len(expected))
    assert float(found.errors) == pytest.approx(error, abs=atol)


@pytest.mark.parametrize("name", BY_PROMPT)
def test_what_a_known_model_does_is_known(perfect, name):
    found = getattr(measures, name)(perfect, PAIRS)

    expected = np.array(BY_PROMPT[name])
    np.testing.assert_allclose(found.profiles[name], expected, atol=1e-6)
    assert float(found) == pytest.approx(expected.mean(), abs=1e-6)
    # Two clusters of two: the error of the mean of their means.
    one, two = expected[:2].mean(), expected[2:].mean()
    assert float(found.errors) == pytest.approx(abs(one - two) / 2, abs=1e-6)
    assert (found.samples, found.clusters) == (4, 2)
    assert found.direction is Direction.HIGHER
    assert found.axes == ()


@pytest.mark.parametrize("name", BY_PROMPT)
def test_the_logit_difference_stands_beside_it(perfect, name):
    found = getattr(measures, name)(perfect, PAIRS)

    assert found.behaviour("logit_diff").value == pytest.approx(0, abs=1e-6)
    assert found.behaviour("accuracy").value == 0.25
    # One of four prompts is half of one of two clusters: none of two leaves room below, and
    # Clopper–Pearson for one of two above, where p² = 0.975.
    low, high = found.behaviour("accuracy").interval
    assert low == 0
    assert high**2 == pytest.approx(0.975, abs=1e-6)


def test_accuracy_is_counted(subject):
    bridge, pairs, tokens, last = subject
    both = zip(last, tokens.answers, tokens.wrong_answers, strict=True)

    assert_mean_of(measures.accuracy(bridge, pairs), [float(x[a] > x[b]) for x, a, b in both])


def test_the_probability_is_that_of_a_softmax(subject):
    bridge, pairs, tokens, last = subject
    expected = [
        math.exp(x[a]) / sum(math.exp(y) for y in x)
        for x, a in zip(last, tokens.answers, strict=True)
    ]

    assert_mean_of(measures.answer_probability(bridge, pairs), expected)


@pytest.mark.parametrize("k", [1, 5, 39])
def test_the_top_k_are_counted(subject, k):
    bridge, pairs, tokens, last = subject
    both = list(zip(last, tokens.answers, strict=True))
    expected = [float(a in x.argsort(descending=True)[:k].tolist()) for x, a in both]

    found = measures.top_k_accuracy(bridge, pairs, k=k)

    assert_mean_of(found, expected)
    assert found.behaviour("in_top_k").value == pytest.approx(np.mean(expected))
    assert found.convention["metric"] == f"answer in the top {k}, last position"


@pytest.mark.parametrize(("k", "hits"), [(1, [1, 0, 1, 1]), (2, [1, 1, 1, 1])])
def test_a_tie_is_within_the_top_k(perfect, k, hits):
    # "c" has 0 where "b" has 20; where nothing is copied all have 0.
    found = measures.top_k_accuracy(perfect, PAIRS, k=k)

    np.testing.assert_array_equal(found.profiles["top_k_accuracy"], hits)


def test_a_top_of_nothing_is_refused(perfect):
    with pytest.raises(ValueError, match="k is a whole number from 1 on, not 0"):
        measures.top_k_accuracy(perfect, PAIRS, k=0)


def test_divergence_is_summed_over_the_vocabulary(bridges, plain, subject):
    bridge, pairs, tokens, last = subject
    other = "gpt2" if bridge is bridges["llama"] else "llama"
    expected = []
    for prompt, mine in zip(tokens.clean, last, strict=True):
        with torch.no_grad():
            theirs = plain[other](torch.tensor([list(prompt)])).logits[0, -1].double()
        p, q = theirs.softmax(-1), mine.softmax(-1)
        expected.append(sum(float(a * (a / b).log()) for a, b in zip(p, q, strict=True)))

    found = measures.kl_divergence(bridge, pairs, to=Runs(bridges[other]))

    assert_mean_of(found, expected, atol=1e-5)
    assert min(expected) > 0.1
    assert found.direction is Direction.LOWER
    assert found.unit == "nats"
    assert found.behaviour("logit_diff").value == float(measures.logit_diff(bridge, pairs))


def test_a_model_is_not_far_from_itself(subject):
    bridge, pairs, _, _ = subject

    found = measures.kl_divergence(bridge, pairs, to=bridge)

    assert float(found) == 0
    assert not found.profiles["kl_divergence"].any()


def test_divergence_has_a_direction(perfect):
    # Certain of "b", against a guess among 40.
    pairs = PromptPairs(["a b c a"], ["k b c a"], ["b"], ["c"])
    ignorant = perfect_induction_model()
    ignorant.original_model.get_submodule("head").weight.zero_()

    there = float(measures.kl_divergence(ignorant, pairs, to=perfect))
    back = float(measures.kl_divergence(perfect, pairs, to=ignorant))

    assert there == pytest.approx(math.log(40), abs=1e-5)
    # Of 40 equally likely tokens 39 have e⁻²⁰ there, and one 1.
    assert back == pytest.approx(39 / 40 * COPIED_LOGIT - math.log(40), abs=1e-4)


def test_which_other_model_it_was_is_in_the_convention(bridges, perfect):
    to_llama, to_gpt2, again = (
        measures.kl_divergence(perfect, PAIRS, to=bridges[name]).convention["other"]
        for name in ("llama", "gpt2", "llama")
    )

    assert to_llama == again != to_gpt2


def test_models_with_other_tokens_are_not_compared(perfect):
    padded = hooked(random_model(VARIANTS["llama, tied, padded"], seed=0))
    reversed_ = perfect_induction_model(WORDS[::-1])

    with pytest.raises(ModelError, match="one has 40 logits, and the other 64"):
        measures.kl_divergence(perfect, PAIRS, to=padded)
    with pytest.raises(ModelError, match="their tokenizers give the prompts other tokens"):
        measures.kl_divergence(perfect, PAIRS, to=reversed_)


TEXTS = ["a b c a b c", "x y z u", "k"]


def own_loss(model, tokenizer, text):
    """What Hugging Face says."""
    tokens = torch.tensor([tokenizer.encode(text)])
    assert tokens[0, 0] == 0  # <bos>
    with torch.no_grad():
        return float(model(tokens, labels=tokens).loss), tokens.shape[1] - 1


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("text", TEXTS)
def test_the_loss_is_the_models_own(bridges, plain, name, text):
    found = measures.text_loss(bridges[name], text)

    assert float(found) == pytest.approx(
        own_loss(plain[name], bridges[name].tokenizer, text)[0], abs=1e-5
    )
    assert math.isnan(found.errors)
    assert (found.samples, found.clusters) == (1, 1)
    assert found.direction is Direction.LOWER


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_every_token_of_several_texts_counts_the_same(bridges, plain, name):
    losses, counts = zip(
        *(own_loss(plain[name], bridges[name].tokenizer, text) for text in TEXTS), strict=True
    )

    found = measures.text_loss(bridges[name], TEXTS)

    assert counts == (6, 4, 1)
    assert float(found) == pytest.approx(np.average(losses, weights=counts), abs=1e-5)
    assert float(found) != pytest.approx(np.mean(losses), abs=1e-3)
    # What stands for a text is its sum over the mean number of tokens, its own number set right.
    sums, tokens = np.multiply(losses, counts), np.array(counts)
    expected = float(found) + (sums - float(found) * tokens) / tokens.mean()
    np.testing.assert_allclose(found.profiles["text_loss"], expected, atol=1e-5)
    assert found.profiles["text_loss"].mean() == pytest.approx(float(found))
    assert found.prompts["predicted"] == 11
    assert (found.samples, found.clusters) == (3, 3)
    assert float(found.errors) > 0


def test_the_loss_of_a_known_model_is_known(perfect):
    # Words are unknown until the first comes again: 4 guesses among 40, and "b" and "c" for sure.
    found = measures.text_loss(perfect, "a b c a b c")

    assert float(found) == pytest.approx((4 * math.log(40) - 2 * math.log(CERTAIN)) / 6, abs=1e-5)


def test_other_texts_are_other_prompts(perfect):
    one, other = (measures.text_loss(perfect, text).prompts for text in ("a b", "a c"))

    assert one["kind"] == other["kind"] == "texts"
    assert one["texts"] != other["texts"]
    assert one["tokens"] != other["tokens"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("", "text 0 has no token to predict: ''"),
        (["a b", " "], "text 1 has no token to predict: ' '"),
        ([], "there is no text"),
        (["a b", "a " * 33], "text 1 has 34 tokens, and the model's context is 33"),
        ("a blue b", "has words that this model's tokenizer doesn't know"),
    ],
)
def test_a_text_that_can_not_be_read_is_refused(perfect, texts, message):
    with pytest.raises(PromptError, match=message):
        measures.text_loss(perfect, texts)


def test_a_text_may_fill_the_context(perfect):
    words = " ".join(WORDS[:32])

    assert float(measures.text_loss(perfect, words)) == pytest.approx(math.log(40), abs=1e-5)


MEASURES = {
    "accuracy": lambda model: measures.accuracy(model, PAIRS),
    "top_k_accuracy": lambda model: measures.top_k_accuracy(model, PAIRS),
    "answer_probability": lambda model: measures.answer_probability(model, PAIRS),
    "kl_divergence": lambda model: measures.kl_divergence(model, PAIRS, to=model),
    "text_loss": lambda model: measures.text_loss(model, "a b"),
}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("tokens", [slice(None), slice(30, 31)], ids=["all", "one"])
def test_logits_that_are_not_finite_are_told(perfect, name, tokens):
    def broken(logits, **_):
        logits = logits.clone()
        logits[..., tokens] = float("nan")
        return logits

    if name == "accuracy" and tokens.start:
        return  # it looks at two tokens alone
    with (
        perfect.hooks(fwd_hooks=[("unembed.hook_out", broken)]),
        pytest.raises(InvalidFindingError, match=f"{name}: the model gives numbers that are not"),
    ):
        MEASURES[name](perfect)


def test_a_model_is_not_held_against_itself_without_its_heads(bridges):
    runs = Runs(bridges["recall"])
    pairs = prompts.repeated_phrases(n=4, length=5)
    with (
        measures.ablated(runs, heads=["L0H3"]),
        pytest.raises(ModelError, match="the other model has hooks on it"),
    ):
        measures.kl_divergence(runs, pairs, to=runs)
    assert float(measures.kl_divergence(runs, pairs, to=runs)) == 0
    assert float(measures.ablate(runs, pairs, heads=["L0H3"], metric="kl")) > 1
