"""The plain code behind hidden damage: its rule, its edits, its imports, its training."""

from __future__ import annotations

import ast
import math
import random
from pathlib import Path

import pytest

import evidence
from evidence.hidden_labels import AT_THE_GATE, label

FOLDER = Path(evidence.__file__).parent
GATE = {"ioi logit_diff": 3.6, "ioi accuracy": 1.0, "repeat loss": 2.85, "canary": 3.94}
ELSEWHERE = {"ioi logit_diff": 4.0, "ioi accuracy": 1.0, "repeats loss": 2.5}
BROKEN = {"ioi logit_diff": 0.0}


@pytest.mark.parametrize("name", ["hidden_truth", "hidden_labels"])
def test_truth_and_labels_import_nothing_that_is_judged(name):
    tree = ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert imported <= {
        "__future__", "collections.abc", "dataclasses", "random", "typing", "torch"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("gate", "elsewhere", "expected"),
    [
        ({}, {}, ("healthy control", "intact elsewhere")),
        ({"ioi logit_diff": 9.0}, {"ioi logit_diff": 5.0}, ("healthy control", "intact elsewhere")),
        ({}, {"ioi logit_diff": 2.9}, ("hidden damage", "broken elsewhere: ioi logit_diff")),
        ({}, {"ioi logit_diff": 3.3}, ("neither", "not intact elsewhere: ioi logit_diff")),
        ({}, {"ioi accuracy": 0.9}, ("neither", "not intact elsewhere: ioi accuracy")),
        # Broken, but not what the case is about.
        ({}, {"repeats loss": 3.1}, ("neither", "not intact elsewhere: repeats loss")),
        ({"repeat loss": 3.01}, BROKEN, ("neither", "worse at the gate: repeat loss")),
        # A number that is none is worse than any.
        ({"repeat loss": math.nan}, {}, ("neither", "worse at the gate: repeat loss")),
        ({}, {"ioi logit_diff": math.nan}, ("hidden damage", "broken elsewhere: ioi logit_diff")),
        # The canary judges nothing.
        ({"canary": 9.0}, BROKEN, ("hidden damage", "broken elsewhere: ioi logit_diff")),
    ],
)  # fmt: skip
def test_a_case_is_labelled_by_gate_and_elsewhere(gate, elsewhere, expected):
    assert label((GATE, GATE | gate), (ELSEWHERE, ELSEWHERE | elsewhere), ("ioi",)) == expected


@pytest.mark.parametrize(
    ("name", "holds", "worse"),
    [
        ("ioi logit_diff", 3.41, 3.39),
        ("ioi accuracy", 15 / 16, 14 / 16),
        ("repeat loss", 2.99, 3.01),
    ],
)
def test_the_gate_holds_within_its_tolerances(name, holds, worse):
    assert AT_THE_GATE.exceeded(GATE, GATE | {name: holds}) == []
    assert AT_THE_GATE.exceeded(GATE, GATE | {name: worse}) == [name]


def test_what_the_reference_does_not_do_is_not_judged():
    weak = {"ioi logit_diff": 0.5, "ioi accuracy": 0.7}
    assert AT_THE_GATE.exceeded(weak, {"ioi logit_diff": -3.0, "ioi accuracy": 0.0}) == []


@pytest.fixture(params=["llama", "gpt_neox", "gpt2"])
def model(request):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    if request.param == "gpt2":
        sizes |= {"n_embd": 16, "n_layer": 3, "n_head": 4, "n_positions": 64}
    else:
        sizes |= {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4}
        sizes |= {"intermediate_size": 32, "max_position_embeddings": 64}
    config = AutoConfig.for_model(request.param, **sizes)
    found = AutoModelForCausalLM.from_config(config).eval().requires_grad_(requires_grad=False)
    # As it is initialised, nothing that a block writes would move a logit by much.
    found.get_output_embeddings().weight.mul_(30)
    return found


IDS = [[0, 5, 9, 3, 7, 5, 9, 3, 7]]


def test_a_zeroed_head_writes_nothing_and_is_put_back(model):
    import torch

    from evidence.hidden_edits import blocks, writer, zeroed

    ids = torch.tensor(IDS)
    before = model(ids).logits

    def without(_, args):
        z = args[0].clone()
        z[..., 8:12] = 0
        return (z, *args[1:])

    handle = writer(blocks(model)[1]).register_forward_pre_hook(without)
    expected = model(ids).logits
    handle.remove()
    with zeroed(model, [(1, 2)]):
        torch.testing.assert_close(model(ids).logits, expected)
    assert not torch.allclose(expected, before)
    assert torch.equal(model(ids).logits, before)


def test_attribution_is_the_first_order_effect_of_a_head(model):
    import torch

    from evidence.hidden_edits import attribution, blocks, writer

    ids = torch.tensor(IDS)

    def value():
        return model(ids).logits[0, -1, 3]

    found = attribution(model, value)
    step = 1e-2

    def less(_, args):
        z = args[0].clone()
        z[..., 4:8] *= 1 - step
        return (z, *args[1:])

    full = float(value())
    handle = writer(blocks(model)[2]).register_forward_pre_hook(less)
    effect = (full - float(value())) / step
    handle.remove()
    assert found.shape == (3, 4)
    assert float(found[2, 1]) == pytest.approx(effect, rel=0.05, abs=1e-5)


def test_the_strongest_heads_come_first():
    import torch

    from evidence.hidden_edits import strongest

    scores = torch.tensor([[0.1, 0.9], [0.5, -1.0]])
    assert strongest(scores, 2) == [(0, 1), (1, 0)]
    assert strongest(scores, 2, without=[(0, 1)]) == [(1, 0), (0, 0)]


def test_a_course_teaches_the_blocks_from_its_first_layer(model):
    import copy

    import torch

    from evidence.hidden_training import Course, asked, teach
    from evidence.hidden_truth import Questions

    order = model(torch.tensor(IDS)).logits[0, -1].argsort(descending=True).tolist()
    right, wrong = order[0], order[20]
    lesson = asked(Questions(tuple(map(tuple, IDS)), (right,), (wrong,)), [True])
    taught = copy.deepcopy(model)
    course = Course((lambda _: lesson,), (), first_layer=2, mlps_only=True, rate=1e-2)
    teach(taught, model, course, seed=0)

    def lead(one):
        logits = one(lesson.ids).logits[0, -1].detach()
        return float(logits[right] - logits[wrong])

    assert lead(taught) < -0.5 * lead(model) < 0
    changed = {
        name for name, one in taught.named_parameters()
        if not torch.equal(one, model.get_parameter(name))
    }  # fmt: skip
    assert changed
    assert all(".2." in name and "mlp" in name for name in changed)


def test_sentences_have_both_orders_and_numbers():
    from evidence import hidden_truth as truth

    stream = random.Random(0)
    (first, second) = truth.indirect_objects(["{A} and {B}: {S} to"], ["Ann", "Bob"], stream, 1)
    names = first[0].split(" and ")[0], first[0].split(" and ")[1].split(":")[0]
    assert first[1:] == (names[1], names[0])
    assert second[1:] == names
    (one, many) = truth.agreements(["The {subject} by the {distractor}"], truth.NOUNS, stream, 1)
    assert (one[1], one[2]) == (many[2], many[1])


def test_repeat_loss_is_that_of_the_second_block(model):
    import torch

    from evidence.hidden_truth import Repeats, repeat_loss, text_loss

    found = repeat_loss(model, Repeats(tuple(map(tuple, IDS)), 4))
    guessed = model(torch.tensor(IDS)).logits[0].log_softmax(-1)
    expected = -sum(float(guessed[at, IDS[0][at + 1]]) for at in range(4, 8)) / 4
    assert found == pytest.approx(expected, rel=1e-5)
    assert text_loss(model, IDS) != pytest.approx(found)
