from __future__ import annotations

import pytest
import torch

from pytest_circuits import measures
from pytest_circuits.models import ModelError, ModelPool, load, parse_source
from pytest_circuits.runs import Runs
from pytest_circuits.testing import tiny_checkpoint

RECALL = parse_source("bundled:recall")


def test_a_model_is_loaded_once():
    pool = ModelPool()
    assert pool.loads == 0

    first = pool.get(RECALL)

    assert pool.get(parse_source("bundled:recall")) is first
    assert pool.loads == 1


def test_every_source_is_a_load_of_its_own():
    pool = ModelPool()

    models = [pool.get(RECALL), pool.get(parse_source("bundled:recall-finetuned"))]

    assert pool.loads == 2
    assert models[0].fingerprint != models[1].fingerprint


def test_device_and_dtype_are_those_of_the_pool():
    model = ModelPool(device="cpu", dtype="float64").get(RECALL)

    assert (model.device, model.dtype) == ("cpu", "float64")


def test_a_model_that_cannot_be_loaded_is_tried_once(tmp_path):
    pool = ModelPool()
    source = parse_source(str(tmp_path))

    with pytest.raises(ModelError, match=r"no config\.json") as first:
        pool.get(source)
    tiny_checkpoint(tmp_path)  # repaired too late for this run
    with pytest.raises(ModelError, match=r"no config\.json") as second:
        pool.get(source)

    assert str(second.value) == str(first.value)
    assert pool.loads == 1


def test_one_model_that_cannot_be_loaded_leaves_the_others_alone(tmp_path):
    pool = ModelPool()
    with pytest.raises(ModelError):
        pool.get(parse_source(str(tmp_path)))

    assert pool.get(RECALL).checkpoint.source == RECALL
    assert pool.loads == 2


@pytest.mark.parametrize("architecture", ["native", "llama", "gpt2"])
def test_a_model_gets_its_weights_back_in_place(tmp_path, architecture):
    source = RECALL
    if architecture != "native":
        source = parse_source(str(tiny_checkpoint(tmp_path, architecture)))
    pool = ModelPool()
    bridge = pool.get(source).bridge
    parameters = list(bridge.parameters())
    runs = Runs(bridge)
    before = float(measures.repeat_loss(runs))
    for parameter in parameters:
        parameter.data.add_(0.5)
    assert float(measures.repeat_loss(runs)) != before

    pool.renew(source)

    assert pool.get(source).bridge is bridge
    assert all(now is then for now, then in zip(bridge.parameters(), parameters, strict=True))
    assert runs.pristine
    assert float(measures.repeat_loss(runs)) == float(measures.repeat_loss(bridge)) == before
    assert pool.loads == 1


def test_a_model_that_gets_its_weights_back_keeps_its_hooks():
    pool = ModelPool()
    bridge = pool.get(RECALL).bridge
    runs = Runs(bridge)
    bridge.add_hook("blocks.1.attn.hook_z", lambda z, **_: torch.zeros_like(z))

    pool.renew(RECALL)

    assert runs.hooked


def test_a_pool_knows_the_models_that_are_its_own():
    pool = ModelPool()
    bridge = pool.get(RECALL).bridge

    assert bridge in pool
    assert load(RECALL).bridge not in pool
