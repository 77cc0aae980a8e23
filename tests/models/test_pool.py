from __future__ import annotations

import gc
from weakref import ref

import pytest
import torch

from pytest_circuits import measures
from pytest_circuits.forward import Runs
from pytest_circuits.models import ModelError, ModelPool, load, parse_source
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

    assert pool.source_of(bridge) == RECALL
    assert pool.source_of(load(RECALL).bridge) is None


# A budget: the least recently used leave

TUNED = parse_source("bundled:recall-finetuned")
BROKEN = parse_source("bundled:recall-regressed")
#: Each of the bundled models takes 179 kB.
FOR_TWO = "400 kB"


def loaded(pool):
    return [source for source in (RECALL, TUNED, BROKEN) if pool.loaded(source) is not None]


def test_the_least_recently_used_model_leaves_when_another_needs_its_room():
    left = []
    pool = ModelPool(memory=FOR_TWO, on_leave=lambda source, bridge: left.append(source))
    for source in (RECALL, TUNED, RECALL):
        pool.get(source)

    pool.get(BROKEN)
    assert (left, loaded(pool)) == ([TUNED], [RECALL, BROKEN])
    pool.get(TUNED)
    assert (left, loaded(pool)) == ([TUNED, RECALL], [TUNED, BROKEN])
    assert pool.loads == 4


def test_a_model_that_has_left_is_in_memory_no_more():
    pool = ModelPool(memory=FOR_TWO)
    models = [ref(pool.get(source).bridge) for source in (RECALL, TUNED, BROKEN)]
    assert [model() is None for model in models] == [True, False, False]


def test_it_leaves_before_the_other_is_loaded(monkeypatch):
    alive = []

    def watched(*arguments):
        alive.append([model() is not None for model in models])
        return load(*arguments)

    pool, models = ModelPool(memory=FOR_TWO), []
    monkeypatch.setattr("pytest_circuits.models.pool.load", watched)
    models += [ref(pool.get(source).bridge) for source in (RECALL, TUNED)]
    pool.get(BROKEN)
    assert alive[-1] == [False, True]


def test_a_model_that_comes_back_is_the_same_one():
    pool = ModelPool(memory="0")

    def told():
        model = pool.get(RECALL)
        return model.fingerprint, float(measures.repeat_loss(model.bridge))

    first = told()
    pool.get(TUNED)
    assert told() == first
    assert pool.loads == 3


def test_models_in_use_stay_whatever_they_take():
    pool = ModelPool(memory="0")
    bridge = pool.get(RECALL).bridge
    pool.get(TUNED, in_use={RECALL})
    pool.get(BROKEN, in_use={RECALL})
    assert loaded(pool) == [RECALL, BROKEN]
    assert pool.get(RECALL).bridge is bridge


def test_nothing_leaves_for_a_model_that_is_loaded():
    pool = ModelPool(memory="0")
    pool.get(TUNED)
    pool.get(RECALL, in_use={TUNED})
    pool.get(RECALL)
    assert loaded(pool) == [RECALL, TUNED]


def test_by_default_small_models_have_room():
    pool = ModelPool()
    for source in (RECALL, TUNED, BROKEN, RECALL):
        pool.get(source)
    assert pool.loads == 3


def test_weights_that_are_given_back_have_room_too():
    pool = ModelPool(memory=FOR_TWO)
    pool.get(RECALL)
    pool.get(TUNED)
    pool.renew(TUNED)
    assert loaded(pool) == [TUNED]


def test_a_model_of_unknown_size_drives_out_others_when_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr("pytest_circuits.models.pool.expected_size", lambda *_: 0)
    pool = ModelPool(memory=FOR_TWO)
    for source in (RECALL, TUNED, BROKEN):
        pool.get(source)
    assert loaded(pool) == [TUNED, BROKEN]


def test_a_model_that_cannot_be_loaded_drives_out_none(tmp_path):
    pool = ModelPool(memory="0")
    pool.get(RECALL)
    with pytest.raises(ModelError, match=r"no config\.json"):
        pool.get(parse_source(str(tmp_path)))
    assert loaded(pool) == [RECALL]


def test_what_an_error_was_raised_through_is_not_kept(tmp_path):
    pool, source = ModelPool(), parse_source(str(tmp_path))

    def tries():
        model = load(RECALL).bridge
        for _ in range(2):
            with pytest.raises(ModelError):
                pool.get(source)
        return ref(model)

    model = tries()
    gc.collect()
    assert model() is None


def test_a_model_that_frozen_garbage_holds_is_freed():
    pool = ModelPool(memory="0")
    garbage = [pool.get(RECALL).bridge]
    garbage.append(garbage)
    model = ref(garbage[0])
    del garbage
    gc.freeze()  # as is done when libraries have been imported
    try:
        pool.get(TUNED)
        assert model() is None
    finally:
        gc.collect()
        gc.freeze()  # as it was
