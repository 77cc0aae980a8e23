"""The measures on every family of models, held against loops over plain Hugging Face models."""

import numpy as np
import pytest
import torch
from measures.families import FAMILIES, HEADS, LAYERS, Plain, hooked, random_model

from pytest_circuits import measures
from pytest_circuits.measures.attribution import decompose
from pytest_circuits.runs import Runs

#: Two lengths of prompts, both longer than a window.
LENGTHS = (6,) * 4 + (8,) * 4
#: Deviation from the plain model, as a share of the largest effect.
EXACT = 1e-4


class Case:
    """A random model, hooked and plain, and pairs on which it does something."""

    def __init__(self, name, seed, telling_pairs):
        family = FAMILIES[name]
        model = random_model(family, seed)
        self.plain = Plain(family, model)
        self.runs = Runs(hooked(model))
        self.pairs = telling_pairs(self.runs.bridge, lengths=LENGTHS, seed=seed)
        self.tokens = self.pairs.check(self.runs.tokenizer)

    def difference(self, logits, row):
        """logit(answer) − logit(wrong answer)."""
        return float(logits[self.tokens.answers[row]] - logits[self.tokens.wrong_answers[row]])


@pytest.fixture(scope="module")
def cases():
    return {}


@pytest.fixture(params=range(3), ids=lambda seed: f"seed {seed}")
def case(request, name, cases, telling_pairs):
    key = (name, request.param)
    if key not in cases:
        cases[key] = Case(*key, telling_pairs)
    return cases[key]


pytestmark = pytest.mark.parametrize("name", FAMILIES)


def deviation(found, expected):
    """The largest one, as a share of the largest value that is expected; NaN if any is."""
    found, expected = np.asarray(found), np.asarray(expected)
    return np.abs(found - expected).max() / np.abs(expected).max()


def test_the_prompts_move_it_and_some_head_looks_somewhere(case):
    gap = measures.patch(case.runs, case.pairs).behaviour("logit_diff_gap").value
    tokens = torch.tensor([case.tokens.clean[-1]])
    with torch.no_grad():
        _, cache = case.runs.bridge.run_with_cache(tokens)
    looks = [cache[f"blocks.{layer}.attn.hook_pattern"] for layer in range(LAYERS)]
    assert gap >= 1
    assert max(float(pattern[:, :, 1:].max()) for pattern in looks) > 0.5


def test_its_logits_are_those_of_the_plain_model(case):
    differences = []
    for row, tokens in enumerate(case.tokens.clean):
        plain = case.plain.logits(tokens)
        assert deviation(case.runs.forward(torch.tensor([tokens]))[0], plain) <= EXACT
        differences.append(case.difference(plain[-1], row))

    found = measures.logit_diff(case.runs, case.pairs).profiles["logit_diff"]
    assert deviation(found, differences) <= EXACT


def test_patching_is_a_loop_over_the_plain_model(case):
    patched = np.zeros((len(case.pairs), LAYERS, HEADS))
    clean, corrupted = np.zeros(len(case.pairs)), np.zeros(len(case.pairs))
    for row in range(len(case.pairs)):
        good, bad = case.tokens.clean[row], case.tokens.corrupted[row]
        clean[row] = case.difference(case.plain.logits(good)[-1], row)
        corrupted[row] = case.difference(case.plain.logits(bad)[-1], row)
        for layer, source in enumerate(case.plain.mixed(good)):
            for head in range(HEADS):
                logits = case.plain.patched(bad, source, layer, head)
                patched[row, layer, head] = case.difference(logits, row)
    expected = (patched.mean(0) - corrupted.mean()) / (clean.mean() - corrupted.mean())

    assert deviation(measures.patch(case.runs, case.pairs).values, expected) <= EXACT


def test_attribution_is_what_heads_write_through_frozen_norms_of_the_plain_model(case):
    expected = [
        case.plain.attributed(tokens, answer, wrong).numpy()
        for tokens, answer, wrong in zip(
            case.tokens.clean, case.tokens.answers, case.tokens.wrong_answers, strict=True
        )
    ]

    found = measures.head_attribution(case.runs, case.pairs).values
    assert deviation(found, np.mean(expected, axis=0)) <= EXACT


def test_a_final_soft_cap_comes_after_what_is_attributed(name, case):
    differences = measures.logit_diff(case.runs, case.pairs).profiles["logit_diff"]
    before = decompose(case.runs, case.tokens).total.numpy()
    changed = np.abs(before - differences).mean() / np.abs(before).mean()
    if name == "gemma2":
        assert changed >= 0.1
    else:
        assert changed <= EXACT
