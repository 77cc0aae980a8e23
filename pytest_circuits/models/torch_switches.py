"""torch's process-wide switches: what each is now, what it is when torch is imported, putting back.

There is no list of them in torch. These are the ones that can change a number of a forward or
backward pass, or where a pass runs.
"""

# ruff: noqa: SLF001 — most of this has no public name.

from __future__ import annotations

import gc
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn.modules import module as hooks_of_all
from torch.utils import _device

if TYPE_CHECKING:
    from collections.abc import Callable

_C: Any = torch._C
_FOLDER = f"{Path(torch.__file__).parent}/"
#: In place of a state that torch has of its own: any may be, which machine or user chose.
ANY: Any = object()
#: A number that is 0 where the processor takes the smallest numbers for it.
_SMALLEST = 5e-324


class Switch(NamedTuple):
    """A switch of the process.

    Attributes:
        name: what it is called in words.
        now: its state.
        put: brings it into a state.
        own: its state when torch is imported; :data:`ANY` where that depends.
        shown: a state in words.
    """

    name: str
    now: Callable[[], Any]
    put: Callable[[Any], object]
    own: Any = ANY
    shown: Callable[[Any], str] = str


def states() -> tuple[Any, ...]:
    """The state of every switch."""
    return tuple(switch.now() for switch in SWITCHES)


def put_back(before: tuple[Any, ...]) -> None:
    """Bring every switch that is in another state into the state that it was in."""
    for switch, state in zip(SWITCHES, before, strict=True):
        if switch.now() != state:
            switch.put(state)


def put_own() -> None:
    """Bring every switch into the state that torch has when it is imported."""
    for switch in SWITCHES:
        if switch.own is not ANY and switch.now() != switch.own:
            switch.put(switch.own)


def _hook_switch(name: str) -> Switch:
    """Hooks of a kind on all modules."""

    def now() -> tuple[tuple[Any, Any], ...]:
        return tuple(getattr(hooks_of_all, name).items())

    def put(state: tuple[tuple[Any, Any], ...]) -> None:
        kept: dict[Any, Any] = getattr(hooks_of_all, name)
        kept.clear()
        kept.update(state)

    def shown(state: tuple[object, ...]) -> str:
        return f"{len(state)} hook{'' if len(state) == 1 else 's'}"

    words = name.removeprefix("_global_").replace("_", " ")
    return Switch(f"torch's global {words}", now, put, (), shown)


def _function_modes() -> tuple[Any, ...]:
    """Modes that see every call of torch (the default device is one), and the default device."""
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    count = torch._C._len_torch_function_stack()
    modes = tuple(torch._C._get_function_stack_at(place) for place in range(count))
    return (modes, context, _device.CURRENT_DEVICE)


def _put_function_modes(state: tuple[Any, ...]) -> None:
    modes, context, device = state
    for _ in range(torch._C._len_torch_function_stack()):
        torch._C._pop_torch_function_stack()
    for mode in modes:
        torch._C._push_on_torch_function_stack(mode)
    torch._GLOBAL_DEVICE_CONTEXT.device_context = context
    _device.CURRENT_DEVICE = device


def _shown_modes(state: tuple[Any, ...]) -> str:
    modes = [
        f"the default device {mode.device}"
        if isinstance(mode, _device.DeviceContext)
        else type(mode).__name__
        for mode in state[0]
    ]
    return ", ".join(modes) or "none"


def _dispatch_modes() -> tuple[Any, ...]:
    count = torch._C._len_torch_dispatch_stack()
    return tuple(torch._C._get_dispatch_stack_at(place) for place in range(count))


def _put_dispatch_modes(state: tuple[Any, ...]) -> None:
    for _ in range(torch._C._len_torch_dispatch_stack()):
        torch._C._pop_torch_dispatch_stack(None)
    for mode in state:
        torch._C._push_on_torch_dispatch_stack(mode)


def _autocast_switch(device: str, dtype: torch.dtype) -> Switch:
    def put(state: tuple[bool, torch.dtype]) -> None:
        torch.set_autocast_enabled(device, state[0])
        torch.set_autocast_dtype(device, state[1])
        torch.clear_autocast_cache()

    return Switch(
        f"autocast on {device}",
        lambda: (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)),
        put,
        (False, dtype),
        lambda state: f"{'on' if state[0] else 'off'}, {state[1]}",
    )


def _open_autocasts() -> int:
    """How many autocasts are open; when the last is closed, torch forgets the weights it cast."""
    torch.autocast_increment_nesting()
    return torch.autocast_decrement_nesting()


def _put_open_autocasts(count: int) -> None:
    for _ in range(_open_autocasts() - count):
        torch.autocast_decrement_nesting()
    for _ in range(count - _open_autocasts()):
        torch.autocast_increment_nesting()
    torch.clear_autocast_cache()


def _precision_switch(backend: str, what: str, own: str) -> Switch:
    def now() -> str:
        state: str = torch._C._get_fp32_precision_getter(backend, what)
        # Both leave float32 as it is: torch says one and, once somebody has asked, the other.
        return "none" if state == "ieee" else state

    def put(state: str) -> None:
        torch._C._set_fp32_precision_setter(backend, what, state)

    return Switch(f"float32 precision of {backend} ({what})", now, put, own)


def _matmul_precision() -> str | None:
    with suppress(RuntimeError):  # it has no word for what the backends are set to one by one
        return torch.get_float32_matmul_precision()
    return None


def _put_matmul_precision(state: str | None) -> None:
    if state is not None:
        torch.set_float32_matmul_precision(state)


def _deterministic() -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


def _saved_tensor_hooks() -> Any:  # noqa: ANN401 — a pair of functions, or None
    return torch._C._autograd._top_saved_tensors_default_hooks(True)  # noqa: FBT003


def _put_saved_tensor_hooks(state: Any) -> None:  # noqa: ANN401
    autograd = torch._C._autograd
    while _saved_tensor_hooks() not in (None, state):
        autograd._pop_saved_tensors_default_hooks()
    if state is not None and _saved_tensor_hooks() is None:
        autograd._push_saved_tensors_default_hooks(*state)


def _put_inference_mode(state: bool) -> None:  # noqa: FBT001 — as torch has it
    # What ends the mode that is open is with whoever opened it. Another one inside it lasts as
    # long as somebody holds what ends it.
    guard = torch._C._InferenceMode(state)
    guard.__enter__()  # type: ignore[no-untyped-call]
    _put_inference_mode.__dict__.setdefault("held", []).append(guard)


def _overrides() -> frozenset[str]:
    """Which of torch's own operators somebody has given another implementation."""
    added = torch.library._impls - _AT_IMPORT
    return frozenset(each for each in added if each.startswith("aten/") and not _is_torchs(each))


@lru_cache(maxsize=1 << 12)
def _is_torchs(implementation: str) -> bool:
    """Whether code of torch's own registered an implementation, as some does on import."""
    operator, _, key = implementation.removeprefix("aten/").rpartition("/")
    # Those that it replaced are called inactive.
    begin = f"{key}: registered at {_FOLDER}"
    return any(
        line.startswith(begin) for line in _C._dispatch_dump(f"aten::{operator}").splitlines()
    )


def _take_overrides_off(state: frozenset[str]) -> None:
    """Take those off that came since; all that were registered with one of them go with it."""
    others = _overrides() - state
    for each in gc.get_objects():
        if type(each) is torch.library.Library and not others.isdisjoint(each._op_impls):
            each._destroy()  # type: ignore[no-untyped-call]
    _is_torchs.cache_clear()


def _plain(name: str, place: Any, attribute: str, own: Any = ANY) -> Switch:  # noqa: ANN401
    """A switch that is an attribute of one of torch's objects."""
    return Switch(
        name,
        lambda: getattr(place, attribute),
        lambda state: setattr(place, attribute, state),
        own,
    )


_AT_IMPORT = frozenset(torch.library._impls)
_cuda = torch.backends.cuda
SWITCHES: tuple[Switch, ...] = (
    *(
        _hook_switch(name)
        for name, value in vars(hooks_of_all).items()
        if name.startswith("_global_") and isinstance(value, dict)
    ),
    Switch(
        "torch's function modes",
        _function_modes,
        _put_function_modes,
        ((), None, None),
        _shown_modes,
    ),
    Switch(
        "torch's dispatch modes",
        _dispatch_modes,
        _put_dispatch_modes,
        (),
        lambda state: ", ".join(type(mode).__name__ for mode in state) or "none",
    ),
    Switch(
        "implementations of torch's operators",
        _overrides,
        _take_overrides_off,
        frozenset(),
        lambda state: ", ".join(sorted(state)) or "its own",
    ),
    Switch(
        "torch's default dtype", torch.get_default_dtype, torch.set_default_dtype, torch.float32
    ),
    _autocast_switch("cpu", torch.bfloat16),
    _autocast_switch("cuda", torch.float16),
    # One that a test left open would keep its casts of weights for ever.
    Switch("open autocasts", _open_autocasts, _put_open_autocasts, 0),
    Switch(
        "autocast's cache",
        torch.is_autocast_cache_enabled,
        torch.set_autocast_cache_enabled,
        own=True,
    ),
    Switch(
        "torch's matmul precision",
        _matmul_precision,
        _put_matmul_precision,
        "highest",
    ),
    *(
        _precision_switch(
            backend, what, "tf32" if backend == "cuda" and what in ("conv", "rnn") else "none"
        )
        for backend, of in {
            "generic": ("all",),
            "cuda": ("all", "matmul", "conv", "rnn"),
            "mkldnn": ("all", "matmul", "conv", "rnn"),
        }.items()
        for what in of
    ),
    _plain(
        "half-precision sums in CUDA products (float16)",
        _cuda.matmul,
        "allow_fp16_reduced_precision_reduction",
        own=True,
    ),
    _plain(
        "half-precision sums in CUDA products (bfloat16)",
        _cuda.matmul,
        "allow_bf16_reduced_precision_reduction",
        own=True,
    ),
    _plain(
        "float16 accumulation in CUDA products", _cuda.matmul, "allow_fp16_accumulation", own=False
    ),
    Switch(
        "float16 sums on the CPU",
        _C._get_cpu_allow_fp16_reduced_precision_reduction,
        _C._set_cpu_allow_fp16_reduced_precision_reduction,
        own=False,
    ),
    Switch("flash attention", _cuda.flash_sdp_enabled, _cuda.enable_flash_sdp, own=True),
    Switch(
        "memory-efficient attention",
        _cuda.mem_efficient_sdp_enabled,
        _cuda.enable_mem_efficient_sdp,
        own=True,
    ),
    Switch("plain attention", _cuda.math_sdp_enabled, _cuda.enable_math_sdp, own=True),
    Switch("cuDNN's attention", _cuda.cudnn_sdp_enabled, _cuda.enable_cudnn_sdp, own=True),
    Switch(
        "half-precision sums in plain attention",
        _cuda.fp16_bf16_reduction_math_sdp_allowed,
        _cuda.allow_fp16_bf16_reduction_math_sdp,
        own=False,
    ),
    Switch(
        "attention's order of choice",
        lambda: tuple(_C._get_sdp_priority_order()),
        lambda state: _C._set_sdp_priority_order(list(state)),
    ),
    Switch(
        "attention's fast path",
        torch.backends.mha.get_fastpath_enabled,
        torch.backends.mha.set_fastpath_enabled,
        own=True,
    ),
    Switch(
        "deterministic algorithms",
        _deterministic,
        lambda state: torch.use_deterministic_algorithms(state[0], warn_only=state[1]),
        (False, False),
        lambda state: "warn" if state[0] and state[1] else str(state[0]),
    ),
    _plain(
        "filling of uninitialised memory",
        torch.utils.deterministic,
        "fill_uninitialized_memory",
        own=True,
    ),
    Switch("cuDNN", _C._get_cudnn_enabled, _C._set_cudnn_enabled, own=True),
    Switch(
        "cuDNN's benchmark",
        _C._get_cudnn_benchmark,
        _C._set_cudnn_benchmark,
        own=False,
    ),
    Switch(
        "cuDNN's determinism",
        _C._get_cudnn_deterministic,
        _C._set_cudnn_deterministic,
        own=False,
    ),
    Switch("mkldnn", _C._get_mkldnn_enabled, _C._set_mkldnn_enabled, own=True),
    Switch(
        "mkldnn's determinism",
        _C._get_mkldnn_deterministic,
        _C._set_mkldnn_deterministic,
        own=False,
    ),
    Switch("nnpack", _C._get_nnpack_enabled, torch.backends.nnpack.set_flags, own=True),
    Switch(
        "flushing of the smallest numbers to 0",
        lambda: _SMALLEST * 1.0 == 0,
        torch.set_flush_denormal,
        own=False,
    ),
    Switch("hooks on saved tensors", _saved_tensor_hooks, _put_saved_tensor_hooks, None),
    # These change no number of a pass here, but what others can do.
    Switch("inference mode", torch.is_inference_mode_enabled, _put_inference_mode),
    Switch("gradients", torch.is_grad_enabled, torch.set_grad_enabled),
    Switch("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
)
