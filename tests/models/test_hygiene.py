from __future__ import annotations

import pytest
import torch

from pytest_circuits.models import Clean, load, parse_source
from pytest_circuits.models.hygiene import Contents
from pytest_circuits.testing import perfect_induction_model, tiny_checkpoint

TOKENS = torch.tensor([[0, 1, 2, 3, 1, 2]])


@pytest.fixture(scope="module", params=["native", "llama", "gpt2"])
def shared(request, tmp_path_factory):
    if request.param == "native":
        return perfect_induction_model()
    folder = tiny_checkpoint(tmp_path_factory.mktemp("tiny"), request.param)
    return load(parse_source(str(folder))).bridge


@pytest.fixture
def bridge(shared):
    clean = Clean(shared)
    yield shared
    clean.restore()


def logits(bridge):
    with torch.no_grad():
        return bridge(TOKENS, return_type="logits").clone()


def zero(value, **_):
    return torch.zeros_like(value)


def libraries_hooks(bridge):
    return {
        (name, kind, key)
        for name, module in bridge.named_modules()
        for kind in ("_forward_hooks", "_forward_pre_hooks")
        for key in getattr(module, kind)
        if "hook_" not in name
    }


def add_bridge_hook(bridge):
    bridge.add_hook("blocks.0.attn.hook_z", zero)


def add_permanent_hook(bridge):
    bridge.hook_dict["blocks.0.attn.hook_z"].add_perma_hook(zero)


def add_hook_to_a_point(bridge):
    bridge.hook_dict["blocks.1.hook_resid_pre"].add_hook(zero)


def add_plain_forward_hook(bridge):
    bridge.unembed.register_forward_hook(lambda module, args, output: output * 2)


def add_plain_pre_hook(bridge):
    bridge.unembed.register_forward_pre_hook(lambda module, args: (args[0] * 2,))


def add_plain_hook_to_a_point(bridge):
    bridge.hook_dict["blocks.1.hook_resid_pre"].register_forward_hook(
        lambda m, a, output: output * 0
    )


def add_plain_hook_to_the_whole(bridge):
    """On the model that the bridge was made over, which is no module of the bridge."""

    def doubled(module, args, output):
        getattr(output, "logits", output).mul_(2)

    bridge.original_model.register_forward_hook(doubled)


def add_torchs_own_hook(bridge):
    bridge.unembed.register_forward_hook(_halve)


def _halve(_module, _arguments, output):
    return output / 2


_halve.__module__ = "torch.nn.utils.weight_norm"

HOOKS = [
    add_bridge_hook,
    add_permanent_hook,
    add_hook_to_a_point,
    add_plain_forward_hook,
    add_plain_pre_hook,
    add_plain_hook_to_a_point,
    add_plain_hook_to_the_whole,
    add_torchs_own_hook,
]


@pytest.mark.parametrize("add", HOOKS)
def test_a_hook_that_was_left_behind_is_taken_off(bridge, add):
    before = logits(bridge)
    clean = Clean(bridge)
    assert not clean.has_strays

    add(bridge)
    assert clean.has_strays
    assert not torch.equal(logits(bridge), before)

    clean.restore()
    assert not clean.has_strays
    assert torch.equal(logits(bridge), before)


def test_backward_hooks_are_taken_off(bridge):
    clean = Clean(bridge)
    seen = []
    bridge.unembed.register_full_backward_hook(lambda *_: seen.append("plain"))
    bridge.add_hook("unembed.hook_in", lambda *_, **__: seen.append("bridge"), dir="bwd")
    assert clean.has_strays

    clean.restore()

    assert not clean.has_strays
    bridge.requires_grad_(requires_grad=True)
    bridge(TOKENS, return_type="logits").sum().backward()
    assert seen == []


def test_training_mode_and_gradients_are_taken_off(bridge):
    clean = Clean(bridge)
    bridge.train()
    bridge.requires_grad_(requires_grad=True)
    bridge(TOKENS, return_type="logits").sum().backward()
    assert any(parameter.grad is not None for parameter in bridge.parameters())

    clean.restore()

    assert not any(module.training for module in bridge.modules())
    assert not any(parameter.requires_grad for parameter in bridge.parameters())
    assert all(parameter.grad is None for parameter in bridge.parameters())


def test_hooks_of_the_libraries_stay(bridge):
    clean = Clean(bridge)
    bridge.run_with_cache(TOKENS)  # which brings them
    before = libraries_hooks(bridge)
    assert before
    bridge.unembed.register_forward_hook(lambda *_: None)

    clean.restore()

    assert libraries_hooks(bridge) == before
    assert not clean.has_strays


@pytest.mark.parametrize("later", HOOKS)
@pytest.mark.parametrize("first", HOOKS)
def test_hooks_that_were_there_at_first_stay_and_later_ones_go(bridge, first, later):
    untouched = logits(bridge)
    first(bridge)
    clean = Clean(bridge)
    before = logits(bridge)
    assert not torch.equal(before, untouched)
    assert not clean.has_strays

    later(bridge)
    assert clean.has_strays
    clean.restore()

    assert not clean.has_strays
    assert torch.equal(logits(bridge), before)


def test_a_backward_hook_that_was_there_at_first_stays(bridge):
    seen = []
    bridge.add_hook("unembed.hook_in", lambda *_, **__: seen.append("first"), dir="bwd")
    clean = Clean(bridge)
    bridge.add_hook("unembed.hook_in", lambda *_, **__: seen.append("later"), dir="bwd")

    clean.restore()

    bridge.requires_grad_(requires_grad=True)
    bridge(TOKENS, return_type="logits").sum().backward()
    assert seen == ["first"]


def test_a_forward_pass_alone_leaves_no_strays(bridge):
    clean = Clean(bridge)

    logits(bridge)
    bridge.run_with_cache(TOKENS)
    bridge.run_with_hooks(TOKENS, fwd_hooks=[("blocks.0.attn.hook_z", zero)])

    assert not clean.has_strays


@pytest.mark.parametrize("add", HOOKS)
def test_a_hook_that_was_there_at_first_is_put_back_when_somebody_took_it_off(bridge, add):
    add(bridge)
    clean, before = Clean(bridge), logits(bridge)
    for module in bridge.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
        for kept in (getattr(module, "fwd_hooks", []), getattr(module, "bwd_hooks", [])):
            kept.clear()

    clean.restore()

    assert torch.equal(logits(bridge), before)
    assert not clean.has_strays


def test_a_value_that_moved_to_the_next_view_is_another_content():
    first, second = {"x": "x", "y": "y"}, {}
    contents = Contents([first.values(), second.values()])
    assert contents.are_the_same()
    second["y"] = first.pop("y")
    assert not contents.are_the_same()
