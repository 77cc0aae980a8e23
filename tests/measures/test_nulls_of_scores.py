"""How often attention that knows nothing of a repetition passes for induction."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_circuits.findings import SIGNIFICANT
from pytest_circuits.findings.statistics import max_t_p
from pytest_circuits.prompts import RepeatedTokens
from pytest_circuits.prompts.sequences import compared
from pytest_circuits.testing import word_tokenizer


def attention(logits, tokens):
    """Causal attention by content: a softmax over the logits of the token pairs.

    Args:
        logits: of query token and key token, ``[head, token, token]``.
        tokens: of a sequence, ``[position]``.
    """
    numbers = np.exp(np.tril(np.ones((len(tokens), len(tokens)))) * logits[:, tokens][:, :, tokens])
    numbers = np.tril(numbers)
    return numbers / numbers.sum(axis=-1, keepdims=True)


def rejections(*, block, sharpness, offset, heads, family, batch=10, turned=True):
    """How often a head, and how often any head of a family, has more than its null.

    Args:
        block: T.
        sharpness: the standard deviation of the logits, which are drawn for every pair of tokens.
        offset: how far before the query the key stands.
        heads: how many are tried.
        family: how many are held against their nulls at once.
        batch: how many sequences.
        turned: whether the control is the turned block, or the unrelated one, over all queries.
    """
    words = ("a", *(f"w{i}" for i in range(3 * block)))
    drawn = RepeatedTokens(batch=batch, block=block).draw(word_tokenizer(words), 1000, 1000)
    count = compared(block) if turned else block
    queries = np.arange(1 + block, 1 + block + count)
    rng = np.random.default_rng(5)
    differences = []
    controls = drawn.control if turned else drawn.unrelated
    for sequence, control in zip(drawn.sequences, controls, strict=True):
        logits = rng.normal(0, sharpness, (heads, 1 + len(words), 1 + len(words)))
        repeated, other = (
            attention(logits, tokens)[:, queries, queries - offset].mean(axis=1)
            for tokens in (sequence, control)
        )
        differences.append(repeated - other)
    found = np.array(differences)
    alone = [max_t_p(found[:, [head]])[0] <= SIGNIFICANT for head in range(heads)]
    families = np.split(found, heads // family, axis=1)
    return np.mean(alone), np.mean([max_t_p(one).min() <= SIGNIFICANT for one in families])


@pytest.mark.parametrize("sharpness", [1, 4])
@pytest.mark.parametrize("what", ["induction", "duplicate"])
def test_random_attention_by_content_is_told_from_its_null_as_rarely_as_it_should(what, sharpness):
    block = 12
    alone, of_any = rejections(
        block=block,
        sharpness=sharpness,
        offset=block - (what == "induction"),
        heads=1000,
        family=10,
    )
    # 0.05 and three standard errors of so many.
    assert alone <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)
    assert of_any <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


def test_against_a_block_that_repeats_nothing_it_would_pass_for_induction():
    alone, _ = rejections(block=12, sharpness=4, offset=11, heads=1000, family=10, turned=False)
    assert alone > 0.09


@pytest.mark.nightly
@pytest.mark.parametrize("sharpness", [0.5, 1, 2, 4])
@pytest.mark.parametrize("batch", [5, 10])
@pytest.mark.parametrize("block", [3, 8, 12, 24, 50])
@pytest.mark.parametrize("what", ["induction", "duplicate"])
def test_so_it_is_for_every_block_and_batch(what, block, batch, sharpness):
    heads = 4000 if block < 24 else 400
    alone, of_any = rejections(
        block=block,
        sharpness=sharpness,
        offset=block - (what == "induction"),
        heads=heads,
        family=40,
        batch=batch,
    )
    assert alone <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / heads)
    assert of_any <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / heads * 40)
