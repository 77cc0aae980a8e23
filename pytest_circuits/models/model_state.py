"""What of a model decides its numbers: told at a moment, compared later, put back.

A model is a tree of objects: modules, their attributes and configs, lists and tables in them, the
tokenizer. Each is looked at by what it holds. Weights are looked at by where they lie and how often
torch counted a change in place; :attr:`ModelState.weights` also by their bytes, for changes that
torch doesn't count. Hooks, training mode and gradients are :class:`.Clean`'s.
"""

from __future__ import annotations

import re
import types
from collections import deque
from contextlib import suppress
from functools import cache
from operator import is_
from typing import TYPE_CHECKING, Any

import torch
import xxhash

from pytest_circuits.models.hygiene import Contents, plain_parts
from pytest_circuits.models.weights import traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

#: Attributes that a forward pass, or putting a hook on, leaves behind without changing a number.
_SCRATCH = re.compile(
    r"_(block_alias_cache|conversion_state|current_batch_size|pattern|hook_registry(_initialized)?"
    r"|output_capturing_hooks_installed|(capture|captured|fired|last)_.*)"
    r"|batch_seq|conv1d_state|recurrent_states|deprecation_warnings|.*cached.*"
    r"|idx|subB"  # LLM.int8()'s outlying columns
)
#: Attributes that are looked at elsewhere, or not at all.
_ELSEWHERE = frozenset(
    (
        *("training", "fwd_hooks", "bwd_hooks", "ctx"),
        *("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called"),
        *("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs"),
        *("_backward_hooks", "_backward_pre_hooks", "_is_full_backward_hook"),
        # How a model is loaded and stored.
        *("_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks"),
        *("_load_state_dict_post_hooks", "_non_persistent_buffers_set"),
    )
)
_PLAIN = (str, int, float, complex, bool, bytes, type(None), torch.dtype, torch.device)
#: Values that are not looked into.
_WHOLE = (
    *_PLAIN,
    *(type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType),
    torch.Tensor,
)
_NOTHING = object()
_ELSEWHERE_NOW = "dtypes, devices or places of weights"


class _Part:
    """An object, a table, a list or a set in a model, with what it held.

    Attributes:
        label: what it is called in words.
        owner: the object.
        kind: its class.
        view: what it holds now; it lasts.
        held: what it held, by name or place.
    """

    def __init__(self, label: str, owner: Any) -> None:  # noqa: ANN401 — anything
        self.label, self.owner, self.kind = label, owner, type(owner)
        if isinstance(owner, list | set):
            self._names: dict[Any, Any] | None = None
        else:
            self._names = owner if isinstance(owner, dict) else vars(owner)
        # A table may make what it gives: only what it holds counts.
        self.view: Any = owner if self._names is None else dict.values(self._names)
        self.held = self._now()

    def _now(self) -> dict[Any, Any]:
        if self._names is None:
            return dict(enumerate(self.owner))
        return dict(dict.items(self._names))

    def changes(self) -> Iterator[str]:
        """What is different now, by its name."""
        now = self._now()
        if list(now) == list(self.held) and all(map(is_, now.values(), self.held.values())):
            return
        if isinstance(self.owner, set):
            if set(now.values()) != set(self.held.values()):
                yield self.label
            return
        for name in {**self.held, **now}:
            if _counts(name) and not _same(self.held.get(name, _NOTHING), now.get(name, _NOTHING)):
                yield _below(self.label, name) or "what the model is made of"
        if not isinstance(self.owner, dict):
            return
        # What modules do one after the other they do in their order.
        shared = [name for name in now if name in self.held]
        if shared != [name for name in self.held if name in now]:
            yield f"the order of {self.label or 'the model'}"

    def put_back(self) -> None:
        """Put back what it held, but for what can't change a number."""
        if isinstance(self.owner, list):
            self.owner[:] = self.held.values()
        elif isinstance(self.owner, set):
            self.owner.clear()
            self.owner.update(self.held.values())
        elif self._names is not None:
            others = {name: value for name, value in self._now().items() if not _counts(name)}
            held = {name: others.get(name, value) for name, value in self.held.items()}
            dict.clear(self._names)
            dict.update(self._names, {**held, **others})

    def replace(self, value: object, by: object) -> None:
        """Have it hold another value, wherever it holds one."""
        for name, each in self.held.items():
            if each is value and self._names is not None:
                self.held[name] = self._names[name] = by


class _Place:
    """A tensor: where it lies, of what type it is, and how often it was changed in place."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        # It keeps the memory where it was when the tensor is converted or moved.
        self._data, self._kind = tensor.data, type(tensor)
        self._found = _facts(tensor)

    @property
    def change(self) -> str:
        """What is different: where and what it is, or how often it was changed in place."""
        facts = _facts(self.tensor)
        if facts == self._found:
            return ""
        return "weights" if facts[1:] == self._found[1:] else _ELSEWHERE_NOW

    def put_back(self) -> None:
        """Bring it back to where it lay, whatever lies there now."""
        if type(self.tensor) is not self._kind:
            self.tensor.__class__ = self._kind
        if self.change == _ELSEWHERE_NOW:
            self.tensor.data = self._data

    def forgive(self) -> None:
        """Take the count as it is now: the bytes are what they were."""
        self._found = _facts(self.tensor)


def _facts(tensor: Tensor) -> tuple[Any, ...]:
    return (
        0 if tensor.is_inference() else tensor._version,  # noqa: SLF001 — torch's own count
        type(tensor),
        *(part.data_ptr() for part in plain_parts(tensor)),
        # The same bytes mean another number then.
        tensor.is_neg(),
        tensor.is_conj(),
        tensor.dtype,
        tensor.shape,
        tensor.stride(),
        tensor.device,
    )


class ModelState:
    """A model at a moment."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._parts: list[_Part] = []
        self._places: dict[str, _Place] = {}
        self._tokenizers: dict[str, Any] = {}
        self._gather()
        self._owners = [part.owner for part in self._parts]
        self._kinds = [part.kind for part in self._parts]
        self._adopt()
        self._bytes = self._looked_into()

    def _gather(self) -> None:
        """Gather every object that the model holds."""
        seen: set[int] = set()
        waiting: deque[tuple[str, Any]] = deque([("", self._model)])
        while waiting:
            label, value = waiting.popleft()  # the shortest names first
            if isinstance(value, type | types.ModuleType) or id(value) in seen:
                continue
            if not isinstance(value, _PLAIN):
                seen.add(id(value))
            if isinstance(value, torch.Tensor):
                self._places[label] = _Place(value)
            elif hasattr(value, "to_str") and hasattr(value, "get_vocab_size"):
                self._tokenizers[label] = value
            elif isinstance(value, tuple | frozenset):
                waiting += [(f"{label}[{place}]", each) for place, each in enumerate(value)]
            elif not isinstance(value, _WHOLE) and (
                isinstance(value, dict | list | set) or hasattr(value, "__dict__")
            ):
                part = _Part(label, value)
                self._parts.append(part)
                waiting += [
                    (_below(label, name), each)
                    for name, each in part.held.items()
                    if type(each) not in _PLAIN and _counts(name)
                ]

    def _adopt(self) -> None:
        """Note what everything holds now, to see at a glance where nothing holds anything else."""
        self._contents = Contents(part.view for part in self._parts)

    def _is_as_it_was(self) -> bool:
        """Whether nothing holds anything else, also nothing that has the same meaning."""
        return self._contents.are_the_same() and all(map(is_, map(type, self._owners), self._kinds))

    def changes(self) -> tuple[str, ...]:
        """What is different now, in words; of bytes those alone that torch counts a change of."""
        found: list[str] = []
        if not self._is_as_it_was():
            found += self._other_objects()
            if not found:
                self._adopt()
        found += filter(None, (place.change for place in self._places.values()))
        return tuple(dict.fromkeys(found))

    def _other_objects(self) -> Iterator[str]:
        for part in self._parts:
            if type(part.owner) is not part.kind:
                yield f"the class of {part.label or 'the model'}"
            yield from part.changes()

    def hidden_changes(self) -> tuple[str, ...]:
        """What is different by its bytes: tensors that are no weights, and the tokenizer.

        It takes longer. Of weights :class:`.Runs` has a trace.
        """
        now = self._looked_into()
        return tuple(name for name, before in self._bytes.items() if now[name] != before)

    def _looked_into(self) -> dict[str, object]:
        registered = {id(tensor) for tensor in _registered(self._model)}
        loose = [p.tensor for p in self._places.values() if id(p.tensor) not in registered]
        texts = (tokenizer.to_str() for tokenizer in self._tokenizers.values())
        return {
            "tensors": traces(part for tensor in loose for part in plain_parts(tensor)),
            # As its file would be, without what a call sets: padding and truncation stand first.
            "the tokenizer": [
                xxhash.xxh3_64_intdigest(text[max(0, text.find('"added_tokens"')) :].encode())
                for text in texts
            ],
        }

    def put_back(self) -> None:
        """Put back all but bytes: where everything is, and what everything holds."""
        for part in self._parts:
            if type(part.owner) is not part.kind:
                with suppress(TypeError):
                    part.owner.__class__ = part.kind
            if any(part.changes()):
                part.put_back()
        for place in self._places.values():
            place.put_back()

    def take_bytes(self, fresh: ModelState) -> None:
        """Take bytes from the same model, loaded anew and not run yet."""
        with torch.no_grad():
            for label, place in self._places.items():
                if label in fresh._places:
                    place.tensor.data.copy_(fresh._places[label].tensor)
        for label, tokenizer in self._tokenizers.items():
            for part in self._parts:
                part.replace(tokenizer, fresh._tokenizers[label])
        self._tokenizers = {**self._tokenizers, **fresh._tokenizers}

    def forgive(self) -> None:
        """Take torch's counts of changes in place as they are now: the bytes are what they were."""
        for place in self._places.values():
            place.forgive()


def _registered(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


@cache
def _counts(name: object) -> bool:
    """Whether what an object has under a name can change a number."""
    if not isinstance(name, str):
        return True
    return name not in _ELSEWHERE and _SCRATCH.fullmatch(name) is None


def _below(label: str, name: object) -> str:
    """What something is called that stands in something else."""
    if name in ("_modules", "_parameters", "_buffers"):
        return label
    if not isinstance(name, str):
        return f"{label}[{name}]"
    return f"{label}.{name}" if label else name


def _same(before: Any, now: Any) -> bool:  # noqa: ANN401 — anything
    """Whether two values mean the same."""
    if before is now:
        return True
    if type(before) is not type(now):
        return False
    if isinstance(before, tuple):
        return len(before) == len(now) and all(map(_same, before, now))
    if isinstance(before, _PLAIN):
        return before == now or before != before  # noqa: PLR0124 — what is no number is itself
    if isinstance(before, types.MethodType):
        return before.__self__ is now.__self__ and before.__func__ is now.__func__
    return isinstance(before, frozenset) and before == now
