"""Models that measures are held against, and prompts that suit them."""

from __future__ import annotations

import random

import pytest
import torch

from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import PromptPairs
from pytest_circuits.testing import perfect_induction_model, tiny_checkpoint

MODELS = ["recall", "llama", "gpt2"]


@pytest.fixture(scope="session")
def perfect():
    return perfect_induction_model()


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folders of the tiny checkpoints, for loading them without the package."""
    root = tmp_path_factory.mktemp("tiny")
    return {name: tiny_checkpoint(root / name, name) for name in ("llama", "gpt2")}


@pytest.fixture(scope="session")
def bridges(folders):
    """A trained model and two random ones, by name: all between them has MLPs, norms and biases."""
    sources = {"recall": "bundled:recall", **{name: str(path) for name, path in folders.items()}}
    return {name: load(parse_source(text), device="cpu").bridge for name, text in sources.items()}


@pytest.fixture(params=MODELS)
def named(request, bridges):
    """Each model in turn, with its name."""
    return request.param, bridges[request.param]


@pytest.fixture
def bridge(named):
    """Each model in turn."""
    return named[1]


@pytest.fixture(scope="session")
def telling_pairs():
    return _telling_pairs


def _telling_pairs(bridge, lengths=(8,) * 6, seed=0) -> PromptPairs:
    """Random words, one of them changed; answers are what that change moves most, up and down.

    So every pair has a gap that heads can restore, whatever the model does.
    """
    stream = random.Random(seed)
    tokenizer = bridge.tokenizer
    words = [
        w for w, i in sorted(tokenizer.get_vocab().items()) if i not in tokenizer.all_special_ids
    ]
    clean, corrupted, answers, wrong = [], [], [], []
    for length in lengths:
        text = stream.sample(words, length)
        other = [*text[:2], stream.choice([w for w in words if w not in text]), *text[3:]]
        # The last word stands where the changed one stood before: something to look back for.
        text, other = [*text[:-1], text[1]], [*other[:-1], text[1]]
        with torch.no_grad():
            after, before = (
                bridge(torch.tensor([tokenizer.encode(" ".join(t))]), return_type="logits")[0, -1]
                for t in (text, other)
            )
        order = (after - before)[1:].argsort() + 1  # never <bos>
        clean.append(" ".join(text))
        corrupted.append(" ".join(other))
        answers.append(tokenizer.decode([int(order[-1])]))
        wrong.append(tokenizer.decode([int(order[0])]))
    return PromptPairs(clean, corrupted, answers, wrong)
