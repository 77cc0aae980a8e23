"""Results of forward passes, remembered within a memory budget."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class Sized(Protocol):
    """A result that knows how much memory it holds."""

    @property
    def nbytes(self) -> int:
        """Bytes held."""


R = TypeVar("R", bound=Sized)


class Memory:
    """Keeps results by key; the least recently used leave when the budget is exceeded.

    Such as hold no memory stay.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._held: OrderedDict[Hashable, Sized] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], R]) -> R:
        """The result for a key, made now if it isn't held."""
        if key in self._held:
            self._held.move_to_end(key)
            return cast("R", self._held[key])
        made = make()
        self._held[key] = made
        others = [other for other, result in self._held.items() if result.nbytes and other != key]
        while others and sum(r.nbytes for r in self._held.values()) > self._budget:
            del self._held[others.pop(0)]
        return made
