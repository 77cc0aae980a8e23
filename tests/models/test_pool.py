from __future__ import annotations

import pytest

from pytest_circuits.models import ModelError, ModelPool, parse_source
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

    assert pool.get(RECALL).source == RECALL
    assert pool.loads == 2
