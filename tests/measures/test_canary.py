from __future__ import annotations

import math

import pytest
import torch

from pytest_circuits import measures
from pytest_circuits.findings import InvalidFindingError
from pytest_circuits.forward import Runs, runs
from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import RepeatedTokens
from pytest_circuits.prompts.sequences import TEXT
from pytest_circuits.testing import tiny_checkpoint

IN_A_TEST = """
from pathlib import Path

import pytest
from pytest_circuits import PromptPairs, measures

PAIRS = PromptPairs(["a apple bear bell a"], ["a bird bear bell a"], ["apple"], ["bird"])

@pytest.mark.parametrize("measure", ["induction_scores", "repeat_loss"])
def test_heads(circuits, circuit_model, measure):
    found = getattr(circuits, measure)()

    assert found.canary == measures.canary(circuit_model)
    assert circuits.findings == [found]

def test_pairs(circuits, circuit_model):
    canary = measures.canary(circuit_model)
    assert circuits.logit_diff(PAIRS).canary == canary
    assert circuits.patch(PAIRS).canary == canary

def test_with_hooks(circuits, circuit_model):
    plain = circuits.repeat_loss().canary
    twice = [("unembed.hook_out", lambda logits, **_: 2 * logits)]

    with circuit_model.hooks(fwd_hooks=twice):
        inside = circuits.repeat_loss().canary

    assert inside.tokens == plain.tokens
    assert inside.loss > plain.loss + 0.01
    assert circuits.repeat_loss().canary == plain
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A random model whose tokenizer knows the text, and whose context holds some of it."""
    folder = tmp_path_factory.mktemp("reader")
    tiny_checkpoint(folder, words=["a", *dict.fromkeys(w for w in TEXT.split() if w != "a")])
    return load(parse_source(str(folder)), device="cpu").bridge


@pytest.fixture
def recall():
    """A model of the test's own: it may change it."""
    return load(parse_source("bundled:recall"), device="cpu").bridge


def mean_loss(bridge, tokens):
    with torch.no_grad():
        logits = bridge(tokens, return_type="logits").double()
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def test_the_canary_is_the_loss_on_the_text_as_far_as_it_fits(reader):
    canary = measures.canary(reader)

    tokens = torch.tensor([reader.tokenizer.encode(TEXT)[:64]])
    assert canary.kind == "text"
    assert canary.loss == pytest.approx(mean_loss(reader, tokens).item(), abs=1e-5)


def test_a_model_that_does_not_know_the_text_has_the_loss_on_drawn_tokens(recall):
    canary = measures.canary(recall)

    drawn = RepeatedTokens(block=24).draw(recall.tokenizer, context=49, vocabulary=65)
    tokens = torch.tensor(drawn.sequences)[:, :25]
    assert canary.kind == "drawn tokens"
    assert canary.loss == pytest.approx(mean_loss(recall, tokens).item(), abs=1e-5)


def test_a_model_that_expects_nothing_has_the_loss_of_chance(perfect):
    assert measures.canary(perfect).loss == pytest.approx(math.log(40), abs=1e-6)


def test_the_canary_is_one_pass_for_a_model(recall):
    made = Runs(recall)

    first, again = measures.canary(made), measures.canary(made)

    assert first == again
    assert made.passes == 1


def test_passes_cut_to_fit_memory_give_the_same_canary(recall, monkeypatch):
    whole = measures.canary(recall)
    # 65 float32 logits at 25 positions, and room for three such rows.
    monkeypatch.setattr(runs, "_LOGITS_BUDGET", 3 * 65 * 25 * 4)
    made = Runs(recall)

    cut = measures.canary(made)

    assert made.passes == 4
    assert cut.loss == pytest.approx(whole.loss, abs=1e-6)


def test_a_changed_model_has_another_canary_on_the_same_tokens(recall):
    made = Runs(recall)
    before = measures.canary(made)

    recall.unembed.weight.data.mul_(0.5)
    after = measures.canary(made)

    assert (after.kind, after.tokens) == (before.kind, before.tokens)
    assert after.loss != before.loss


def test_models_that_encode_the_text_otherwise_are_not_comparable(recall, perfect):
    assert measures.canary(recall).tokens != measures.canary(perfect).tokens


def test_a_model_too_small_for_any_tokens_has_no_canary(perfect, monkeypatch):
    monkeypatch.setattr(perfect.cfg, "n_ctx", 6)

    assert measures.canary(perfect) is None


def test_a_loss_that_is_not_finite_is_refused(recall):
    recall.unembed.weight.data.fill_(float("nan"))

    with pytest.raises(InvalidFindingError, match="drawn tokens"):
        measures.canary(recall)


def test_a_hook_that_leaves_no_finite_loss_leaves_no_canary(recall):
    made = Runs(recall)
    with recall.hooks(fwd_hooks=[("blocks.1.attn.hook_z", lambda z, **_: z * float("nan"))]):
        assert measures.canary(made) is None


def test_a_hook_that_cannot_take_the_tokens_leaves_no_canary(recall):
    made = Runs(recall)
    of_other_prompts = torch.zeros(3, 8, 4, 16)

    with recall.hooks(fwd_hooks=[("blocks.1.attn.hook_z", lambda z, **_: z + of_other_prompts)]):
        assert measures.canary(made) is None
    assert measures.canary(made) is not None


def test_without_a_hook_of_the_tests_own_an_error_is_not_hidden(recall, monkeypatch):
    made = Runs(recall)

    def out_of_memory(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(made, "forward", out_of_memory)

    with pytest.raises(RuntimeError, match="out of memory"):
        measures.canary(made)


def test_a_measure_by_itself_has_no_canary(perfect):
    assert measures.induction_scores(perfect).canary is None


def test_every_measure_of_a_test_has_the_canary_of_its_model(suite):
    suite.write("test_canary.py", IN_A_TEST)

    suite.run("--circuits").assert_outcomes(passed=4)
