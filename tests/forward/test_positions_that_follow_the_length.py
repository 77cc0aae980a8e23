"""Rotary positions that are worked out from the length of a pass: LongRoPE, dynamic NTK scaling."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from pytest_circuits import measures
from pytest_circuits.forward import Runs
from pytest_circuits.models import load, parse_source
from pytest_circuits.testing import tiny_checkpoint

#: tiny_checkpoint has four heads of eight dimensions, four wave lengths each.
WAVES = 4
LONG = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * WAVES,
    "long_factor": [4.0] * WAVES,
    "attention_factor": 1.0,
    "original_max_position_embeddings": 12,
}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}


@pytest.fixture(params=[LONG, DYNAMIC], ids=["longrope", "dynamic"])
def folder(request, tmp_path):
    made = tiny_checkpoint(tmp_path / "long")
    config = json.loads((made / "config.json").read_text())
    config |= {"rope_parameters": request.param}
    if request.param is DYNAMIC:
        config |= {"max_position_embeddings": 12}
    (made / "config.json").write_text(json.dumps(config))
    return made


def tokens(length):
    stream = torch.Generator().manual_seed(length)
    return torch.randint(1, 20, (2, length), generator=stream)


@pytest.fixture
def runs(folder):
    return Runs(load(parse_source(str(folder)), device="cpu", dtype="float32").bridge)


def plain(folder, length):
    """What the model gives by itself, loaded for this one pass."""
    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(folder)(tokens(length)).logits


def test_a_pass_gives_the_same_whatever_was_run_before(folder, runs):
    for length in (8, 30, 16, 8):
        torch.testing.assert_close(runs.forward(tokens(length)), plain(folder, length))


def test_lengths_differ_by_more_than_rounding(folder):
    short, long = plain(folder, 8), plain(folder, 30)
    assert not torch.allclose(short[:, 0], long[:, 0]) or not torch.allclose(short, long[:, :8])


def test_a_long_pass_changes_nothing_and_what_was_measured_is_remembered(runs):
    _ = runs.anatomy
    before = runs.weights()
    measures.repeat_loss(runs)
    passes = runs.passes
    runs.forward(tokens(30))
    assert runs.weights() == before
    measures.repeat_loss(runs)
    assert runs.passes == passes + 1


def test_a_model_that_ran_before_is_measured_as_if_it_had_not(folder):
    bridge = load(parse_source(str(folder)), device="cpu", dtype="float32").bridge
    with torch.no_grad():
        bridge(tokens(40))
    torch.testing.assert_close(Runs(bridge).forward(tokens(16)), plain(folder, 16))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_model_in_another_dtype_is_the_same_after_a_pass(runs, dtype):
    runs.bridge.original_model.to(dtype)
    before = runs.weights()
    runs.forward(tokens(30))
    assert runs.weights() == before


def rotary(runs):
    (found,) = [m for m in runs.bridge.original_model.modules() if "rope_type" in vars(m)]
    return found


def test_what_somebody_puts_there_stays(runs):
    changed = rotary(runs).inv_freq * 0.5
    rotary(runs).register_buffer("inv_freq", changed, persistent=False)
    short = runs.forward(tokens(8))
    runs.forward(tokens(30))
    assert rotary(runs).inv_freq is changed
    if "dynamic" in rotary(runs).rope_type:  # LongRoPE overwrites it in every pass
        torch.testing.assert_close(runs.forward(tokens(8)), short, rtol=0, atol=0)


def test_an_embedding_that_is_not_transformers_own_is_left_alone(runs):
    own, found = rotary(runs), rotary(runs).inv_freq
    del own.inv_freq
    own.inv_freq = torch.nn.Parameter(found, requires_grad=False)
    assert Runs(runs.bridge).layers == runs.layers
