"""Where an activation lies in a plain model, and how it is changed there."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn
    from zoo.family import Family

#: The function that computes attention in most of transformers' modules.
ATTENTION = "eager_attention_forward"


@dataclass(frozen=True)
class Place:
    """Where an activation lies: what goes into a module or comes out of it, or a part of that.

    Attributes:
        module: the module.
        where: ``in`` what goes into it, ``out`` what comes out of it, ``query``, ``key`` or
            ``value`` what it gives the function that computes attention, ``mixed`` or ``pattern``
            what that gives back.
        columns: from the width of what lies there to the columns of each head,
            ``[head, d_head]``; None for all of it, in a stream.
        beside: a module that is called before, and whose output is added to this one's: what lies
            here is their sum.
    """

    module: nn.Module
    where: str = "out"
    columns: Callable[[int], Tensor] | None = None
    beside: nn.Module | None = None

    def on(self, change: Callable[[Tensor], None], positions: int) -> Any:
        """While entered, a hook is there that changes the part ``[row, position, …]`` in place."""

        def changed(value: Any) -> Any:
            if isinstance(value, tuple | list):
                first, *rest = value
                return type(value)((changed(first), *rest))
            copy = value.clone(memory_format=torch.contiguous_format)
            # Some MLPs see all tokens in one row; some norms see heads as an axis of their own.
            flat = copy.view(-1, positions, copy.numel() // (_rows(copy, positions) * positions))
            if self.columns is None:
                change(flat)
            else:
                columns = self.columns(flat.shape[-1])
                part = flat[..., columns]
                change(part)
                flat[..., columns] = part
            return copy

        if self.beside is not None:
            return self._of_the_sum(changed)
        if self.where == "out":
            return self.module.register_forward_hook(lambda _, args, value: changed(value))
        if self.where != "in":
            return self._within_attention(change)

        def before(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
            if args:
                return changed(args), named
            return args, named | {"hidden_states": changed(named["hidden_states"])}

        return self.module.register_forward_pre_hook(before, with_kwargs=True)

    @contextmanager
    def _of_the_sum(self, changed: Callable[[Tensor], Tensor]) -> Iterator[None]:
        assert self.beside is not None
        given: list[Tensor] = []

        def rest_of(_: nn.Module, __: object, value: Tensor) -> Tensor:
            other = given.pop()
            return changed(value + other) - other

        keep = self.beside.register_forward_hook(lambda _, __, value: given.append(value))
        with keep, self.module.register_forward_hook(rest_of):
            yield

    @contextmanager
    def _within_attention(self, change: Callable[[Tensor], None]) -> Iterator[None]:
        home = sys.modules[type(self.module).__module__]
        attend = getattr(home, ATTENTION)

        def attending(module: nn.Module, *args: Any, **named: Any) -> Any:
            if module is not self.module:
                return attend(module, *args, **named)
            given = list(args)
            if self.where in _GIVEN:
                index = _GIVEN.index(self.where)
                given[index] = _changed_heads(given[index], change)
            mixed, pattern = attend(module, *given, **named)
            if self.where == "mixed":
                mixed = mixed.clone()
                change(mixed)
            if self.where == "pattern":
                change(pattern.clone())  # to be seen only
            return mixed, pattern

        with mock.patch.object(home, ATTENTION, attending):
            yield


#: The first arguments of that function, behind the module.
_GIVEN = ("query", "key", "value")


def _rows(value: Tensor, positions: int) -> int:
    """How many rows there are: tokens are the first axis, or rows and positions the first two."""
    if value.ndim > 2:
        return value.shape[0] * value.shape[1] // positions
    return value.shape[0] // positions


def _changed_heads(value: Tensor, change: Callable[[Tensor], None]) -> Tensor:
    """``[row, head, position, d_head]``, changed as ``[row, position, head, d_head]``."""
    part = value.transpose(1, 2).clone(memory_format=torch.contiguous_format)
    change(part)
    return part.transpose(1, 2)


def module_of(block: nn.Module, names: str) -> nn.Module | None:
    """The module of a name, or of the first of several that is there."""
    for name in filter(None, names.split("|")):
        try:
            return block.get_submodule(name)
        except AttributeError:
            continue
    return None


def columns_of(family: Family, kind: int | None, heads: int) -> Callable[[int], Tensor]:
    """Where queries (0), keys (1) or values (2) lie in what they come from, or heads in z."""
    grouped = family.key_value_heads

    def columns(width: int) -> Tensor:
        every = torch.arange(width)
        if kind is None:
            return every.view(heads, -1)
        if family.layout == "interleaved":
            return every.view(heads, 3, -1)[:, kind]
        if family.layout == "grouped":
            groups = every.view(grouped, heads // grouped + 2, -1)
            return groups[:, kind - 3] if kind else groups[:, :-2].flatten(0, 1)
        if family.layout == "parts":
            return every.view(4, 3, heads // 4, -1)[:, (0, 2, 1)[kind]].flatten(0, 1)
        sizes = (heads, grouped, grouped)
        if family.layout == "stacked":
            return every.view(sum(sizes), -1)[sum(sizes[:kind]) : sum(sizes[: kind + 1])]
        return every.view(sizes[kind], -1)

    return columns
