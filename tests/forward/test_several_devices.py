"""Measures of a model that is spread over two devices, which are pretended."""

import numpy as np
import pytest
import torch
from circuit_suites import few
from forward.pretended import pretended_gpus
from measures.families import FAMILIES, random_model

from pytest_circuits.forward import Runs
from pytest_circuits.measures import (
    ablate,
    copying_scores,
    head_attribution,
    induction_scores,
    logit_diff,
    logit_lens,
    patch,
)
from pytest_circuits.measures.repeated_scores import draw_repeated
from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import PromptPairs, RepeatedTokens
from pytest_circuits.testing import word_tokenizer

CLEAN = ["a b c a d", "x y z u x", "k l m n k", "p q r s p", "e f g h e", "u t v w u"]
CORRUPTED = ["a k c a d", "x l z u x", "k b m n k", "p i r s p", "e z g h e", "u c v w u"]
REPEATED = RepeatedTokens(batch=2, block=5, seed=1)

MEASURES = {
    "induction_scores": lambda runs, _: induction_scores(runs, REPEATED),
    "logit_diff": logit_diff,
    "head_attribution": head_attribution,
    "copying_scores": lambda runs, pairs: copying_scores(runs, pairs, at=[1, 2]),
    "logit_lens": logit_lens,
    "patch resid_pre": lambda runs, pairs: patch(runs, pairs, site="resid_pre", positions="each"),
    "patch resid_mid": lambda runs, pairs: patch(runs, pairs, site="resid_mid"),
    "patch head_out": lambda runs, pairs: patch(runs, pairs, site="head_out"),
    "patch head_pattern": lambda runs, pairs: patch(runs, pairs, site="head_pattern"),
    "ablate": lambda runs, pairs: ablate(runs, pairs, heads="each", value="resample"),
}
#: The unembedding is on the last device, or tied to the embedding on the first.
SPREAD = {"llama": {"num_hidden_layers": 4}, "gpt2": {"n_layer": 4}}


class Spread:
    """A random model on the CPU, and the same over two pretended devices."""

    def __init__(self, folder, family):
        model = random_model(FAMILIES[family].but(**SPREAD[family]), 0)
        model.save_pretrained(folder)
        word_tokenizer().save_pretrained(folder)
        self.source = parse_source(str(folder))
        self.bytes = sum(weight.nbytes for weight in model.parameters())
        self.one = Runs(load(self.source, "cpu").bridge)
        self.two = Runs(load(self.source, "balanced").bridge)
        told = [self._answers(*texts) for texts in zip(CLEAN, CORRUPTED, strict=True)]
        self.pairs = PromptPairs(CLEAN, CORRUPTED, *zip(*told, strict=True))

    def _answers(self, clean, corrupted):
        """The words whose logits are moved most by what was corrupted, and so tell most of it."""
        bridge = self.one.bridge
        moved = (bridge(clean) - bridge(corrupted))[0, -1]
        return [bridge.tokenizer.decode(index) for index in (moved.argmax(), moved.argmin())]


@pytest.fixture(scope="module", params=list(SPREAD))
def spread(request, tmp_path_factory):
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        pretended_gpus(monkeypatch, free=10**9),
    ):
        # What pretends is a mode of torch, with which no passes would be shared.
        monkeypatch.setattr("pytest_circuits.forward.runs.foreign", tuple)
        made = Spread(tmp_path_factory.mktemp(request.param), request.param)
        with made.one.untouched(), made.two.untouched():
            yield made


def test_its_blocks_are_on_both_devices_each_whole(spread):
    blocks = spread.two.bridge.blocks
    devices = [{weight.device for weight in block.parameters()} for block in blocks]

    assert [len(of_block) for of_block in devices] == [1, 1, 1, 1]
    assert set().union(*devices) == {torch.device("cuda:0"), torch.device("cuda:1")}


def test_its_logits_are_those_of_the_model_on_one_device(spread):
    tokens = torch.tensor([[0, 3, 1, 4, 1, 5]])

    torch.testing.assert_close(
        spread.two.bridge(tokens.to("cuda:0")).cpu(), spread.one.bridge(tokens), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("name", few(MEASURES, 5))
def test_what_is_measured_is_that_of_the_model_on_one_device(spread, name):
    found, expected = (MEASURES[name](runs, spread.pairs) for runs in (spread.two, spread.one))

    assert np.abs(expected.values).max() > 1e-3  # or there would be nothing to see
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)


def test_what_heads_write_for_the_next_token_is_that_of_the_model_on_one_device(spread):
    found, expected = (
        draw_repeated(runs, REPEATED)[2].outputs for runs in (spread.two, spread.one)
    )

    assert np.abs(expected).max() > 1e-3  # and it is no NaN, which says that it can't be told
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_its_sweeps_are_replayed(spread):
    before = spread.two.replayed

    patch(spread.two, spread.pairs, site="head_q")

    assert spread.two.replayed > before
