from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pytest_circuits import measures, prompts
from pytest_circuits.findings import Head, InvalidFindingError
from pytest_circuits.forward import Runs
from pytest_circuits.prompts import PromptError, PromptPairs
from pytest_circuits.testing import COPIED_LOGIT

#: Where "a" came before, what followed it (which is the answer), and what is tokenized there.
KEY = PromptPairs(
    ["a b c a", "x y z u x"],
    ["k b c a", "l y z u x"],
    ["b", "y"],
    ["c", "z"],
    positions={"S1": ["a", "x"], "IO": ["a b", "x y"]},
)


@pytest.fixture
def some_pairs(bridge, telling_pairs):
    """Of two lengths, with named positions."""
    told = telling_pairs(bridge, lengths=(8, 6, 8, 6, 8, 6))
    return PromptPairs(
        told.clean,
        told.corrupted,
        told.answers,
        told.wrong_answers,
        clusters=["one", "one", "two", "two", "three", "three"],
        positions={"changed": [" ".join(text.split()[:3]) for text in told.clean]},
    )


def patterns(bridge, prompt):
    """Attention ``[layer, head, query, key]`` on a prompt, as transformer-lens caches it."""
    _, cache = bridge.run_with_cache(torch.tensor([list(prompt)]))
    layers = range(bridge.cfg.n_layers)
    return torch.stack([cache[f"blocks.{n}.attn.hook_pattern"][0] for n in layers]).double()


def test_the_induction_head_looks_from_the_end_to_what_followed(perfect):
    found = measures.attention_between(perfect, KEY, key="IO")

    # Heads that look everywhere give each of 5 or of 6 tokens the same; L0H0 looks at the token
    # before the last.
    alike = (1 / 5 + 1 / 6) / 2
    np.testing.assert_allclose(found.values, [[0, alike], [1, alike]], atol=1e-6)
    assert found.values[1, 0] == 1
    assert list(found.members()) == [Head(1, 0)]
    assert found.role.name == "END→IO heads"


@pytest.mark.parametrize(
    ("query", "key", "expected"),
    [
        ("IO", "S1", [1, 0]),  # L0H0 looks one back; L1H0 finds nothing and rests on <bos>
        ("S1", 0, [1, 1]),
        ("END", "S1", [0, 0]),
        ("END", -2, [1, 0]),
        (-1, 2, [0, 1]),
        ("END", "END", [0, 0]),
    ],
)
def test_positions_have_names_and_numbers(perfect, query, key, expected):
    found = measures.attention_between(perfect, KEY, query=query, key=key)

    np.testing.assert_allclose(found.values[:, 0], expected, atol=1e-6)
    assert found.convention["score"] == "A[query, key]"
    assert found.convention["positions"] == f"{query} → {key}"


def test_what_is_between_is_read_off_cached_patterns(bridge, some_pairs):
    tokens = some_pairs.check(bridge.tokenizer)
    expected = np.array(
        [patterns(bridge, p)[:, :, len(p) - 2, 3].numpy() for p in tokens.clean]
    )  # [prompt, layer, head]

    found = measures.attention_between(bridge, some_pairs, query=-2, key="changed")

    np.testing.assert_allclose(found.raw["attention"], expected, atol=1e-6)
    np.testing.assert_allclose(found.values, expected.mean(0), atol=1e-6)
    by_cluster = expected.reshape(3, 2, *expected.shape[1:]).mean(1)
    errors = by_cluster.std(axis=0, ddof=1) / math.sqrt(3)
    np.testing.assert_allclose(found.errors, errors, atol=1e-6)
    assert (found.samples, found.clusters) == (6, 3)
    for label, profile in found.profiles.items():
        np.testing.assert_allclose(profile, expected[:, *Head.parse(label)], atol=1e-6)
    near = {str(head) for head, value in found.heads().items() if value >= 0.2}
    assert set(found.profiles) == near


@pytest.mark.parametrize(
    ("query", "key", "message"),
    [
        ("S1", "IO", "pair 0: IO stands behind S1 .at 2 and 1., and no head looks ahead"),
        (1, "END", "pair 0: END stands behind 1"),
        ("S2", "IO", "name no position 'S2'; they name S1, IO, END"),
        ("END", 5, "there is no position 5 in a prompt of 5 tokens"),
        (-6, 0, "there is no position -6 in a prompt of 5 tokens"),
    ],
)
def test_a_look_that_no_head_can_take_is_refused(perfect, query, key, message):
    with pytest.raises(PromptError, match=message):
        measures.attention_between(perfect, KEY, query=query, key=key)


def test_attention_stands_beside_what_it_serves(perfect):
    found = measures.attention_between(perfect, KEY, key="IO")

    assert found.behaviour("logit_diff").value == pytest.approx(COPIED_LOGIT, abs=1e-5)
    assert found.behaviour("logit_diff").vital
    assert found.behaviour("accuracy").value == 1


def masks_of(tokens, seed=0):
    """Random cells of each prompt's pattern, none of which looks ahead."""
    stream = np.random.default_rng(seed)
    return [np.tril(stream.random((len(p), len(p))) < 0.3) | np.eye(len(p), dtype=bool)
            for p in tokens.clean]  # fmt: skip


KINDS = {
    "arrays": lambda masks: masks,
    "numbers": lambda masks: [mask.astype(int) for mask in masks],
    "tensors": lambda masks: [torch.tensor(mask) for mask in masks],
    "lists": lambda masks: [mask.tolist() for mask in masks],
}


def test_a_mask_of_each_prompt_is_averaged_over(bridge, some_pairs):
    tokens = some_pairs.check(bridge.tokenizer)
    masks = masks_of(tokens)
    expected = []
    for prompt, mask in zip(tokens.clean, masks, strict=True):
        pattern = patterns(bridge, prompt)
        cells = [pattern[:, :, q, k].numpy() for q, k in zip(*np.nonzero(mask), strict=True)]
        expected.append(np.mean(cells, axis=0))
    runs = Runs(bridge)

    for kind, made in KINDS.items():
        found = measures.attention_scores(runs, some_pairs, mask=made(masks), name="mine")

        np.testing.assert_allclose(found.raw["attention"], expected, atol=1e-6, err_msg=kind)
        np.testing.assert_allclose(found.values, np.mean(expected, axis=0), atol=1e-6)
        assert found.role.name == "mine heads"


@pytest.mark.parametrize("kind", [np.array, torch.tensor, list], ids=["array", "tensor", "list"])
def test_one_mask_is_that_of_all_prompts_of_one_length(perfect, kind):
    pairs = PromptPairs(["a b c a", "d e f d"], ["k b c a", "k e f d"], ["b", "e"], ["c", "f"])
    mask = [[0] * 5 for _ in range(5)]
    mask[4][2] = mask[4][3] = 1

    found = measures.attention_scores(perfect, pairs, mask=kind(mask), name="mine")

    # L0H0 looks from 4 at 3, L1H0 at 2: half of the mask's cells.
    np.testing.assert_allclose(found.values, [[0.5, 0.2], [0.5, 0.2]], atol=1e-6)


def test_a_mask_of_one_cell_is_attention_between(bridge, some_pairs):
    tokens = some_pairs.check(bridge.tokenizer)
    masks = []
    for prompt in tokens.clean:
        masks.append(np.zeros((len(prompt), len(prompt)), bool))
        masks[-1][-1, 3] = True

    over = measures.attention_scores(bridge, some_pairs, mask=masks, name="mine")

    between = measures.attention_between(bridge, some_pairs, key="changed")
    np.testing.assert_allclose(over.values, between.values, atol=1e-7)
    np.testing.assert_allclose(over.errors, between.errors, atol=1e-7)


def test_another_mask_is_another_convention(perfect):
    pairs = PromptPairs(["a b c a"], ["k b c a"], ["b"], ["c"])

    def convention(kind, row, column):
        mask = np.zeros((5, 5), kind)
        mask[row, column] = 1
        return measures.attention_scores(perfect, pairs, mask=mask, name="mine").convention

    assert convention(bool, 4, 2) == convention(float, 4, 2) != convention(bool, 4, 3)
    assert convention(bool, 4, 2)["score"] == "mean of A over the mask"
    assert convention(bool, 4, 2)["name"] == "mine"


LOWER = np.tril(np.ones((5, 5), bool))
WRONG = {
    "one for two lengths": (LOWER, "pair 1: a mask of 5 × 5 for a prompt of 6 tokens"),
    "too few": ([LOWER], "there are 1 masks for 2 prompts"),
    "none": ([], "there are 0 masks for 2 prompts"),
    "no rows": ([LOWER[0], LOWER[0]], "pair 0: a mask of 2 × 5 for a prompt of 5 tokens"),
    "not square": ([LOWER[:, :4], LOWER], "pair 0: a mask of 5 × 4 for a prompt of 5 tokens"),
    "numbers": ([1, 1], "pair 0: a mask of nothing for a prompt of 5 tokens"),
    "looking ahead": ([LOWER.T, LOWER], "pair 0: its mask looks ahead, as no head does"),
    "looking one ahead": ([np.eye(5, k=1), LOWER], "pair 0: its mask looks ahead"),
    "empty": ([0 * LOWER, LOWER], "pair 0: its mask has no cells"),
}


@pytest.mark.parametrize(("mask", "message"), WRONG.values(), ids=WRONG)
def test_a_mask_that_does_not_fit_is_refused(perfect, mask, message):
    with pytest.raises(PromptError, match=message):
        measures.attention_scores(perfect, KEY, mask=mask, name="mine")


@pytest.mark.parametrize("measure", ["attention_between", "attention_scores"])
def test_attention_that_is_not_finite_is_told_in_our_words(perfect, measure):
    def broken(pattern, **_):
        return pattern.clone().fill_(float("nan")) if pattern.shape[-1] == 6 else pattern

    options = {"key": "IO"}
    if measure == "attention_scores":
        options = {"mask": [LOWER, np.tril(np.ones((6, 6), bool))], "name": "mine"}
    with (
        perfect.hooks(fwd_hooks=[("blocks.0.attn.hook_pattern", broken)]),
        pytest.raises(InvalidFindingError, match=f"{measure}: the model gives numbers that are"),
    ):
        getattr(measures, measure)(perfect, KEY, **options)


def test_a_mask_on_repeated_tokens_is_the_score_that_it_draws(perfect):
    repeated = prompts.repeated_tokens(batch=5, block=6)
    size = 1 + 2 * 6
    stripe = torch.zeros(size, size, dtype=torch.bool)
    for query in range(7, size):
        stripe[query, query - 5] = True

    found = measures.attention_scores(perfect, repeated, mask=stripe, name="stripe")

    expected = measures.induction_scores(perfect, repeated)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-12)
    assert [b.name for b in found.companion] == [b.name for b in expected.companion]
    assert dict(found.prompts) == dict(expected.prompts)
