"""Leaving a shared model as it was found."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain
from operator import is_
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from torch import Tensor, nn
    from transformer_lens.model_bridge import TransformerBridge

_HOOK_DICTS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)
#: Libraries that put hooks of their own on a model, some only at one of its forward passes.
_LATE = ("transformer_lens", "transformers", "accelerate")
#: torch's own (weight norm) belong to a model that was made with them: later ones are a test's.
_LIBRARIES = (*_LATE, "torch")
#: An attribute that isn't there.
_NONE = object()


class Contents:
    """What some views of dicts, lists or sets contain, to tell quickly whether that changed.

    Args:
        views: the views; they have to reflect later changes, as ``dict.values()`` does.
    """

    def __init__(self, views: Iterable[Collection[Any]] = ()) -> None:
        self._views = list(views)
        self._lengths = list(map(len, self._views))
        self.values: list[Any] = list(chain.from_iterable(self._views))

    def are_the_same(self) -> bool:
        """Whether every view contains the same objects, in the same order."""
        return list(map(len, self._views)) == self._lengths and all(
            map(is_, chain.from_iterable(self._views), self.values)
        )


class Modules:
    """All modules of a model, gathered again only when one was put in place of another.

    Those of the model that a bridge was made over are among them: the outermost ones are no part of
    the bridge. torch walks thousands of modules anew at every question, which takes longer than a
    sweep's layer.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._found: list[tuple[nn.Module, list[nn.Module | None]]] = []

    def __iter__(self) -> Iterator[nn.Module]:
        # Private, but nothing public tells of one module's children without walking them all.
        if not self._found or any(
            list(module._modules.values()) != children  # noqa: SLF001
            for module, children in self._found
        ):
            original = vars(self._model).get("original_model")
            both = chain(self._model.modules(), original.modules() if original is not None else ())
            self._found = [
                (module, list(module._modules.values()))  # noqa: SLF001
                for module in dict.fromkeys(both)
            ]
        return (module for module, _ in self._found)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Every parameter; one that several modules have is there as often."""
        for module in self:
            yield from (each for each in module._parameters.values() if each is not None)  # noqa: SLF001

    def tensors(self) -> list[Tensor]:
        """Every parameter and buffer, each once; of packed ones what they are packed into."""
        found = {
            id(tensor): tensor
            for module in self
            for kept in (module._parameters, module._buffers)  # noqa: SLF001
            for tensor in kept.values()
            if tensor is not None
        }
        return [part for tensor in found.values() for part in plain_parts(tensor)]


def plain_parts(tensor: Tensor) -> list[Tensor]:
    """The tensor itself; of one that only looks like one, as packed weights do, what it holds."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        return [tensor]
    names, _ = flatten()
    return [part for name in names for part in plain_parts(getattr(tensor, name))]


class RotaryPositions:
    """Resets rotary frequencies that a model computes from a forward pass's length and stores.

    LongRoPE stores those of the last forward pass. Dynamic NTK scaling stores those of the longest
    one and uses them for later, shorter ones. With a reset before and after each forward pass the
    logits depend on its tokens alone.

    Args:
        modules: the model's.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._found = [
            _Frequencies(module, prefix, dynamic="dynamic" in kind)
            for module in modules
            for prefix, kind in _rotary_kinds(module)
            if "dynamic" in kind or kind == "longrope"
        ]

    @contextmanager
    def of_a_pass(self) -> Iterator[None]:
        """Reset the frequencies before a forward pass, and restore them after it."""
        self.put_back()
        before = [each.kept() for each in self._found]
        try:
            yield
        finally:
            for each, kept in zip(self._found, before, strict=True):
                each.restore(kept)

    def put_back(self) -> None:
        """Reset the frequencies that a forward pass stored; keep those that a test has set."""
        for each in self._found:
            each.put_back()


def _rotary_kinds(module: nn.Module) -> Iterator[tuple[str, str]]:
    """The kinds of rotary positions that a module of transformers makes, and their prefixes."""
    kinds = vars(module).get("rope_type")
    if kinds is None:
        return
    by_layers = isinstance(kinds, dict)
    by_prefix = {f"{layers}_": kinds[layers] for layers in kinds} if by_layers else {"": kinds}
    buffers = dict(module.named_buffers(recurse=False))
    for prefix, kind in by_prefix.items():
        if {f"{prefix}inv_freq", f"{prefix}original_inv_freq"} <= buffers.keys():
            yield prefix, str(kind)


class _Kept(NamedTuple):
    """The state of a rotary embedding.

    Attributes:
        tensor: the buffer that holds its frequencies.
        values: a copy of them.
        length: the sequence length that they were computed for, if the module stores one.
    """

    tensor: Tensor
    values: Tensor
    length: Any


class _Frequencies:
    """The frequencies of one kind of layers in a rotary embedding."""

    def __init__(self, module: nn.Module, prefix: str, *, dynamic: bool) -> None:
        self._module, self._prefix, self._dynamic = module, prefix, dynamic
        #: The buffer as it was at first; dynamic NTK scaling replaces it.
        self._tensor = self._frequencies

    @property
    def _frequencies(self) -> Tensor:
        return self._module.get_buffer(f"{self._prefix}inv_freq")

    @property
    def _original(self) -> Tensor:
        return self._module.get_buffer(f"{self._prefix}original_inv_freq")

    def kept(self) -> _Kept:
        """Its state now."""
        now = self._frequencies
        length = vars(self._module).get(f"{self._prefix}max_seq_len_cached", _NONE)
        return _Kept(now, now.clone(), length)

    def restore(self, kept: _Kept) -> None:
        """Set this state again."""
        if not kept.tensor.equal(kept.values):
            kept.tensor.data.copy_(kept.values)
        if self._frequencies is not kept.tensor:
            setattr(self._module, f"{self._prefix}inv_freq", kept.tensor)
        name = f"{self._prefix}max_seq_len_cached"
        if kept.length is _NONE:
            vars(self._module).pop(name, None)
        else:
            vars(self._module)[name] = kept.length

    def put_back(self) -> None:
        """Set the frequencies of a short sequence, if a forward pass stored others."""
        if self._is_of_a_pass():
            same = self._tensor.device == self._original.device
            tensor = self._tensor if same else self._frequencies
            short = vars(self._module).get("original_max_seq_len", _NONE)
            self.restore(_Kept(tensor, self._original.to(tensor), short))

    def _is_of_a_pass(self) -> bool:
        now, own = self._frequencies, vars(self._module)
        if self._dynamic:
            short = own.get("original_max_seq_len")
            grown = own.get(f"{self._prefix}max_seq_len_cached", short) != short
            # A short forward pass after a long one stores the original buffer itself.
            return bool(grown) or (now is self._original and now is not self._tensor)
        long = own.get(f"{self._prefix}long_inv_freq")
        return (
            long is not None and now.equal(long.to(now)) and not now.equal(self._original.to(now))
        )


class Hooks(NamedTuple):
    """Hooks on a model.

    Attributes:
        changed: whether they are others than at first.
        anyones: whether somebody put one there, be it whoever made the model.
    """

    changed: bool
    anyones: bool


class Clean:
    """What is on a model now; takes away what a test puts there later, and puts back what it took.

    Covers transformer-lens hooks (permanent ones too), hooks put on a module with plain torch,
    training mode, and gradients switched on. What the libraries put there themselves stays, and
    so does what was there at first: it belongs to the model.
    """

    def __init__(self, bridge: TransformerBridge, modules: Modules | None = None) -> None:
        self._bridge = bridge
        self._modules = modules or Modules(bridge)
        # The hooks themselves are held, so that no later one can have the identity of one of them.
        self._at_first = list(self._hooks())
        # torch gives every hook a number of its own: one function may be put in several places.
        self._known = {(key, id(hook)) for _, key, hook in self._at_first}
        self._kept = [(kept, list(kept)) for kept in self._lists()]
        self._tables = [(table, dict(table)) for table in self._dicts() if table]

    def _lists(self) -> Iterator[list[Any]]:
        """Where transformer-lens keeps hooks that somebody put on its points."""
        from transformer_lens.hook_points import HookPoint

        for module in self._modules:
            if isinstance(module, HookPoint):
                yield from (module.fwd_hooks, module.bwd_hooks)

    def _dicts(self) -> Iterator[dict[int, Any]]:
        """Where torch keeps hooks."""
        return (getattr(module, kind) for module in self._modules for kind in _HOOK_DICTS)

    def _hooks(self) -> Iterator[tuple[Any, Any, Any]]:
        """Every hook that somebody put on the model: where it is kept, its key, itself."""
        from transformer_lens.hook_points import HookPoint

        for module in self._modules:
            listed: set[int] = set()
            if isinstance(module, HookPoint):
                for kept in (module.fwd_hooks, module.bwd_hooks):
                    yield from ((kept, None, handle) for handle in kept)
                    listed |= {handle.hook.id for handle in kept}
            for kind in _HOOK_DICTS:
                hooks: dict[int, Any] = getattr(module, kind)
                for key, hook in hooks.items():
                    if key not in listed and not _is_librarys(_users(hook), _LATE):
                        yield hooks, key, hook

    def _strays(self) -> list[tuple[Any, Any, Any]]:
        return [found for found in self._hooks() if (found[1], id(found[2])) not in self._known]

    def look(self) -> Hooks:
        """What hooks are on the model now."""
        on = [(key, hook) for _, key, hook in self._hooks()]
        return Hooks(
            # More than at first, or fewer.
            changed={(key, id(hook)) for key, hook in on} != self._known,
            # transformer-lens wires some models (OPT) by hooks of its own, which were there then.
            anyones=any(
                (key, id(hook)) not in self._known or not _is_librarys(_users(hook))
                for key, hook in on
            ),
        )

    @property
    def has_strays(self) -> bool:
        """Whether other hooks are on the model than at first (more, or fewer)."""
        return self.look().changed

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Take all hooks off but the libraries', and training mode; put them back afterwards."""
        training = [module for module in self._modules if module.training]
        if training:
            self._bridge.eval()
        before = []
        for kept, key, hook in list(self._hooks()):
            if _is_librarys(_users(hook)):
                continue
            # transformer-lens' handle holds torch's, which knows where torch keeps the hook.
            hooks, number = (kept, key) if key is not None else _in_torch(hook.hook)
            before.append((hooks, dict(hooks)))
            del hooks[number]
        try:
            yield
        finally:
            for hooks, all_of_them in reversed(before):  # in the order that they were in
                hooks.clear()
                hooks.update(all_of_them)
            for module in training:
                module.training = True

    def restore(self) -> None:
        """Take away everything that was put on the model since, and put back what was taken."""
        for kept, key, hook in self._strays():
            if key is None:
                hook.hook.remove()  # transformer-lens' handle holds torch's
                kept.remove(hook)
            else:
                del kept[key]
        for kept, handles in self._kept:
            kept[:] = handles
        for table, hooks in self._tables:
            if any(table.get(key) is not hook for key, hook in hooks.items()):
                now = {**hooks, **table}
                table.clear()
                table.update({**now, **hooks})
        self._bridge.clear_contexts()
        # To set what is set already takes longer than many a test.
        if any(module.training for module in self._modules):
            self._bridge.eval()
        for parameter in self._modules.parameters():
            if parameter.requires_grad:
                parameter.requires_grad_(False)  # noqa: FBT003
            if parameter.grad is not None:
                parameter.grad = None


def _in_torch(handle: Any) -> tuple[dict[int, Any], int]:  # noqa: ANN401 — torch's, of a hook
    """Where torch keeps a hook, and under which number."""
    hooks: dict[int, Any] = handle.hooks_dict_ref()
    return hooks, handle.id


def _users(hook: object) -> object:
    """What was given to transformer-lens, which puts its own function around it."""
    return getattr(hook, "user_hook", hook)


def _is_librarys(hook: object, libraries: tuple[str, ...] = _LIBRARIES) -> bool:
    return str(getattr(hook, "__module__", "")).partition(".")[0] in libraries
