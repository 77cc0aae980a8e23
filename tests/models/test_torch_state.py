"""What of torch's process-wide state is noticed when it is not torch's own, and put back."""

import functools
import importlib
import math
import types
from unittest import mock

import numpy as np
import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
)
from transformers import activations, modeling_rope_utils, modeling_utils
from transformers.models.llama import modeling_llama

from pytest_circuits.models.torch_state import TorchState, foreign

SOFTMAX, MATH = torch.softmax, nn.attention.SDPBackend.MATH


def mine(values, *arguments, **options):
    return values * 0


@functools.wraps(functional.softmax)
def wrapped(*arguments, **options):
    return SOFTMAX(*arguments, **options) * 2


class Halved(nn.Linear):
    def forward(self, values):
        return super().forward(values) / 2


REPLACED = {
    "a function": (torch, "softmax", mine),
    "a wrapper that has another's name": (torch, "softmax", wrapped),
    "one that a library wraps": (torch, "softmax", torch.no_grad()(mine)),
    "a partial": (torch, "softmax", functools.partial(mine, 2)),
    "a mock": (torch, "softmax", mock.Mock()),
    "another function of torch": (torch, "softmax", torch.relu),
    "a function of torch that is written in Python": (torch, "softmax", functional.gumbel_softmax),
    "a function of Python": (torch, "exp", math.exp),
    "a function of numpy": (torch, "exp", np.exp),
    "a method": (torch, "softmax", types.SimpleNamespace().__init__),
    "in torch.nn.functional": (functional, "softmax", mine),
    "one of C in torch.nn.functional": (functional, "linear", mine),
    "another of torch.nn.functional": (functional, "gelu", functional.silu),
    "in what torch.nn.functional calls": (torch._C._nn, "gelu", torch._C._nn.log_sigmoid),
    "a tensor's method": (torch.Tensor, "softmax", mine),
    "a tensor's operator": (torch.Tensor, "__matmul__", mine),
    "a module's forward": (nn.Linear, "forward", mine),
    "another module's forward": (nn.GELU, "forward", nn.SiLU.forward),
    "a function as a module's forward": (nn.GELU, "forward", functional.silu),
    "every module's call": (nn.Module, "__call__", mine),
    "a class": (nn, "Linear", Halved),
    "another class of torch": (nn, "GELU", nn.SiLU),
    "a function of transformers": (modeling_llama, "apply_rotary_pos_emb", mine),
    "a module of transformers": (modeling_llama.LlamaRMSNorm, "forward", mine),
    "all of torch for a module of transformers": (modeling_llama, "torch", mock.Mock()),
    "in place of a module": (modeling_llama, "nn", types.SimpleNamespace(Linear=Halved)),
    "numpy's mean": (np, "mean", mine),
    "math": (math, "sqrt", mine),
}


@pytest.fixture(autouse=True)
def _as_before():
    """Whatever a test leaves, so that no other one sees it."""
    state = TorchState()
    yield
    state.restore()


def test_nothing_is_foreign_where_nobody_changed_anything():
    assert foreign() == ()
    assert TorchState().changes() == ()


@pytest.mark.parametrize("case", REPLACED)
def test_a_function_that_was_replaced_is_named_and_put_back(case):
    owner, name, by = REPLACED[case]
    state, before = TorchState(), owner.__dict__.get(name)
    setattr(owner, name, by)
    words = foreign()
    assert [each.endswith(f".{name} was replaced") for each in words] == [True]
    assert state.changes() == words
    state.restore()
    assert foreign() == state.changes() == ()
    assert owner.__dict__.get(name) is before


TABLES = {
    "attention": modeling_utils.ALL_ATTENTION_FUNCTIONS,
    "activations": activations.ACT2FN,
    "rotary angles": modeling_rope_utils.ROPE_INIT_FUNCTIONS,
}


@pytest.mark.parametrize(("table", "key"), [
    ("attention", "sdpa"), ("attention", "eager"), ("activations", "silu"),
    ("rotary angles", "linear"),
])  # fmt: skip
def test_an_entry_of_a_table_that_was_replaced_is_named_and_put_back(table, key):
    state, entries = TorchState(), TABLES[table]
    entries[key] = mine
    assert len(foreign()) == len(state.changes()) == 1
    state.restore()
    assert foreign() == state.changes() == ()
    assert key not in entries or entries[key] is not mine


def test_code_that_was_replaced_in_place_is_named_and_put_back():
    state, code = TorchState(), functional.softmax.__code__
    functional.softmax.__code__ = mine.__code__
    assert foreign() == ("torch.nn.functional.softmax was replaced",)
    assert state.changes() == ("softmax was rewritten",)
    state.restore()
    assert functional.softmax.__code__ is code
    assert foreign() == state.changes() == ()


def test_defaults_that_were_replaced_in_place_are_put_back():
    state, defaults = TorchState(), functional.layer_norm.__defaults__
    functional.layer_norm.__defaults__ = (None, None, 10.0)
    assert state.changes() == ("layer_norm was rewritten",)
    state.restore()
    assert functional.layer_norm.__defaults__ is defaults


def test_a_function_that_was_deleted_is_put_back():
    state, softmax = TorchState(), torch.softmax
    del torch.softmax
    assert state.changes() == ("torch.softmax was replaced",)
    state.restore()
    assert torch.softmax is softmax


SWITCHED = {
    "default device": lambda: torch.set_default_device("meta"),
    "a device that is open": lambda: torch.device("meta").__enter__(),
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "autocast": lambda: torch.autocast("cpu").__enter__(),
    "autocast's dtype": lambda: torch.set_autocast_dtype("cpu", torch.float16),
    "matmul precision": lambda: torch.set_float32_matmul_precision("medium"),
    "TF32": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
    "precision by backend": lambda: setattr(torch.backends.mkldnn.matmul, "fp32_precision", "bf16"),
    "precision of all": lambda: setattr(torch.backends, "fp32_precision", "tf32"),
    "determinism": lambda: torch.use_deterministic_algorithms(mode=True),
    "denormals": lambda: torch.set_flush_denormal(True),
    "a hook on all": lambda: register_module_forward_hook(mine),
    "a hook that is always called": lambda: register_module_forward_hook(mine, always_call=True),
    "a hook before all": lambda: register_module_forward_pre_hook(mine),
    "a hook behind all": lambda: register_module_full_backward_hook(mine),
    "saved tensors": lambda: torch.autograd.graph.saved_tensors_hooks(mine, mine).__enter__(),
    "a kind of attention": lambda: torch.backends.cuda.enable_math_sdp(enabled=False),
    "kernels for attention": lambda: (
        (plain := nn.attention.sdpa_kernel([MATH]))
        and (
            plain.__enter__(),
            plain,
        )
    ),
    "mkldnn": lambda: setattr(torch.backends.mkldnn, "enabled", False),
    "a function mode": lambda: torch.overrides.TorchFunctionMode().__enter__(),
    "a dispatch mode": lambda: torch.utils._python_dispatch.TorchDispatchMode().__enter__(),
}


@pytest.mark.parametrize("case", SWITCHED)
def test_a_switch_is_named_and_put_back(case):
    state = TorchState()
    held = SWITCHED[case]()  # one that nobody holds may end by itself
    assert foreign()
    assert state.changes()
    state.restore()
    assert foreign() == state.changes() == ()
    del held


def test_what_can_differ_between_machines_is_put_back_too():
    state, threads = TorchState(), torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    torch.set_grad_enabled(False)
    open_mode = torch.inference_mode()
    open_mode.__enter__()
    assert len(state.changes()) == 3
    assert foreign() == ()
    state.restore()
    assert state.changes() == ()
    assert torch.get_num_threads() == threads
    assert torch.ones(1, requires_grad=True).add(1).requires_grad


def test_a_library_that_is_imported_late_is_none_that_was_changed():
    state = TorchState()
    assert transformers.models.gptj.modeling_gptj.GPTJModel
    torch.compile(lambda values: values + 1, backend="eager")(torch.ones(2))
    assert state.changes() == foreign() == ()


def test_what_torch_registers_itself_is_its_own():
    state = TorchState()
    for name in ("_functorch.predispatch", "_refs.linalg"):
        importlib.import_module(f"torch.{name}")
    torch.func.vmap(functional.mse_loss)(torch.zeros(2, 3), torch.zeros(2, 3))
    assert (state.changes(), foreign()) == ((), ())


def test_a_function_that_was_deleted_is_missed_where_another_name_was_added(monkeypatch):
    last = next(name for name, each in reversed(vars(torch.special).items()) if callable(each))
    state = TorchState()
    monkeypatch.delattr(torch.special, last)
    monkeypatch.setattr(torch.linalg, "added", 1, raising=False)
    assert state.changes() == (f"torch.special.{last} was replaced",)


def test_an_autocast_that_was_left_open_keeps_no_cast_of_a_weight():
    state = TorchState()
    left_open = torch.autocast("cpu")
    left_open.__enter__()
    state.restore()
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.data.fill_(1.0)
    found = []
    for weight in (1.0, 2.0):
        # As an optimizer changes it: in place, the tensor stays.
        layer.weight.data.fill_(weight)
        with torch.autocast("cpu"):
            found.append(layer(torch.ones(1, 2)).item())

    assert found == [2.0, 4.0]
    del left_open
