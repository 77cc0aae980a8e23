"""A suite in which every other test spoils what it was given, and every other one measures."""

SUITE = """
import contextlib
import functools
import gc
import sys
import types
from unittest import mock

import numpy as np
import pytest
import tokenizers
import torch
from torch import nn

from pytest_circuits import PromptPairs
from pytest_circuits.forward import Runs

LISTS = PromptPairs(
    clean=["dog star candle farm leaf dog star", "bread duck house bird shoe bread duck"],
    corrupted=["dog star gold farm leaf dog star", "bread duck book bird shoe bread duck"],
    answers=["candle", "house"],
    wrong_answers=["gold", "book"],
)
SOFTMAX = torch.softmax


def halved(values, *arguments, **options):
    return SOFTMAX(values, *arguments, **options) / 2


@functools.wraps(torch.nn.functional.softmax)
def wrapped(values, *arguments, **options):
    return halved(values, *arguments, **options)


def linear_halved(module, arguments, output):
    return output * 0.5 if isinstance(module, nn.Linear) else None


def set_all(module, **values):
    for each in module.modules():
        for name, value in values.items():
            setattr(each, name, value)


def patch(owner, name, value):
    return lambda model: setattr(owner, name, value)


def first(model, kind):
    return next(m for m in model.original_model.modules() if isinstance(m, kind))


def opened(make):
    return lambda model: HELD.append((made := make(), made.__enter__()))


def trained(model):
    model.requires_grad_(True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.arange(1, 9)[None], return_type="logits").sum().backward()
    optimizer.step()


def swapped(model):
    blocks = model.original_model.blocks if hasattr(model.original_model, "blocks") else None
    blocks = blocks or next(
        m for m in model.original_model.modules() if isinstance(m, nn.ModuleList)
    )
    blocks._modules["0"], blocks._modules["1"] = blocks._modules["1"], blocks._modules["0"]


def untied(model):
    linear = first(model, nn.Linear)
    linear.weight = nn.Parameter(linear.weight.detach() * 2)


def reordered(model):
    modules = model.original_model._modules
    key = next(iter(modules))
    modules[key] = modules.pop(key)


def shared(model):
    linears = [m for m in model.original_model.modules() if isinstance(m, nn.Linear)]
    same = [m for m in linears if m.weight.shape == linears[0].weight.shape]
    same[1].weight = same[0].weight


FAKE = types.ModuleType("torch.nn.functional")
FAKE.__dict__.update(vars(nn.functional), linear=lambda x, w, b=None: x @ w.T * 2)


def overridden(model):
    HELD.append(torch.library.Library("aten", "IMPL"))
    HELD[-1].impl("_softmax", lambda values, axis, half: torch.zeros_like(values), "CPU")


class Halving(nn.Linear):
    def forward(self, values):
        return super().forward(values) / 2


class Doubling(nn.Parameter):
    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        result = super().__torch_function__(function, types, arguments, options or {})
        return result * 2 if function is nn.functional.linear else result


HELD = []
EVERY = 1  # of so many ways, one
WAYS = {
    "bfloat16": lambda m: m.to(torch.bfloat16),
    "double": lambda m: m.double(),
    "half": lambda m: m.half(),
    "original to bfloat16": lambda m: m.original_model.to(torch.bfloat16),
    "one layer to bfloat16": lambda m: first(m, nn.Linear).to(torch.bfloat16),
    "meta": lambda m: m.to("meta"),
    "original to meta": lambda m: m.original_model.to("meta"),
    "eps": lambda m: setattr(m.cfg, "eps", 10.0),
    "eps of the norms": lambda m: set_all(m.original_model, eps=10.0),
    "n_heads": lambda m: setattr(m.cfg, "n_heads", 2),
    "n_layers": lambda m: setattr(m.cfg, "n_layers", 1),
    "n_ctx": lambda m: setattr(m.cfg, "n_ctx", 3),
    "d_vocab": lambda m: setattr(m.cfg, "d_vocab", 3),
    "default_prepend_bos": lambda m: setattr(m.cfg, "default_prepend_bos", False),
    "use_attn_result": lambda m: m.set_use_attn_result(True),
    "split queries": lambda m: m.set_use_split_qkv_input(True),
    "all of cfg": lambda m: setattr(m, "cfg", types.SimpleNamespace(**vars(m.cfg))),
    "deleted cfg entry": lambda m: delattr(m.cfg, "d_head"),
    "another class of cfg": lambda m: setattr(m.cfg, "__class__", type("C", (type(m.cfg),), {})),
    "normalizer": lambda m: setattr(
        m.tokenizer.backend_tokenizer, "normalizer", tokenizers.normalizers.Replace("dog", "farm")
    ),
    "added token": lambda m: m.tokenizer.add_tokens(["dogs"]),
    "added special token": lambda m: m.tokenizer.add_special_tokens({"pad_token": "star"}),
    "bos": lambda m: setattr(m.tokenizer, "bos_token", "star"),
    "padding side": lambda m: setattr(m.tokenizer, "padding_side", "left"),
    "no tokenizer": lambda m: setattr(m, "tokenizer", None),
    "another tokenizer": lambda m: setattr(m, "tokenizer", mock.Mock()),
    "post-processor": lambda m: setattr(
        m.tokenizer.backend_tokenizer, "post_processor",
        tokenizers.processors.TemplateProcessing(single="star $A", special_tokens=[("star", 5)]),
    ),
    "tokenizer's call": lambda m: setattr(m.tokenizer, "encode", lambda *a, **k: [1]),
    "tokenizer's class": lambda m: setattr(
        m.tokenizer, "__class__", type("T", (type(m.tokenizer),), {})
    ),
    "backend": lambda m: setattr(
        m.tokenizer, "_tokenizer", tokenizers.Tokenizer(tokenizers.models.WordLevel({"<unk>": 0}))
    ),
    "forward of a block": lambda m: setattr(m.blocks[1], "forward", lambda x, *a, **k: x),
    "forward of a layer": lambda m: setattr(
        first(m, nn.Linear), "forward", lambda x: x * 0
    ),
    "forward of the model": lambda m: setattr(m, "forward", lambda *a, **k: None),
    "run_with_hooks": lambda m: setattr(m, "run_with_hooks", lambda *a, **k: None),
    "run_with_cache": lambda m: setattr(m, "run_with_cache", lambda *a, **k: None),
    "forward of the original": lambda m: setattr(
        m.original_model, "forward", lambda *a, **k: torch.zeros(1)
    ),
    "deleted module": lambda m: delattr(m.blocks[1], "ln1"),
    "deleted layer": lambda m: m.blocks.__delitem__(1),
    "swapped blocks": swapped,
    "swapped layers of the bridge": lambda m: m.blocks._modules.update(
        {"0": m.blocks._modules["1"], "1": m.blocks._modules["0"]}
    ),
    "order of modules": reordered,
    "another module": lambda m: setattr(m.original_model, next(iter(
        m.original_model._modules)), nn.Identity()),
    "another class": lambda m: setattr(first(m, nn.Linear), "__class__", Halving),
    "an attribute": lambda m: setattr(m, "something", 3),
    "a scale": lambda m: set_all(m, attn_scale=3.0, scale=3.0, scaling=3.0),
    "a parameter": untied,
    "a shared parameter": shared,
    "a new parameter": lambda m: m.register_parameter("mine", nn.Parameter(torch.ones(1))),
    "a buffer": lambda m: m.original_model.register_buffer("mine", torch.ones(1)),
    "a bias taken away": lambda m: setattr(first(m, nn.Linear), "bias", None),
    "weights": lambda m: next(m.original_model.parameters()).data.zero_(),
    "weights in place": lambda m: torch.no_grad()(lambda: m.unembed.weight.mul_(2))(),
    "weights by numpy": lambda m: m.unembed.weight.detach().numpy().fill(0),
    "weights by set_": lambda m: m.unembed.weight.data.set_(torch.zeros_like(m.unembed.weight)),
    "every buffer": lambda m: [b.data.mul_(2) for b in m.buffers() if b.is_floating_point()],
    "loaded weights": lambda m: m.original_model.load_state_dict(
        {k: v * 2 for k, v in m.original_model.state_dict().items()}
    ),
    "training": trained,
    "pruning": lambda m: nn.utils.prune.random_unstructured(first(m, nn.Linear), "weight", 0.5),
    "weight norm": lambda m: nn.utils.parametrizations.weight_norm(first(m, nn.Linear)),
    "compatibility mode": lambda m: m.enable_compatibility_mode(disable_warnings=True),
    "compiled": lambda m: m.original_model.compile(backend="eager"),
    "train mode": lambda m: m.train(),
    "dropout": lambda m: set_all(m.train(), p=0.5),
    "a hook": lambda m: m.add_hook("blocks.0.hook_resid_pre", lambda x, hook: x * 0),
    "a permanent hook": lambda m: m.add_perma_hook(
        "blocks.0.hook_resid_pre", lambda x, hook: x * 0
    ),
    "a plain hook": lambda m: first(m, nn.Linear).register_forward_hook(linear_halved),
    "a plain hook on all of it": lambda m: m.original_model.register_forward_hook(
        lambda module, given, made: None
    ),
    "hooks reset": lambda m: m.reset_hooks(including_permanent=True),
    "a hook point's forward": lambda m: setattr(
        m.hook_dict["blocks.0.hook_resid_pre"], "forward", lambda x: x * 0
    ),
    "plain hooks on hook points": lambda m: [
        point.register_forward_hook(
            lambda module, arguments, output: output * 0 if torch.is_tensor(output) else None
        )
        for point in m.hook_dict.values()
    ],
    "torch's own hook of weight norm": lambda m: nn.utils.weight_norm(first(m, nn.Linear)),
    "torch's own hook of spectral norm": lambda m: nn.utils.spectral_norm(first(m, nn.Linear)),
    "the class of a parameter": lambda m: [
        setattr(p, "__class__", Doubling) for p in m.parameters()
    ],
    "negative": lambda m: setattr(
        first(m, nn.Linear).weight, "data", torch._neg_view(first(m, nn.Linear).weight.data)
    ),
    "requires_grad": lambda m: m.requires_grad_(True),
    "everything": lambda m: m.__dict__.update(_modules={}),
    "a global hook": lambda m: nn.modules.module.register_module_forward_hook(linear_halved),
    "a global pre-hook": lambda m: nn.modules.module.register_module_forward_pre_hook(
        lambda module, arguments: tuple(a * 0 if torch.is_tensor(a) and a.is_floating_point()
                                        else a for a in arguments)
    ),
    "default device": lambda m: torch.set_default_device("meta"),
    "default dtype": lambda m: torch.set_default_dtype(torch.float64),
    "open device": opened(lambda: torch.device("meta")),
    "open autocast": opened(lambda: torch.autocast("cpu")),
    "open no_grad": opened(lambda: torch.no_grad()),
    "open inference mode": opened(lambda: torch.inference_mode()),
    "matmul precision": lambda m: torch.set_float32_matmul_precision("medium"),
    "precision of mkldnn": lambda m: setattr(
        torch.backends.mkldnn.matmul, "fp32_precision", "bf16"
    ),
    "deterministic": lambda m: torch.use_deterministic_algorithms(True),
    "flush": lambda m: torch.set_flush_denormal(True),
    "threads": lambda m: torch.set_num_threads(3),
    "seed": lambda m: (torch.manual_seed(3), np.random.seed(3)),
    "generator": lambda m: torch.random.set_rng_state(torch.random.get_rng_state() * 0),
    "mkldnn": lambda m: setattr(torch.backends.mkldnn, "enabled", False),
    "softmax": patch(torch, "softmax", halved),
    "softmax of a tensor": patch(torch.Tensor, "softmax", halved),
    "functional softmax": patch(nn.functional, "softmax", halved),
    "wrapped softmax": patch(nn.functional, "softmax", wrapped),
    "another softmax": patch(torch, "softmax", torch.log_softmax),
    "softmax's code": patch(nn.functional.softmax, "__code__", halved.__code__),
    "softmax of mock": patch(torch, "softmax", mock.Mock(side_effect=halved)),
    "attention": patch(nn.functional, "scaled_dot_product_attention", lambda q, k, v, **o: v),
    "linear": patch(nn.functional, "linear", lambda x, w, b=None: x @ w.T * 2),
    "Linear": patch(nn.Linear, "forward", Halving.forward),
    "LayerNorm": patch(nn.LayerNorm, "forward", lambda self, x: x),
    "Module's call": patch(nn.Module, "__call__", lambda self, *a, **k: a[0]),
    "einsum": patch(torch, "einsum", lambda *a: 0),
    "matmul": patch(torch.Tensor, "__matmul__", lambda a, b: a),
    "a deleted function": lambda m: delattr(torch, "einsum"),
    "numpy's mean": patch(np, "mean", lambda *a, **k: 0.0),
    "the bridge's class": lambda m: setattr(type(m), "forward", lambda *a, **k: None),
    "the original's class": lambda m: setattr(
        type(m.original_model), "forward", lambda *a, **k: torch.zeros(1, 1, 65)
    ),
    "an operator of torch": overridden,
    "another functional": lambda m: [
        setattr(each, "F", FAKE)
        for name, each in list(sys.modules.items())
        if name.startswith("torch.nn.modules") and hasattr(each, "F")
    ],
    "softmax in part": patch(
        nn.functional, "softmax", functools.partial(nn.functional.softmax, dtype=torch.bfloat16)
    ),
    "linear under autocast": patch(
        nn.functional, "linear", torch.autocast("cpu", torch.bfloat16)(nn.functional.linear)
    ),
    "sums of tensors": patch(torch.Tensor, "__add__", torch.Tensor.__sub__),
    "the room that there is": lambda m: [
        setattr(runs, "room", 0.001) for runs in gc.get_objects() if type(runs) is Runs
    ],
    "a function mode": lambda m: torch.overrides.BaseTorchFunctionMode().__enter__(),
}
WAYS = dict(list(WAYS.items())[::EVERY])
SEEN = {}


def numbers(model, circuits):
    tokens = model.to_tokens("dog star candle farm leaf dog star")
    logits, cache = model.run_with_cache(tokens)
    passes = b"".join(value.numpy().tobytes() for value in (tokens, logits, *cache.values()))
    return passes, circuits.logit_diff(LISTS).values.tobytes()


@pytest.mark.circuits
def test_first(circuits):
    SEEN["first"] = numbers(circuits.runs.bridge, circuits)


@pytest.mark.circuits
@pytest.mark.parametrize("way, step", [(w, s) for w in WAYS for s in ("spoils", "measures")])
def test_each(way, step, request, circuits):
    if step == "spoils":
        with contextlib.suppress(Exception):  # half of it may be done
            WAYS[way](request.getfixturevalue("circuit_model"))
    else:
        same = numbers(circuits.runs.bridge, circuits) == SEEN["first"]
        assert same
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
"""
