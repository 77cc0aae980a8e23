"""Devices that are pretended: on a CPU, with what tensors on several GPUs refuse.

A tensor "on cuda:1" is held and computed by the CPU, and says that it is on cuda:1. As with real
GPUs, an operation on tensors of two devices is refused, but for copies, for numbers (tensors
without dimensions) on the CPU, and for indices on the CPU. There are no gradients.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

_CPU = torch.device("cpu")
_COPIES = (torch.ops.aten.copy_, torch.ops.aten._to_copy)
_INDEXED = (torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_)


@contextmanager
def pretended_gpus(monkeypatch, *, free, count=2):
    """While torch takes this machine for one with GPUs.

    Args:
        monkeypatch: pytest's.
        free: the bytes that are free on each.
        count: how many there are.
    """
    for name, value in {
        "is_available": True,
        "device_count": count,
        "mem_get_info": (free, free),
        "empty_cache": None,
        "_lazy_init": None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    with torch.no_grad(), _Pretending():
        yield


class Pretended(torch.Tensor):
    """A tensor that says it is on another device than it is."""

    @staticmethod
    def __new__(cls, held, device):
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=device,
        )
        made.held = held
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _computed(func, args, kwargs or {})

    def __repr__(self):
        return f"Pretended({self.held!r}, {self.device})"

    # torch's own ask for the memory, or for the devices' driver, which isn't there.
    def data_ptr(self):
        return self.held.data_ptr()

    def contiguous(self):
        return Pretended(self.held.contiguous(), self.device)

    def item(self):
        return self.held.item()

    def __bool__(self):
        return bool(self.held)

    def __int__(self):
        return int(self.held)

    def __float__(self):
        return float(self.held)

    def __getitem__(self, index):
        return Pretended(self.held[self._index(index)], self.device)

    def __setitem__(self, index, value):
        if isinstance(value, torch.Tensor):
            value = value.to(self.device).held  # it is copied, from wherever it is
        self.held[self._index(index)] = value

    def _index(self, index):
        parts = tree_leaves(index)
        _common("indexing", [self, *(part for part in parts if isinstance(part, Pretended))])
        return tree_map(_held, index)


class _Pretending(TorchDispatchMode):
    @classmethod
    def _should_skip_dynamo(cls):
        return False  # or all of it would be imported

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _computed(func, args, kwargs or {})

    def __enter__(self):
        # So that torch.tensor() brings to a device what it has made, for all to see.
        torch._C._set_only_lift_cpu_tensors(True)  # noqa: FBT003
        return super().__enter__()

    def __exit__(self, *error):
        torch._C._set_only_lift_cpu_tensors(False)  # noqa: FBT003
        return super().__exit__(*error)


def _held(part):
    return part.held if isinstance(part, Pretended) else part


def _computed(func, args, kwargs):
    flat, spec = tree_flatten((args, kwargs))
    given = [part for part in flat if isinstance(part, torch.Tensor)]
    strict = given
    if func.overloadpacket in _COPIES:
        strict = given[:1]
    elif func.overloadpacket in _INDEXED:
        strict = [part for part in given if part.device != _CPU] or given
    device = _common(func, strict)
    args, kwargs = tree_unflatten([_held(part) for part in flat], spec)
    if kwargs.get("device") is not None:
        device = torch.device(kwargs["device"])
        kwargs["device"] = _CPU if device.type == "cuda" else device
    found = func(*args, **kwargs)
    first = func._schema.arguments[0].alias_info if func._schema.arguments else None
    if first is not None and first.is_write:
        return given[0]  # it was written to
    if device is None or device.type != "cuda":
        return found
    return tree_map(
        lambda part: Pretended(part, device) if isinstance(part, torch.Tensor) else part, found
    )


def _common(what, tensors):
    """The one device of an operation's tensors."""
    devices = {part.device for part in tensors if part.ndim or part.device != _CPU}
    if len(devices) > 1:
        raise RuntimeError(f"{what}: expected all tensors to be on the same device: {devices}")
    return next(iter(devices), None)
